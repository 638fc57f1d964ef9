"""Entries that are packed in a form are what whole entries are packed to."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving.gateway.entries import LONGEST_BODY, Entry, Form, packed

read = msgspec.msgpack.Decoder(Entry).decode
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
bodies = st.none() | st.binary(max_size=300) | st.sampled_from([b"x" * LONGEST_BODY, b"x" * (LONGEST_BODY + 1)])


told = st.tuples(
    st.integers(100, 599), st.integers(0, 2), bodies, bodies, st.booleans(),
    st.none() | words, st.none() | st.floats(allow_nan=False), st.none() | st.booleans(),
    st.none() | words, st.none() | st.binary(min_size=16, max_size=16),
)  # fmt: skip


@given(
    of=st.tuples(words, st.integers(0, 2**31), words, words, words, words, words),
    at_ms=st.integers(0, 2**48 - 1),
    seconds=st.floats(0.0, 10_000.0),
    told=told,
)
def test_a_form_packs_as_whole_entries_are_packed(of: Any, at_ms: int, seconds: float, told: Any) -> None:
    id, latency_us = bytes(range(16)), int(seconds * 1e6)
    entry = Entry(id, of[0], at_ms, *of[1:], latency_us, *told)
    assert read(Form(*of).packed(id, at_ms, seconds, *told)) == read(packed(entry))
