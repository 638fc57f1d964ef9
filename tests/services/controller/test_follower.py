"""Following the registry of a stock MLflow server."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import pytest

from modelyard.client import Client
from modelyard.domain.deployments import Spec, Target
from modelyard.domain.versions import Stage
from modelyard.services.controller.desired import Follower


class Watch:
    """A follower of one model, and what it says."""

    def __init__(self, uri: str, *models: str) -> None:
        self._changed = threading.Event()
        self.follower = Follower(uri, self._changed.set)
        self.spec = Spec(name="wine", environment="production", models=models)
        self.follower.follow([("production", models, Stage.PRODUCTION)])

    def until(self, wanted: Target | None, why: str = "") -> None:
        for _ in range(200):
            found = self.follower.resolve(self.spec, Stage.PRODUCTION)
            if found.target == wanted and why in found.why:
                return
            self._changed.wait(0.1)
            self._changed.clear()
        raise AssertionError(found)


@pytest.fixture
def model(stock_mlflow: Any) -> tuple[Client, str]:
    client, name = Client(stock_mlflow.url, stock_mlflow.url), f"wine-{uuid.uuid4().hex[:8]}"
    client.create_registered_model(name)
    for number in (1, 2):
        client.create_model_version(name, f"s3://bucket/{number}")
    return client, name


def test_stages_and_aliases_of_a_stock_server_are_followed(stock_mlflow, model):
    client, name = model
    watch = Watch(stock_mlflow.url, name)
    watch.until(None, "has the alias 'production' or the stage Production")
    client.transition_model_version_stage(name, "1", "Production")
    watch.until(Target(name, "1", "s3://bucket/1"), "in production")
    client.set_registered_model_alias(name, "production", "2")
    watch.until(Target(name, "2", "s3://bucket/2"))
    client.delete_registered_model_alias(name, "production")
    watch.until(Target(name, "1", "s3://bucket/1"))
    watch.follower.close()


def test_a_registry_that_is_away_changes_nothing():
    watch = Watch("http://127.0.0.1:9", "wine")
    began = time.monotonic()
    watch.until(None, "refused")
    assert time.monotonic() - began < 5
    assert "refused" in watch.follower.trouble
    watch.follower.close()
