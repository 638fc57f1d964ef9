"""One way to a server: what it answers, what it refuses, what happens when it is not there, who we say we are."""

import base64
import os
import signal
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from modelyard.client import credentials, refusals, transport
from modelyard.client.transport import MLFLOW, Transport, transport_for
from modelyard.domain import errors
from modelyard.domain.errors import InvalidArgument, ModelyardError, NotFound, NotSupported, Unavailable
from modelyard.domain.holders import Holder, lock_of, read
from tests.client.door import Answer, Request, open_door

OK: Answer = (200, {}, b"{}")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch) -> None:
    monkeypatch.setattr(transport, "FIRST_PAUSE_S", 0.001)


def test_what_answers_is_asked_once(any_server) -> None:
    way = Transport(any_server)
    kind = way.server.kind
    assert kind in ("modelyard", "mlflow")
    assert way.server.native is (kind == "modelyard")
    assert way.server.version > (0,)
    assert way.server is way.server


def test_refusals_become_errors_of_the_domain(any_server) -> None:
    way = Transport(any_server)
    with pytest.raises(NotFound, match="No Experiment with id=987654") as missing:
        way.call("GET", MLFLOW + "experiments/get", {"experiment_id": "987654"})
    assert missing.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    with pytest.raises(InvalidArgument) as wrong:
        way.call("GET", MLFLOW + "experiments/get", {"experiment_id": "x"})
    assert wrong.value.error_code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(errors.AlreadyExists) as taken:
        way.call("POST", MLFLOW + "experiments/create", {"name": "Default"})
    assert taken.value.error_code == "RESOURCE_ALREADY_EXISTS"
    with pytest.raises(NotSupported, match="404"):
        way.call("GET", MLFLOW + "no/such/endpoint")


def test_our_own_api_says_what_is_wrong(sqlite_server) -> None:
    way = Transport(sqlite_server.url)
    with pytest.raises(NotFound) as missing:
        way.call("GET", "/api/v1/models/nope")
    assert missing.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    with pytest.raises(NotSupported):
        way.call("GET", "/api/v1/nope")


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_nobody_there_is_said_in_one_sentence() -> None:
    way = Transport(f"http://me:secret@127.0.0.1:{unused_port()}", retries=1)
    with pytest.raises(Unavailable, match="cannot be reached: Connection refused") as away:
        way.call("GET", "/version")
    assert way.away
    assert "secret" not in str(away.value)
    assert "\n" not in str(away.value)
    assert refusals.may_pass(away.value)


def test_silence_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        way = Transport(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.05, retries=0)
        with pytest.raises(Unavailable, match="timed out"):
            way.call("GET", "/version")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_an_overloaded_server_is_asked_again(status: int) -> None:
    with open_door(lambda _, number: OK if number == 2 else (status, {}, b"")) as door:
        assert Transport(door.url).call("POST", "/x", {"a": 1}, dict) == {}
    assert [request.body for request in door.requests] == [b'{"a":1}'] * 3


def test_it_says_when_to_come_again(monkeypatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(transport.time, "sleep", waited.append)
    with open_door(lambda _, number: OK if number else (503, {"retry-after": "3"}, b"")) as door:
        Transport(door.url).call("GET", "/x")
    assert waited == [3.0]


def test_what_may_have_happened_is_not_done_twice() -> None:
    with open_door(lambda *_: (504, {}, b"")) as door:
        with pytest.raises(Unavailable):
            Transport(door.url).call("POST", "/x", {}, again=False)
        assert len(door.requests) == 1
    with open_door(lambda *_: None) as door:
        with pytest.raises(Unavailable):
            Transport(door.url).call("POST", "/x", {}, again=False)
        assert len(door.requests) == 1


def test_a_connection_that_breaks_is_made_anew() -> None:
    with open_door(lambda _, number: OK if number % 2 else None) as door:
        way = Transport(door.url)
        way.call("GET", "/x")
        way.call("GET", "/x")
        assert not way.away
    assert len(door.requests) == 4


def test_retries_end() -> None:
    with open_door(lambda *_: (503, {}, b"<html><title>no</title><body>Service  <b>Unavailable</b></body>")) as door:
        with pytest.raises(Unavailable, match="HTTP status 503: Service Unavailable"):
            Transport(door.url, retries=2).call("GET", "/x")
        assert len(door.requests) == 3


def test_the_environment_says_how_patient_we_are(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with open_door(lambda *_: (503, {}, b"")) as door:
        with pytest.raises(Unavailable):
            Transport(door.url).call("GET", "/x")
        assert len(door.requests) == 2


def test_a_redirect_is_not_followed_but_explained() -> None:
    place = "https://elsewhere.example/x"
    with (
        open_door(lambda *_: (302, {"location": place}, b"")) as door,
        pytest.raises(InvalidArgument, match="redirected to https://elsewhere"),
    ):
        Transport(door.url).call("GET", "/x")


def test_something_else_than_a_tracking_server() -> None:
    page: Answer = (200, {"content-type": "text/html"}, b"<html>hello</html>")
    with open_door(lambda *_: page) as door:
        with pytest.raises(NotSupported, match="Is this the URL of a tracking server"):
            Transport(door.url).call("GET", "/x", None, dict)
        assert Transport(door.url).server == transport.Server("mlflow", ())
    with open_door(lambda *_: (404, {}, b'{"detail": "no route"}')) as door:
        assert not Transport(door.url).server.native


def test_a_file_is_sent_again_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    with open_door(lambda _, number: OK if number else (503, {}, b"")) as door, path.open("rb") as file:
        file.seek(10)
        assert Transport(door.url).request("PUT", "/x", body=file, headers={"content-length": "990"}).status == 200
    assert [len(request.body) for request in door.requests] == [990, 990]


def test_a_long_body_may_be_taken_slowly(monkeypatch, tmp_path: Path) -> None:
    """The time-out of connecting is no time-out of sending."""
    monkeypatch.setattr(transport, "CONNECT_TIMEOUT_S", 0.2)
    path = tmp_path / "file"
    size = 2**25  # more than the buffers between both take
    path.write_bytes(bytes(size))

    def slowly(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection:
            time.sleep(0.5)  # nobody reads, for longer than connecting may take
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            taken = len(body)
            while taken < size:
                taken += len(connection.recv(2**20))
            assert head.startswith(b"PUT /x")
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as listening, path.open("rb") as file:
        thread = threading.Thread(target=slowly, args=(listening,), daemon=True)
        thread.start()
        way = Transport(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout_s=30, retries=0)
        assert way.request("PUT", "/x", body=file, headers={"content-length": str(size)}).data == b"{}"
        thread.join()


# ------------------------------------------------------------------------------------ who we are


def signed(url: str) -> str:
    Transport(url, retries=0).call("GET", "/x")
    return "sent"


def authorization(request: Request) -> str:
    kind, _, rest = request.headers.get("authorization", "").partition(" ")
    return base64.b64decode(rest).decode() if kind == "Basic" else f"{kind} {rest}".strip()


def test_who_we_are(monkeypatch, tmp_path) -> None:
    told = []
    monkeypatch.setattr(credentials, "CREDENTIALS_FILE", tmp_path / "credentials")
    with open_door(lambda *_: OK) as door:
        signed(door.url)
        (tmp_path / "credentials").write_text(
            "[mlflow]\nmlflow_tracking_username = file\nmlflow_tracking_password = 1%2\n"
        )
        signed(door.url)
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "token")
        signed(door.url)
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MODELYARD_TRACKING_PASSWORD", "ü:x")
        signed(door.url)
        signed(door.url.replace("//", "//you:p%40ss@"))
        told = [authorization(request) for request in door.requests]
        assert told == ["", "file:1%2", "Bearer token", "me:ü:x", "you:p@ss"]
        with open_door(lambda *_: OK) as stranger:
            Transport(door.url).request("GET", stranger.url + "/x")
        assert "authorization" not in stranger.requests[0].headers
        assert {request.headers["user-agent"][:10] for request in door.requests} == {"modelyard/"}


@pytest.mark.parametrize(("status", "kind"), [(401, errors.Unauthenticated), (403, errors.PermissionDenied)])
def test_a_closed_door(status: int, kind: type[ModelyardError]) -> None:
    with open_door(lambda *_: (status, {}, b"You are not authenticated")) as door:
        with pytest.raises(kind, match="not authenticated"):
            Transport(door.url).call("GET", "/x")
        with pytest.raises(kind):
            _ = Transport(door.url).server


def test_contradictory_trust_is_refused(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
    assert credentials.from_environment().tls() == {"cert_reqs": "CERT_NONE"}
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "/x.pem")
    with pytest.raises(InvalidArgument, match="unset one"):
        credentials.from_environment()
    monkeypatch.delenv("MLFLOW_TRACKING_INSECURE_TLS")
    assert credentials.from_environment().tls() == {"cert_reqs": "CERT_REQUIRED", "ca_certs": "/x.pem"}


@pytest.fixture
def certificate(tmp_path) -> Path:
    """Of 127.0.0.1, with its key, signed by nobody else."""
    x509 = pytest.importorskip("cryptography.x509", reason="cryptography is not installed")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM
    secret = key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "server.pem"
    path.write_bytes(secret + made.public_bytes(form))
    return path


def test_whom_we_trust(certificate, monkeypatch) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with open_door(lambda *_: OK, tls) as door:
        with pytest.raises(Unavailable, match="certificate verify failed"):
            Transport(door.url).call("GET", "/x")
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
        Transport(door.url).call("GET", "/x")
        monkeypatch.delenv("MLFLOW_TRACKING_SERVER_CERT_PATH")
        monkeypatch.setenv("MODELYARD_TRACKING_INSECURE_TLS", "1")
        Transport(door.url).call("GET", "/x")
        assert len(door.requests) == 2


def test_credentials_are_not_shown(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    assert "secret" not in repr(credentials.from_environment())
    assert "secret" not in repr(Transport("http://me:secret@host"))


def test_a_proxy_of_the_environment_is_used(monkeypatch) -> None:
    with open_door(lambda *_: OK) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        Transport("http://tracking.example", retries=0).call("GET", "/x")
        assert proxy.requests[0].path == "http://tracking.example/x"
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        Transport(proxy.url, retries=0).call("GET", "/y")
        assert proxy.requests[1].path == "/y"


# ------------------------------------------------------------------------------------ processes


def test_one_transport_for_each_uri() -> None:
    assert transport_for("http://a:1") is transport_for("http://a:1")
    assert transport_for("http://a:1") is not transport_for("http://b:1")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_opens_connections_of_its_own(sqlite_server) -> None:
    way = Transport(sqlite_server.url)
    way.call("GET", MLFLOW + "experiments/get", {"experiment_id": "0"})
    child = os.fork()
    if child == 0:
        try:
            for _ in range(20):
                way.call("GET", MLFLOW + "experiments/get", {"experiment_id": "0"})
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is, the parent must hear of it
            os._exit(1)
    for _ in range(20):
        way.call("GET", MLFLOW + "experiments/get", {"experiment_id": "0"})
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_every_error_has_a_code_that_leads_back_to_it() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ModelyardError)}
    reached = {type(refusals.read(400, b'{"error_code": "%s"}' % code.encode(), "x")) for code in refusals.CODES}
    assert kinds - reached == {ModelyardError}


def test_what_may_pass_is_told_from_what_is_wrong() -> None:
    assert [refusals.may_pass(refusals.read(status, b"", "x")) for status in (401, 403, 408, 429, 500, 503)] == [
        True
    ] * 6
    assert not any(refusals.may_pass(refusals.read(status, b"", "x")) for status in (400, 404, 409, 413, 501))


def test_a_local_store_that_stopped_is_started_again(tmp_path: Path) -> None:
    """Its process ends when nobody asks, or is killed; whoever asks next does not notice."""
    way = Transport(str(tmp_path / "data"))
    way.call("POST", MLFLOW + "experiments/create", {"name": "wine"})
    before = reported(tmp_path / "data")
    os.kill(before.process, signal.SIGKILL)
    found = way.call("GET", MLFLOW + "experiments/get-by-name", {"experiment_name": "wine"}, dict)
    assert found["experiment"]["name"] == "wine"
    after = reported(tmp_path / "data")
    assert after.process != before.process
    os.kill(after.process, signal.SIGTERM)


def reported(data: Path) -> Holder:
    """Who serves a directory, as it wrote down itself."""
    found = read(Path(lock_of(str(data / "modelyard.db"))).read_text())
    assert found is not None
    return found
