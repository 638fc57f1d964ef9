"""Compacted metric history: a chunk is a few thousand points, compressed, with a summary that is kept beside it.

Layout, little-endian: version (1 byte), flags (1), number of points (4), the columns, CRC-32 of all before it (4).
Integer columns hold their first number (8) and the zigzag of each difference to the previous number, computed modulo
2**64 so that no input overflows. Values hold their 64 bits as they are, each one's exclusive-or with the previous
value, or, where all are decimals of a few places, that number of places (1 byte) and the zigzag of the digits as
integers; whichever is smallest. A column of 64-bit words is written as its byte planes (all lowest bytes, then
all second bytes, ...): one byte telling which planes are not all zero, then each such plane as its length (2) and a
zstd frame, or the plane itself where zstd does not help (its length is then the number of points).
Sizes and speeds: docs/decisions/0004-metric-chunks.md.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from modelyard.db.series import Floats, Integers, Points, concatenate, group
from modelyard.domain.errors import DataCorrupted

if TYPE_CHECKING:
    from zstandard import ZstdCompressor, ZstdDecompressor

CHUNK_POINTS = 2048
MAX_CHUNK_POINTS = 65_535  # a plane's length takes two bytes

Words = NDArray[np.uint64]

_VERSION = 1
_XOR, _KEYED, _DECIMAL = 1, 2, 4
_HEAD = struct.Struct("<BBI")
_COLUMN = struct.Struct("<q")
_PLANE = struct.Struct("<H")
_CHECKSUM = struct.Struct("<I")
_LEVEL = 3
_MOST_PLACES = 9
_LARGEST_DIGITS = 2.0**53  # up to here a double holds every integer
_TINY = 16  # a zstd frame's own bytes outweigh what so few could save


@dataclass(frozen=True, slots=True)
class ChunkSummary:
    """What one may know of a chunk without decoding it.

    Attributes:
        points: Number of points.
        first_ms: Least timestamp, milliseconds since the epoch.
        last_ms: Greatest timestamp.
        min_step: Least step.
        max_step: Greatest step.
        min_value: Least value, NaN ignored; None if there are only NaN.
        max_value: Greatest value, NaN ignored; None if there are only NaN.
        nan_count: Number of NaN values.
    """

    points: int
    first_ms: int
    last_ms: int
    min_step: int
    max_step: int
    min_value: float | None
    max_value: float | None
    nan_count: int


def summarise(points: Points) -> ChunkSummary:
    """Return the summary of a chunk's points, in plain Python numbers.

    Raises:
        ValueError: There are no points.
    """
    if not len(points):
        raise ValueError("a chunk holds at least one point")
    nan_count = int(np.count_nonzero(np.isnan(points.values)))
    some = nan_count < len(points)
    return ChunkSummary(
        points=len(points),
        first_ms=int(points.timestamps.min()),
        last_ms=int(points.timestamps.max()),
        min_step=int(points.steps.min()),
        max_step=int(points.steps.max()),
        min_value=float(np.fmin.reduce(points.values)) if some else None,
        max_value=float(np.fmax.reduce(points.values)) if some else None,
        nan_count=nan_count,
    )


def split(points: Points, size: int = CHUNK_POINTS) -> Iterator[Points]:
    """Yield stretches of at most ``size`` points, in order; none for no points."""
    for start in range(0, len(points), size):
        yield points.take(slice(start, start + size))


# ---------------------------------------------------------------- encoding


def encode_chunk(points: Points) -> bytes:
    """Encode points of one series, in the order given.

    Raises:
        ValueError: No points, or more than ``MAX_CHUNK_POINTS``.
    """
    return _encode(points, None)


def encode_mixed_chunk(series: dict[int, Points]) -> bytes:
    """Encode several short series, by key id, in one chunk; ``decode_mixed_chunk`` gives them back.

    Raises:
        ValueError: No points, or more than ``MAX_CHUNK_POINTS`` together.
    """
    key_ids = np.repeat(np.fromiter(series, np.int64, len(series)), [len(points) for points in series.values()])
    return _encode(concatenate(list(series.values())), key_ids)


def _encode(points: Points, key_ids: Integers | None) -> bytes:
    from zstandard import ZstdCompressor  # noqa: PLC0415 - the server's start does not pay for it

    if not 0 < len(points) <= MAX_CHUNK_POINTS:
        raise ValueError(f"a chunk holds 1 to {MAX_CHUNK_POINTS} points, not {len(points)}")
    zstd = ZstdCompressor(level=_LEVEL, write_content_size=False)
    bits = np.ascontiguousarray(points.values).view(np.uint64)
    forms = {0: _planes(bits, zstd), _XOR: _planes(_xor_with_previous(bits), zstd)}
    decimals = _decimals(points.values)
    if decimals is not None:
        places, digits = decimals
        forms[_DECIMAL] = bytes([places]) + _planes(digits, zstd)
    form = min(forms, key=lambda flag: len(forms[flag]))
    flags = form | (0 if key_ids is None else _KEYED)
    parts = [_HEAD.pack(_VERSION, flags, len(points))]
    for column in (points.timestamps, points.steps) if key_ids is None else (key_ids, points.timestamps, points.steps):
        parts += [_COLUMN.pack(int(column[0])), _planes(_differences(column), zstd)]
    parts.append(forms[form])
    body = b"".join(parts)
    return body + _CHECKSUM.pack(zlib.crc32(body))


def _differences(column: Integers) -> Words:
    """Zigzag of the wrapping differences; the first is 0, for the column's first number stands before it."""
    bits = np.ascontiguousarray(column).view(np.uint64)
    steps = np.zeros(len(bits), np.uint64)
    np.subtract(bits[1:], bits[:-1], out=steps[1:])
    return _zigzag(steps.view(np.int64))


def _zigzag(numbers: Integers) -> Words:
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def _unzigzag(words: Words) -> Words:
    return (words >> np.uint64(1)) ^ (~(words & np.uint64(1)) + np.uint64(1))


def _decimals(values: Floats) -> tuple[int, Words] | None:
    """How few decimal places give every value back, bit for bit, and the values' digits; None if no such number does.

    Accuracies, losses printed to six places, counts: much of what is logged was rounded before.
    """
    for places in range(_MOST_PLACES + 1):
        # Most columns are told from a few values.
        if _digits(values[:8], places) is not None and (digits := _digits(values, places)) is not None:
            return places, _zigzag(digits)
    return None


def _digits(values: Floats, places: int) -> Integers | None:
    scale = 10.0**places
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.rint(values * scale)
    if not (np.abs(rounded) < _LARGEST_DIGITS).all():
        return None
    digits = rounded.astype(np.int64)
    same = np.array_equal((digits / scale).view(np.uint64), np.ascontiguousarray(values).view(np.uint64))
    return digits if same else None


def _xor_with_previous(bits: Words) -> Words:
    words = bits.copy()
    words[1:] ^= bits[:-1]
    return words


def _planes(words: Words, zstd: ZstdCompressor) -> bytes:
    planes = np.ascontiguousarray(words.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8).T)
    present: list[bool] = np.logical_or.reduce(planes, axis=1).tolist()
    parts = [bytes([sum(1 << number for number, some in enumerate(present) if some)])]
    for plane, some in zip(planes, present, strict=True):
        if some:
            raw = plane.tobytes()
            packed = zstd.compress(raw) if len(raw) > _TINY else raw
            parts += [_PLANE.pack(min(len(packed), len(raw))), packed if len(packed) < len(raw) else raw]
    return b"".join(parts)


# ---------------------------------------------------------------- decoding


def decode_chunk(chunk: bytes) -> Points:
    """Return a chunk's points, bit for bit as they were given to ``encode_chunk``.

    Raises:
        DataCorrupted: The chunk is not what ``encode_chunk`` wrote, or was written by a later release.
    """
    return decode_chunks([chunk])


def decode_chunks(chunks: Iterable[bytes]) -> Points:
    """Return the points of several chunks of one series, one chunk after the other.

    Raises:
        DataCorrupted: See ``decode_chunk``.
    """
    zstd = _decompressor()
    parts = []
    for chunk in chunks:
        key_ids, points = _Reader(chunk, zstd).read()
        if key_ids is not None:
            raise DataCorrupted("A metric chunk holds several series where one was expected.")
        parts.append(points)
    return concatenate(parts)


def decode_mixed_chunk(chunk: bytes) -> dict[int, Points]:
    """Return the series of a chunk of several, by key id.

    Raises:
        DataCorrupted: The chunk is not what ``encode_mixed_chunk`` wrote, or was written by a later release.
    """
    key_ids, points = _Reader(chunk, _decompressor()).read()
    if key_ids is None:
        raise DataCorrupted("A metric chunk holds one series where several were expected.")
    return group(key_ids, points)


def _decompressor() -> ZstdDecompressor:
    from zstandard import ZstdDecompressor  # noqa: PLC0415 - the server's start does not pay for it

    return ZstdDecompressor()


class _Reader:
    """Reads one chunk from front to back; every way in which it may be wrong ends in DataCorrupted."""

    def __init__(self, chunk: bytes, zstd: ZstdDecompressor) -> None:
        from zstandard import ZstdError  # noqa: PLC0415 - loaded already

        body = len(chunk) - _CHECKSUM.size
        if body < _HEAD.size:
            raise DataCorrupted(f"A metric chunk has only {len(chunk)} bytes: it was cut short.")
        stored, found = _CHECKSUM.unpack_from(chunk, body)[0], zlib.crc32(memoryview(chunk)[:body])
        if stored != found:
            raise DataCorrupted(
                f"A metric chunk of {len(chunk)} bytes does not match its checksum ({found:08x} instead of "
                f"{stored:08x}): the database file was damaged. Restore it from a backup."
            )
        version, self._flags, self._count = _HEAD.unpack_from(chunk)
        if version != _VERSION:
            raise DataCorrupted(
                f"A metric chunk has format {version}, and this release reads format {_VERSION}: "
                "it was written by a later release."
            )
        self._chunk = memoryview(chunk)[:body]
        self._at = _HEAD.size
        self._zstd, self._zstd_error = zstd, ZstdError

    def read(self) -> tuple[Integers | None, Points]:
        if not 0 < self._count <= MAX_CHUNK_POINTS or self._flags & ~(_XOR | _KEYED | _DECIMAL):
            raise DataCorrupted("A metric chunk has an impossible head.")
        try:
            key_ids = self._integers() if self._flags & _KEYED else None
            timestamps, steps = self._integers(), self._integers()
            places = self._bytes(1)[0] if self._flags & _DECIMAL else 0
            bits = self._words()
        except struct.error as error:
            raise DataCorrupted("A metric chunk ends before its columns do.") from error
        if self._at != len(self._chunk):
            raise DataCorrupted("A metric chunk goes on after its columns.")
        if self._flags & _DECIMAL:
            if places > _MOST_PLACES:
                raise DataCorrupted("A metric chunk has an impossible head.")
            return key_ids, Points(timestamps, steps, _unzigzag(bits).view(np.int64) / 10.0**places)
        if self._flags & _XOR:
            bits = np.bitwise_xor.accumulate(bits)
        return key_ids, Points(timestamps, steps, bits.view(np.float64))

    def _integers(self) -> Integers:
        first: int = _COLUMN.unpack_from(self._chunk, self._at)[0]
        self._at += _COLUMN.size
        words = self._words()
        steps = _unzigzag(words)
        steps[0] = first % 2**64
        return np.add.accumulate(steps, dtype=np.uint64).view(np.int64)

    def _words(self) -> Words:
        words = np.zeros(self._count, "<u8")
        planes = words.view(np.uint8).reshape(-1, 8)
        present = self._bytes(1)[0]
        for number in range(8):
            if present >> number & 1:
                planes[:, number] = self._plane()
        return words.astype(np.uint64, copy=False)

    def _plane(self) -> NDArray[np.uint8]:
        packed = self._bytes(_PLANE.unpack(self._bytes(_PLANE.size))[0])
        if len(packed) == self._count:
            return np.frombuffer(packed, np.uint8)
        try:
            raw = self._zstd.decompress(packed, max_output_size=self._count)
        except self._zstd_error as error:
            raise DataCorrupted(f"A metric chunk does not decompress: {error}") from error
        if len(raw) != self._count:
            raise DataCorrupted(f"A metric chunk of {self._count} points has a column of {len(raw)}.")
        return np.frombuffer(raw, np.uint8)

    def _bytes(self, count: int) -> memoryview:
        if self._at + count > len(self._chunk):
            raise DataCorrupted("A metric chunk ends before its columns do.")
        self._at += count
        return self._chunk[self._at - count : self._at]


def compact(points: Points, size: int = CHUNK_POINTS) -> Sequence[tuple[ChunkSummary, bytes]]:
    """Return the chunks of a series with their summaries, in order."""
    return [(summarise(part), encode_chunk(part)) for part in split(points, size)]
