"""Artifacts in an object store, reached from the client itself."""

from __future__ import annotations

import hashlib
import random
import sys
from types import SimpleNamespace

import pytest

from modelyard.client import transfers
from modelyard.client.folders import folder_at
from modelyard.client.progress import Progress
from modelyard.client.transport import Transport
from modelyard.domain.errors import NotFound, Unavailable
from modelyard.optional import MissingExtraError
from tests.contracts.s3_server import bucket, line, s3

__all__ = ["bucket", "line", "s3"]  # fixtures

LARGE = random.Random(2).randbytes(9 * 2**20)


@pytest.fixture
def folder(line, bucket, monkeypatch):
    pytest.importorskip("obstore")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{line.port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return folder_at(Transport("http://127.0.0.1:9"), f"s3://{bucket}/runs/1/artifacts")


def test_a_folder_goes_up_and_comes_down_as_it_was(folder, tmp_path):
    (tmp_path / "source/data").mkdir(parents=True)
    (tmp_path / "source/data/large").write_bytes(LARGE)
    (tmp_path / "source/small").write_bytes(b"small")
    (tmp_path / "source/empty").write_bytes(b"")
    progress = Progress()
    transfers.upload_folder(folder, "m", tmp_path / "source", progress)
    assert [(entry.name, entry.size) for entry in folder.list("m")] == [("data", None), ("empty", 0), ("small", 5)]
    sums = transfers.download(folder, "m", tmp_path / "down")
    assert sums["data/large"] == hashlib.sha256(LARGE).hexdigest()
    assert (tmp_path / "down/data/large").read_bytes() == LARGE
    assert (tmp_path / "down/empty").read_bytes() == b""
    assert progress.done == len(LARGE) + 5
    with pytest.raises(NotFound):
        transfers.download(folder, "nothing", tmp_path / "down")


def test_a_broken_download_goes_on_where_it_broke(folder, line, tmp_path, monkeypatch):
    monkeypatch.setattr("modelyard.client.downloads.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("modelyard.client.progress.EVERY_S", 0)
    transfers.upload_file(folder, "large", LARGE)
    cuts = []

    def cut(progress):
        if not cuts and progress.done > 2**20:
            cuts.append(progress.done)
            line.cut()

    monkeypatch.setattr("modelyard.client.downloads.time", SimpleNamespace(sleep=lambda _: line.repair()))
    progress = Progress(cut)
    sha = transfers.download_file(folder, "large", tmp_path / "large", progress)
    assert sha == hashlib.sha256(LARGE).hexdigest()
    assert cuts
    assert progress.done == len(LARGE)


def test_a_store_that_is_away_is_unavailable(folder, line, tmp_path):
    line.cut()
    with pytest.raises(Unavailable):
        transfers.download_file(folder, "large", tmp_path / "large")


def test_without_the_library_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.delitem(sys.modules, "modelyard.artifacts.objects", raising=False)
    with pytest.raises(MissingExtraError, match=r"modelyard\[server\]"):
        folder_at(Transport("http://127.0.0.1:9"), "s3://bucket/x")
