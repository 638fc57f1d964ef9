"""Frames between the front and a worker: whatever goes in comes out, however the stream is cut."""

from hypothesis import given
from hypothesis import strategies as st

from modelyard.serving import frames
from modelyard.serving.calls import Answered, Asked

kinds = st.sampled_from(
    [b"application/json", b"text/csv", b"application/json; charset=utf-8", b"application/octet-stream"]
)
tickets = st.integers(0, 2**32 - 1)
asked = st.builds(Asked, st.integers(0, 2), st.binary(max_size=300), kinds, st.integers(-1, 2**31 - 1))
answered = st.builds(
    Answered,
    st.integers(100, 599),
    st.binary(max_size=300),
    kinds,
    st.integers(-1, 2**31 - 1),
    st.integers(0, 2**32 - 1),
)


def cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(stream[at : at + size])
        at += size
    return [piece for piece in (*pieces, stream[at:]) if piece]


@given(st.lists(st.lists(st.tuples(tickets, asked), max_size=5), max_size=4), st.lists(st.integers(1, 60), max_size=40))
def test_calls_come_out_as_they_went_in(batches, sizes):
    stream = b""
    for slot, batch in enumerate(batches):
        parts = [
            part
            for ticket, each in batch
            for part in frames.call_parts(ticket, each.protocol, each.content_type, each.json_bytes, each.body)
        ]
        stream += b"".join(frames.calls(slot, len(batch), parts))
    reader = frames.Reader()
    found = [frame for piece in cut(stream, sizes) for frame in reader.feed(piece)]

    assert [kind for kind, _ in found] == [frames.CALLS] * len(batches)
    for slot, (batch, (_, content)) in enumerate(zip(batches, found, strict=True)):
        read_slot, read_tickets, read = frames.read_calls(content)
        assert read_slot == slot
        assert read_tickets == [ticket for ticket, _ in batch]
        assert [Asked(each.protocol, bytes(each.body), each.content_type, each.json_bytes) for each in read] == [
            each for _, each in batch
        ]


@given(st.lists(st.tuples(tickets, answered), max_size=6), st.floats(0, 1e6), st.binary(max_size=50), st.data())
def test_answers_and_notes_come_out_as_they_went_in(batch, seconds, note, data):
    stream = frames.answers([ticket for ticket, _ in batch], [each for _, each in batch], seconds) + frames.note(note)
    sizes = data.draw(st.lists(st.integers(1, 60), max_size=40))
    reader = frames.Reader()
    (kind, content), (noted, text) = [frame for piece in cut(stream, sizes) for frame in reader.feed(piece)]

    assert (kind, noted, bytes(text)) == (frames.ANSWERS, frames.NOTE, note)
    assert frames.read_answers(content) == (seconds, batch)
