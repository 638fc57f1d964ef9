"""Delivers points: to our server the journal's own bytes, to a stock MLflow server as batches of JSON."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain.errors import ModelyardError, NotFound
from modelyard.domain.validation import MOST_METRICS

from .exchange import Line, Refused, ask, mlflow
from .journal import points
from .journal.journal import POINTS_DONE
from .journal.segments import Damaged
from .transport import NATIVE

if TYPE_CHECKING:
    from .journal.journal import Journal
    from .journal.points import Points
    from .run_delivery import RunDelivery

MOST_PACKED: Final = 16_384
"""Points in one request to our server: half a MiB, which passes proxies as they are set up by default."""

_THERE_ALREADY: Final = ("UNIQUE constraint failed: metrics.", "metric_pk", "Duplicate entry")
"""What SQLite, PostgreSQL and MySQL say under MLflow 2.x of a NaN that is sent twice; other points it knows again."""

Row = tuple[int, int, float, int, int]
_pack: Final = struct.Struct("<IIdqq").pack


class PointDelivery:
    """The points of one journal on one server.

    Args:
        journal: where they are.
        line: to the server.
        runs: knows what the server calls them.
        refuse: is told of what the server will not have: run, None, `metric`, key, the points, why.
    """

    def __init__(
        self,
        journal: Journal,
        line: Line,
        runs: RunDelivery,
        refuse: Callable[[str, int | None, str, str, Any, ModelyardError], None],
    ) -> None:
        self._journal = journal
        self._line = line
        self._runs = runs
        self._refuse = refuse

    def step(self, until: int) -> bool:
        """Deliver one slice of points.

        Args:
            until: position in the stream where to stop.

        Returns:
            Whether anything was delivered.

        Raises:
            Unreachable: nothing was; try again later.
        """
        stream, done = self._journal.points, int(self._journal.state[POINTS_DONE])
        if done >= until:
            return False
        segment = stream.at(done)
        if segment is None:
            return False
        native = self._runs.native
        try:
            found = points.read(segment, done, MOST_PACKED if native else MOST_METRICS, until)
        except Damaged as damage:
            self._refuse("", None, "damage", "", None, ModelyardError(str(damage)))
            self._journal.delivered(stream, segment.end)
            return True
        if native:
            self._native(found)
        else:
            self._stock(found)
        self._journal.delivered(stream, found.end)
        return True

    # -------------------------------------------------------------------------------- ours

    def _native(self, found: Points) -> None:
        runs, keys = found.numbers()
        whole = all(0 < run < len(found.runs) for run in runs) and all(0 < key < len(found.keys) for key in keys)
        rows = None if whole else found.rows()
        while rows is None or rows:
            used = runs if rows is None else {row[0] for row in rows}
            names: dict[int, str] = {}
            for run in sorted(used):
                try:
                    names[run] = self._runs.server_id(found.runs[run])
                except Refused as refused:
                    rows = self._without(found, rows, lambda row, run=run: row[0] == run, refused.error)  # type: ignore[misc]
            if len(names) < len(used):
                continue
            keyed = keys if rows is None else {row[1] for row in rows}
            filler = found.keys[min(keyed)]
            message = {
                # by number; what does not occur is spelt as something that does
                "runs": [names.get(number, names[min(names)]) for number in range(max(names) + 1)],
                "keys": [found.keys[number] if number in keyed else filler for number in range(max(keyed) + 1)],
                "points": found.data if rows is None else b"".join(_pack(*row) for row in rows),
            }
            try:
                self._send(message)
            except Refused as refused:
                rows = self._refused(found, found.rows() if rows is None else rows, refused, message)
                continue
            return

    def _send(self, message: dict[str, Any]) -> None:
        import msgspec

        body = msgspec.msgpack.encode(message)
        ask(self._line, "POST", f"{NATIVE}metrics/points", body, "application/x-msgpack")

    def _refused(self, found: Points, rows: list[Row], refused: Refused, message: dict[str, Any]) -> list[Row]:
        """What remains of some points once the refused ones are gone."""
        wrong: dict[str, set[int]] = {"runs": set(), "keys": set(), "points": set()}
        for place in refused.places:
            _, _, rest = place.partition("/")
            kind, _, number = rest.partition("/")
            if kind in wrong and number.isdigit():
                wrong[kind].add(int(number))
        # a filler is refused along with what it repeats
        for kind in ("runs", "keys"):
            texts = {message[kind][number] for number in wrong[kind] if number < len(message[kind])}
            wrong[kind] = {number for number, text in enumerate(message[kind]) if text in texts}
        bad = [
            row
            for at, row in enumerate(rows)
            if row[0] in wrong["runs"] or row[1] in wrong["keys"] or at in wrong["points"]
        ]
        if bad:
            if isinstance(refused.error, NotFound):  # perhaps it is only late
                for run in {row[0] for row in bad}:
                    self._check_pending(found.runs[run], refused)
            gone = set(bad)
            self._give_up(found, bad, refused.error)
            return [row for row in rows if row not in gone]
        if len(rows) == 1:
            self._give_up(found, rows, refused.error)
            return []
        self._half(found, rows, message)
        return []

    def _check_pending(self, run: str, refused: Refused) -> None:
        def again() -> None:
            raise refused

        try:
            self._runs.found(run, again)
        except Refused:
            return

    def _half(self, found: Points, rows: list[Row], message: dict[str, Any]) -> None:
        """Send the halves apart: the server does not say which points it refuses."""
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]):
            rest = half
            while rest:
                part = {**message, "points": b"".join(_pack(*row) for row in rest)}
                try:
                    self._send(part)
                except Refused as refused:
                    rest = self._refused(found, rest, refused, part)
                    continue
                break

    def _without(
        self, found: Points, rows: list[Row] | None, which: Callable[[Row], bool], error: ModelyardError
    ) -> list[Row]:
        rows = found.rows() if rows is None else rows
        self._give_up(found, [row for row in rows if which(row)], error)
        return [row for row in rows if not which(row)]

    # -------------------------------------------------------------------------------- stock MLflow

    def _stock(self, found: Points) -> None:
        by_run: dict[int, list[Row]] = {}
        for row in found.rows():
            by_run.setdefault(row[0], []).append(row)
        for run, rows in by_run.items():
            try:
                server = self._runs.server_id(found.runs[run])
                self._runs.found(found.runs[run], partial(self._batch, found, server, rows))
            except Refused as refused:
                self._give_up(found, rows, refused.error)

    def _batch(self, found: Points, server: str, rows: list[Row]) -> None:
        message = {
            "run_id": server,
            "metrics": [
                {"key": found.keys[key], "value": value if math.isfinite(value) else _spelt(value),
                 "timestamp": timestamp, "step": step}
                for _, key, value, timestamp, step in rows
            ],
        }  # fmt: skip
        try:
            mlflow(self._line, "POST", "runs/log-batch", message)
        except Refused as refused:
            if len(rows) == 1 and any(words in str(refused) for words in _THERE_ALREADY):
                return
            if len(rows) == 1 or self._runs.is_gone(refused):
                raise
            middle = len(rows) // 2
            for half in (rows[:middle], rows[middle:]):
                try:
                    self._batch(found, server, half)
                except Refused as inner:
                    self._give_up(found, half, inner.error)

    # -------------------------------------------------------------------------------- refused

    def _give_up(self, found: Points, rows: list[Row], error: ModelyardError) -> None:
        series: dict[tuple[int, int], list[tuple[float | str, int, int]]] = {}
        for run, key, value, timestamp, step in rows:
            shown = value if math.isfinite(value) else _spelt(value)
            series.setdefault((run, key), []).append((shown, timestamp, step))
        for (run, key), content in series.items():
            self._refuse(found.runs[run], None, "metric", found.keys[key], content, error)


def _spelt(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
