"""The gateway's journal: what is appended is read in order, whoever dies; bounded; a full disk; damage."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.client.journal import segments
from modelyard.client.journal.journal import Taken
from modelyard.domain.predictions import Feedback, Ids
from modelyard.serving.gateway import journal
from modelyard.serving.gateway.entries import LONGEST_BODY, Entry
from modelyard.serving.gateway.journal import DELIVERED, FEEDBACK, PREDICTION, Full, Journal
from modelyard.serving.gateway.reading import Reading, found, tidy
from modelyard.serving.gateway.recorder import Recorder
from tests.reliability.process import until

LIMIT = 64 * 2**20
IDS = Ids(b"tests")


@pytest.fixture
def writing(tmp_path):
    opened = Journal(tmp_path, "test", LIMIT)
    assert opened.begin() is not None
    yield opened
    opened.close()


@pytest.fixture
def reading(writing):
    opened = Reading(writing.folder)
    yield opened
    opened.close()


def everything(reading: Reading) -> list[bytes]:
    found = []
    while records := reading.some(100, 2**20):
        found += [record.body for record in records]
        reading.delivered(records[-1].end, len(records))
    return found


def test_what_is_appended_is_read_in_order_while_the_writer_goes_on(writing, reading):
    assert reading.some(10, 100) == []
    for round in range(3):
        bodies = [b"%d-%d" % (round, at) for at in range(250)]
        for body in bodies:
            writing.append(PREDICTION, body)
        assert everything(reading) == bodies
    assert writing.told(DELIVERED) == writing.records == 750


def test_kinds_stay_apart_and_a_place_is_read_again_until_it_is_delivered(writing, reading):
    writing.append(PREDICTION, b"a")
    writing.append(FEEDBACK, b"b")
    first = reading.some(10, 100)
    assert [(record.kind, record.body) for record in first] == [(PREDICTION, b"a"), (FEEDBACK, b"b")]
    assert reading.some(10, 100) == first
    reading.delivered(first[0].end, 1)
    assert reading.some(10, 100) == first[1:]


def test_segments_are_deleted_once_they_are_delivered(writing, reading):
    body = bytes(2**20)
    for at in range(12):
        writing.append(PREDICTION, body + bytes([at]))
    files = sorted(writing.folder.glob("predictions-*"))
    assert len(files) >= 3
    assert [record[-1] for record in everything(reading)] == list(range(12))
    assert sorted(writing.folder.glob("predictions-*")) == files[-1:]
    assert writing.used == files[-1].stat().st_size


def test_a_record_larger_than_a_segment_gets_one_of_its_own(writing, reading):
    bodies = [b"small", bytes(9 * 2**20), b"small again"]
    for body in bodies:
        writing.append(PREDICTION, body)
    assert everything(reading) == bodies


def test_the_bound_holds_and_room_that_is_made_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_RETRY_S", 0.0)
    writing = Journal(tmp_path, "test", 9 * 2**20)
    body = bytes(2**20 - 100)

    def fill() -> None:
        for _ in range(20):
            writing.append(PREDICTION, body)

    with pytest.raises(Full, match=r"holds its 9,437,184 bytes"):
        fill()
    kept = writing.records
    reading = Reading(writing.folder)
    assert len(everything(reading)) == kept
    writing.append(PREDICTION, b"again")
    assert everything(reading) == [b"again"]
    reading.close()
    writing.close()


def test_only_one_delivers(writing, reading):
    with pytest.raises(Taken):
        Reading(writing.folder)
    assert not reading.orphaned
    writing.close()
    assert reading.orphaned


KILLED = """
import os, sys
from pathlib import Path
from modelyard.serving.gateway.journal import Journal
journal = Journal(Path(sys.argv[1]), "dead", 2**30)
for at in range(int(sys.argv[2])):
    journal.append(1, b"%d" % at)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_is_all_there(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path, "5000"], check=False)
    assert done.returncode == -9
    (folder,) = found(tmp_path)
    reading = Reading(folder)
    assert reading.orphaned
    assert everything(reading) == [b"%d" % at for at in range(5000)]
    assert reading.finished()
    reading.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_a_removal_left_is_removed_by_the_next(tmp_path):
    for name in (".gone-1", ".making-new", ".making-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "journal.json").write_text("{}")
    os.utime(tmp_path / ".making-old", (0, 0))
    assert list(found(tmp_path)) == []
    tidy(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".making-new"]


@settings(max_examples=30)
@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=40), st.data())
def test_damage_costs_no_more_than_what_is_behind_it(tmp_path_factory, bodies, data):
    writing = Journal(tmp_path_factory.mktemp("damage"), "test", LIMIT)
    for body in bodies:
        writing.append(PREDICTION, body)
    folder = writing.folder
    writing.close()
    ends = [segments.HEADER]
    for body in bodies:
        ends.append(ends[-1] + 12 + len(body))
    at = data.draw(st.integers(segments.HEADER, ends[-1] - 1))
    path = next(folder.glob("predictions-*"))
    raw = bytearray(path.read_bytes())
    raw[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    hurt = max(number for number, start in enumerate(ends) if start <= at)
    reading = Reading(folder)
    found = everything(reading)
    # the kind of a record is not checked: a reader that does not know it says so
    assert found in (bodies[:hurt], bodies)
    if found != bodies:
        assert len(reading.damaged) == 1
        assert list(folder.glob("damaged-*"))
    assert reading.finished()
    reading.remove()
    assert not folder.exists()


def entry(**values) -> Entry:
    known = {
        "id": IDS.next(1), "deployment": "wine", "at_ms": 1, "revision": 1, "endpoint": "", "model": "wine",
        "version": "3", "role": "stable", "segment": "", "latency_us": 900, "status": 200,
    }  # fmt: skip
    return Entry(**{**known, **values})


def recorded(folder: Path) -> list[Entry]:
    import msgspec

    (left,) = found(folder)
    reading = Reading(left)
    bodies = everything(reading)
    reading.close()
    return [msgspec.msgpack.decode(body, type=Entry) for body in bodies]


def test_a_hashed_or_huge_body_never_reaches_the_disk(tmp_path):
    recorder = Recorder(tmp_path, "http://127.0.0.1:1", "test")
    recorder.record(entry(request=b"secret", response=b"1", hashed=True))
    recorder.record(entry(request=b"x" * (LONGEST_BODY + 1), response=b"y" * (LONGEST_BODY + 1)))
    recorder.record(entry(request=b"plain"))
    recorder.close()
    hashed, huge, plain = recorded(tmp_path)
    assert (hashed.request, len(hashed.input_hash), hashed.response) == (None, 32, b"1")
    assert (huge.request, len(huge.input_hash), huge.response) == (None, 32, None)
    assert (plain.request, plain.input_hash) == (b"plain", None)
    assert not any(b"secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_a_full_disk_costs_predictions_and_nothing_else(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(journal, "_RETRY_S", 0.0)
    full = threading.Event()
    real = os.posix_fallocate

    def reserve(descriptor, offset, length):
        if full.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", reserve)
    recorder = Recorder(tmp_path, "http://127.0.0.1:1", "test")
    full.set()
    recorder.record(entry())
    recorder.feedback(Feedback(b"f" * 16, "wine", b"p" * 16, None, "red", None, 1))
    assert (recorder.dropped, recorder.pending) == (2, 0)
    assert "No space left on device" in caplog.text
    assert caplog.text.count("lost") == 1
    full.clear()
    recorder.record(entry())
    assert (recorder.dropped, recorder.pending) == (2, 1)
    recorder.close()
    assert len(recorded(tmp_path)) == 1


def test_a_folder_that_cannot_be_made_costs_predictions_and_nothing_else(tmp_path):
    (tmp_path / "file").write_text("")
    recorder = Recorder(tmp_path / "file" / "below", "http://127.0.0.1:1", "test")
    recorder.record(entry())
    assert recorder.dropped == 1
    recorder.close()


def test_what_cannot_be_written_down_is_counted(tmp_path):
    recorder = Recorder(tmp_path, "http://127.0.0.1:1", "test")
    recorder.record(entry(segment=object()))
    assert recorder.dropped == 1
    recorder.close()


def test_a_deliverer_that_dies_is_started_again(tmp_path):
    recorder = Recorder(tmp_path, "http://127.0.0.1:1", "test")
    recorder.start()
    first = until(lambda: recorder.deliverer)
    os.kill(first, 9)
    assert until(lambda: recorder.deliverer not in (0, first) and recorder.deliverer)
    recorder.close()
    assert recorder.deliverer == 0
