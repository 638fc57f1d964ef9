"""The cache of downloaded models: one fetch, undamaged, bounded, shared."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading

import pytest

from modelyard.client import cache
from modelyard.domain.errors import DataCorrupted, InvalidArgument
from modelyard.packaging import digest as digests


class Source:
    """Something to fetch, that counts how often it was."""

    def __init__(self, size=1000, text=b"x"):
        self.content = text * size
        self.fetched = 0

    def __call__(self, into):
        self.fetched += 1
        (into / "MLmodel").write_text("flavors: {}")
        (into / "weights").write_bytes(self.content)


@pytest.fixture(autouse=True)
def root(monkeypatch, tmp_path):
    monkeypatch.setenv("MODELYARD_CACHE", str(tmp_path / "cache"))
    forget(monkeypatch)
    return tmp_path / "cache"


def forget(monkeypatch):
    """As a new process: nothing is verified, nothing is in use."""
    for fd in cache._held.values():
        os.close(fd)
    cache._held.clear()
    cache._verified.clear()


def test_what_is_here_is_not_fetched_again(monkeypatch):
    source = Source()
    first = cache.get("server wine/1", None, source)
    assert (first / "weights").read_bytes() == source.content
    assert cache.get("server wine/1", None, source) == first
    forget(monkeypatch)
    assert cache.get("server wine/1", None, source) == first
    assert source.fetched == 1
    assert cache.get("server wine/2", None, source) != first
    assert source.fetched == 2


def test_one_content_is_kept_once(tmp_path):
    source = Source()
    (tmp_path / "as it is").mkdir()
    source(tmp_path / "as it is")
    digest = digests.compute(tmp_path / "as it is")
    assert cache.get("here wine/1", digest, source) == cache.get("there wine/7", digest, source)
    assert source.fetched == 2


@pytest.mark.parametrize("damage", ["changed", "gone", "cut", "note"])
def test_a_damaged_entry_is_fetched_again(monkeypatch, damage):
    source = Source()
    kept = cache.get("server wine/1", None, source)
    weights = kept / "weights"
    weights.chmod(0o600)
    if damage == "changed":
        weights.write_bytes(b"y" * 1000)
    elif damage == "cut":
        weights.write_bytes(b"x" * 999)
    elif damage == "gone":
        weights.unlink()
    else:
        kept.with_suffix(".json").write_text("{")
    forget(monkeypatch)
    again = cache.get("server wine/1", None, source)
    assert (again / "weights").read_bytes() == source.content
    assert source.fetched == 2


def test_what_was_good_is_read_again_when_asked_for(caplog):
    source = Source()
    kept = cache.get("server wine/1", None, source)
    (kept / "weights").chmod(0o600)
    (kept / "weights").write_bytes(b"y" * 1000)
    assert cache.get("server wine/1", None, source) == kept
    assert source.fetched == 1
    assert cache.get("server wine/1", None, source, again=True) == kept
    assert (kept / "weights").read_bytes() == source.content
    assert source.fetched == 2
    assert caplog.text.count("is damaged and is fetched again") == 1


def test_without_room_what_nobody_uses_goes_and_then_it_is_said(root):
    used = cache.get("used", None, Source())
    unused = cache.get("unused", None, Source())
    cache.release(unused)
    tried = []

    def full(into):
        tried.append(unused.exists())
        (into / "part").write_bytes(b"c")
        if len(tried) < 3:
            raise InvalidArgument("the file cannot be written") from OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left on device"):
        cache.get("new", None, full)
    assert tried == [True, False]
    assert used.exists()
    assert not list((root / "incoming").iterdir())
    assert (cache.get("new", None, full) / "part").read_bytes() == b"c"


def test_another_content_than_promised_is_not_kept(root):
    with pytest.raises(DataCorrupted, match="was expected"):
        cache.get("server wine/1", "sha256:" + "0" * 64, Source())
    assert not list((root / "models").iterdir())
    assert not list((root / "incoming").iterdir())


def test_what_was_not_used_for_longest_goes_first(monkeypatch, root):
    monkeypatch.setenv("MODELYARD_CACHE_BYTES", "2500")
    kept = [cache.get(f"server wine/{number}", None, Source(1000, bytes([number]))) for number in (1, 2)]
    for age, model in enumerate(kept):
        os.utime(model.with_suffix(".json"), (1_000_000 - age, 1_000_000 - age))
    assert cache.evict(root) == []
    third = cache.get("server wine/3", None, Source())
    assert [model.is_dir() for model in (*kept, third)] == [True, True, True], "all are in use"
    forget(monkeypatch)
    os.utime(third.with_suffix(".json"))
    assert cache.evict(root) == [kept[1]]
    assert [model.is_dir() for model in (*kept, third)] == [True, False, True]


def test_a_full_cache_makes_room_for_what_comes(monkeypatch, root):
    monkeypatch.setenv("MODELYARD_CACHE_BYTES", "2500")
    first = cache.get("server wine/1", None, Source())
    cache.release(first)
    second = cache.get("server wine/2", None, Source())
    assert [model.is_dir() for model in (first, second)] == [True, True]
    third = cache.get("server wine/3", None, Source())
    assert [model.is_dir() for model in (first, second, third)] == [False, True, True]
    again = Source()
    assert cache.get("server wine/1", None, again) == first
    assert again.fetched == 1


def test_what_another_process_uses_stays(monkeypatch, root):
    kept = cache.get("server wine/1", None, Source())
    forget(monkeypatch)
    script = """
import sys
from modelyard.client import cache
cache.get("server wine/1", None, lambda into: sys.exit("it is here"))
print("ready", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "ready\n"
        assert cache.evict(root, 0) == []
        other.communicate()
    assert cache.evict(root, 0) == [kept]


def test_many_at_once_fetch_once():
    source = Source(100_000)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.get("server wine/1", None, source))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.fetched == 1
    assert len(set(found)) == 1
    assert len(found) == 8


def test_a_broken_fetch_is_gone_on_with(monkeypatch, root):
    class Breaks(Source):
        def __call__(self, into):
            if self.fetched == 0:
                self.fetched = 1
                (into / "weights").write_bytes(b"part")
                raise ConnectionError
            assert (into / "weights").read_bytes() == b"part"
            super().__call__(into)

    source = Breaks()
    with pytest.raises(ConnectionError):
        cache.get("server wine/1", None, source)
    assert (cache.get("server wine/1", None, source) / "weights").read_bytes() == source.content
    (left,) = [root / "incoming" / "left"]
    left.mkdir()
    os.utime(left, (0, 0))
    cache.evict(root)
    assert not left.exists()


def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.delenv("MODELYARD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.directory() == tmp_path / "xdg/modelyard"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.directory() == tmp_path / ".cache/modelyard"
