"""No path leads out of the root, whatever is in it and however it is encoded."""

from __future__ import annotations

import os
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelyard.artifacts.paths import MAX_NAME_BYTES, MAX_PATH_BYTES, contained
from modelyard.domain.errors import InvalidArgument

FRAGMENTS = [
    "..",
    ".",
    "/",
    "\\",
    "%2e",
    "%2E",
    "%2f",
    "%5c",
    "%25",
    "%00",
    "%23",
    "C:",
    "file:",
    "#",
    "a",
    "\0",
    ".modelyard",
]

anything = st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS)).map("".join))


def outcome(path: str) -> str | None:
    """The clean path; None if it was refused, and properly so."""
    try:
        return contained(path)
    except InvalidArgument as refusal:
        if not refusal.message.startswith("Invalid path"):
            raise
        return None


@given(anything)
def test_a_path_is_refused_or_stays_inside(path):
    clean = outcome(path)
    if clean is None:
        return
    assert os.path.normpath(f"/root/{clean}") == f"/root/{clean}".rstrip("/")
    assert clean == "" or not {"", ".", "..", ".modelyard"} & set(clean.split("/"))
    assert not any(ord(letter) < 32 or ord(letter) == 127 for letter in clean)
    assert not clean.startswith(("/", "\\"))
    assert len(clean.encode()) <= MAX_PATH_BYTES
    assert contained(clean) == clean


@given(anything, st.integers(1, 3))
def test_encoding_changes_nothing(path, times):
    path = path.encode("utf-8", "replace").decode()
    encoded = path
    for _ in range(times):
        encoded = quote(encoded, safe="")
    assume(len(encoded) < MAX_PATH_BYTES and path.count("%25") < 3)  # the bounds on length and rounds apart
    assert outcome(encoded) == outcome(path)


REFUSED = [
    *("..", "../x", "a/../../x", "a/..", "%2e%2e/x", "..%2fx", "%252e%252e%252fx", "%25252e%25252e/x"),
    *("/etc/passwd", "//etc/passwd", "%2fetc/passwd", "%252fetc/passwd", "file:///etc/passwd", "FILE:x"),
    *("C:/x", "c:x", "C%3a/x", "\\\\host\\share", "\\x", "..\\x", "a\\..\\..\\x", "a%5c..%5cx"),
    *("a#b", "a%23b", "a%2523b", "a\0b", "a%00b", "\udcff", "%" + "25" * 40 + "2e"),
    *("x" * (MAX_NAME_BYTES + 1), "x/" * MAX_PATH_BYTES),
    *(".modelyard/incoming/x", "a/.modelyard", "%2emodelyard"),
]


@pytest.mark.parametrize("path", REFUSED)
def test_refused(path):
    with pytest.raises(InvalidArgument, match=r"^Invalid path"):
        contained(path)


@pytest.mark.parametrize(
    ("path", "clean"),
    [
        ("", ""),
        (".", ""),
        ("a", "a"),
        ("a/b.txt", "a/b.txt"),
        ("a//b/./c/", "a/b/c"),
        ("a%20b", "a b"),
        ("a%2520b", "a b"),
        ("100%", "100%"),
        ("..a/b..", "..a/b.."),
        ("...", "..."),
        ("a\\b", "a\\b"),
        ("a\nb", "a%0ab"),
        ("ü/日本", "ü/日本"),
        ("model:1", "model:1"),
        ("x" * MAX_NAME_BYTES, "x" * MAX_NAME_BYTES),
    ],
)
def test_accepted(path, clean):
    assert contained(path) == clean
