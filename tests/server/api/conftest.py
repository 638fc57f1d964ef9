"""Fixtures for the native API."""

import pytest

from tests.server.api.native import Native


@pytest.fixture
def native(server) -> Native:
    return Native(server.url)


@pytest.fixture
def sqlite_native(sqlite_server) -> Native:
    return Native(sqlite_server.url)
