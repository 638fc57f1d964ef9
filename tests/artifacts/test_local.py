"""Artifacts in a directory: the contract, and what only a directory can do wrong."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modelyard.artifacts.base import store_for
from modelyard.artifacts.incoming import FOLDER, sweep
from modelyard.artifacts.local import LocalStore
from modelyard.domain.errors import InvalidArgument, NotFound, NotSupported, Unavailable
from tests.contracts.artifact_store import ArtifactStoreContract, content, pieces, read, run


def wait_until(condition, what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true"
        time.sleep(0.005)


class TestLocalStore(ArtifactStoreContract):
    @pytest.fixture
    def place(self, tmp_path):
        self.root = tmp_path / "artifacts"
        return str(self.root), {}

    def take_away(self) -> None:
        self.root.rename(self.root.with_name("unmounted"))

    def bring_back(self) -> None:
        self.root.with_name("unmounted").rename(self.root)

    def assert_no_leftovers(self) -> None:
        incoming = self.root / FOLDER  # a thread may still be busy with the batch that was cancelled
        wait_until(lambda: not incoming.exists() or not any(incoming.iterdir()), "an empty incoming folder")


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def store(root) -> LocalStore:
    root.mkdir()
    return LocalStore(root)


def test_every_spelling_of_a_directory_leads_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a b"
    for number, uri in enumerate([str(folder), folder.as_uri(), f"file:{folder}", f"file://localhost{folder}", "a b"]):
        run(store_for(uri).write(str(number), pieces(b"1")))
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("uri", ["file://elsewhere/data", "ftp://host/x", "dbfs:/x", "hdfs://host/x"])
def test_a_uri_that_cannot_be_served_is_refused(uri):
    with pytest.raises(InvalidArgument):
        store_for(uri)


def test_files_lie_where_their_paths_say(store, root):
    run(store.write("1/run/artifacts/a.txt", pieces(b"hello")))
    assert (root / "1/run/artifacts/a.txt").read_bytes() == b"hello"


def test_reading_makes_no_directory(root):
    assert list(run(LocalStore(root).list(""))) == []
    with pytest.raises(NotFound):
        run(LocalStore(root).open("a"))
    assert not root.exists()


def test_a_file_that_was_edited_behind_our_back_has_no_digest_and_another_etag(store, root):
    async def scenario():
        written = await store.write("a", pieces(b"before"))
        (root / "a").write_bytes(b"beside")
        stat = await store.stat("a")
        assert stat.digest is None
        assert stat.etag != written.etag

    run(scenario())


def test_an_open_download_is_not_disturbed_by_a_new_upload(store):
    async def scenario():
        old, new = content(3_000_000, 1), content(3_000_000, 2)
        await store.write("a", pieces(old))
        download = await store.open("a")
        got = await anext(download.chunks)
        await store.write("a", pieces(new))
        got += b"".join([chunk async for chunk in download.chunks])
        assert got == old

    run(scenario())


def test_a_file_that_shrinks_while_it_is_read_is_an_error_not_a_short_answer(store, root):
    async def scenario():
        await store.write("a", pieces(content(3_000_000)))
        download = await store.open("a")
        await anext(download.chunks)
        os.truncate(root / "a", 1000)
        with pytest.raises(Unavailable, match="cut short"):
            async for _ in download.chunks:
                pass

    run(scenario())


def test_symbolic_links_do_not_lead_out(store, root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    (root / "neighbour").mkdir()
    (tmp_path / "artifacts-of-others").mkdir()
    (root / "neighbour/link").symlink_to(tmp_path / "artifacts-of-others")

    async def scenario():
        for path in ("folder/secret", "file"):
            for call in (store.open, store.stat):
                with pytest.raises(InvalidArgument, match="symbolic link"):
                    await call(path)
        for path in ("folder/new", "folder/deep/new", "neighbour/link/new"):
            with pytest.raises(InvalidArgument, match="symbolic link"):
                await store.write(path, pieces(b"1"))
        with pytest.raises(InvalidArgument, match="symbolic link"):
            await store.list("folder")
        with pytest.raises(InvalidArgument, match="symbolic link"):
            await store.delete("folder/secret")
        assert [entry.name for entry in await store.list("")] == ["neighbour"]
        # Replacing or deleting the link itself touches nothing outside.
        await store.write("file", pieces(b"mine"))
        assert await store.delete("folder")

    run(scenario())
    assert (outside / "secret").read_text() == "secret"
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]
    assert not any((tmp_path / "artifacts-of-others").iterdir())


def test_links_within_the_root_work(store, root):
    async def scenario():
        await store.write("real/a", pieces(b"1"))
        (root / "link").symlink_to(root / "real")
        assert await read(store, "link/a") == b"1"
        await store.write("link/b", pieces(b"2"))
        assert await read(store, "real/b") == b"2"

    run(scenario())


def test_a_root_that_is_a_link_works(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    run(LocalStore(tmp_path / "link").write("a/b", pieces(b"1")))
    assert (tmp_path / "disk/a/b").read_bytes() == b"1"


def test_a_file_in_the_place_of_a_folder_is_the_callers_mistake(store):
    async def scenario():
        await store.write("file", pieces(b"1"))
        await store.write("folder/x", pieces(b"1"))
        for path in ("file/below", "folder"):
            with pytest.raises(InvalidArgument, match=r"^Invalid path"):
                await store.write(path, pieces(b"2"))

    run(scenario())


def test_a_pipe_in_the_store_does_not_hang(store, root):
    os.mkfifo(root / "pipe")
    with pytest.raises(NotFound):
        run(store.open("pipe"))
    assert list(run(store.list(""))) == []


def test_an_upload_that_cannot_fit_is_refused_before_it_is_read(store):
    async def scenario():
        sent = 0

        async def endless():
            nonlocal sent
            while True:
                sent += 1
                yield bytes(262_144)

        with pytest.raises(Unavailable, match="bytes left"):
            await store.write("huge", endless(), size=2**60)
        assert sent < 20

    run(scenario())


def test_what_a_dead_writer_left_is_swept_and_what_a_live_one_holds_is_not(store, root):
    async def scenario():
        await store.write("a", pieces(b"1"))
        dead = root / FOLDER / "dead"
        dead.write_bytes(b"half")
        os.utime(dead, (1, 1))

        ready, finish = asyncio.Event(), asyncio.Event()

        async def slow():
            async for piece in pieces(content(3_000_000)):
                yield piece
            ready.set()
            await finish.wait()
            yield b"end"

        upload = asyncio.create_task(store.write("b", slow()))
        await ready.wait()
        (held,) = [path for path in (root / FOLDER).iterdir() if path != dead]
        os.utime(held, (1, 1))
        assert sweep(str(root)) == 1
        assert not dead.exists()
        finish.set()
        assert (await upload).size == 3_000_003

    run(scenario())


def test_what_a_directory_cannot_do_is_said(store):
    async def scenario():
        for call in (store.presign_get("a", 60), store.presign_put("a", 60)):
            with pytest.raises(NotSupported):
                await call
        for call in (
            store.multipart_create("a", 2, 60),
            store.multipart_complete("a", "id", []),
            store.multipart_abort("a", "id"),
        ):
            with pytest.raises(NotSupported, match=r"^Multipart upload is not supported for the current artifact"):
                await call

    run(scenario())


def test_memory_stays_flat_while_a_large_artifact_goes_through(tmp_path):
    program = """
import asyncio, resource, sys
from modelyard.artifacts.base import store_for

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

async def chunks(count):
    for _ in range(count):
        yield bytes(262_144)

async def main():
    store = store_for(sys.argv[1])
    await store.write("small", chunks(16))
    before = peak()
    await store.write("large", chunks(800))
    async for _ in (await store.open("large")).chunks:
        pass
    print(peak() - before)

asyncio.run(main())
"""
    grown = subprocess.run([sys.executable, "-c", program, str(tmp_path / "a")], capture_output=True, check=True)
    assert int(grown.stdout) < 24  # MiB, while 200 MiB went in and out


# ---------------------------------------------------------------- a disk that is full, or may not be written to


@pytest.fixture
def small_disk(tmp_path):
    """Four megabytes; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_unavailable_and_recovers(small_disk):
    store = LocalStore(small_disk)

    async def scenario():
        await store.write("kept", pieces(content(1_000_000)))
        for size in (3_900_000, 20_000_000):
            with pytest.raises(Unavailable, match="No space left"):
                await store.write("large", pieces(content(size)))
        assert [entry.name for entry in await store.list("")] == ["kept"]
        # With what is left there is room for this only if nothing half-written stayed behind.
        await store.write("fits", pieces(content(2_500_000)))
        assert await read(store, "fits") == content(2_500_000)
        await store.delete("kept")
        await store.write("again", pieces(content(900_000)))

    run(scenario())


def test_a_read_only_disk_is_unavailable_and_recovers(small_disk):
    store = LocalStore(small_disk)
    run(store.write("kept", pieces(b"1")))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for call in (store.write("new", pieces(b"2")), store.delete("kept"), store.ready()):
        with pytest.raises(Unavailable, match="Read-only file system"):
            run(call)
    assert run(read(store, "kept")) == b"1"
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    run(store.ready())
    run(store.write("new", pieces(b"2")))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_unavailable(store, root):
    root.chmod(0o500)
    try:
        with pytest.raises(Unavailable, match="Permission denied"):
            run(store.write("new", pieces(b"1")))
    finally:
        root.chmod(0o700)


def test_a_folder_may_be_deleted_while_the_store_tidies_up(store):
    async def scenario():
        for turn in range(20):
            for name in range(10):
                await store.write(f"run/{turn}/{name}", pieces(b"1"))
            await asyncio.gather(store.delete(f"run/{turn}"), *(store.ready() for _ in range(4)))
        assert list(await store.list("run")) == []

    run(scenario())


def test_an_upload_that_waits_for_the_disk(tmp_path):
    store = store_for(str(tmp_path / "a"), {"sync": "full"})
    for size in (5, 3_000_000):
        run(store.write(f"run/{size}", pieces(content(size))))
        assert run(read(store, f"run/{size}")) == content(size)
