"""The oldest client that we support, in an environment of its own: `make test-oldest` makes it and runs this."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import serve

PYTHON = os.environ.get("MODELYARD_OLDEST_PYTHON", "")
SESSION = Path(__file__).with_name("session.py")


@pytest.mark.skipif(not PYTHON, reason="needs an environment with an old mlflow: make test-oldest")
@pytest.mark.parametrize("proxied", [True, False], ids=["through the server", "on the disk"])
def test_a_whole_session(tmp_path, proxied) -> None:
    environment = os.environ | {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "GIT_PYTHON_REFRESH": "quiet"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    for server in serve(tmp_path / "data", serve_artifacts=proxied):
        result = subprocess.run(
            [PYTHON, str(SESSION), server.url],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert report.pop("version").startswith("2.9.")
    assert report == {
        "params": {"depth": "1", "b": "2", "c": "é"},
        "metrics": {"loss": 1 / 3, "score": 2},
        "history": [0, 1, 2],
        "datasets": ["measurements"],
        "files": ["model", "notes"],
        "text": "hello",
        "loaded": 4,
        "stages": {"1": "Archived", "2": "Production"},
        "description": "wine",
        "runs": 1,
        "autologged": "0.5",
    }
