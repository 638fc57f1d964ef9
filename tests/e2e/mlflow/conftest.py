"""The stock client's fluent API against a server of ours, its artifacts through the server or straight on the disk."""

import logging
import os
import warnings
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.conftest import serve

# MLflow reads these when it is imported.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def use(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # a 500 fails at once, not after minutes
    monkeypatch.setenv("GIT_PYTHON_REFRESH", "quiet")
    with warnings.catch_warnings():  # about MLflow's own dependencies and future
        warnings.simplefilter("ignore")
        import mlflow
        import mlflow.sklearn

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        mlflow.set_tracking_uri(url)
        mlflow.set_registry_uri(url)
        mlflow.set_experiment("wine")
        yield mlflow
        while mlflow.active_run():
            mlflow.end_run()
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        mlflow.tracking.fluent._active_experiment_id = None


@pytest.fixture
def mlflow(server, monkeypatch) -> Iterator[ModuleType]:
    """Artifacts go through the server; the test runs on both databases."""
    yield from use(server.url, monkeypatch)


@pytest.fixture(params=["through the server", "on the disk"])
def mlflow_with_artifacts(request, tmp_path, monkeypatch) -> Iterator[ModuleType]:
    """Artifacts both ways; the test runs on SQLite."""
    for server in serve(tmp_path / "data", serve_artifacts=request.param == "through the server"):
        yield from use(server.url, monkeypatch)
