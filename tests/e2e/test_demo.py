"""`make demo`: what a newcomer sees first works, and works a second time on the same data."""

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def demo(data: Path) -> str:
    environment = os.environ | {"DEMO_DATA": str(data), "DEMO_EXIT": "1", "COLUMNS": "120", "PYTHONWARNINGS": "default"}
    result = subprocess.run(
        [sys.executable, "examples/wine.py"],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    return result.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(data: Path) -> str:
    return demo(data)


def test_it_goes_from_training_to_production(first: str) -> None:
    assert "Trained 3 forests" in first
    assert "version 2: None → Staging" in first
    assert "version 3: Staging → Production" in first
    assert re.search(r"^  1 +None ", first, re.MULTILINE)
    assert re.search(r"^  2 +Production +champion\b", first, re.MULTILINE)
    assert re.search(r"^  3 +Staging +challenger\b", first, re.MULTILINE)


def test_the_model_server_follows_the_alias(first: str) -> None:
    assert re.search(r"/predict with one wine as JSON: [012], modelyard-version: 2$", first, re.MULTILINE)
    assert re.search(r"modelyard-version: 2 → 3, \d+ requests meanwhile, none failed$", first, re.MULTILINE)


def test_what_is_in_production_predicts(first: str) -> None:
    found = re.search(r"(\d+) of (\d+) wines", first)
    assert found is not None
    right, asked = map(int, found.groups())
    assert asked == 72
    assert right > 0.9 * asked


def test_the_server_remembers_who_moved_production(first: str) -> None:
    assert re.findall(r"  anonymous  (.*)$", first, re.MULTILINE) == ["nothing → version 2", "2 → version 3"]


def test_it_leaves_no_server_behind(first: str) -> None:
    urls = set(re.findall(r"http://127\.0\.0\.1:\d+", first))
    assert len(urls) == 2
    for url in urls:
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"{url}/health", timeout=5)


@pytest.mark.usefixtures("first")
def test_a_second_time_continues_where_the_first_ended(data: Path) -> None:
    again = demo(data)
    assert re.search(r"^  6 +Staging +challenger\b", again, re.MULTILINE)
    assert "modelyard-version: 5 → 6" in again
