"""The digest of a model's files: of names and bytes alone, and what is said when it is another."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.domain.errors import DataCorrupted, NotFound
from modelyard.packaging import digest

FILES = {"MLmodel": b"flavors: {}", "code/a.py": b"x = 1", "data/weights.bin": bytes(3 * 2**20), "empty": b""}


def make(folder: Path, files: dict[str, bytes], order: int = 0) -> Path:
    names = list(files)
    random.Random(order).shuffle(names)
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(files[name])
    return folder


def test_it_is_of_names_and_bytes(tmp_path: Path) -> None:
    one = digest.compute(make(tmp_path / "one", FILES))
    assert one.startswith("sha256:")
    assert len(one) == len("sha256:") + 64
    assert int(one.removeprefix("sha256:"), 16)
    for order in range(1, 4):
        other = make(tmp_path / str(order), FILES, order)
        for path in other.rglob("*"):
            os.utime(path, (order, order))
            path.chmod(0o700)
        (other / "empty folder").mkdir()
        assert digest.compute(other) == one
    # fixed for good: models that were registered carry it
    assert digest.compute(make(tmp_path / "small", {"a": b"1", "b/c": b""})) == (
        "sha256:d9d1d74702f6f603324342976fc0fcfdd83309ee72893d25d19a47a1fd51ca3a"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"code/a.py": b"x = 2"}, {"code/a.py": b"x = 1\n"}, {"more": b""}, {"code/b.py": b"x = 1", "code/a.py": None},
        {"empty": None}, {"code": None, "code/a.py": None, "code\\a.py": b"x = 1"},
    ],
)  # fmt: skip
def test_anything_else_has_another(change: dict[str, bytes | None], tmp_path: Path) -> None:
    files = {name: content for name, content in {**FILES, **change}.items() if content is not None}
    assert digest.compute(make(tmp_path / "a", FILES)) != digest.compute(make(tmp_path / "b", files))


listings = st.dictionaries(
    st.text(min_size=1, max_size=12), st.tuples(st.integers(0, 9), st.sampled_from(["0" * 64, "1" * 64])), max_size=4
)


@given(listings, listings)
def test_no_two_listings_have_the_same(one: dict[str, tuple[int, str]], other: dict[str, tuple[int, str]]) -> None:
    assert (digest.combined(one) == digest.combined(other)) == (one == other)
    assert digest.combined(dict(reversed(one.items()))) == digest.combined(one)


def test_what_is_no_content_does_not_count(tmp_path: Path) -> None:
    model = make(tmp_path / "model", FILES)
    before = digest.compute(model)
    assert digest.write(model) == before
    make(model, {"registered_model_meta": b"model_name: a", "code/__pycache__/a.cpython-311.pyc": b"\0"})
    assert digest.compute(model) == before
    assert digest.recorded(model) == before
    digest.verify(model, before)


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    model = make(tmp_path / "model", FILES)
    digest.write(model)
    (model / "code" / "a.py").write_bytes(b"x = 3")
    (model / "empty").unlink()
    make(model, {"added.txt": b"", "code/line\nbreak.py": b""})
    with pytest.raises(DataCorrupted) as caught:
        digest.verify(model)
    text = str(caught.value)
    assert "changed: code/a.py;" in text
    assert "missing: empty;" in text
    assert "extra: added.txt, code/line" in text
    assert str(model) in text


def test_many_are_counted(tmp_path: Path) -> None:
    model = make(tmp_path / "model", FILES)
    digest.write(model)
    make(model, {f"{number:02}": b"" for number in range(25)})
    with pytest.raises(DataCorrupted, match=r"extra: 00, 01, .* 09 and 15 more\.$"):
        digest.verify(model)


def test_of_the_same_size_and_another_content(tmp_path: Path) -> None:
    model = make(tmp_path / "model", FILES)
    digest.write(model)
    times = (model / "data" / "weights.bin").stat()
    with (model / "data" / "weights.bin").open("r+b") as file:
        file.seek(2 * 2**20 + 5)
        file.write(b"\x01")
    os.utime(model / "data" / "weights.bin", ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(DataCorrupted, match=r"changed: data/weights\.bin"):
        digest.verify(model)


def test_checksums_that_agree_with_a_forged_model_do_not_help_it(tmp_path: Path) -> None:
    """Who knows the digest, e.g. from the registry, is not fooled by checksums that came with other files."""
    model = make(tmp_path / "model", FILES)
    promised = digest.write(model)
    (model / "code" / "a.py").write_bytes(b"import evil")
    forged = digest.write(model)
    digest.verify(model)
    with pytest.raises(DataCorrupted, match=f"{forged}; {promised} was expected"):
        digest.verify(model, promised)


def test_a_model_without_checksums(tmp_path: Path) -> None:
    model = make(tmp_path / "model", FILES)
    assert digest.recorded(model) is None
    digest.verify(model)
    digest.verify(model, digest.compute(model))
    with pytest.raises(DataCorrupted, match="was expected"):
        digest.verify(model, "sha256:" + "0" * 64)


def test_what_somebody_has_read_already_is_not_read_again(tmp_path: Path) -> None:
    model = make(tmp_path / "model", FILES)
    digest.write(model)
    found = digest.files(model)
    shutil.rmtree(model / "data")
    digest.verify(model, found=found)
    with pytest.raises(DataCorrupted, match="missing"):
        digest.verify(model)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"files": []}', '{"files": {"a": 1}}', '{"files": {"a": {}}}', "\xff"]
)
def test_damaged_checksums_are_named(content: str, tmp_path: Path) -> None:
    model = make(tmp_path / "model", FILES)
    digest.write(model)
    assert json.loads((model / digest.FILE).read_text())["files"]["empty"]["size"] == 0
    (model / digest.FILE).write_text(content, encoding="latin-1")
    with pytest.raises(DataCorrupted, match=r"checksums\.json' does not decode"):
        digest.verify(model)


def test_there_has_to_be_a_directory(tmp_path: Path) -> None:
    for call in (digest.compute, digest.verify, digest.files):
        with pytest.raises(NotFound, match="No directory"):
            call(tmp_path / "nothing")
