"""The command that is printed when a server is ready works as it stands."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.serving.live.process import serving, until


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_printed_command_is_answered(moody):
    with serving(f"it's a mood={moody}") as server:
        until(lambda: server.written("curl"))
        (command,) = [line for line in server.output if line.lstrip().startswith("curl ")]
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=60)
        status, headers, body = server.ask("POST", "/models/it%27s%20a%20mood/predict", {"mood": "fine"})
    assert json.loads(done.stdout) == json.loads(body) == "FINE"
    assert (status, headers["modelyard-model"]) == (200, "it%27s a mood")
