"""Copies of requests for shadows: their answers are counted, compared and recorded, and nobody waits for them.

Copies go out some milliseconds after their requests were answered, those of that time together: the model server
predicts them at once, which costs the machine, and so the callers, a fraction of what each alone would. When as many
copies wait as may, further ones are dropped.
"""

from __future__ import annotations

import asyncio
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Final

from modelyard.domain.deployments import Role

from .answers import NOTHING
from .asking import note, send

if TYPE_CHECKING:
    from .asking import Asking, Question
    from .deployed import Revision, Route
    from .replicas import Replica

_TOGETHER_S: Final = 0.01
_SHADOW: Final = Role.SHADOW.value


class Mirror:
    """Sends them.

    Args:
        asking: where the requests are asked.
        most: copies that wait or are with a shadow.

    Attributes:
        sent: copies that went out.
        dropped: those that did not, since too many were under way.
        under_way: those that wait or are with a shadow.
    """

    def __init__(self, asking: Asking, most: int) -> None:
        self._asking = asking
        self._most = most
        self._next: list[Copy] = []
        self.sent = 0
        self.dropped = 0
        self.under_way = 0

    def copy(self, question: Question, shadow: Revision) -> None:
        """Send a copy of a request that was answered, if it is its turn and there is room."""
        deployment = question.head.deployment
        if deployment.shadow_share < 1 and deployment.copies.next() >= deployment.shadow_share:
            return
        if self.under_way >= self._most:
            self.dropped += 1
            return
        self.under_way += 1
        if not self._next:
            asyncio.get_running_loop().call_later(_TOGETHER_S, self._flush)
        route = shadow.route(_SHADOW, question.segment.name)
        self._next.append(Copy(self, self._asking, question, route))

    def _flush(self) -> None:
        copies, self._next = self._next, []
        for each in copies:
            each.send()


class Copy:
    """A request for a shadow, until it is answered."""

    __slots__ = ("_asking", "_mirror", "_question", "_replica", "_route", "_since")

    def __init__(self, mirror: Mirror, asking: Asking, question: Question, route: Route) -> None:
        self._mirror = mirror
        self._asking = asking
        self._question = question
        self._route = route
        self._replica: Replica | None = None
        self._since = 0.0

    def send(self) -> None:
        """Ask the shadow."""
        replica = self._route.revision.replicas.pick()
        if replica is None:
            self._mirror.under_way -= 1
            self._mirror.dropped += 1
            return
        self._mirror.sent += 1
        self._replica = replica
        self._since = perf_counter()
        replica.in_flight += 1
        question = self._question
        send(question.head, question.body, self._route, replica, self)

    def answered(self, head: bytes, body: bytes) -> None:
        """See `exchange.Caller`."""
        if self._over() is not None:
            self._count(int(head[9:12]), body)

    def broken(self, why: str, *, sent: bool) -> None:
        """See `exchange.Caller`. It is not asked again."""
        replica = self._over()
        if replica is not None:
            self._route.revision.replicas.take_out(replica, why)
            self._mirror.dropped += sent

    def overdue(self, message: str) -> None:  # noqa: ARG002 - as a question's
        """It takes too long."""
        if self._over() is not None:
            self._count(504, b"")

    def _over(self) -> Replica | None:
        """It is over; whom it was sent to, None if it was over before."""
        replica, self._replica = self._replica, None
        if replica is not None:
            self._mirror.under_way -= 1
            replica.in_flight -= 1
        return replica

    def _count(self, status: int, body: bytes) -> None:
        question, asking, route = self._question, self._asking, self._route
        deployment = question.head.deployment
        seconds = perf_counter() - self._since
        at_ms = time_ns() // 1_000_000
        protocol = question.head.protocol
        said = deployment.reader.read(protocol, body).over(route.threshold) if status == 200 else NOTHING
        failed = route.fails(status, question.body)
        cell = asking.measuring.add(route.of, at_ms // 1000, failed, seconds, said)
        same = said.agrees(question.said) if question.status == 200 and status == 200 else None
        if same is not None:
            cell.pairs += 1
            cell.disagreements += not same
        if asking.recorder is not None:
            note(asking.recorder, deployment, route, asking.ids.next(at_ms), at_ms, seconds, status, protocol,
                 question.body, body, said, question.key, question.id)  # fmt: skip
