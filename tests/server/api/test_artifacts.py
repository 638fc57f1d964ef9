"""Files of runs, logged models and versions over the native API."""

import hashlib

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
