"""The history of metrics while it is written, read and compacted: always complete, always exact."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from modelyard.db import changes, log, metrics, runs
from modelyard.db.engine import Database
from modelyard.db.metrics import History
from modelyard.db.schema import prepare
from modelyard.db.tables import metric_chunk, metric_fresh
from modelyard.domain.errors import Conflict
from modelyard.domain.metrics import LogBatch, Points
from modelyard.domain.runs import plan
from modelyard.services.compaction import MANY, Compactor
from tests.reliability.process import until

_numbers = itertools.count(1)


def new_run(database):
    uuid = f"{next(_numbers):032x}"
    (made,) = database.write(runs.create, [plan(0, name="r", start_ms=1, user_id="", created_by="test", uuid=uuid)])
    return made


def log_points(database, run, points):
    """Points as (key, timestamp, step, value)."""
    keys, times, steps, values = (list(column) for column in zip(*points, strict=True))
    batch = LogBatch(run.uuid, Points(keys, values, times, steps))

    if database.writer.threaded:
        asyncio.run(bulk(database, batch))
    else:  # which serves one event loop; here are several threads
        assert database.write(log.apply, [batch]) == [None]


async def bulk(database, command):
    return await database.writer.bulk(command)


def history(database, run, key, kept=None):
    """As (timestamp, step, value), NaN as None; without a cache unless one is given."""
    found = database.read((kept or History()).read, run.uuid, key)
    columns = (found.timestamps.tolist(), found.steps.tolist(), found.values.tolist())
    return [(time, step, None if math.isnan(value) else value) for time, step, value in zip(*columns, strict=True)]


def expected(points, key):
    """In MLflow's order: time, step, value, NaN as 0 behind it; a repeat counts once."""
    ours = {
        (time, step, 0.0 if math.isnan(value) else value, math.isnan(value))
        for name, time, step, value in points
        if name == key
    }
    return [(time, step, None if is_nan else value) for time, step, value, is_nan in sorted(ours)]


def count(database, table, run):
    return database.read(lambda tx: tx.row(select(func.count()).where(table.c.run_id == run.id)))[0]


keys = st.sampled_from(["a", "b", "c"])
values = st.sampled_from([0.0, 1.0, -1.5, 1e300, 5e-324, math.nan]) | st.floats(allow_infinity=False)
times = st.integers(0, 5) | st.sampled_from([1_700_000_000_000, 2**62])
steps = st.integers(-2, 3) | st.sampled_from([-(2**63), 2**63 - 1])
batches = st.lists(st.tuples(keys, times, steps, values), min_size=1, max_size=30)
moves = st.one_of(batches, batches, st.just("compact"), st.just("read"), st.tuples(keys, st.integers(500, 3000)))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(moves, max_size=10))
def test_history_is_what_was_logged_however_it_was_compacted(database, drawn):
    run, logged, kept, compactor = new_run(database), [], History(), Compactor(database)
    for move in drawn:
        if move == "compact":
            compactor.compact(run.id)
            assert count(database, metric_fresh, run) == 0
        elif isinstance(move, tuple):  # a long series at once, enough for chunks of its own
            key, length = move
            begin = len(logged)
            points = [(key, 1000 + begin + at, begin + at, float(at % 7)) for at in range(length)]
            log_points(database, run, points)
            logged += points
        elif move == "read":
            for key in "abc":
                assert history(database, run, key, kept) == expected(logged, key)
        else:
            log_points(database, run, move)
            logged += move
    compactor.compact(run.id)
    for key in "abc":
        assert history(database, run, key) == history(database, run, key, kept) == expected(logged, key)


class Stress:
    """Writers, readers and compactors on one run, each on a server of its own choice."""

    def __init__(self, servers, points):
        self.servers = servers
        self.run = new_run(servers[0])
        self.points = points
        self.acknowledged = [0] * 4
        self.done = threading.Event()
        self.failures: list[BaseException] = []
        self.compactions = 0

    def value(self, writer, at):
        return float(writer * 1_000_000 + at)

    def write(self, writer):
        server, rng = self.servers[writer % len(self.servers)], random.Random(writer)
        at = 0
        while (at < self.points or self.compactions < 6) and not self.failures:
            size = rng.choice([1, 1, 5, 200])
            points = [(f"k{writer % 2}", at + n, at + n, self.value(writer, at + n)) for n in range(size)]
            log_points(server, self.run, points)
            at += size
            self.acknowledged[writer] = at

    def read(self, reader):
        server, kept = self.servers[reader % len(self.servers)], History()
        while not self.done.is_set():
            before = list(self.acknowledged)
            for key in (0, 1):
                for cache in (None, kept):
                    found = server.read((cache or History()).read, self.run.uuid, f"k{key}")
                    assert len(np.unique(found.values)) == len(found), "a point came twice"
                    for writer in (key, key + 2):
                        own = found.values[(found.values // 1_000_000).astype(int) == writer]
                        missing = before[writer] - np.count_nonzero(own < self.value(writer, before[writer]))
                        assert not missing, f"{missing} acknowledged points of writer {writer} are not there"

    def compact(self, which):
        compactor = Compactor(self.servers[which % len(self.servers)])
        while not self.done.is_set():
            compactor.compact(self.run.id)
            self.compactions += 1

    def guarded(self, work, *args):
        try:
            work(*args)
        except BaseException as error:
            self.failures.append(error)
            self.done.set()
            raise

    def go(self, compactors):
        def threads(work, count):
            return [threading.Thread(target=self.guarded, args=(work, number)) for number in range(count)]

        writers, others = threads(self.write, 4), threads(self.read, 2) + threads(self.compact, compactors)
        for thread in writers + others:
            thread.start()
        for thread in writers:
            thread.join()
        self.done.set()
        for thread in others:
            thread.join()
        assert not self.failures
        Compactor(self.servers[0]).compact(self.run.id)
        for key in (0, 1):
            found = self.servers[0].read(History().read, self.run.uuid, f"k{key}").values
            wanted = [self.value(writer, at) for writer in (key, key + 2) for at in range(self.acknowledged[writer])]
            assert sorted(found.tolist()) == sorted(wanted)


def test_history_is_complete_while_it_is_compacted(database):
    Stress([database], 3_000).go(compactors=1)


@pytest.fixture
def two_servers(postgres):
    url = postgres.create()
    servers = [Database(url), Database(url)]
    prepare(servers[0], "mlflow-artifacts:")
    yield servers
    for server in servers:
        server.close()
    postgres.drop(url)


def test_two_servers_that_compact_at_once_lose_nothing(two_servers):
    Stress(two_servers, 2_000).go(compactors=2)


@pytest.mark.soak
def test_two_servers_that_compact_at_once_lose_nothing_for_long(two_servers):
    Stress(two_servers, 100_000).go(compactors=4)


def test_of_two_servers_one_leads_until_it_yields_or_dies(two_servers):
    first, second = two_servers
    assert first.read(changes.lead)
    assert not second.read(changes.lead)
    first.read(changes.yield_lead)
    assert second.read(changes.lead)
    second.drop_reader()
    until(lambda: first.read(changes.lead), why="a dead server's lead ends with its connection")
    first.read(changes.yield_lead)


def test_of_two_compactions_of_the_same_records_one_counts(two_servers):
    run = new_run(two_servers[0])
    log_points(two_servers[0], run, [("k", at, at, float(at)) for at in range(100)])
    both = [server.read(metrics.Compaction, run.id) for server in two_servers]
    two_servers[0].write(both[0].write)
    with pytest.raises(Conflict):
        two_servers[1].write(both[1].write)
    assert count(two_servers[0], metric_chunk, run) == 1
    assert len(history(two_servers[1], run, "k")) == 100


def test_what_is_logged_while_a_run_is_compacted_stays_fresh(database):
    run = new_run(database)
    log_points(database, run, [("k", 1, 1, 1.0)])
    begun = database.read(metrics.Compaction, run.id)
    log_points(database, run, [("k", 2, 2, 2.0)])
    database.write(begun.write)
    assert count(database, metric_fresh, run) == 1
    assert history(database, run, "k") == [(1, 1, 1.0), (2, 2, 2.0)]


def test_a_run_with_many_records_is_due_at_once_and_a_quiet_one_later(database):
    busy, quiet = new_run(database), new_run(database)
    for at in range(MANY):
        log_points(database, busy, [("k", at, at, float(at))])
    log_points(database, quiet, [("k", 1, 1, 1.0)])
    compactor = Compactor(database, quiet_s=0.0)
    compactor._busy = lambda: False
    assert compactor.look() == 2
    log_points(database, quiet, [("k", 2, 2, 2.0)])
    patient = Compactor(database, quiet_s=3600)
    patient._busy = lambda: False
    assert patient.look() == 0
    assert count(database, metric_fresh, quiet) == 1
    assert compactor.look() == 1
    assert count(database, metric_fresh, quiet) == 0
    assert len(history(database, busy, "k")) == MANY


def test_what_is_kept_decoded_stays_within_its_bound(database, monkeypatch):
    """A series that is logged to and read in turn for ever, as a chart does."""
    monkeypatch.setattr(metrics, "CACHE_POINTS", 500)
    run, kept = new_run(database), History()
    for at in range(60):
        log_points(database, run, [("k", at, at, float(at)), ("l", at, at, float(at))])
        assert len(history(database, run, "k", kept)) == at + 1
        assert len(history(database, run, "l", kept)) == at + 1
        assert sum(len(points) for _, points in kept._kept.values()) <= 500
    assert kept._kept, "the latest is kept"
