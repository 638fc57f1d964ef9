"""The fluent API as a training script sees it: `import modelyard as mlflow`, an address, a fresh experiment."""

import logging
import uuid
from collections.abc import Iterator
from types import ModuleType

import pytest


@pytest.fixture(autouse=True)
def _nothing_left(monkeypatch) -> Iterator[None]:
    """Nothing is sampled or captured unasked, and everything may be reported again."""
    from modelyard.client import reports

    monkeypatch.setenv("MODELYARD_CAPTURE", "false")
    monkeypatch.setenv("MODELYARD_SYSTEM_METRICS", "false")
    reports._said.clear()
    yield
    end()


def end() -> None:
    """No run is active, and nothing is undelivered that can be delivered."""
    from modelyard.client import recorder
    from modelyard.client.active import state
    from modelyard.client.lifecycle import finish

    for run in state.newest_first():
        finish(run, "FINISHED")
    state.experiment = None
    for each in list(recorder._recorders.values()):
        each.close(10)


@pytest.fixture
def name() -> str:
    """Of an experiment that no other test has."""
    return f"/tests/{uuid.uuid4().hex}"


@pytest.fixture
def mlflow(any_server, name) -> Iterator[ModuleType]:
    """Our package under the name that scripts use, with an experiment of its own, on either server."""
    import modelyard

    modelyard.set_tracking_uri(any_server)
    modelyard.set_experiment(name)
    yield modelyard
    end()  # while the server is there


@pytest.fixture
def ours(sqlite_server, name) -> Iterator[ModuleType]:
    """The same, on our server only."""
    import modelyard

    modelyard.set_tracking_uri(sqlite_server.url)
    modelyard.set_experiment(name)
    yield modelyard
    end()  # while the server is there


@pytest.fixture
def said(caplog) -> Iterator[list[str]]:
    """What was said on our logger."""
    texts: list[str] = []

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            texts.append(record.getMessage())

    listening = Listening()
    logger = logging.getLogger("modelyard")
    logger.addHandler(listening)
    yield texts
    logger.removeHandler(listening)
