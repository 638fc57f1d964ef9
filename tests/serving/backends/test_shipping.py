"""Model directories on their way to other machines."""

from __future__ import annotations

import tempfile

import pytest

from modelyard.domain.errors import InvalidArgument, PermissionDenied
from modelyard.serving.backends import shipping


@pytest.fixture
def there(tmp_path, monkeypatch):
    """The temporary directory of the machine where it arrives."""
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.fixture
def directory(tmp_path):
    found = tmp_path / "wine" / "3"
    (found / "code").mkdir(parents=True)
    (found / "MLmodel").write_text("flavors: {}")
    (found / "code" / "a.py").write_bytes(b"\x00\xff")
    (tmp_path / "wine" / ".3.json").write_text("{}")
    (tmp_path / "wine" / "other").write_text("not of the model")
    return found


def test_a_directory_arrives_as_it_was(directory, there):
    arrived = shipping.unpack(shipping.pack(directory), "3")
    assert arrived.is_relative_to(there)
    files = [each for each in arrived.parent.rglob("*") if each.is_file()]
    found = {str(each.relative_to(arrived.parent)): each.read_bytes() for each in files}
    assert found == {"3/MLmodel": b"flavors: {}", "3/code/a.py": b"\x00\xff", ".3.json": b"{}"}


def test_the_same_content_is_unpacked_once(directory, there):
    first = shipping.unpack(shipping.pack(directory), "3")
    assert shipping.unpack(shipping.pack(directory), "3") == first
    (directory / "MLmodel").write_text("flavors: {a: {}}")
    assert shipping.unpack(shipping.pack(directory), "3") != first
    (root,) = there.iterdir()
    assert len(list(root.iterdir())) == 2
    assert root.stat().st_mode & 0o777 == 0o700


def test_a_place_that_others_may_change_is_not_used(directory, there):
    archive = shipping.pack(directory)
    root = shipping.unpack(archive, "3").parent.parent
    root.chmod(0o777)
    with pytest.raises(PermissionDenied, match="not this user's alone"):
        shipping.unpack(archive, "3")


def test_what_is_too_large_belongs_into_the_registry(directory, monkeypatch):
    monkeypatch.setattr(shipping, "LARGEST_BYTES", 10)
    with pytest.raises(InvalidArgument, match="Register the model"):
        shipping.pack(directory)
