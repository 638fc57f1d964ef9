"""Servers and networks that fail in every way: all arrives once, nothing is raised, and little is said."""

from __future__ import annotations

import itertools
import struct
import time
from uuid import uuid4

import pytest

from modelyard.client.recorder import Recorder
from modelyard.client.sender import Sender
from tests.client.faulty import DROP, HANG, LOSE, Faulty
from tests.client.logging_process import Reader, params, run, sync, tags

JSON = {"content-type": "application/json"}
FAILS = {
    "500": (500, JSON, b'{"error_code": "INTERNAL_ERROR", "message": "oh"}'),
    "502 of a proxy": (502, {"content-type": "text/html"}, b"<html>bad gateway</html>"),
    "503": (503, {**JSON, "retry-after": "1"}, b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "busy"}'),
    "429": (429, {"retry-after": "1"}, b""),
    "401": (401, {}, b"who are you"),
    "403": (403, JSON, b'{"error_code": "PERMISSION_DENIED", "message": "not you"}'),
    "404 of another server": (404, {"content-type": "text/html"}, b"<html>nothing here</html>"),
    "a redirect to a login page": (302, {"location": "https://login.example/"}, b""),
    "no answer": DROP,
    "a lost answer": LOSE,
    "a server that hangs": HANG,
}


@pytest.fixture
def behind(any_server):
    """A faulty proxy before each of the servers."""
    proxy = Faulty(any_server)
    yield proxy
    proxy.close()


@pytest.fixture
def faulty(sqlite_server):
    proxy = Faulty(sqlite_server.url)
    yield proxy
    proxy.close()


@pytest.fixture
def recorder_at(monkeypatch):
    made = []

    def make(url: str) -> Recorder:
        made.append(Recorder(url))
        return made[-1]

    monkeypatch.setattr("modelyard.client.sender.FIRST_PAUSE_S", 0.02)
    yield make
    for recorder in made:
        recorder.close(5)


def begin(recorder: Recorder, name: str = "run", wait_s: float = 5.0):
    return recorder.start_run(
        experiment_id="0", experiment_name=None, run_name=name, start_time_ms=1, tags={}, user_id="", wait_s=wait_s
    )


def delivered(recorder: Recorder, within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while recorder.flush(1.0):
        assert time.monotonic() < end, recorder.flush()


@pytest.mark.parametrize("fault", FAILS.values(), ids=FAILS.keys())
def test_whatever_the_server_answers_everything_arrives_once(faulty, recorder_at, monkeypatch, caplog, fault) -> None:
    if fault == HANG:
        monkeypatch.setenv("MODELYARD_HTTP_TIMEOUT_S", "1")
    recorder = recorder_at(faulty.url)
    log = begin(recorder)
    assert log.delivered
    faulty.faults.extend([fault] * 2)

    for step in range(3000):
        log.log_metric("loss", 1.0, step, step)
    log.log_params({"lr": "0.1"})
    log.set_tags({"order": "1"})
    log.set_tags({"order": "2"})
    delivered(recorder)

    assert not faulty.faults
    reader = Reader(faulty.url)
    assert reader.steps(log.run_id, "loss") == list(range(3000))
    found = reader.run(log.run_id)
    assert (params(found), tags(found)["order"]) == ({"lr": "0.1"}, "2")
    said = [record.getMessage() for record in caplog.records if record.name == "modelyard"]
    assert len(said) == 2, said
    assert "kept in" in said[0]
    assert "answers again" in said[1]


@pytest.mark.parametrize("places", [("v1/runs", "runs/create"), ("metrics/points", "log-batch"), ("runs/update",)])
def test_an_answer_that_is_lost_makes_nothing_twice(behind, recorder_at, places) -> None:
    unique = uuid4().hex
    behind.only = places
    behind.faults.extend([LOSE, LOSE])
    recorder = recorder_at(behind.url)
    log = begin(recorder, unique)
    for step in range(500):
        log.log_metric("loss", 1.0, step, step)
    log.log_params({"lr": "0.1"})
    log.update(status="FINISHED", end_time_ms=5)
    delivered(recorder)
    behind.faults.clear()

    reader = Reader(behind.url)
    found = reader.named(unique)
    assert found["info"]["run_id"] == log.run_id
    assert found["info"]["status"] == "FINISHED"
    assert reader.steps(log.run_id, "loss") == list(range(500))


def test_a_server_that_asks_to_wait_is_left_alone_that_long(faulty, recorder_at) -> None:
    recorder = recorder_at(faulty.url)
    log = begin(recorder)
    faulty.faults.append(FAILS["429"])
    log.log_params({"a": "b"})
    recorder.flush()
    asked, since = len(faulty.asked), time.monotonic()
    assert recorder.flush(0.5)
    assert len(faulty.asked) == asked
    delivered(recorder)
    assert time.monotonic() - since > 0.9


def test_pauses_grow_and_differ(monkeypatch, sqlite_server) -> None:
    recorder = Recorder("http://127.0.0.1:9")
    log = begin(recorder)
    sender = recorder._sender
    assert isinstance(sender, Sender)
    sender.stop()
    pauses = []
    from modelyard.client.exchange import Unreachable

    for _ in range(12):
        sender._failed(Unreachable("away"))
        pauses.append(sender._not_before - time.monotonic())
    assert all(pause <= 30.0 for pause in pauses)
    assert max(pauses[:2]) < min(pauses[5:])
    assert len({round(pause, 3) for pause in pauses[8:]}) > 1
    del log
    recorder.close(0)


def test_rejected_points_are_found_when_the_server_does_not_say_which(behind, recorder_at, caplog) -> None:
    """Both servers refuse timestamps before 1970; ours says which points, a stock one does not."""
    recorder = recorder_at(behind.url)
    log = begin(recorder, uuid4().hex)
    bad = {17, 30}
    for step in range(40):
        log.log_metric("loss", 1.0, step, -5 if step in bad else 5)
    delivered(recorder)
    assert Reader(behind.url).steps(log.run_id, "loss") == [step for step in range(40) if step not in bad]
    assert len([record for record in caplog.records if "'loss'" in record.getMessage()]) == 1


@pytest.mark.parametrize("poison", ["point", "param"])
def test_what_makes_the_server_fail_holds_nothing_up(behind, recorder_at, caplog, poison) -> None:
    """A server that answers 500 to one thing, again and again, and takes the rest."""
    recorder = recorder_at(behind.url)
    log = begin(recorder, uuid4().hex)
    as_point = struct.pack("<d", 666.0) if is_native(recorder) else b"666.0"
    behind.poison = b"666" if poison == "param" else as_point
    log.log_params({"a": "1", "bad": "666" if poison == "param" else "7"})
    for step in range(50):
        log.log_metric("loss", 666.0 if (poison, step) == ("point", 30) else 1.0, step, 5)
    log.update(status="FINISHED", end_time_ms=5)
    delivered(recorder)

    reader = Reader(behind.url)
    behind.poison = b""
    found = reader.run(log.run_id)
    assert found["info"]["status"] == "FINISHED"
    missing = [30] if poison == "point" else []
    assert reader.steps(log.run_id, "loss") == [step for step in range(50) if step not in missing]
    assert params(found) == ({"a": "1"} if poison == "param" else {"a": "1", "bad": "7"})
    said = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert len(said) == 1, said


def test_what_makes_the_server_fail_holds_no_adopted_journal_up(faulty, spool_of_the_dead) -> None:
    faulty.poison = b"poison"
    done = sync(spool_of_the_dead, "--tracking-uri", faulty.url)
    assert done.returncode == 0, done.stderr
    assert "Servers refused 1 record" in done.stdout
    faulty.poison = b""
    found = Reader(faulty.url).named("run")
    assert params(found) == {"a": "1", "b": "2"}
    assert found["info"]["status"] == "KILLED"


@pytest.fixture
def spool_of_the_dead(tmp_path):
    script = """
run = begin()
run.log_params({"a": "1"})
run.log_params({"bad": "poison"})
run.log_params({"b": "2"})
os._exit(0)
"""
    run(script, "http://127.0.0.1:9", tmp_path / "dead")
    return tmp_path / "dead"


def is_native(recorder: Recorder) -> bool:
    assert recorder._sender is not None
    return recorder._sender.deliverer.runs.native


def test_a_server_that_fails_at_everything_loses_nothing(faulty, recorder_at) -> None:
    recorder = recorder_at(faulty.url)
    log = begin(recorder)
    faulty.poison = b"run_id"
    log.log_params({"a": "1"})
    log.log_metric("loss", 1.0, 0, 5)
    for _ in range(12):
        assert recorder.flush(1.0)
    faulty.poison = b""
    delivered(recorder)
    reader = Reader(faulty.url)
    assert params(reader.run(log.run_id)) == {"a": "1"}
    assert reader.steps(log.run_id, "loss") == [0]


def test_a_proxys_refusal_is_not_the_servers(faulty, recorder_at) -> None:
    recorder = recorder_at(faulty.url)
    log = begin(recorder)
    faulty.faults.extend([(400, {"content-type": "text/html"}, b"<html>Bad Request</html>")] * 2)
    log.log_params({"a": "1"})
    delivered(recorder)
    assert params(Reader(faulty.url).run(log.run_id)) == {"a": "1"}


def test_a_proxy_that_bounds_bodies_gets_smaller_ones(faulty, recorder_at) -> None:
    recorder = recorder_at(faulty.url)
    log = begin(recorder)
    faulty.largest = 50_000
    for step in range(10_000):
        log.log_metric("loss", 1.0, step, 5)
    delivered(recorder)
    assert Reader(faulty.url).steps(log.run_id, "loss") == list(range(10_000))


def test_many_points_take_few_requests(faulty, recorder_at) -> None:
    recorder = recorder_at(faulty.url)
    log = begin(recorder)
    for step in range(100_000):
        log.log_metric("loss", 1.0, step, step)
    for number in range(300):
        log.log_params({f"p{number}": "1"})
    delivered(recorder)
    assert len(faulty.asked) < 25, faulty.asked
    asked = [line for line, _ in itertools.groupby(faulty.asked)]
    assert any("metrics/points" in line for line in asked)
