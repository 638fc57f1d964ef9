"""The web UI's files: served from memory, at every address that no API has, and nothing but them."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from modelyard.server import pages
from tests.conftest import serve

INDEX = b"<!doctype html><title>Modelyard</title><script type=module src=/assets/app-1a2b.js></script>"
SCRIPT = b"console.log('hello');\n" * 100
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def build(root: Path) -> Path:
    made = root / "ui"
    (made / "assets").mkdir(parents=True)
    (made / "index.html").write_bytes(INDEX)
    (made / "icon.svg").write_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    (made / "assets" / "app-1a2b.js").write_bytes(SCRIPT)
    (made / "assets" / "app-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    (made / "assets" / "app-1a2b.js.br").write_bytes(b"as brotli")
    (made / "notes.key").write_bytes(b"not for browsers")
    (root / "secret.txt").write_bytes(b"secret")
    return made


class Browser:
    def __init__(self, url: str) -> None:
        self.url = url
        self.pool = urllib3.PoolManager()

    def ask(self, path: str, method: str = "GET", **headers: str):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.pool.request(method, self.url + path, headers=named, decode_content=False, redirect=False)


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator[Browser]:
    root = tmp_path_factory.mktemp("pages")
    for server in serve(root / "data", ui=str(build(root))):
        yield Browser(server.url)


def secured(answer) -> bool:
    return all(answer.headers.get(name.decode()) == value.decode() for name, value in pages.SECURITY)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/experiments", "/experiments/0/runs?filter=a%3D1", "/runs/abc", "/compare", "/models/a%2Fb/versions/1"),
        *("/environments", "/deployments/wine", "/predictions", "/settings", "/index.html"),
    ],
)
def test_every_address_of_the_ui_is_its_page(browser, path) -> None:
    answer = browser.ask(path)
    assert (answer.status, answer.data) == (200, INDEX)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert secured(answer)


def test_scripts_and_styles_come_from_here_alone(browser) -> None:
    policy = browser.ask("/").headers["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "style-src 'self'" in policy
    assert not [rule for rule in policy if "unsafe" in rule or "*" in rule or "http" in rule]


def test_an_unknown_address_is_the_page_for_browsers_alone(browser) -> None:
    assert browser.ask("/nothing/here", **BROWSER).data == INDEX
    for headers in ({}, {"accept": "*/*"}, {"accept": "application/json"}):
        assert browser.ask("/nothing/here", **headers).status == 404
    assert browser.ask("/nothing/here", "POST", **BROWSER).status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/2.0/mlflow/experiments/get?experiment_id=0", 200),
        ("/ajax-api/2.0/mlflow/experiments/get?experiment_id=0", 200),
        ("//api/2.0/mlflow/experiments/get?experiment_id=0", 200),
        ("/api/2.0/mlflow/nothing", 404),
        ("/api/v1/experiments", 200),
        ("/api/v1/nothing", 404),
        ("/get-artifact?run_id=00000000000000000000000000000000&path=a", 404),
        ("/model-versions/get-artifact?name=a&version=1&path=a", 404),
        ("/docs", 200),
        ("/health", 200),
        ("/version", 200),
        ("/metrics", 200),
    ],
)
def test_apis_come_first_even_for_browsers(browser, path, status) -> None:
    answer = browser.ask(path, **BROWSER)
    assert answer.status == status
    assert answer.data != INDEX


def test_a_file_is_sent_packed_and_kept_for_ever(browser) -> None:
    for accepted, encoding, body in (
        ("gzip, deflate, br, zstd", "br", b"as brotli"),
        ("gzip, deflate", "gzip", gzip.compress(SCRIPT)),
        ("br;q=0, GZIP;q=0.5", "gzip", gzip.compress(SCRIPT)),
        ("*", "br", b"as brotli"),
        ("identity", None, SCRIPT),
        ("gzip;q=0.0, br; q=0", None, SCRIPT),
        ("", None, SCRIPT),
    ):
        answer = browser.ask("/assets/app-1a2b.js", accept_encoding=accepted)
        assert answer.status == 200
        assert answer.headers.get("content-encoding") == encoding
        assert (answer.data if encoding != "gzip" else gzip.decompress(answer.data)) == (
            body if encoding != "gzip" else SCRIPT
        )
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["vary"] == "accept-encoding"
        assert secured(answer)
    icon = browser.ask("/icon.svg")
    assert (icon.headers["content-type"], icon.headers["cache-control"]) == ("image/svg+xml", "no-cache")


def test_what_a_browser_has_is_not_sent_again(browser) -> None:
    tag = browser.ask("/").headers["etag"]
    again = browser.ask("/experiments", if_none_match=f'"other", {tag}')
    assert (again.status, again.data, again.headers["etag"]) == (304, b"", tag)
    assert secured(again)
    assert browser.ask("/", if_none_match='"other"').data == INDEX
    head = browser.ask("/", "HEAD")
    assert (head.status, head.data, head.headers["content-length"]) == (200, b"", str(len(INDEX)))


def test_pages_are_read_not_written(browser) -> None:
    for path in ("/", "/experiments/1", "/assets/app-1a2b.js"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = browser.ask(path, method)
            assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
            assert secured(answer)


@pytest.mark.parametrize(
    "path",
    [
        *("/assets/none.js", "/assets/..%2f..%2fsecret.txt", "/assets/%2e%2e%2f%2e%2e%2fsecret.txt"),
        *("/assets/", "/assets", "/assets/app-1a2b.js.gz", "/assets/app-1a2b.js%00", "/..%2fsecret.txt", "/notes.key"),
        *("/%2e%2e/secret.txt", "/..\\secret.txt"),
    ],
)  # fmt: skip
def test_nothing_else_is_served(browser, path) -> None:
    for headers in ({}, BROWSER):
        answer = browser.ask(path, **headers)
        assert answer.data == INDEX if answer.status == 200 else answer.status == 404
        if path.startswith("/assets/"):
            assert answer.status == 404
            assert secured(answer)


def test_a_new_build_is_noticed_and_one_in_progress_is_not(tmp_path) -> None:
    folder = build(tmp_path)
    for server in serve(tmp_path / "data", ui=str(folder)):
        browser = Browser(server.url)
        browser.ask("/api/v1/experiments", **BROWSER)
        assert server.app.pages._bundle.files == {}  # nothing is read before a browser asks
        assert browser.ask("/icon.svg").headers["content-type"] == "image/svg+xml"
        newer = INDEX.replace(b"1a2b", b"3c4d")
        (folder / "assets" / "app-3c4d.js").write_bytes(b"newer")
        (folder / "index.html").write_bytes(newer)
        os.utime(folder / "index.html", ns=(1, 1))
        assert browser.ask("/").data == newer
        assert browser.ask("/assets/app-3c4d.js").data == b"newer"
        (folder / "index.html").unlink()
        (folder / "assets" / "app-3c4d.js").unlink()
        assert browser.ask("/").data == newer
        assert browser.ask("/assets/app-3c4d.js").data == b"newer"


def test_without_a_bundle_a_page_says_what_to_do(tmp_path) -> None:
    for server in serve(tmp_path / "data", ui=str(tmp_path / "none")):
        browser = Browser(server.url)
        answer = browser.ask("/")
        assert answer.status == 503
        assert b"make ui" in answer.data
        assert answer.headers["cache-control"] == "no-store"
        assert secured(answer)
        assert browser.ask("/assets/app.js").status == 404
        assert browser.ask("/api/v1/experiments").status == 200


def test_it_comes_with_the_package() -> None:
    code = "from modelyard.server.pages import BUNDLED; print(BUNDLED)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert Path(told.strip()).parts[-3:] == ("modelyard", "server", "ui")


def test_an_address_names_the_scripts_of_its_page(tmp_path) -> None:
    folder = build(tmp_path)
    told = {"/": ["/assets/home.js"], "/runs/*": ["/assets/run.js"],
            "/runs/*?tab=metrics": ["/assets/run.js", "/assets/charts.js"]}  # fmt: skip
    (folder / "preload.json").write_text(json.dumps(told))
    run, charts = "</assets/run.js>; rel=modulepreload", "</assets/charts.js>; rel=modulepreload"
    for server in serve(tmp_path / "data", ui=str(folder)):
        browser = Browser(server.url)
        for path, link in (
            ("/", "</assets/home.js>; rel=modulepreload"),
            ("/runs/abc", run),
            ("/runs/abc/", run),
            ("/runs/a%2Fb?tab=artifacts", run),
            ("/runs/abc?x=1&tab=metrics", f"{run}, {charts}"),
            ("/runs/abc/more", None),
            ("/models", None),
            ("/assets/app-1a2b.js", None),
        ):
            assert browser.ask(path).headers.get("link") == link, path


@pytest.mark.parametrize("told", ["", "[1]", '{"/": 3}', '{"/": ["\u00e9"]}', "{"])
def test_pages_do_without_that(tmp_path, told) -> None:
    folder = build(tmp_path)
    (folder / "preload.json").write_text(told)
    for server in serve(tmp_path / "data", ui=str(folder)):
        answer = Browser(server.url).ask("/")
        assert (answer.status, answer.data, answer.headers.get("link")) == (200, INDEX, None)
