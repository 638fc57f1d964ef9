"""The artifact proxy over HTTP: what MLflow's clients rely on, ranges, and senders and takers that misbehave."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import shutil
import socket
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.conftest import serve

ROOT = "/api/2.0/mlflow-artifacts"
DATA = bytes(range(256)) * 4000


@pytest.fixture(scope="module")
def standing_server(tmp_path_factory):
    yield from serve(tmp_path_factory.mktemp("server"))


@pytest.fixture
def proxy(standing_server):
    """A server with an empty store."""
    yield standing_server
    for path in store_folder(standing_server).glob("*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def ask(server, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own; header names are given with underscores."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def put(server, path: str, body: bytes = DATA) -> dict[str, str]:
    status, headers, answer = ask(server, "PUT", f"{ROOT}/artifacts/{path}", body)
    assert (status, answer) == (200, b"{}")
    return headers


def files(server, path: str = "") -> list[dict[str, Any]]:
    query = f"?path={quote(path)}" if path else ""
    status, headers, body = ask(server, "GET", f"{ROOT}/artifacts{query}")
    assert (status, headers["content-type"]) == (200, "application/json")
    found: list[dict[str, Any]] = json.loads(body).get("files", [])
    return found


def raw(server, head: str) -> socket.socket:
    """A connection on which the beginning of a request was sent."""
    parts = urlsplit(server.url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=30)
    connection.sendall(head.encode())
    return connection


def store_folder(server) -> Path:
    return Path(server.state.settings.artifact_root)


def everything_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# ---------------------------------------------------------------- as MLflow does it


@pytest.mark.parametrize("prefix", ["/api/2.0", "/ajax-api/2.0"])
def test_what_was_uploaded_is_downloaded(proxy, prefix):
    path = f"{prefix}/mlflow-artifacts/artifacts/1/run/artifacts/model/weights.bin"
    assert ask(proxy, "PUT", path, DATA)[0] == 200
    status, headers, body = ask(proxy, "GET", path)
    assert (status, body) == (200, DATA)
    assert headers["content-length"] == str(len(DATA))


@pytest.mark.parametrize("name", ["model.txt", "MLmodel", "data.json", "code.py", "conda.yaml"])
def test_texts_are_sent_as_attachments_that_a_browser_does_not_interpret(proxy, name):
    put(proxy, f"run/{name}", b"text")
    _, headers, _ = ask(proxy, "GET", f"{ROOT}/artifacts/run/{name}")
    assert headers["content-type"] == "text/plain"
    assert headers["content-disposition"] == f"attachment; filename={name}"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "kind"), [("plot.png", "image/png"), ("page.html", "text/html"), ("model.pkl", "application/octet-stream")]
)
def test_the_type_is_guessed_from_the_name(proxy, name, kind):
    put(proxy, name, b"1")
    assert ask(proxy, "GET", f"{ROOT}/artifacts/{name}")[1]["content-type"] == kind


def test_a_name_that_needs_quoting(proxy):
    put(proxy, quote('run/a "b" ü.txt'), b"1")
    assert files(proxy, "run") == [{"path": 'a "b" ü.txt', "is_dir": False, "file_size": 1}]
    disposition = ask(proxy, "GET", f"{ROOT}/artifacts/" + quote('run/a "b" ü.txt'))[1]["content-disposition"]
    assert disposition == "attachment; filename=\"a _b_ _.txt\"; filename*=UTF-8''a%20%22b%22%20%C3%BC.txt"


def test_a_listing_has_base_names_and_folders_have_no_size(proxy):
    assert files(proxy) == []
    put(proxy, "run/a.txt", b"123")
    put(proxy, "run/model/MLmodel", b"1")
    assert files(proxy) == [{"path": "run", "is_dir": True}]
    assert files(proxy, "run") == [
        {"path": "a.txt", "is_dir": False, "file_size": 3},
        {"path": "model", "is_dir": True},
    ]
    assert files(proxy, "run/a.txt") == []
    assert files(proxy, "nothing") == []


def test_deleting(proxy):
    put(proxy, "run/a.txt")
    put(proxy, "run/model/MLmodel")
    for path in ("run/model", "run/model", "run/nothing", "run/"):
        status, _, body = ask(proxy, "DELETE", f"{ROOT}/artifacts/{path}")
        assert (status, body) == (200, b"{}")
    assert files(proxy) == []


def test_the_whole_root_is_not_deleted(proxy):
    put(proxy, "a")
    assert ask(proxy, "DELETE", f"{ROOT}/artifacts/")[0] == 400
    assert ask(proxy, "DELETE", f"{ROOT}/artifacts/%2e/")[0] == 400
    assert len(files(proxy)) == 1


def test_what_is_missing_is_a_404_with_a_reason(proxy):
    put(proxy, "run/a")
    for path, reason in [("run/b", "There is no artifact 'run/b'."), ("run", "that is a folder")]:
        for method in ("GET", "HEAD"):
            status, _, body = ask(proxy, method, f"{ROOT}/artifacts/{path}")
            assert status == 404
            if method == "GET":
                message = json.loads(body)
                assert message["error_code"] == "RESOURCE_DOES_NOT_EXIST"
                assert reason in message["message"]


@pytest.mark.parametrize(
    ("step", "body"),
    [
        ("create", {"path": "/home/me/model.bin", "num_parts": 3}),
        (
            "complete",
            {"path": "model.bin", "upload_id": "x", "parts": [{"part_number": "1", "etag": "e", "url": None}]},
        ),
        ("abort", {"path": "model.bin", "upload_id": "x"}),
    ],
)
@pytest.mark.parametrize("folder", ["", "/1/run/artifacts"])
def test_uploads_in_parts_are_refused_in_the_words_on_which_the_client_goes_back(proxy, step, body, folder):
    status, _, answer = ask(
        proxy, "POST", f"{ROOT}/mpu/{step}{folder}", json.dumps(body), Content_Type="application/json"
    )
    assert status == 501
    assert json.loads(answer) == {
        "error_code": "NOT_IMPLEMENTED",
        "message": "Multipart upload is not supported for the current artifact repository",
    }


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"path": "x"}', b'{"path": "x", "num_parts": 10001}'])
def test_a_malformed_beginning_of_an_upload_is_a_400(proxy, body):
    status, _, answer = ask(proxy, "POST", f"{ROOT}/mpu/create/run", body, Content_Type="application/json")
    assert (status, json.loads(answer)["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_directory_signs_no_urls(proxy):
    put(proxy, "a")
    status, _, body = ask(proxy, "GET", f"{ROOT}/presigned/a")
    assert (status, json.loads(body)["error_code"]) == (501, "NOT_IMPLEMENTED")


def test_a_server_that_does_not_proxy_says_so(tmp_path):
    for server in serve(tmp_path / "data", serve_artifacts=False):
        for method, path in [
            ("PUT", "artifacts/a"),
            ("GET", "artifacts"),
            ("GET", "artifacts/a"),
            ("DELETE", "artifacts/a"),
        ]:
            status, _, body = ask(server, method, f"{ROOT}/{path}", b"1" if method == "PUT" else None)
            assert status == 503
            assert b"does not proxy artifacts" in body


# ---------------------------------------------------------------- containment

ESCAPES = [
    "../secret",
    "run/../../secret",
    "%2e%2e/secret",
    "%2e%2e%2fsecret",
    "..%2fsecret",
    "%252e%252e%252fsecret",
    "%25252e%25252e%25252fsecret",
    "/etc/passwd",
    "%2fetc/passwd",
    "%252fetc%252fpasswd",
    "..%5csecret",
    "%5c%5chost%5cshare",
    "C:/secret",
    "C%3a%5csecret",
    "file:///etc/passwd",
    "a%23b",
    "a%2523b",
    "a%00b",
    "a%2500b",
    ".modelyard/incoming/x",
    "run/%2emodelyard/x",
    "x" * 300,
    "x/" * 600 + "x",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_no_spelling_leads_out_of_the_root(proxy, path):
    folder = store_folder(proxy)
    (folder.parent / "secret").write_text("secret")
    put(proxy, "run/kept", b"1")
    requests = [
        ("GET", f"{ROOT}/artifacts/{path}", None),
        ("PUT", f"{ROOT}/artifacts/{path}", b"evil"),
        ("DELETE", f"{ROOT}/artifacts/{path}", None),
        ("GET", f"{ROOT}/artifacts?path={path}", None),
        ("GET", f"{ROOT}/presigned/{path}", None),
        ("POST", f"{ROOT}/mpu/create/{path}", b'{"path": "a", "num_parts": 1}'),
    ]
    for method, target, body in requests:
        status, _, answer = ask(proxy, method, target, body, Content_Type="application/json")
        assert status == 400, (method, target)
        assert json.loads(answer)["message"].startswith("Invalid path"), (method, target)
    assert (folder.parent / "secret").read_text() == "secret"
    assert everything_below(folder) == [folder / "run/kept"]


# ---------------------------------------------------------------- ranges, conditions, digests


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=1023990-", 1_023_990, 1_024_000),
        ("bytes=-10", 1_023_990, 1_024_000),
        ("bytes=-9999999999", 0, 1_024_000),
        ("bytes=1000000-9999999999", 1_000_000, 1_024_000),
    ],
)
def test_a_byte_range(proxy, wanted, start, stop):
    put(proxy, "a")
    status, headers, body = ask(proxy, "GET", f"{ROOT}/artifacts/a", Range=wanted)
    assert (status, body) == (206, DATA[start:stop])
    assert headers["content-range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
    assert headers["content-length"] == str(stop - start)


@pytest.mark.parametrize("wanted", ["bytes=1024000-", "bytes=2000000-2000001", "bytes=-0"])
def test_a_range_outside_is_a_416(proxy, wanted):
    put(proxy, "a")
    status, headers, body = ask(proxy, "GET", f"{ROOT}/artifacts/a", Range=wanted)
    assert (status, body, headers["content-range"]) == (416, b"", f"bytes */{len(DATA)}")


@pytest.mark.parametrize("wanted", ["bytes=5-3", "bytes=a-b", "bytes=-", "items=0-1", "bytes=0-1,5-6", ""])
def test_a_range_that_is_not_understood_gets_everything(proxy, wanted):
    put(proxy, "a")
    status, _, body = ask(proxy, "GET", f"{ROOT}/artifacts/a", Range=wanted)
    assert (status, body) == (200, DATA)


def test_a_range_of_an_artifact_that_has_changed_gets_everything(proxy):
    tag = put(proxy, "a")["etag"]
    same = ask(proxy, "GET", f"{ROOT}/artifacts/a", Range="bytes=0-4", If_Range=tag)
    assert (same[0], same[2]) == (206, DATA[:5])
    put(proxy, "a", b"something else")
    changed = ask(proxy, "GET", f"{ROOT}/artifacts/a", Range="bytes=0-4", If_Range=tag)
    assert (changed[0], changed[2]) == (200, b"something else")


def test_what_the_client_has_is_not_sent_again(proxy):
    tag = put(proxy, "a")["etag"]
    for condition in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        status, headers, body = ask(proxy, "GET", f"{ROOT}/artifacts/a", If_None_Match=condition)
        assert (status, body, headers["etag"]) == (304, b"", tag)
    assert ask(proxy, "GET", f"{ROOT}/artifacts/a", If_None_Match='"other"')[0] == 200


def test_head_is_get_without_the_body(proxy):
    put(proxy, "run/a.txt")
    status, headers, body = ask(proxy, "HEAD", f"{ROOT}/artifacts/run/a.txt")
    expected = ask(proxy, "GET", f"{ROOT}/artifacts/run/a.txt")[1]
    assert (status, body) == (200, b"")
    for own in ("date", "x-request-id"):
        headers.pop(own, None)
        expected.pop(own, None)
    assert headers == expected


def test_an_empty_artifact(proxy):
    put(proxy, "empty", b"")
    status, headers, body = ask(proxy, "GET", f"{ROOT}/artifacts/empty")
    assert (status, body, headers["content-length"]) == (200, b"", "0")
    assert ask(proxy, "GET", f"{ROOT}/artifacts/empty", Range="bytes=0-")[0] == 416


def digest_header(data: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(data).digest()).decode()}:"


def test_the_digest_is_told_on_both_ways(proxy):
    assert put(proxy, "a")["repr-digest"] == digest_header(DATA)
    for headers in ({}, {"Range": "bytes=0-9"}):
        assert ask(proxy, "GET", f"{ROOT}/artifacts/a", **headers)[1]["repr-digest"] == digest_header(DATA)


@pytest.mark.parametrize("header", ["Repr_Digest", "Content_Digest", "Digest"])
def test_a_digest_that_the_sender_promises_is_checked(proxy, header):
    right = {header: "md5=:abc:, " + digest_header(DATA)}
    wrong = {header: digest_header(b"other")}
    assert ask(proxy, "PUT", f"{ROOT}/artifacts/right", DATA, **right)[0] == 200
    status, _, body = ask(proxy, "PUT", f"{ROOT}/artifacts/wrong", DATA, **wrong)
    assert status == 400
    assert "SHA-256" in json.loads(body)["message"]
    assert [file["path"] for file in files(proxy)] == ["right"]


# ---------------------------------------------------------------- streams


def test_a_chunked_upload(proxy):
    pieces = iter([DATA[:1000], DATA[1000:700_000], DATA[700_000:]])
    assert ask(proxy, "PUT", f"{ROOT}/artifacts/a", pieces)[0] == 200
    assert ask(proxy, "GET", f"{ROOT}/artifacts/a")[2] == DATA


def test_many_transfers_at_once(proxy):
    failures: list[Any] = []

    def client(number: int) -> None:
        for turn in range(5):
            data = bytes([number, turn]) * 400_000
            put(proxy, f"run/{number}/{turn}", data)
            if ask(proxy, "GET", f"{ROOT}/artifacts/run/{number}/{turn}")[2] != data:
                failures.append((number, turn))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(everything_below(store_folder(proxy))) == 40


def wait_until_empty(folder: Path) -> None:
    deadline = time.monotonic() + 20
    while everything_below(folder):
        assert time.monotonic() < deadline, "the unfinished upload is still there"
        time.sleep(0.01)


@pytest.mark.parametrize("sent", [0, 5_000, 3_000_000])
def test_a_sender_that_hangs_up_leaves_nothing(proxy, sent):
    head = f"PUT {ROOT}/artifacts/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
    with raw(proxy, head) as connection:
        connection.sendall(bytes(sent))
    # The next request on another connection waits for nothing.
    assert files(proxy) == []
    wait_until_empty(store_folder(proxy))


@pytest.mark.parametrize("sent", [0, 5_000, 3_000_000])
def test_a_sender_that_stalls_is_given_up(tmp_path, sent):
    for server in serve(tmp_path / "data", body_timeout_s=0.2):
        head = f"PUT {ROOT}/artifacts/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
        with raw(server, head) as connection:
            connection.sendall(bytes(sent))
            answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 408")
        assert files(server) == []
        wait_until_empty(store_folder(server))


def test_a_sender_that_drips_is_given_up(tmp_path):
    for server in serve(tmp_path / "data", body_timeout_s=0.3):
        head = f"PUT {ROOT}/artifacts/a HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
        with raw(server, head) as connection:
            connection.settimeout(0.1)
            answer = b""
            began = time.monotonic()
            while not answer and time.monotonic() - began < 20:
                connection.sendall(b"x")
                try:
                    answer = connection.recv(4096)
                except TimeoutError:
                    continue
        assert answer.startswith(b"HTTP/1.1 408")
        wait_until_empty(store_folder(server))


def test_an_upload_over_the_limit_is_refused(tmp_path):
    for server in serve(tmp_path / "data", max_artifact_bytes=100_000):
        put(server, "fits", bytes(100_000))
        for body in (bytes(100_001), iter([bytes(60_000), bytes(60_000)])):
            status, _, answer = ask(server, "PUT", f"{ROOT}/artifacts/large", body)
            assert status == 413
            assert b"100000" in answer
        assert [file["path"] for file in files(server)] == ["fits"]


def test_a_taker_that_hangs_up_does_no_harm(proxy):
    put(proxy, "a", bytes(20_000_000))
    for _ in range(10):
        with raw(proxy, f"GET {ROOT}/artifacts/a HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
            assert connection.recv(10_000)
    assert len(ask(proxy, "GET", f"{ROOT}/artifacts/a")[2]) == 20_000_000
    deadline = time.monotonic() + 20
    while open_files_below(store_folder(proxy)):
        assert time.monotonic() < deadline, "files stay open"
        time.sleep(0.01)


def open_files_below(folder: Path) -> int:
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            found += str(link.readlink()).startswith(str(folder))
        except OSError:
            continue
    return found


def test_a_store_that_has_gone_is_a_503_until_it_is_back(proxy):
    put(proxy, "a", b"1")
    folder = store_folder(proxy)
    folder.rename(folder.with_name("unmounted"))
    for method, path, body in [
        ("GET", "artifacts/a", None),
        ("HEAD", "artifacts/a", None),
        ("PUT", "artifacts/b", b"1"),
        ("PUT", "artifacts/b", bytes(5_000_000)),
        ("DELETE", "artifacts/a", None),
        ("GET", "artifacts", None),
    ]:
        status, _, answer = ask(proxy, method, f"{ROOT}/{path}", body)
        assert status == 503, (method, path)
        if method != "HEAD":
            message = json.loads(answer)
            assert message["error_code"] == "TEMPORARILY_UNAVAILABLE"
            assert "has gone" in message["message"]
    folder.with_name("unmounted").rename(folder)
    assert ask(proxy, "GET", f"{ROOT}/artifacts/a")[2] == b"1"
    put(proxy, "b")
