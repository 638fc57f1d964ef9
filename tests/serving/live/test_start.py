"""A start: the model's process is there before anybody has looked at the model's files."""

from __future__ import annotations

from pathlib import Path


def test_the_process_that_was_started_ahead_has_the_model(moody, moody_server):
    (worker,) = moody_server.workers()
    assert str(moody).encode() in Path(f"/proc/{worker}/cmdline").read_bytes().split(b"\0")
