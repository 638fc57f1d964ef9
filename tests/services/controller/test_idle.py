"""What the controller costs a server that has no deployments."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, time
from modelyard.settings import load
from modelyard.server.app import create_app

app = create_app(load({"data": sys.argv[1]}, environ={}))
app._control()
before = time.thread_time(), time.process_time()
time.sleep(2)
print(sorted(name for name in sys.modules if name.startswith(("modelyard.serving", "modelyard.client", "urllib3"))))
print(round(time.process_time() - before[1], 3))
app.close()
"""


def test_a_server_without_deployments_loads_nothing_and_does_next_to_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-c", PROGRAM, str(tmp_path / "data")]
    loaded, seconds = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert loaded == "[]"
    assert float(seconds) < 0.1
