"""What the README tells people to type works: each block that uses `modelyard` is run as it stands, on a free port."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = [
    block
    for block in re.findall(r"^```bash\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    if "modelyard " in re.sub(r"^pip install.*$", "", block, flags=re.MULTILINE)
]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all blocks: readers go on where they were."""
    return tmp_path_factory.mktemp("readme")


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_block_runs(block: str, folder: Path) -> None:
    # the one thing that a test may change is the port; what runs in the background at the end is stopped, politely
    port = str(free_port())
    block = block.replace("5000", port)
    script = f"set -eu\ntrap 'pids=$(jobs -p); [ -z \"$pids\" ] || kill $pids; wait' EXIT\n{block}"
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "MODELYARD_PORT": port,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    result = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=110, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_there_are_blocks() -> None:
    assert len(BLOCKS) >= 2
