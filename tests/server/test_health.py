"""What load balancers and clients ask before anything else."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from modelyard import __version__


def ask(url: str, method: str = "GET") -> tuple[int, str, bytes]:
    request = urllib.request.Request(url, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers["content-type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["content-type"], error.read()


def test_the_plain_answers(sqlite_server):
    html = "text/html; charset=utf-8"
    assert ask(sqlite_server.url + "/health") == (200, html, b"OK")
    assert ask(sqlite_server.url + "/health/live") == (200, html, b"OK")
    assert ask(sqlite_server.url + "/version") == (200, html, __version__.encode())
    assert ask(sqlite_server.url + "/version", "HEAD") == (200, html, b"")
    assert ask(sqlite_server.url + "/version", "DELETE")[0] == 405


@pytest.mark.parametrize("prefix", ["api", "ajax-api"])
def test_the_newest_clients_question(sqlite_server, prefix):
    status, kind, body = ask(f"{sqlite_server.url}/{prefix}/3.0/mlflow/server-info")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body) == {"store_type": "SqlStore", "workspaces_enabled": False}


def test_ready_on_both_databases(server):
    assert ask(server.url + "/health/ready") == (200, "application/json", b'{"status":"ready"}')


def test_not_ready_without_artifacts_and_ready_again_with_them(sqlite_server, tmp_path):
    root = Path(tmp_path / "data" / "artifacts")
    root.mkdir(exist_ok=True)
    shutil.rmtree(root)
    root.write_text("in the way")

    status, _, body = ask(sqlite_server.url + "/health/ready")
    answer = json.loads(body)
    assert (status, answer["status"]) == (503, "unavailable")
    assert list(answer["missing"]) == ["artifacts"]
    assert answer["missing"]["artifacts"]
    assert ask(sqlite_server.url + "/health/live")[0] == 200

    root.unlink()
    root.mkdir()
    assert ask(sqlite_server.url + "/health/ready")[0] == 200


def test_not_ready_without_the_database(postgres, tmp_path):
    import psycopg

    from tests.conftest import serve

    url = postgres.create()
    for running in serve(tmp_path / "data", url):
        assert ask(running.url + "/health/ready")[0] == 200
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA modelyard CASCADE")
        status, _, body = ask(running.url + "/health/ready")
        assert (status, list(json.loads(body)["missing"])) == (503, ["database"])
        with psycopg.connect(postgres.instance.get_uri(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {url.rpartition('?')[0].rpartition('/')[2]} WITH (FORCE)")
        status, _, body = ask(running.url + "/health/ready")
        assert (status, list(json.loads(body)["missing"])) == (503, ["database"])
        assert "PostgreSQL does not answer" in json.loads(body)["missing"]["database"]
        assert ask(running.url + "/health/live")[0] == 200
