"""What every artifact store must do. A subclass says where the store is, and how to take it away and bring it back."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from modelyard.artifacts.base import ArtifactStore, Entry, store_for
from modelyard.domain.errors import InvalidArgument, NotFound, RangeNotSatisfiable, Unavailable

SIZES = [0, 1, 10_000, 65_536, 1_048_577, 20_000_000]

# Runs in a process of its own, to be killed: uploads without end, and says when some of it is under way.
ENDLESS_UPLOAD = """
import asyncio, json, sys
from modelyard.artifacts.base import store_for

async def chunks():
    for number in range(100_000):
        if number == 80:
            print("under way", flush=True)
        if number > 80:
            await asyncio.sleep(0.01)
        yield bytes(262_144)

uri, options, path = json.loads(sys.argv[1])
asyncio.run(store_for(uri, options).write(path, chunks()))
"""


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


async def pieces(data: bytes, size: int = 262_144) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def read(store: ArtifactStore, path: str, start: int = 0, stop: int | None = None) -> bytes:
    download = await store.open(path, start, stop)
    return b"".join([chunk async for chunk in download.chunks])


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


class ArtifactStoreContract:
    """Subclasses define the fixture `place`: `(uri, options)` of an empty store, and the two methods below."""

    def take_away(self) -> None:
        raise NotImplementedError

    def bring_back(self) -> None:
        raise NotImplementedError

    @pytest.fixture
    def store(self, place) -> ArtifactStore:
        uri, options = place
        return store_for(uri, options)

    # ------------------------------------------------------------------ bytes

    @pytest.mark.parametrize("size", SIZES)
    def test_what_was_written_is_read(self, store, size):
        async def scenario():
            data = content(size)
            written = await store.write("1/run/artifacts/model.pkl", pieces(data))
            assert (written.size, written.digest) == (size, hashlib.sha256(data).hexdigest())
            assert await read(store, "1/run/artifacts/model.pkl") == data
            stat = await store.stat("1/run/artifacts/model.pkl")
            assert (stat.size, stat.etag) == (size, written.etag)
            assert abs(stat.modified_ms / 1000 - time.time()) < 60

        run(scenario())

    def test_small_artifacts_keep_their_digest(self, store):
        async def scenario():
            written = await store.write("a.txt", pieces(b"hello"))
            assert (await store.open("a.txt")).stat.digest == written.digest

        run(scenario())

    @pytest.mark.parametrize(
        ("start", "stop"), [(0, 1), (0, None), (5, 5), (700_000, 1_500_000), (2_999_999, None), (3_000_000, None)]
    )
    def test_a_range_is_exactly_those_bytes(self, store, start, stop):
        async def scenario():
            data = content(3_000_000)
            await store.write("big", pieces(data))
            assert await read(store, "big", start, stop) == data[start:stop]

        run(scenario())

    @pytest.mark.parametrize(("start", "stop"), [(0, 11), (11, None), (6, 5), (-1, 5)])
    def test_a_range_outside_is_refused(self, store, start, stop):
        async def scenario():
            await store.write("ten", pieces(b"0123456789"))
            with pytest.raises(RangeNotSatisfiable):
                await store.open("ten", start, stop)

        run(scenario())

    def test_a_second_write_replaces_the_first(self, store):
        async def scenario():
            first = await store.write("a", pieces(b"one, and longer"))
            second = await store.write("a", pieces(b"two"))
            assert await read(store, "a") == b"two"
            assert first.etag != second.etag

        run(scenario())

    def test_a_download_may_be_given_up(self, store):
        async def scenario():
            await store.write("a", pieces(content(3_000_000)))
            download = await store.open("a")
            await anext(download.chunks)
            await download.chunks.aclose()
            await download.chunks.aclose()
            assert await store.delete("a")

        run(scenario())

    def test_many_uploads_at_once(self, store):
        async def scenario():
            await asyncio.gather(*(store.write(f"d/{n}", pieces(content(100_000, n))) for n in range(20)))
            assert len(await store.list("d")) == 20
            for n in (0, 7, 19):
                assert await read(store, f"d/{n}") == content(100_000, n)

        run(scenario())

    def test_of_two_uploads_to_one_path_one_wins_whole(self, store):
        async def scenario():
            first, second = content(9_000_000, 1), content(9_000_000, 2)
            await asyncio.gather(store.write("a", pieces(first)), store.write("a", pieces(second)))
            assert await read(store, "a") in (first, second)

        run(scenario())

    # ------------------------------------------------------------------ folders

    def test_a_listing_is_one_level_in_order(self, store):
        async def scenario():
            for path in ("run/b.txt", "run/a/x", "run/a/y/z", "run/c", "run2/d"):
                await store.write(path, pieces(b"1234"))
            assert list(await store.list("run")) == [
                Entry("a", is_dir=True, size=None),
                Entry("b.txt", is_dir=False, size=4),
                Entry("c", is_dir=False, size=4),
            ]
            assert [entry.name for entry in await store.list("")] == ["run", "run2"]
            assert [entry.name for entry in await store.list("run/a/y")] == ["z"]
            assert list(await store.list("nothing/here")) == []
            assert list(await store.list("run/b.txt")) == []

        run(scenario())

    def test_deleting_a_folder_spares_its_neighbours(self, store):
        async def scenario():
            for path in ("run/a", "run/b/c", "run2/d", "run.txt"):
                await store.write(path, pieces(b"1"))
            assert await store.delete("run")
            assert [entry.name for entry in await store.list("")] == ["run.txt", "run2"]
            assert not await store.delete("run")

        run(scenario())

    def test_deleting_a_file_and_the_root(self, store):
        async def scenario():
            for path in ("run/a", "run/b"):
                await store.write(path, pieces(b"1"))
            assert await store.delete("run/a")
            assert not await store.delete("run/a")
            assert [entry.name for entry in await store.list("run")] == ["b"]
            assert await store.delete("")
            assert list(await store.list("")) == []
            await store.write("again", pieces(b"1"))
            assert [entry.name for entry in await store.list("")] == ["again"]

        run(scenario())

    @pytest.mark.parametrize(
        "name",
        [
            "a b",
            "ü-日本",
            "100%.txt",
            "x%zz",
            "[1]",
            "q?*",
            "~",
            "back\\slash",
            "tab%09",
            "a+b",
            "a&b=c;d",
            "…",
            "'\"",
            "-rf",
        ],
    )
    def test_unusual_names(self, store, name):
        async def scenario():
            await store.write(f"dir {name}/{name}", pieces(b"content"))
            assert await read(store, f"dir {name}/{name}") == b"content"
            assert [entry.name for entry in await store.list(f"dir {name}")] == [name]
            assert [entry.name for entry in await store.list("")] == [f"dir {name}"]
            assert await store.delete(f"dir {name}/{name}")

        run(scenario())

    # ------------------------------------------------------------------ nothing half-done

    @pytest.mark.parametrize("size", [1_000, 2_000_000, 20_000_000])
    def test_a_source_that_fails_leaves_what_was_there(self, store, size):
        async def broken():
            async for piece in pieces(content(size)):
                yield piece
            raise ConnectionResetError("the sender has gone")

        async def scenario():
            await store.write("kept", pieces(b"before"))
            for path in ("kept", "new"):
                with pytest.raises(ConnectionResetError):
                    await store.write(path, broken())
            assert await read(store, "kept") == b"before"
            assert [entry.name for entry in await store.list("")] == ["kept"]

        run(scenario())
        self.assert_no_leftovers()

    @pytest.mark.parametrize("size", [1_000, 2_000_000, 20_000_000])
    def test_a_cancelled_upload_leaves_nothing(self, store, size):
        async def scenario():
            sent = asyncio.Event()

            async def stalled():
                async for piece in pieces(content(size)):
                    yield piece
                sent.set()
                await asyncio.Event().wait()

            upload = asyncio.create_task(store.write("new", stalled()))
            await sent.wait()
            upload.cancel()
            with pytest.raises(asyncio.CancelledError):
                await upload
            assert list(await store.list("")) == []

        run(scenario())
        self.assert_no_leftovers()

    @pytest.mark.parametrize("size", [1_000, 20_000_000])
    def test_a_promised_digest_is_checked_before_anything_appears(self, store, size):
        async def scenario():
            data = content(size)
            with pytest.raises(InvalidArgument, match="SHA-256"):
                await store.write("new", pieces(data), digest="0" * 64)
            assert list(await store.list("")) == []
            await store.write("new", pieces(data), size=size, digest=hashlib.sha256(data).hexdigest())
            assert (await store.open("new")).stat.digest == hashlib.sha256(data).hexdigest()

        run(scenario())
        self.assert_no_leftovers()

    def test_a_killed_upload_leaves_nothing_visible(self, store, place):
        run(store.write("d/old", pieces(b"before")))
        for path in ("d/old", "d/new"):
            program = [sys.executable, "-c", ENDLESS_UPLOAD, json.dumps([*place, path])]
            with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as writer:
                assert writer.stdout is not None
                assert writer.stdout.readline() == "under way\n"
                writer.send_signal(signal.SIGKILL)
        assert [entry.name for entry in run(store.list(""))] == ["d"]
        assert list(run(store.list("d"))) == [Entry("old", is_dir=False, size=6)]
        assert run(read(store, "d/old")) == b"before"
        run(store.write("d/new", pieces(b"after")))
        assert run(read(store, "d/new")) == b"after"

    def assert_no_leftovers(self) -> None:
        """Nothing of an upload that failed takes up room in the store."""

    # ------------------------------------------------------------------ what is missing

    def test_what_is_missing_is_not_found(self, store):
        async def scenario():
            await store.write("run/a", pieces(b"1"))
            for path in ("run/b", "other/x", "run", "", "run/a/b"):
                for call in (store.open, store.stat):
                    with pytest.raises(NotFound):
                        await call(path)

        run(scenario())

    def test_a_file_needs_a_name(self, store):
        with pytest.raises(InvalidArgument):
            run(store.write("", pieces(b"1")))

    def test_a_store_that_has_gone_is_unavailable_until_it_is_back(self, store):
        async def everything_fails():
            calls = [
                store.open("a"),
                store.stat("a"),
                store.list(""),
                store.delete("b"),
                store.write("b", pieces(b"1")),
                store.write("b", pieces(content(20_000_000))),
                store.ready(),
            ]
            for call in calls:
                with pytest.raises(Unavailable) as raised:
                    await call
                assert "secret" not in raised.value.message

        async def scenario():
            await store.ready()
            await store.write("a", pieces(b"1"))
            self.take_away()
            try:
                await everything_fails()
            finally:
                self.bring_back()
            await store.ready()
            assert await read(store, "a") == b"1"
            await store.write("b", pieces(b"2"))
            assert [entry.name for entry in await store.list("")] == ["a", "b"]

        run(scenario())
