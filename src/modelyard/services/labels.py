"""Labels: a version's own version string, as PEP 440 reads and orders it."""

from __future__ import annotations

from packaging.utils import canonicalize_version
from packaging.version import InvalidVersion, Version

from modelyard.domain.errors import InvalidArgument

LONGEST = 100


def label_key(text: str) -> str:
    """The form in which two labels are the same: `1.0-rc1`, `v1.0rc1` and `1.0.0rc1` share one.

    Raises:
        InvalidArgument: it is no version in the sense of PEP 440, or only an integer, which is a version's number.
    """
    key = find_label_key(text)
    if key is None:
        raise InvalidArgument(
            f"Invalid label {text[:LONGEST]!r}: expected a version as in PEP 440, such as 2.3.1 or 1.0-rc1, of at most "
            f"{LONGEST} characters."
        )
    if text.strip().isdigit():
        raise InvalidArgument(
            f"Invalid label {text!r}: an integer is read as a version number; write {text}.0 instead."
        )
    return key


def find_label_key(text: str) -> str | None:
    """As `label_key`; None if the text is no version."""
    if len(text) > LONGEST:
        return None
    try:
        return canonicalize_version(Version(text))
    except InvalidVersion:
        return None


def label_order(text: str) -> Version:
    """What labels are sorted by.

    Raises:
        InvalidArgument: it is no label.
    """
    try:
        return Version(text)
    except InvalidVersion:
        raise InvalidArgument(f"{text!r} is not a version as in PEP 440.") from None
