"""Journals on disk: what was committed is read, whatever happened to the rest; one process at a time delivers it."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.client.journal import points, records, spool
from modelyard.client.journal.journal import Journal, Taken, found
from modelyard.client.journal.points import PointWriter, Series
from modelyard.client.journal.records import RecordWriter
from modelyard.client.journal.segments import HEADER, POINTS, RECORDS, Damaged, Segment
from modelyard.client.journal.streams import Budget, Full, Stream
from modelyard.domain.errors import InvalidArgument

TEXT = st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=40)
INT64 = st.integers(-(2**63), 2**63 - 1)
POINT = st.tuples(TEXT, TEXT, st.floats(allow_nan=False), INT64, INT64)
RECORD = st.fixed_dictionaries({"kind": TEXT, "run": TEXT}, optional={"tags": st.dictionaries(TEXT, TEXT)})


def stream_of(folder: Path | None, kind: int, size: int = 4096, limit: int = 2**20) -> Stream:
    return Stream(folder, kind, "part", size, Budget(limit))


def read_points(stream: Stream) -> list[tuple[str, str, float, int, int]]:
    rows, at = [], 0
    while (segment := stream.at(at)) is not None:
        some = points.read(segment, at, 7)
        rows += [(some.runs[run], some.keys[key], value, time, step) for run, key, value, time, step in some.rows()]
        at = some.end
    return rows


def read_records(stream: Stream) -> list[dict]:
    contents, at = [], 0
    while (segment := stream.at(at)) is not None:
        some, wrong = records.read(segment, at, 100)
        assert not wrong
        contents += [record.content for record in some]
        at = some[-1].end
    return contents


# ------------------------------------------------------------------------------------ what was written is read


@settings(max_examples=30)
@given(st.lists(POINT, max_size=300), st.booleans())
def test_points_come_back_as_they_were(tmp_path_factory, rows, on_disk) -> None:
    folder = tmp_path_factory.mktemp("journal") if on_disk else None
    stream = stream_of(folder, POINTS)
    writer = PointWriter(stream.next_segment)
    series: dict[str, Series] = {}
    for run, key, value, timestamp, step in rows:
        writer.append(series.setdefault(run, Series(run)), key, value, timestamp, step)

    assert read_points(stream) == rows
    if folder is not None:
        again = stream_of(folder, POINTS)
        assert again.load() == []
        assert read_points(again) == rows
        assert again.end == stream.end


@settings(max_examples=30)
@given(st.lists(RECORD, max_size=100), st.booleans())
def test_records_come_back_as_they_were(tmp_path_factory, contents, on_disk) -> None:
    folder = tmp_path_factory.mktemp("journal") if on_disk else None
    stream = stream_of(folder, RECORDS)
    writer = RecordWriter(stream.next_segment)
    tickets = [writer.append(content, at) for at, content in enumerate(contents)]

    assert read_records(stream) == contents
    assert tickets == sorted(set(tickets))
    if folder is not None:
        again = stream_of(folder, RECORDS)
        assert again.load() == []
        assert read_records(again) == contents


def test_a_record_larger_than_a_segment_gets_one_of_its_own(tmp_path) -> None:
    stream = stream_of(tmp_path, RECORDS)
    writer = RecordWriter(stream.next_segment)
    contents = [{"kind": "tags", "run": "r", "tags": {"t": "x" * size}} for size in (10, 9000, 10)]
    for content in contents:
        writer.append(content, 0)
    assert read_records(stream) == contents


# ------------------------------------------------------------------------------------ damage


@settings(max_examples=50)
@given(st.lists(RECORD, min_size=1, max_size=20), st.data())
def test_any_cut_or_changed_byte_gives_records_or_an_end(contents, data) -> None:
    """The records before the damage are read, those behind it are not made up, and nothing is raised."""
    stream = stream_of(None, RECORDS)
    writer = RecordWriter(stream.next_segment)
    ends = [writer.append(content, 0) for content in contents]
    whole = b""
    at = 0
    while (segment := stream.at(at)) is not None:
        whole += segment.read(HEADER, segment.committed)
        at = segment.end

    cut = data.draw(st.integers(0, len(whole)))
    assert [each.content for each in records.parse(whole[:cut], 0)] == contents[: sum(end <= cut for end in ends)]

    place = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[place] ^= data.draw(st.integers(1, 255))
    untouched = sum(end <= place for end in ends)
    assert [each.content for each in records.parse(bytes(changed), 0)] == contents[:untouched]


@given(st.binary(max_size=300))
def test_garbage_is_no_record(data) -> None:
    for record in records.parse(data, 0):
        assert {"kind", "run"} <= record.content.keys()


@settings(max_examples=100)
@given(st.binary(max_size=5000), st.booleans())
def test_a_file_of_garbage_is_damaged_or_read(tmp_path_factory, data, with_header) -> None:
    path = tmp_path_factory.mktemp("journal") / "part-00000001"
    if with_header:
        made = Segment.create(path, POINTS, 0, 4096)
        made.close()
        header = path.read_bytes()[:24] + data[:24].ljust(40, b"\0")
        path.write_bytes(header + data[24:])
    else:
        path.write_bytes(data)
    try:
        some = points.read(Segment.open(path, POINTS), 0, 1000)
    except Damaged:
        return
    assert all(0 < run < len(some.runs) and 0 < key < len(some.keys) for run, key, *_ in some.rows())


@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "garbage", "flipped"])
def test_a_damaged_segment_costs_only_itself(tmp_path, monkeypatch, sqlite_server, damage) -> None:
    from tests.client.logging_process import Reader, run, sync

    place = tmp_path / "spool"
    script = """
run = begin()
for step in range(80_000): run.log_metric("loss", 1.0, step, 1)   # three segments
for number in range(200): run.set_tags({f"t{number}": "x" * 4000})   # several
os._exit(0)
"""
    run(script, "http://127.0.0.1:9", place)
    for name in ("points-00000002", "records-00000002"):
        (path,) = place.glob(f"*/{name}")
        whole = path.read_bytes()
        if damage == "gone":
            path.unlink()
        else:
            spoiled = bytearray(whole)
            spoiled[HEADER + 8000] ^= 0xFF
            left = {"empty": b"", "cut": whole[:100], "garbage": os.urandom(9999), "flipped": spoiled}
            path.write_bytes(left[damage])

    done = sync(place, "--tracking-uri", sqlite_server.url)

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    reader = Reader(sqlite_server.url)
    found_run = reader.named("run")
    steps = reader.steps(found_run["info"]["run_id"], "loss")
    assert steps[0] == 0
    assert steps[-1] == 79_999
    assert len(steps) >= (79_999 if damage == "flipped" else 47_000)
    got = {each["key"] for each in found_run["data"]["tags"]}
    assert {"t0", "t199"} <= got
    if damage != "gone":  # a file that has gone leaves no trace
        assert "damage" in done.stdout


# ------------------------------------------------------------------------------------ bounds


def test_what_is_not_a_point_is_refused_and_leaves_nothing(tmp_path) -> None:
    stream = stream_of(tmp_path, POINTS)
    writer = PointWriter(stream.next_segment)
    series = Series("r")
    for key, value, timestamp, step in [
        ("k", "x", 0, 0), ("k", None, 0, 0), ("k", 1.0, 2**63, 0), ("k", 1.0, 0, 0.5), ("../k", 1.0, 0, 0),
        ("", 1.0, 0, 0), ("k" * 251, 1.0, 0, 0),
    ]:  # fmt: skip
        with pytest.raises((struct.error, TypeError, InvalidArgument)):
            writer.append(series, key, value, timestamp, step)  # type: ignore[arg-type]
    writer.append(series, "k", 1, 2, 3)
    assert read_points(stream) == [("r", "k", 1.0, 2, 3)]


def fill(writer: PointWriter, series: Series, step: int) -> tuple[int, str]:
    """Log until it is refused: the first step that was, and why."""
    while True:
        try:
            writer.append(series, "k", 1.0, step, step)
        except Full as full:
            return step, str(full)
        step += 1


def test_the_bound_holds_and_room_that_is_made_is_used(tmp_path, monkeypatch) -> None:
    budget = Budget(3 * 4096)
    stream = Stream(tmp_path, POINTS, "part", 4096, budget)
    writer = PointWriter(stream.next_segment)
    series = Series("r")
    written = 0
    written, why = fill(writer, series, 0)
    assert "12,288 bytes" in why
    assert written > 300
    assert budget.used == sum(path.stat().st_size for path in tmp_path.iterdir()) == 3 * 4096
    stream.release(stream.end // 2)
    monkeypatch.setattr(writer, "_full_until", 0.0)
    writer.append(series, "k", 1.0, written, written)
    assert read_points(stream)[-1][-1] == written


def test_a_full_disk_is_bridged_by_memory_and_then_drops(tmp_path, monkeypatch) -> None:
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    stream = stream_of(tmp_path, POINTS, size=2**20, limit=2**30)
    writer = PointWriter(stream.next_segment)
    series = Series("r")
    writer.append(series, "k", 1.0, 0, 0)
    monkeypatch.setattr(os, "posix_fallocate", full)
    written, why = fill(writer, series, 1)
    assert "No space left" in why
    assert 8 * 2**20 // 32 < written < 9 * 2**20 // 32 + 2
    assert len(list(tmp_path.iterdir())) == 1
    assert len(read_points(stream)) == written

    monkeypatch.undo()  # somebody made room
    assert stream.save(0) == []
    again = stream_of(tmp_path, POINTS)
    assert again.load() == []
    assert len(read_points(again)) == written


def test_what_finds_no_room_to_the_end_is_told(tmp_path, monkeypatch) -> None:
    stream = stream_of(None, POINTS)
    writer = PointWriter(stream.next_segment)
    for step in range(300):
        writer.append(Series("r"), "k", 1.0, step, step)
    assert stream.left(0) == 300 * 32
    assert sum(segment.committed - HEADER for segment in stream.save(0)) == 300 * 32
    assert stream.left(0) == 0


def test_a_process_whose_disk_is_full_goes_on_and_says_so(tmp_path, sqlite_server) -> None:
    from tests.client.logging_process import Reader, run

    script = """
import resource
run = begin()
for step in range(100): run.log_metric("m", 1.0, step, 1)
recorder.flush()
recorder._sender.stop(5)                       # nothing is delivered for now
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
for step in range(100, 400_000): run.log_metric("m", 1.0, step, 1)
for number in range(200): run.set_tags({f"t{number}": "x" * 4000})
run.log_artifact("a.txt", b"x" * 100_000)      # straight to the server
say("still here")
"""
    done = run(script, sqlite_server.url, tmp_path / "spool")

    assert (done.returncode, done.stdout) == (0, "still here\n"), done.stderr
    said = [line for line in done.stderr.splitlines() if line]
    assert len(said) == 2, said
    assert "Metrics are being dropped" in said[0]
    assert "found no room on disk, and are lost" in said[1]
    reader = Reader(sqlite_server.url)
    found_run = reader.named("run")
    steps = reader.steps(found_run["info"]["run_id"], "m")
    assert steps == list(range(len(steps)))
    assert 280_000 < len(steps) < 400_000
    assert len(found_run["data"]["tags"]) == 201
    assert reader.files(found_run["info"]["run_id"]) == {"a.txt": 100_000}


# ------------------------------------------------------------------------------------ owners


def test_a_journal_has_one_holder(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MODELYARD_SPOOL", str(tmp_path))
    journal = Journal.create("http://h", "train.py")
    assert found() == [journal.folder]
    assert journal.folder is not None
    with pytest.raises(Taken):
        Journal.adopt(journal.folder)
    journal.close()

    adopted = Journal.adopt(journal.folder)
    with pytest.raises(Taken):
        Journal.adopt(journal.folder)
    adopted.remove()
    with pytest.raises(Taken):
        Journal.adopt(journal.folder)
    assert found() == []


def test_a_journal_tells_nobody_else_and_no_password(tmp_path, monkeypatch) -> None:
    from modelyard.client.recorder import Recorder

    monkeypatch.setenv("MODELYARD_SPOOL", str(tmp_path / "spool"))
    recorder = Recorder("http://user:secret@127.0.0.1:9")
    recorder.attach("a" * 32).log_params({"p": "v"})
    recorder.close(0)
    (folder,) = found()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
        assert b"secret" not in path.read_bytes(), path


def test_two_processes_that_sync_at_once_deliver_once(tmp_path, sqlite_server) -> None:
    from tests.client.logging_process import Reader, environment, left_in, run

    place = tmp_path / "spool"
    for number in range(4):
        script = (
            f"run = begin('run {number}')\nfor step in range(20_000): run.log_metric('m', 1.0, step, 1)\nos._exit(0)"
        )
        run(script, sqlite_server.url, place)
    command = [sys.executable, "-m", "modelyard.cli.main", "sync", "--json"]
    processes = [
        subprocess.Popen(command, env=environment("", place), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=60) for process in processes]

    import json

    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert sum(json.loads(out)["points"] for out, _ in outputs) <= 80_000
    reader = Reader(sqlite_server.url)
    for number in range(4):
        assert reader.steps(reader.named(f"run {number}")["info"]["run_id"], "m") == list(range(20_000))
    assert left_in(place) == []


# ------------------------------------------------------------------------------------ where


def test_a_directory_that_cannot_be_written_to_is_not_used(tmp_path, monkeypatch) -> None:
    from modelyard.client.recorder import Recorder

    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    monkeypatch.setenv("MODELYARD_SPOOL", str(blocked / "spool"))
    place = spool.directory()
    try:
        assert not place.is_relative_to(tmp_path)
        assert place.stat().st_uid == os.getuid()
        recorder = Recorder("http://127.0.0.1:9")
        log = recorder.attach("a" * 32)
        log.log_metric("m", 1.0, 0, 1)
        left = recorder.close(0)
        assert left.points == 1
        shutil.rmtree(left.path)
    finally:
        spool._made.clear()


def test_nothing_to_write_to_at_all_leaves_the_job_alone(tmp_path, monkeypatch, caplog, sqlite_server) -> None:
    from modelyard.client.recorder import Recorder
    from tests.client.logging_process import Reader

    def none():
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(spool, "directory", none)
    recorder = Recorder(sqlite_server.url)
    log = recorder.start_run(
        experiment_id="0", experiment_name=None, run_name="run", start_time_ms=1, tags={}, user_id=""
    )
    for step in range(1000):
        log.log_metric("m", 1.0, step, 1)
    log.log_artifact("a.txt", b"straight to the server")
    log.update(status="FINISHED", end_time_ms=2)
    assert not recorder.close(10)
    reader = Reader(sqlite_server.url)
    assert reader.steps(log.run_id, "m") == list(range(1000))
    assert reader.files(log.run_id) == {"a.txt": 22}
    assert "only in memory" in caplog.text


MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / /home rw - nfs4 filer:/home rw
31 30 254:1 / /home/local\\040disk rw - xfs /dev/vdb rw
32 22 0:41 / /mnt/bucket rw - fuse.s3fs s3fs rw
garbage
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/tmp/x", False),
        ("/home/me/.local/state", True),
        ("/home/local disk/me", False),
        ("/homes", False),
        ("/mnt/bucket", True),
    ],
)
def test_network_file_systems_are_told_by_their_mounts(tmp_path, path, expected) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert spool.on_network(Path(path), mounts) is expected
    assert not spool.on_network(Path(path), tmp_path / "missing")
