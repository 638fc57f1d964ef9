"""`modelyard doctor` says what is broken, and what to do."""

from __future__ import annotations

import re
import socket
import sqlite3
from contextlib import closing

from click.testing import CliRunner, Result

from modelyard.cli.main import main
from tests.cli.process import running


def doctor(*arguments: object, **variables: str) -> Result:
    return CliRunner().invoke(main, ["doctor", *map(str, arguments)], env=variables)


def lines(result: Result, state: str) -> dict[str, str]:
    """What is said about each thing in this state."""
    found = re.findall(rf"^{state} +(\w+) +(.*)$", result.output, re.MULTILINE)
    return dict(found)


def test_before_the_first_start_nothing_is_broken_and_nothing_is_made(tmp_path):
    done = doctor("--data", tmp_path / "data", "--port", 0)
    assert done.exit_code == 0, done.output
    assert done.output.endswith("Nothing is broken.\n")
    assert not (tmp_path / "data").exists()


def test_beside_a_running_server(tmp_path):
    (tmp_path / "artifacts").mkdir()
    with running(tmp_path) as server:
        done = doctor("--data", tmp_path, "--port", server.port)
        fine = lines(done, "ok")
        assert done.exit_code == 0, done.output
        assert "a server answers, version" in fine["port"]
        assert f"in use by process {server.process.pid}" in fine["sqlite"]
        database = fine.get("database") or lines(done, "note")["database"]  # a busy machine is slow
        assert re.search(r"[\d.]+ ms to read, [\d.]+ ms to write", database)
        assert "written, read and deleted" in fine["artifacts"]
        assert fine["schema"].startswith("revision ")
        assert not any(path.name.startswith("doctor") for path in (tmp_path / "artifacts").rglob("*"))


def test_what_is_broken_comes_with_advice(tmp_path):
    (tmp_path / "artifacts").write_text("in the way")
    with closing(sqlite3.connect(tmp_path / "modelyard.db")) as connection:
        connection.execute("CREATE TABLE run (id INTEGER)")
        connection.commit()
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = doctor("--data", tmp_path, "--port", other.getsockname()[1])
    broken = lines(done, "bad")
    assert done.exit_code == 1
    assert set(broken) == {"database", "artifacts", "port"}
    assert "was not made by a release of it" in broken["database"]
    assert done.output.endswith("3 broken.\n")
    assert done.output.count("\n" + " " * 17 + "-> ") >= 2


def test_an_unreachable_database_shows_no_password(tmp_path):
    done = doctor("--data", tmp_path, "--port", 0, "--database", "postgresql://u:hunter2@127.0.0.1:1/d")
    assert done.exit_code == 1
    assert "Connection refused" in lines(done, "bad")["database"]
    assert "postgresql://u:***@127.0.0.1:1/d" in done.output
    assert "hunter2" not in done.output


def test_a_misspelt_variable_is_pointed_out(tmp_path):
    done = doctor("--data", tmp_path, "--port", 0, MODELYARD_PROT="5000")
    assert done.exit_code == 0
    assert "MODELYARD_PROT is not a setting" in lines(done, "note")["settings"]


def test_on_postgresql(postgres, tmp_path):
    url = postgres.create()
    done = doctor("--data", tmp_path, "--port", 0, "--database", url)
    assert done.exit_code == 0, done.output
    assert "there is none yet" in lines(done, "note")["schema"]
    postgres.drop(url)
