"""The artifact proxy in front of S3, spoken to by plain HTTP and by MLflow's own client."""

from __future__ import annotations

import http.client
import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import RunningServer, serve
from tests.contracts.s3_server import bucket, call, line, options, put, s3

__all__ = ["bucket", "line", "s3"]  # fixtures

ROOT = "/api/2.0/mlflow-artifacts"


@pytest.fixture
def proxy(tmp_path, line, bucket, monkeypatch) -> Iterator[RunningServer]:
    settings = options(line.port)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", settings["endpoint"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", settings["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", settings["secret_access_key"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", settings["region"])
    yield from serve(tmp_path / "data", artifacts=f"s3://{bucket}/root")


def ask(server, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    try:
        connection.request(method, ROOT + path, body, {name.replace("_", "-"): text for name, text in headers.items()})
        answer = connection.getresponse()
        return answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("size", [0, 10_000, 20_000_000])
def test_there_and_back(proxy, s3, bucket, size):
    data = os.urandom(size)
    status, sent, body = ask(proxy, "PUT", "/artifacts/0/run/artifacts/model.bin", data)
    assert (status, body) == (200, b"{}")
    assert call(s3, "GET", f"/{bucket}/root/0/run/artifacts/model.bin") == data
    status, headers, body = ask(proxy, "GET", "/artifacts/0/run/artifacts/model.bin")
    assert (status, body, headers["etag"]) == (200, data, sent["etag"])
    if size:
        status, headers, body = ask(proxy, "GET", "/artifacts/0/run/artifacts/model.bin", Range="bytes=-7")
        assert (status, body) == (206, data[-7:])
    listing = json.loads(ask(proxy, "GET", "/artifacts?path=0/run/artifacts")[2])
    assert listing == {"files": [{"path": "model.bin", "is_dir": False, "file_size": size}]}
    assert ask(proxy, "DELETE", "/artifacts/0/run")[0] == 200
    assert ask(proxy, "GET", "/artifacts/0/run/artifacts/model.bin")[0] == 404


def test_a_signed_download(proxy):
    ask(proxy, "PUT", "/artifacts/run/a.txt", b"hello")
    status, _, body = ask(proxy, "GET", "/presigned/run/a.txt")
    assert status == 200
    signed = json.loads(body)
    assert (signed["headers"], signed["file_size"]) == ({}, 5)
    with urllib.request.urlopen(signed["url"], timeout=20) as answer:
        assert answer.read() == b"hello"
    assert ask(proxy, "GET", "/presigned/run/b.txt")[0] == 404


def test_an_upload_in_parts(proxy):
    data = os.urandom(6_000_000)
    begin = json.dumps({"path": "/home/me/model.bin", "num_parts": 2})
    status, _, body = ask(proxy, "POST", "/mpu/create/run/artifacts", begin, Content_Type="application/json")
    assert status == 200
    upload = json.loads(body)
    assert [part["part_number"] for part in upload["credentials"]] == [1, 2]
    pieces = [data[:5_242_880], data[5_242_880:]]
    parts = [
        {"part_number": part["part_number"], "etag": put(part["url"], piece), "url": part["url"]}
        for part, piece in zip(upload["credentials"], pieces, strict=True)
    ]
    end = json.dumps({"path": "/home/me/model.bin", "upload_id": upload["upload_id"], "parts": parts})
    assert ask(proxy, "GET", "/artifacts/run/artifacts/model.bin")[0] == 404
    assert ask(proxy, "POST", "/mpu/complete/run/artifacts", end, Content_Type="application/json")[::2] == (200, b"{}")
    assert ask(proxy, "GET", "/artifacts/run/artifacts/model.bin")[2] == data


def test_an_upload_in_parts_that_is_given_up(proxy, s3, bucket):
    begin = json.dumps({"path": "model.bin", "num_parts": 2})
    upload = json.loads(ask(proxy, "POST", "/mpu/create", begin, Content_Type="application/json")[2])
    end = json.dumps({"path": "model.bin", "upload_id": upload["upload_id"]})
    assert ask(proxy, "POST", "/mpu/abort", end, Content_Type="application/json")[::2] == (200, b"{}")
    assert b"<Upload>" not in call(s3, "GET", f"/{bucket}?uploads")


def test_a_line_that_is_cut_is_a_503_until_it_is_mended(proxy, line):
    assert ask(proxy, "PUT", "/artifacts/a", b"1")[0] == 200
    line.cut()
    for method, path, body in [
        ("GET", "/artifacts/a", None),
        ("PUT", "/artifacts/b", b"1"),
        ("GET", "/artifacts", None),
        ("POST", "/mpu/create", b'{"path": "a", "num_parts": 1}'),
    ]:
        status, _, answer = ask(proxy, method, path, body, Content_Type="application/json")
        assert status == 503, (method, path)
        assert json.loads(answer)["error_code"] == "TEMPORARILY_UNAVAILABLE"
        assert b"secret" not in answer
    line.repair()
    assert ask(proxy, "GET", "/artifacts/a")[2] == b"1"
    assert json.loads(ask(proxy, "GET", "/artifacts")[2])["files"] == [{"path": "a", "is_dir": False, "file_size": 1}]


def test_mlflows_client_sends_and_fetches_in_parts(proxy, tmp_path, monkeypatch, line):
    """The client's own code path for large files, with its thresholds lowered."""
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")
    for name in ("UPLOAD_MINIMUM_FILE_SIZE", "UPLOAD_CHUNK_SIZE", "DOWNLOAD_MINIMUM_FILE_SIZE", "DOWNLOAD_CHUNK_SIZE"):
        monkeypatch.setenv(f"MLFLOW_MULTIPART_{name}", str(5 * 2**20))
    repositories = pytest.importorskip("mlflow.store.artifact.mlflow_artifacts_repo")
    client = repositories.MlflowArtifactsRepository("mlflow-artifacts:/0/run/artifacts", tracking_uri=proxy.url)
    data = os.urandom(11_000_000)
    (tmp_path / "model.bin").write_bytes(data)
    client.log_artifact(str(tmp_path / "model.bin"), "weights")
    _, headers, body = ask(proxy, "GET", "/artifacts/0/run/artifacts/weights/model.bin")
    assert body == data
    assert headers["etag"].endswith('-3"')  # S3 says of how many parts it was made: the client's, not the proxy's
    # Without the proxy in between: the bytes come from the store itself.
    (tmp_path / "back").mkdir()
    fetched = client.download_artifacts("weights/model.bin", str(tmp_path / "back"))
    assert Path(fetched).read_bytes() == data
