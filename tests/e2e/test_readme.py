"""What pages tell people to type works: each block that uses `modelyard` is run as it stands, on a free port."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import end_replicas

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"README.md": ["5000", "8000"], "docs/serving.md": ["8000", "8001"]}
"""Page → the ports that its blocks name."""
AS_ONE = {"docs/serving.md"}
"""Pages whose blocks go on with the processes of the ones before."""


def blocks(page: str) -> list[str]:
    """What a page tells people to type."""
    text = (ROOT / page).read_text()
    found = [
        block
        for block in re.findall(r"^```bash\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        if page in AS_ONE or "modelyard " in re.sub(r"^pip install.*$", "", block, flags=re.MULTILINE)
    ]
    return ["\n".join(found)] if page in AS_ONE else found


BLOCKS = [(page, block) for page in PAGES for block in blocks(page)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One for all blocks: readers go on where they were."""
    folder = tmp_path_factory.mktemp("readme")
    yield folder
    end_replicas(folder)


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=[f"{page}-{at}" for at, (page, _) in enumerate(BLOCKS)])
def test_a_block_runs(page: str, block: str, folder: Path) -> None:
    if "curl " in block and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    # the one thing that a test may change is the port; what runs in the background at the end is stopped, politely
    port = str(free_port())
    for named, free in zip(PAGES[page], [port, str(free_port())], strict=False):
        block = block.replace(named, free)
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
    assert {page for page, _ in BLOCKS} == set(PAGES)
