"""`make demo`: what a newcomer sees first works: the whole loop, told truly."""

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    data = tmp_path_factory.mktemp("demo")
    environment = os.environ | {"DEMO_DATA": str(data), "DEMO_EXIT": "1", "COLUMNS": "120", "PYTHONWARNINGS": "default"}
    result = subprocess.run(
        [sys.executable, "examples/loop/main.py"],
        cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    return result.stdout


def story(told: str, version: int) -> str:
    """What is told of a version of the review classifier."""
    found = re.search(rf"^✓ Version {version} (.*?)(?=^✓|\Z)", told, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def test_a_stage_call_of_the_stock_client_is_a_rollout(told: str) -> None:
    assert re.search(r"with one wine: [012], by version 2$", told, re.MULTILINE)
    assert re.search(r"version 2 → 3 after [\d.]+ s, \d+ requests meanwhile, none failed$", told, re.MULTILINE)


def test_a_better_version_goes_all_the_way(told: str) -> None:
    text = story(told, 2)
    steps = ["Golden tests: 1 of 1 passed", "Copies of 100 %", "10 % of the traffic", "50 % of the traffic",
             "All traffic goes to revision 2", "answers everything now. Every step passed."]  # fmt: skip
    places = [text.find(each) for each in steps]
    assert -1 not in places, text
    assert places == sorted(places)


def test_one_that_says_the_same_to_everybody_is_stopped(told: str) -> None:
    assert re.search(r"Revision 3 .* was rolled back: .*constant_output", story(told, 3))


def test_one_that_fails_for_one_language_is_stopped_before_anybody_notices(told: str) -> None:
    assert re.search(r"Revision 4 .* was rolled back: .*error_rate", story(told, 4))
    assert re.search(r"failed: 0$", told, re.MULTILINE)


def test_one_command_reverts(told: str) -> None:
    after = told[told.index("$ modelyard rollback sentiment") :]
    assert "Revision 1 (sentiment version 1) answers everything now." in after


def test_who_was_right_is_known(told: str) -> None:
    assert re.search(r"version 2 is better by [\d.]+ points, 95 % interval [\d.]+ to [\d.]+, [\d,]+ answers", told)
    assert re.search(r"segment de, sentiment 2 .* \d+\.\d %", told)


def test_it_leaves_nothing_behind(told: str) -> None:
    urls = set(re.findall(r"http://127\.0\.0\.1:\d+", told))
    assert len(urls) == 2
    for url in urls:
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(f"{url}/health", timeout=5)
