"""Files of runs, logged models and versions over the native API."""

import hashlib
from urllib.parse import quote

import pytest

BYTES = b"wine " * 1000


@pytest.fixture
def run(sqlite_native) -> str:
    return "/runs/" + sqlite_native("POST", "/runs", {"experiment_id": 0})["run_id"]


def test_up_and_down(sqlite_native, run) -> None:
    native = sqlite_native
    stored = native.ask("PUT", f"{run}/artifacts/a/b%20c.txt", BYTES)
    assert stored.status == 201
    assert stored.json == {"path": "a/b c.txt", "size": 5000, "sha256": hashlib.sha256(BYTES).hexdigest()}
    assert native("GET", f"{run}/artifacts")["artifacts"] == [{"path": "a", "is_dir": True, "size": None}]
    assert native("GET", f"{run}/artifacts", path="a")["artifacts"] == [
        {"path": "a/b c.txt", "is_dir": False, "size": 5000}
    ]
    whole = native.ask("GET", f"{run}/artifacts/a/b c.txt")
    assert (whole.status, whole.body, whole.headers["content-type"]) == (200, BYTES, "text/plain")
    part = native.ask("GET", f"{run}/artifacts/a/b c.txt", None, {"range": "bytes=5-8"})
    assert (part.status, part.body) == (206, b"wine")
    head = native.ask("HEAD", f"{run}/artifacts/a/b c.txt")
    assert (head.status, head.headers["content-length"], head.body) == (200, "5000", b"")


def test_a_version_shows_its_files(sqlite_native, run) -> None:
    native = sqlite_native
    native.ask("PUT", f"{run}/artifacts/model/MLmodel", b"flavors: {}")
    uri = native("GET", f"{run}/artifacts")["uri"]
    native("POST", "/models", {"name": "wine"})
    native("POST", "/models/wine/versions", {"source": f"{uri}/model", "label": "1.0"})
    listed = native("GET", "/models/wine/versions/1.0/artifacts")
    assert listed["artifacts"] == [{"path": "MLmodel", "is_dir": False, "size": 11}]
    assert native.ask("GET", "/models/wine/versions/latest/artifacts/MLmodel").body == b"flavors: {}"


def test_a_logged_model_keeps_files(sqlite_native) -> None:
    native = sqlite_native
    model = "/logged-models/" + native("POST", "/logged-models", {"experiment_id": 0})["id"]
    assert native.ask("PUT", f"{model}/artifacts/MLmodel", b"").status == 201
    assert native("GET", f"{model}/artifacts")["artifacts"] == [{"path": "MLmodel", "is_dir": False, "size": 0}]


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "%2e%2e/x", "a%5c..%5cx", "%00", "/etc/passwd", "%252e%252e%252fx"]
)
def test_no_path_leads_out(sqlite_native, run, path) -> None:
    for method, body in (("GET", None), ("PUT", b"x")):
        got = sqlite_native.ask(method, f"{run}/artifacts/{path}", body)
        assert got.status in (400, 404), f"{method} {path}: {got.status}"
    assert sqlite_native("GET", f"{run}/artifacts")["artifacts"] == []


def test_what_is_not_there(sqlite_native, run) -> None:
    native = sqlite_native
    assert native.refused("GET", f"{run}/artifacts/none")[:2] == (404, "not_found")
    assert native("GET", f"{run}/artifacts", path="none")["artifacts"] == []
    assert native.refused("PUT", f"{run}/artifacts/", b"x")[:2] == (400, "invalid_argument")
    for path in (f"/runs/{'0' * 32}", "/logged-models/none", "/models/none/versions/1"):
        assert native.refused("GET", f"{path}/artifacts")[:2] == (404, "not_found")


HOSTILE = {
    "page.html": "text/html",
    "page.htm": "text/html",
    "page.xhtml": "application/xhtml+xml",
    "image.svg": "image/svg+xml",
    "feed.xml": "text/plain",
    "code.js": "text/plain",
    "code.mjs": "text/plain",
    "style.css": "text/plain",
    "page.html ": "application/octet-stream",
    "no-ending": "application/octet-stream",
}


@pytest.mark.parametrize(("name", "kind"), HOSTILE.items())
def test_no_browser_takes_a_file_for_a_page_or_a_script_of_ours(sqlite_native, run, name, kind) -> None:
    path = f"{run}/artifacts/{quote(name)}"
    assert sqlite_native.ask("PUT", path, b"<script>alert(1)</script>").status == 201
    tag = sqlite_native.ask("GET", path).headers["etag"]
    id_ = run.rpartition("/")[2]
    pool = sqlite_native._pool
    for got in (
        sqlite_native.ask("GET", path),
        sqlite_native.ask("HEAD", path),
        sqlite_native.ask("GET", path, None, {"range": "bytes=0-3"}),
        sqlite_native.ask("GET", path, None, {"if-none-match": tag}),
        pool.request("GET", f"{sqlite_native.url}/get-artifact?run_id={id_}&path={quote(name)}"),
    ):
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["content-security-policy"] == "sandbox; default-src 'none'"
        if got.status != 304:
            assert got.headers["content-type"] == kind
            assert got.headers["content-disposition"].startswith("attachment; filename=")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("page.html", "text/html; charset=utf-8"),
        ("notes.txt", "text/plain; charset=utf-8"),
        ("code.js", "text/plain; charset=utf-8"),
        ("image.svg", "image/svg+xml"),
        ("image.png", "image/png"),
    ],
)
def test_a_preview_is_shown_and_does_nothing(sqlite_native, run, name, kind) -> None:
    path = f"{run}/artifacts/{name}"
    sqlite_native.ask("PUT", path, b"<script>alert(1)</script>")
    for headers in ({}, {"range": "bytes=0-9"}):
        got = sqlite_native.ask("GET", path, None, headers, preview="true")
        assert got.status in (200, 206)
        assert (got.headers["content-type"], got.headers["content-disposition"]) == (kind, "inline")
        assert got.headers["x-content-type-options"] == "nosniff"
        policy = got.headers["content-security-policy"].split("; ")
        assert {"sandbox", "default-src 'none'", "frame-ancestors 'self'"} <= set(policy)
        assert not [rule for rule in policy if rule.startswith(("script", "connect")) or "allow" in rule]
    assert sqlite_native.ask("GET", path, preview="false").headers["content-disposition"].startswith("attachment")


def test_other_files_have_no_preview(sqlite_native, run) -> None:
    for name in ("model.pkl", "page.xhtml", "page.pdf", "page.html "):
        sqlite_native.ask("PUT", f"{run}/artifacts/{quote(name)}", b"<script>alert(1)</script>")
        refused = sqlite_native.ask("GET", f"{run}/artifacts/{quote(name)}", preview="true")
        assert (refused.status, refused.json["code"]) == (400, "invalid_argument")
    assert sqlite_native.ask("GET", f"{run}/artifacts/none.html", preview="true").status == 404
    assert sqlite_native.ask("GET", f"{run}/artifacts/none.html", preview="maybe").status == 400
