import pytest

from tests.server.mlflow.rest import Rest


@pytest.fixture
def rest(server):
    return Rest(server.url)


@pytest.fixture
def sqlite_rest(sqlite_server):
    return Rest(sqlite_server.url)
