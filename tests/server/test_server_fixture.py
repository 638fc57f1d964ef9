"""The server answers on both databases, and stops."""

from __future__ import annotations

import urllib.request


def test_a_server_is_healthy(server):
    with urllib.request.urlopen(f"{server.url}/health", timeout=10) as answer:
        assert answer.read() == b"OK"


def test_the_stock_client_reads_the_default_experiment(mlflow_client):
    assert mlflow_client.get_experiment("0").name == "Default"
