"""What the tests of autologging share: one server for all, an experiment for each, everything switched off again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from modelyard.autolog import patching, registry
from tests.conftest import serve


@pytest.fixture(scope="session")
def autolog_server(tmp_path_factory) -> Iterator[str]:
    for running in serve(tmp_path_factory.mktemp("autolog") / "data"):
        yield running.url


@pytest.fixture(scope="session")
def autolog_spool(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("spool"))


@dataclass
class Tracked:
    """Where the test's runs go."""

    url: str
    experiment: str

    def runs(self, experiment: str | None = None) -> list[Any]:
        """Every run of the test so far, the oldest first, as the server has them."""
        from modelyard.client import fluent
        from modelyard.client.client import Client

        fluent.flush_async_logging()
        client = Client(self.url)
        found = client.get_experiment_by_name(experiment or self.experiment)
        runs = [] if found is None else list(client.search_runs([found.experiment_id]))
        return sorted(runs, key=lambda run: run.info.start_time)

    def only(self) -> Any:
        """The test's one run that is nobody's child."""
        (run,) = self.parents()
        return run

    def parents(self) -> list[Any]:
        return [run for run in self.runs() if "mlflow.parentRunId" not in run.data.tags]

    def children(self) -> list[Any]:
        return [run for run in self.runs() if "mlflow.parentRunId" in run.data.tags]

    def files(self, run: Any, folder: str | None = None) -> list[str]:
        from modelyard.client.client import Client

        return [file.path for file in Client(self.url).list_artifacts(run.info.run_id, folder)]

    def history(self, run: Any, key: str) -> list[tuple[int, float]]:
        from modelyard.client.client import Client

        return [(point.step, point.value) for point in Client(self.url).get_metric_history(run.info.run_id, key)]


@pytest.fixture
def tracked(autolog_server, autolog_spool, monkeypatch, request) -> Iterator[Tracked]:
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "MODELYARD_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MODELYARD_SPOOL", autolog_spool)
    monkeypatch.setenv("MODELYARD_CACHE", f"{autolog_spool}/cache")
    monkeypatch.setenv("MODELYARD_CAPTURE", "false")
    monkeypatch.setenv("MODELYARD_SYSTEM_METRICS", "false")
    from modelyard.client import fluent, uris

    fluent.set_tracking_uri(autolog_server)
    fluent.set_experiment(request.node.nodeid[:200])
    patching._reported.clear()
    yield Tracked(autolog_server, request.node.nodeid[:200])
    for library in registry.LIBRARIES:
        registry.autolog(library, disable=True)
    registry._asked.clear()
    while fluent.active_run() is not None:
        fluent.end_run()
    fluent.flush_async_logging()
    uris.set_tracking_uri(None)
