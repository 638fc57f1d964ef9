"""What the client's tests share: the two servers that it must work with."""

from collections.abc import Iterator

import pytest


@pytest.fixture(params=["modelyard", "mlflow"])
def any_server(request) -> str:
    """The URL of a server of ours, then of a stock MLflow server, which other tests use too: names must be unique."""
    return request.getfixturevalue("sqlite_server" if request.param == "modelyard" else "stock_mlflow").url


@pytest.fixture(autouse=True)
def _no_settings_of_the_machine(monkeypatch, tmp_path) -> Iterator[None]:
    """Nothing that the machine's user set, no proxy, and no file of a test outside its folder."""
    import os

    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "MODELYARD_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MODELYARD_SPOOL", str(tmp_path / "spool"))
    yield
    from modelyard.client import transport, uris

    uris.set_tracking_uri(None)
    uris.set_registry_uri(None)
    transport.forget()
