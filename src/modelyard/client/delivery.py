"""Delivers one journal to a server, in order, step by step; a step that failed is tried again as it was.

What is sent twice is stored once: runs have ids of our making (or, on a stock MLflow server, a tag with it that is
looked for), equal points and equal params are stored once by both servers, tags are set again in the same order.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain.errors import ModelyardError, NotFound

from . import run_delivery
from .exchange import Line, Refused, Unreachable, mlflow
from .journal import points, records
from .journal.journal import ALIVE_MS, POINTS_DONE, RECORDS_DONE
from .journal.segments import Damaged
from .point_delivery import PointDelivery
from .rejections import Rejections

if TYPE_CHECKING:
    from .journal.journal import Journal
    from .journal.records import Record
    from .transport import Transport

MOST_MERGED: Final = 100
"""Params, and tags, in one request (MLflow's limit)."""

FAILURES: Final = 5
"""How often the server may fail at the same thing before we ask whether it is the thing."""

_MERGED: Final = ("params", "tags")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that the server refused.

    Attributes:
        run: its id in the journal.
        ticket: of the record; None for points.
        error: why.
    """

    run: str
    ticket: int | None
    error: ModelyardError


class Deliverer:
    """Delivers a journal. Not for two threads at once.

    Args:
        journal: what to deliver.
        transport: to where.
        adopted: whether another process wrote it, which is dead.

    Attributes:
        refusals: the last things that the server refused.
        awaited: tickets, and runs, that somebody waits for: a refusal is raised there, and not reported here.
    """

    def __init__(self, journal: Journal, transport: Transport, *, adopted: bool = False) -> None:
        self.journal = journal
        self._line = Line(transport)
        self.adopted = adopted
        self.refusals: deque[Refusal] = deque(maxlen=1000)
        self.awaited: Counter[int | str] = Counter()
        self.rejections = Rejections(journal)
        self.runs = run_delivery.RunDelivery(journal, self._line, unsure=adopted)
        self._points = PointDelivery(journal, self._line, self.runs, self._refuse)
        self._waiting: deque[Record] = deque()
        self._failures = 0
        for what in journal.damaged:
            self.rejections.damage(what)

    # -------------------------------------------------------------------------------- one step

    def step(self) -> bool:
        """Deliver one group of records and one slice of points.

        Something that makes the server fail again and again, while it takes other things, counts as refused: it must
        not hold up what comes behind it.

        Returns:
            Whether there may be more.

        Raises:
            Unreachable: nothing was delivered; try again later.
        """
        strict = self._line.strict
        try:
            more = self._step()
        except Unreachable as away:
            self._failures = self._failures + 1 if away.failed else 0
            if self._failures < FAILURES or not self._takes_other_things():
                raise
            self._line.strict = True
            more = True
        self._failures = 0
        if strict:
            self._line.strict = False
        return more

    def _takes_other_things(self) -> bool:
        """Whether the server can write for the run that comes next; of one that is to begin, that cannot be tried."""
        if self._waiting:
            return self._waiting[0].kind not in ("start", "resume") and self.runs.can_write(self._waiting[0].run)
        done = int(self.journal.state[POINTS_DONE])
        segment = self.journal.points.at(done)
        if segment is None:
            return False
        first = points.read(segment, done, 1)
        return any(self.runs.can_write(first.runs[row[0]]) for row in first.rows())

    def _step(self) -> bool:
        end = self.journal.points.end  # before the records are read: what begins a run was written before its points
        self._load()
        worked = False
        if self._waiting:
            first = self._waiting[0]
            late = first.kind == "update" and self.journal.state[POINTS_DONE] < first.points
            if late and self._points.step(first.points):
                return True
            self._deliver_group()
            worked = True
        if self._waiting:
            # points of a run must not come before it
            more = self.journal.records.end > self._waiting[-1].end
            last = self._waiting[-1].points if more else end
            end = min(end, next((each.points for each in self._waiting if each.kind == "start"), last))
        elif self.journal.records_left:
            return True
        return self._points.step(end) or worked

    def _load(self) -> None:
        """Read the next records, if none are waiting."""
        if self._waiting:
            return
        stream, done = self.journal.records, int(self.journal.state[RECORDS_DONE])
        segment = stream.at(done)
        if segment is None:
            return
        try:
            found, wrong = records.read(segment, done)
        except Damaged as damage:
            found, wrong = [], str(damage)
        if wrong:
            self.rejections.damage(f"{segment.path}: {wrong}; {segment.end - max(done, segment.base):,} bytes are lost")
            self.journal.delivered(stream, segment.end)
            return
        self._waiting.extend(found)

    # -------------------------------------------------------------------------------- records

    def _deliver_group(self) -> None:
        group = self._group()
        try:
            self._deliver(group)
        except Refused as refused:
            if len(group) == 1:
                self._give_up(group[0], refused)
            else:
                for record in group:
                    try:
                        self._deliver([record])
                    except Refused as single:
                        self._give_up(record, single)
                    self._advance(record)
                return
        self._advance(group[-1])

    def _advance(self, record: Record) -> None:
        while self._waiting and self._waiting[0].end <= record.end:
            done = self._waiting.popleft()
            if done.kind == "artifact":
                self.runs.forget_file(done.content)
        self.journal.delivered(self.journal.records, record.end)

    def _group(self) -> list[Record]:
        """The first records that one request can carry."""
        first = self._waiting[0]
        if first.kind not in _MERGED:
            return [first]
        group: list[Record] = []
        params: dict[str, str] = {}
        tags = 0
        for record in self._waiting:
            if record.kind not in _MERGED or record.run != first.run:
                break
            if record.kind == "params":
                new = record.content.get("params", {})
                if any(params.get(key, value) != value for key, value in new.items()):
                    break  # a changed param: the server is to say so, and only of this one
                if group and len({**params, **new}) > MOST_MERGED:
                    break
                params.update(new)
            else:
                tags += len(record.content.get("tags", {}))
                if group and tags > MOST_MERGED:
                    break
            group.append(record)
        return group

    def _deliver(self, group: list[Record]) -> None:
        record = group[0]
        if record.kind in _MERGED:
            params: dict[str, str] = {}
            tags: dict[str, str] = {}
            for each in group:
                params.update(each.content.get("params", {}))
                tags.update(self.runs.translated(each.content.get("tags", {})))
            self._log_batch(record, params, tags)
        else:
            self.runs.deliver(record.kind, record.run, record.content)

    def _log_batch(self, record: Record, params: dict[str, str], tags: dict[str, str]) -> None:
        run = self.runs.server_id(record.run)
        wanted = (list(params.items()), list(tags.items()))
        for at in range(0, max(map(len, wanted)), MOST_MERGED):
            some = [[{"key": key, "value": value} for key, value in kind[at : at + MOST_MERGED]] for kind in wanted]
            message = {"run_id": run, "params": some[0], "tags": some[1]}
            try:
                self.runs.found(record.run, partial(mlflow, self._line, "POST", "runs/log-batch", message))
            except Refused as refused:
                if isinstance(refused.error, NotFound) or len(params) + len(tags) == 1 or self.runs.is_gone(refused):
                    raise
                self._one_by_one(record, dict(wanted[0][at : at + MOST_MERGED]), dict(wanted[1][at : at + MOST_MERGED]))

    def _one_by_one(self, record: Record, params: dict[str, str], tags: dict[str, str]) -> None:
        """Some of these are refused; which ones, the server says of each alone."""
        for kind, texts in (("params", params), ("tags", tags)):
            for key, value in texts.items():
                message = {"run_id": self.runs.server_id(record.run), kind: [{"key": key, "value": value}]}
                try:
                    mlflow(self._line, "POST", "runs/log-batch", message)
                except Refused as refused:
                    self._refuse(record.run, record.end, kind[:-1], key, value, refused.error)

    def _give_up(self, record: Record, refused: Refused) -> None:
        self._refuse(record.run, record.end, record.kind, "", record.content, refused.error)
        if record.kind == "start":
            self.runs.refuse(record.run, refused.error)

    def _refuse(self, run: str, ticket: int | None, kind: str, key: str, content: Any, error: ModelyardError) -> None:
        self.refusals.append(Refusal(run, ticket, error))
        if not (self.awaited[run] or (ticket is not None and self.awaited[ticket])):
            self.rejections.add(run, kind, key, content, error, quiet=self.runs.refuses(run))

    # -------------------------------------------------------------------------------- the end

    def finish(self) -> None:
        """End the runs that the dead process began and did not end, as killed when it last gave a sign of life.

        Raises:
            Unreachable: try again later.
        """
        for known in self.journal.ledger.open():
            if known.server and not self.runs.lives_elsewhere(known.id):
                try:
                    self.runs.kill(known, int(self.journal.state[ALIVE_MS]))
                except Refused as refused:
                    self._refuse(known.id, None, "update", "", {"status": "KILLED"}, refused.error)
            self.journal.ledger.note(known.id, status="KILLED")
