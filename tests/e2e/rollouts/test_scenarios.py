"""Two scenarios of teams that manage models by hand today, with what is decided and why (`pytest -s` prints it).

A: code 1.0 is retrained; a better model replaces the one in production, a worse one does not.
B: code 2.0 serves on staging alone, however good it is, until production's allowance is raised; one step, and one back.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from modelyard.client import Client
from modelyard.wire.policies import PolicySettings
from tests.reliability.process import until
from tests.reliability.stack import Registry, Stack

DATASET = "2f0a1c55"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    made = Stack(tmp_path_factory.mktemp("scenarios") / "data")
    yield made.start()
    made.end()


class Team:
    """People with a model, two environments, and a fixed test set."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.registry = Registry(stack.url, folder, "wine")
        self.client: Client = self.registry.client

    def trains(self, label: str, f1: float) -> str:
        """A new version, scored on the test set."""
        version = self.registry.version()
        self.client.set_model_version_label("wine", version, label)
        self.client.log_evaluation("wine", version, {"f1": f1}, DATASET, "holdout")
        print(f"version {version}: code {label}, f1 {f1}")
        return version

    def answers(self, deployment: str) -> str:
        """The version that answers under a name; empty if none does."""
        connection = http.client.HTTPConnection(urlsplit(self.stack.gateway).netloc, timeout=30)
        try:
            body = json.dumps({"text": "so"})
            connection.request("POST", f"/models/{deployment}/predict", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.headers.get("modelyard-version", "") if answer.status == 200 else ""
        finally:
            connection.close()

    def sees(self, **expected: str) -> None:
        """Wait until these versions answer, and print why."""
        for deployment, version in expected.items():
            until(self._answering(deployment, version), 60, f"version {version} answers as {deployment}")
        for deployment in expected:
            found = self.client.get_deployment(deployment)
            print(f"  {deployment}: {found.told} {found.why}")

    def _answering(self, deployment: str, version: str) -> Callable[[], bool]:
        return lambda: self.answers(deployment) == version

    def why(self, environment: str, version: str) -> str:
        """Why a version serves in an environment, or does not."""
        found = self.client.explain_policy(environment, "wine").candidates
        return next(each.reason for each in found if str(each.version) == version)


def test_a_retrained_model_replaces_a_worse_one_and_new_code_waits_for_its_allowance(stack, tmp_path):
    team = Team(stack, tmp_path)
    best = PolicySettings(rule="best", metric="f1", dataset=DATASET)
    team.client.set_policy("staging", "wine", best)
    production = PolicySettings(rule="best", metric="f1", dataset=DATASET, allowance="<2")
    team.client.set_policy("production", "wine", production, "code 1 only")
    for name, environment in (("wine", "production"), ("wine-int", "staging")):
        team.client.apply_deployment(
            {"name": name, "environment": environment, "model": "wine", "steps": ["golden", {"bake": "1s"}]}
        )

    print("\nA: retraining, no new code")
    first = team.trains("1.0", 0.80)
    team.sees(wine=first)
    worse = team.trains("1.0.1", 0.78)
    better = team.trains("1.0.2", 0.86)
    team.sees(wine=better)
    reason = team.why("production", worse)
    print(f"  version {worse}: {reason}")
    assert reason == f"Its f1 is 0.78; wine version {better} (1.0.2) is preferred."
    assert team.client.get_model_version("wine", better).current_stage == "Production"

    print("B: new code, first on staging")
    new = team.trains("2.0", 0.95)
    team.sees(**{"wine-int": new, "wine": better})
    reason = team.why("production", new)
    print(f"  version {new}: {reason}")
    assert reason == "Its label 2.0 is outside the allowance <2."
    assert team.client.get_model_version("wine", better).current_stage == "Production"

    team.client.promote("wine", new, "production", allowance="<=2.0", reason="two weeks on staging")
    team.sees(wine=new)
    team.client.undo_promotion("wine", "production")
    team.sees(wine=better)
    assert team.client.explain_policy("production", "wine").policy.allowance == "<2"
