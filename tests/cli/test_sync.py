"""`modelyard sync`: what it delivers, what it leaves, and what it says."""

from __future__ import annotations

import json

import pytest

from tests.client.logging_process import Reader, left_in, run, start, sync

OFFLINE = "http://127.0.0.1:9"
RUN = "run = begin({name!r})\nfor step in range(100): run.log_metric('m', 1.0, step, 1)\n"


@pytest.fixture
def spool(tmp_path):
    return tmp_path / "spool"


def offline(spool, name="run", more="os._exit(0)") -> None:
    run(RUN.format(name=name) + more, OFFLINE, spool)


def test_an_empty_spool(spool) -> None:
    done = sync(spool)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Nothing to deliver.\n", "")


def test_it_says_what_was_delivered(spool, sqlite_server) -> None:
    offline(spool, "one")
    offline(spool, "two")
    done = sync(spool, "--tracking-uri", sqlite_server.url)
    assert done.returncode == 0
    assert done.stdout == "Delivered 200 metric points and 2 other records; 2 journals done.\n"
    assert done.stderr == ""
    reader = Reader(sqlite_server.url)
    for name in ("one", "two"):
        assert reader.steps(reader.named(name)["info"]["run_id"], "m") == list(range(100))


def test_a_directory_may_be_named(spool, tmp_path, sqlite_server) -> None:
    offline(spool)
    done = sync(tmp_path / "elsewhere", "--spool", str(spool), "--tracking-uri", sqlite_server.url)
    assert done.stdout.startswith("Delivered 100 metric points")
    assert left_in(spool) == []


def test_a_server_that_is_away_is_exit_code_one_and_one_line(spool) -> None:
    offline(spool)
    done = sync(spool)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Error: 1 of 1 journals could not be delivered: The tracking server")
    assert "100 metric points" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(left_in(spool)) == 1


def test_what_a_living_process_holds_is_left_to_it(spool) -> None:
    process = start(RUN.format(name="alive") + "say('ready'); time.sleep(60)", OFFLINE, spool)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        done = sync(spool)
        assert done.returncode == 0
        assert "A running process still holds 100 metric points and 1 other record:" in done.stdout
        assert len(left_in(spool)) == 1
    finally:
        process.kill()
        process.communicate()


def test_json_holds_everything(spool, sqlite_server) -> None:
    offline(spool, "run", "run.log_params({'a': '1'}); run.log_params({'a': '2', 'b': '3'}); os._exit(0)")
    done = sync(spool, "--json", "--tracking-uri", sqlite_server.url)
    said = json.loads(done.stdout)
    assert (said["points"], said["records"]) == (100, 3)
    assert [journal["state"] for journal in said["journals"]] == ["delivered"]
    (refused,) = said["rejected"]
    assert (refused["kind"], refused["key"], refused["content"]) == ("param", "a", "2")
    assert "Changing param values" in refused["reason"]

    again = sync(spool)  # the refusal stays until somebody has seen to it
    assert "Servers refused 1 record" in again.stdout
    assert "param a: Changing param values is not allowed." in again.stdout


def test_the_journal_of_a_forked_child_waits_for_its_parents(spool, sqlite_server) -> None:
    script = """
run = begin("run")
if not os.fork():
    for step in range(100): run.log_metric("child", 1.0, step, 1)
    os._exit(0)
os.wait()
os._exit(0)
"""
    run(script, OFFLINE, spool)
    assert len(left_in(spool)) == 2
    # the child's comes first: its name is made to sort before the parent's
    child = next(path for path in spool.iterdir() if b'"parent":"2' in (path / "runs.jsonl").read_bytes())
    child.rename(child.with_name("00000000"))

    done = sync(spool, "--tracking-uri", sqlite_server.url)

    assert done.returncode == 0, done.stderr
    reader = Reader(sqlite_server.url)
    assert reader.steps(reader.named("run")["info"]["run_id"], "child") == list(range(100))
    assert left_in(spool) == []


def test_a_journal_without_an_address_is_left(spool, sqlite_server) -> None:
    offline(spool)
    (about,) = spool.glob("*/journal.json")
    about.write_text("garbage")
    done = sync(spool)
    assert done.returncode == 1
    assert "does not say for which server" in done.stderr
    assert sync(spool, "--tracking-uri", sqlite_server.url).returncode == 0
    assert len(Reader(sqlite_server.url).search()) == 1
