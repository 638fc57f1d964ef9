"""Files and folders, up and down, through the servers and whatever goes wrong on the way."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import tracemalloc
import uuid
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.artifacts.paths import contained
from modelyard.client import downloads, transfers
from modelyard.client.folders import HttpFolder, LocalFolder, entry_name, folder_at
from modelyard.client.progress import Progress
from modelyard.client.transport import Transport
from modelyard.domain.errors import DataCorrupted, InvalidArgument, NotFound, Unavailable
from tests.cli.process import running
from tests.client.shaky_server import Shaky, serving

LARGE = random.Random(1).randbytes(9 * 2**20)
SHA = hashlib.sha256(LARGE).hexdigest()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Between two attempts nobody waits long, and a test hears of each block."""
    monkeypatch.setattr("modelyard.client.downloads.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("modelyard.client.transport.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("modelyard.client.progress.EVERY_S", 0)  # each block is reported


@pytest.fixture
def folder(any_server):
    return folder_at(Transport(any_server), f"mlflow-artifacts:/transfers/{uuid.uuid4().hex}")


@pytest.fixture
def tree(tmp_path):
    """A folder with an empty file, a large one, and names that are not plain letters."""
    source = tmp_path / "source"
    (source / "data/more").mkdir(parents=True)
    (source / "nothing").mkdir()
    (source / "empty").write_bytes(b"")
    (source / "data/large.bin").write_bytes(LARGE)
    (source / "data/more/ä b+&=?.txt").write_bytes(b"letters")
    return source


def files_in(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# ------------------------------------------------------------------------------------ both servers


def test_a_folder_goes_up_and_comes_down_as_it_was(folder, tree, tmp_path):
    up, down = Progress(), Progress()
    stored = transfers.upload_folder(folder, "sub/folder", tree, up)
    assert sorted(stored) == ["sub/folder/data/large.bin", "sub/folder/data/more/ä b+&=?.txt", "sub/folder/empty"]
    sums = transfers.download(folder, "sub/folder", tmp_path / "down", down)
    assert files_in(tmp_path / "down") == files_in(tree)
    assert sums["data/large.bin"] == SHA
    size = sum(map(len, files_in(tree).values()))
    assert (up.done, up.size, up.done_files) == (down.done, down.size, down.done_files) == (size, size, 3)


def test_one_file_by_its_path(folder, tmp_path):
    transfers.upload_file(folder, "notes/a.txt", b"text")
    assert transfers.download(folder, "notes/a.txt", tmp_path / "here") == {
        "a.txt": hashlib.sha256(b"text").hexdigest()
    }
    assert (tmp_path / "here/a.txt").read_bytes() == b"text"
    assert [(entry.name, entry.is_dir, entry.size) for entry in folder.list("notes")] == [("a.txt", False, 4)]
    transfers.upload_file(folder, "notes/a.txt", b"other")
    transfers.download_file(folder, "notes/a.txt", tmp_path / "here/a.txt")
    assert (tmp_path / "here/a.txt").read_bytes() == b"other"


@pytest.mark.parametrize("path", ["nothing", "nothing/at/all", ""])
def test_what_is_not_there_is_not_found(folder, tmp_path, path):
    with pytest.raises(NotFound):
        transfers.download(folder, path, tmp_path / "here")
    with pytest.raises(NotFound):
        transfers.download_file(folder, path or "x", tmp_path / "file")
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("path", ["../out", "a/../../out", "/etc/x", "%2e%2e/out", "..%2fout"])
def test_paths_stay_inside(folder, tmp_path, path):
    with pytest.raises(InvalidArgument, match="Invalid path"):
        transfers.upload_file(folder, path, b"x")
    with pytest.raises(InvalidArgument, match="Invalid path"):
        transfers.download(folder, path, tmp_path)


def test_memory_does_not_grow_with_the_file(sqlite_server, tmp_path):
    """Measured where the buffers are: in this process, whose server keeps nothing either."""
    folder = folder_at(Transport(sqlite_server.url), "mlflow-artifacts:/memory")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(64 * 2**20)
    tracemalloc.start()
    try:
        transfers.upload_file(folder, "sparse", tmp_path / "sparse")
        transfers.download_file(folder, "sparse", tmp_path / "again")
        assert tracemalloc.get_traced_memory()[1] < 24 * 2**20
    finally:
        tracemalloc.stop()
    assert (tmp_path / "again").stat().st_size == 64 * 2**20


# ------------------------------------------------------------------------------------ down, shaken


@pytest.fixture
def shaky():
    with serving(Shaky(LARGE)) as server:
        yield server


def shaky_folder(shaky):
    return folder_at(Transport(shaky.url), "mlflow-artifacts:/")


def test_a_broken_download_goes_on_where_it_broke(shaky, tmp_path):
    shaky.cuts = [2**20, 3 * 2**20, 2**20 + 17]
    progress = Progress()
    assert transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f", progress) == SHA
    assert (tmp_path / "f").read_bytes() == LARGE
    assert shaky.asked == ["", f"bytes={2**20}-", f"bytes={4 * 2**20}-", f"bytes={5 * 2**20 + 17}-"]
    assert sum(shaky.sent) == progress.done == len(LARGE)
    assert names(tmp_path) == ["f"]


def test_another_version_starts_over(shaky, tmp_path):
    new = LARGE[::-1]

    def replace(progress):
        if progress.done:
            shaky.content, shaky.etag = new, '"two"'

    shaky.cuts = [3 * 2**20]
    progress = Progress(replace)
    transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f", progress)
    assert (tmp_path / "f").read_bytes() == new
    assert progress.done == len(LARGE)


@pytest.mark.parametrize(("etag", "ranges"), [("", True), ('W/"weak"', True), ('"one"', False)])
def test_without_a_way_to_go_on_it_starts_over(shaky, tmp_path, etag, ranges):
    shaky.etag, shaky.ranges, shaky.cuts = etag, ranges, [2**20, 5 * 2**20]
    assert transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f") == SHA
    assert sum(shaky.sent) == len(LARGE) + 6 * 2**20


def test_what_has_arrived_is_there_for_the_next_attempt(shaky, tmp_path):
    shaky.cuts = [4 * 2**20, 0, 0, 0, 0, 0]
    with pytest.raises(Unavailable, match="broke off"):
        transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f")
    assert not (tmp_path / "f").exists()
    shaky.cuts.clear()
    progress = Progress()
    assert transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f", progress) == SHA
    assert (shaky.asked[-1], progress.done) == (f"bytes={4 * 2**20}-", len(LARGE))
    assert names(tmp_path) == ["f"]


def test_a_process_that_is_killed_loses_nothing_of_a_download(shaky, tmp_path):
    script = """
import os, signal, sys
from pathlib import Path
from modelyard.client import transfers
from modelyard.client.transport import Transport
def die(progress):
    if progress.done > 4 * 2**20:
        os.kill(os.getpid(), signal.SIGKILL)
import modelyard.client.progress
modelyard.client.progress.EVERY_S = 0
folder = transfers.folder_at(Transport(sys.argv[1]), "mlflow-artifacts:/")
transfers.download_file(folder, "f", Path(sys.argv[2]), transfers.Progress(die))
"""
    killed = subprocess.run([sys.executable, "-c", script, shaky.url, str(tmp_path / "f")], timeout=60, check=False)
    assert killed.returncode == -9
    assert not (tmp_path / "f").exists()
    assert transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f") == SHA
    assert int(shaky.asked[-1].removeprefix("bytes=").rstrip("-")) > 4 * 2**20


def test_a_damaged_file_never_appears(shaky, tmp_path):
    shaky.digest = "0" * 64
    with pytest.raises(DataCorrupted, match=f"/f is damaged.*{SHA}, expected {'0' * 64}"):
        transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f")
    assert names(tmp_path) == []
    assert len(shaky.asked) == 2  # it may have been the way: it gets a second chance
    shaky.digest = ""
    with pytest.raises(DataCorrupted, match="expected 111"):
        transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f", digest="1" * 64)


def test_what_nobody_wants_to_know_and_nobody_promised_is_not_computed(shaky, tmp_path):
    folder = shaky_folder(shaky)
    shaky.cuts = [4 * 2**20]
    assert transfers.download_file(folder, "f", tmp_path / "f", summed=False) == ""
    assert (tmp_path / "f").read_bytes() == LARGE
    assert shaky.asked == ["", f"bytes={4 * 2**20}-"]
    shaky.listing = [{"path": "f", "is_dir": False, "file_size": len(LARGE)}]
    assert transfers.download(folder, "", tmp_path / "all", summed=False) == {"f": ""}
    shaky.cuts, shaky.digest = [4 * 2**20], SHA
    assert transfers.download(folder, "", tmp_path / "all", summed=False) == {"f": SHA}
    shaky.digest = "0" * 64
    with pytest.raises(DataCorrupted, match="is damaged"):
        transfers.download_file(folder, "f", tmp_path / "f", summed=False)


def test_an_unfinished_file_of_an_unknown_version_is_no_part_of_the_next(shaky, tmp_path):
    shaky.cuts = [4 * 2**20, 0, 0, 0, 0, 0]
    with pytest.raises(Unavailable):
        transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f")
    (tag,) = tmp_path.glob("*.etag")
    tag.unlink()
    shaky.cuts, shaky.content = [], b"short"
    progress = Progress()
    transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f", progress)
    assert (tmp_path / "f").read_bytes() == b"short"
    assert progress.done == len(b"short")
    assert names(tmp_path) == ["f"]


def test_bytes_that_changed_on_the_disk_come_again(shaky, tmp_path):
    shaky.cuts, shaky.digest = [4 * 2**20, 0, 0, 0, 0, 0], SHA
    with pytest.raises(Unavailable):
        transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f")
    (part,) = tmp_path.glob("*.part")
    with part.open("r+b") as file:
        file.write(b"damage")
    shaky.cuts.clear()
    assert transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f") == SHA


def test_two_downloads_of_one_file_at_once(shaky, tmp_path):
    inner = []

    def other(progress):
        if not inner and progress.done:
            inner.append(transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f"))

    assert transfers.download_file(shaky_folder(shaky), "f", tmp_path / "f", Progress(other)) == SHA
    assert inner == [SHA]
    assert names(tmp_path) == ["f"]


def test_a_target_that_cannot_be_written_is_a_sentence(shaky, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidArgument, match="cannot be made"):
        transfers.download_file(shaky_folder(shaky), "f", tmp_path / "file/f")
    (tmp_path / "f").mkdir()
    shaky.listing = [{"path": "f", "is_dir": False, "file_size": 3}]
    with pytest.raises(InvalidArgument, match="it is a directory"):
        transfers.download(shaky_folder(shaky), "", tmp_path)


def test_nobody_there_is_said_at_once(tmp_path):
    folder = HttpFolder(Transport("http://127.0.0.1:9", retries=0), "/x", "", "mlflow-artifacts:/")
    with pytest.raises(Unavailable, match="cannot be reached"):
        transfers.download_file(folder, "f", tmp_path / "f")
    assert names(tmp_path) == []


def test_a_server_that_is_killed_and_comes_back(tmp_path):
    """The real thing: SIGKILL in the middle of a download, and the same data served again."""
    with ExitStack() as servers:
        first = servers.enter_context(running(tmp_path / "data"))
        folder = folder_at(Transport(first.url), "mlflow-artifacts:/x")
        large = LARGE * 4
        transfers.upload_file(folder, "f", large)
        seen = []

        def kill(progress):
            if not seen and progress.done > 2**20:
                seen.append(progress.done)
                first.process.kill()
                first.process.wait()
                servers.enter_context(running(tmp_path / "data", port=int(first.port)))

        progress = Progress(kill)
        sha = transfers.download_file(folder, "f", tmp_path / "f", progress)
    assert sha == hashlib.sha256(large).hexdigest()
    assert progress.done == len(large)
    assert seen


# ------------------------------------------------------------------------------------ hostile


@pytest.mark.parametrize(
    "name", ["../out", "/etc/passwd", "..", ".", "", "a/b", "a\\..\\..\\b", "x\0y", "%2e%2e", "C:x"]
)
@pytest.mark.parametrize("is_dir", [False, True])
def test_a_listing_does_not_lead_out(shaky, tmp_path, name, is_dir):
    shaky.listing = [{"path": "fine", "is_dir": False, "file_size": 3}, {"path": name, "is_dir": is_dir}]
    with pytest.raises(DataCorrupted, match="is not a file name"):
        transfers.download(shaky_folder(shaky), "", tmp_path / "here")
    assert not list(tmp_path.rglob("*"))


@given(st.text(max_size=12) | st.text("./\\%2eF:~\0", max_size=9))
def test_a_name_is_plain_or_refused(name):
    try:
        entry_name(name)
    except DataCorrupted:
        return
    assert contained("a/" + name) == "a/" + name
    assert "/" not in name
    assert name not in ("", ".", "..")


def test_a_link_that_lies_there_does_not_lead_out(shaky, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here/sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidArgument, match="by a link in it"):
        transfers.download(shaky_folder(shaky), "", tmp_path / "here", listed=[transfers.Found("sub/f", None)])
    assert not list((tmp_path / "elsewhere").iterdir())


# ------------------------------------------------------------------------------------ up, shaken


def test_an_upload_starts_over_when_the_connection_breaks(shaky, tmp_path):
    (tmp_path / "f").write_bytes(LARGE)
    shaky.refusals = [0, 503, 0]
    progress = Progress()
    transfers.upload_file(shaky_folder(shaky), "f", tmp_path / "f", progress)
    assert shaky.stored == [LARGE]
    assert progress.done == len(LARGE)


def test_what_arrives_damaged_is_noticed(sqlite_server, tmp_path, monkeypatch):
    folder = folder_at(Transport(sqlite_server.url), "mlflow-artifacts:/damaged")
    (tmp_path / "f").write_bytes(LARGE)
    monkeypatch.setattr("modelyard.client.uploads.FileBody.digest", lambda _: "0" * 64)
    with pytest.raises(DataCorrupted, match="arrived damaged"):
        transfers.upload_file(folder, "f", tmp_path / "f")


def test_a_small_file_is_promised_and_refused_if_it_differs(sqlite_server, monkeypatch):
    folder = folder_at(Transport(sqlite_server.url), "mlflow-artifacts:/promised")
    monkeypatch.setattr("modelyard.client.uploads.BytesBody.promised", lambda _: "0" * 64)
    with pytest.raises(InvalidArgument, match="was promised"):
        transfers.upload_file(folder, "f", b"bytes")
    assert folder.list() == []


def test_a_file_that_shrinks_is_not_stored(sqlite_server, tmp_path):
    folder = folder_at(Transport(sqlite_server.url), "mlflow-artifacts:/shrinks")
    (tmp_path / "f").write_bytes(LARGE)

    def shrink(progress):
        os.truncate(tmp_path / "f", 2**20)

    with pytest.raises(InvalidArgument, match="became shorter"):
        transfers.upload_file(folder, "f", tmp_path / "f", Progress(shrink))
    assert folder.list() == []


def test_a_file_that_grows_is_stored_as_it_was(sqlite_server, tmp_path):
    folder = folder_at(Transport(sqlite_server.url), "mlflow-artifacts:/grows")
    (tmp_path / "log").write_bytes(LARGE)

    def grow(progress):
        with (tmp_path / "log").open("ab") as file:
            file.write(b"more")

    transfers.upload_file(folder, "log", tmp_path / "log", Progress(grow))
    assert transfers.download(folder, "log", tmp_path / "down") == {"log": SHA}


def test_pipes_are_left_out_and_links_followed(tmp_path, tree):
    os.mkfifo(tree / "pipe")
    (tree / "link").symlink_to(tree / "data/large.bin")
    kept = transfers.upload_folder(LocalFolder(tmp_path / "kept"), "", tree)
    assert "pipe" not in kept
    assert (tmp_path / "kept/link").read_bytes() == LARGE


def test_a_source_that_is_not_there_is_a_sentence(tmp_path):
    folder = LocalFolder(tmp_path / "kept")
    with pytest.raises(InvalidArgument, match="cannot be read: No such file"):
        transfers.upload_file(folder, "f", tmp_path / "missing")
    with pytest.raises(InvalidArgument, match="is not a directory"):
        transfers.upload_folder(folder, "", tmp_path / "missing")
    with pytest.raises(InvalidArgument, match="needs a name"):
        transfers.upload_file(folder, "", b"x")


def test_the_first_failure_ends_the_others(shaky, tmp_path):
    """A large file that is on its way stops when another one fails."""
    shaky.listing = [{"path": "a", "is_dir": False}, {"path": "b", "is_dir": False}]
    with pytest.raises(DataCorrupted):
        transfers.download(shaky_folder(shaky), "", tmp_path, digests=lambda name: "0" * 64 if name == "a" else None)
    assert not (tmp_path / "a").exists()


# ------------------------------------------------------------------------------------ directories


@pytest.mark.parametrize("spelled", ["{}", "file://{}", "file:{}"])
def test_a_directory_of_this_machine(tmp_path, tree, spelled):
    folder = folder_at(Transport("http://127.0.0.1:9"), spelled.format(tmp_path / "kept"))
    transfers.upload_folder(folder, "m", tree)
    transfers.download(folder, "m", tmp_path / "down")
    assert files_in(tmp_path / "down") == files_in(tree) == files_in(tmp_path / "kept/m")


def test_a_link_does_not_lead_out_of_a_directory(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "kept/link").symlink_to(tmp_path / "secret")
    folder = LocalFolder(tmp_path / "kept")
    with pytest.raises(InvalidArgument, match="leads out"):
        transfers.download_file(folder, "link", tmp_path / "got")
    with pytest.raises(InvalidArgument, match="leads out"):
        folder.send("link", None)


def test_unknown_places_are_refused_with_what_is_known():
    with pytest.raises(InvalidArgument, match=r"hdfs: URIs cannot be reached.*mlflow-artifacts:.*s3:"):
        folder_at(Transport("http://127.0.0.1:9"), "hdfs://node/path")


def test_a_file_that_is_there_and_right_is_not_fetched_again(shaky, tmp_path):
    shaky.listing = [{"path": "f", "is_dir": False, "file_size": len(LARGE)}]
    for expected in (1, 1):
        transfers.download(shaky_folder(shaky), "", tmp_path, digests=lambda _: SHA)
        assert len(shaky.asked) == expected
    (tmp_path / "f").write_bytes(LARGE[:-1] + b"?")
    transfers.download(shaky_folder(shaky), "", tmp_path, digests=lambda _: SHA)
    assert len(shaky.asked) == 2
    assert downloads.has(tmp_path / "f", len(LARGE), SHA)
