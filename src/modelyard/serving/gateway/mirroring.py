"""Copies of requests for shadows: their answers are counted, compared and recorded, and nobody waits for them.

Copies wait for a moment in which no caller does, such as right after an answer, and go out a few at a time: the model
server predicts these at once, which costs the machine, and so the callers, a fraction of what each alone would. Where
there is no such moment they are sent all the same. When as many copies wait as may, further ones are dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Final

from modelyard.domain.deployments import Role

from .answers import NOTHING
from .asking import note, send

if TYPE_CHECKING:
    from .asking import Asking, Question
    from .deployed import Revision, Route
    from .replicas import Replica

_TOGETHER: Final = 4
"""Copies that are sent at once, at most: callers' requests that come meanwhile wait for as long as that takes."""

_GATHER_S: Final = 0.01
"""How long copies wait for others, unless `_TOGETHER` are there."""

_LONGEST_S: Final = 0.05
"""How long they wait for a moment without callers."""

_LOOK_S: Final = 0.002
_MANY: Final = 64
"""So many wait for no moment."""

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
        asked: of them, those that are with a shadow.
    """

    def __init__(self, asking: Asking, most: int) -> None:
        self._asking = asking
        self._most = most
        self._waiting: deque[Copy] = deque()
        self._answers: deque[tuple[Copy, int, bytes, float]] = deque()
        self._looking = self._sending = False
        self.sent = 0
        self.dropped = 0
        self.under_way = 0
        self.asked = 0

    def copy(self, question: Question, shadow: Revision) -> None:
        """Send a copy of a request that was answered, if it is its turn and there is room."""
        deployment = question.head.deployment
        if deployment.shadow_share < 1 and deployment.copies.next() >= deployment.shadow_share:
            return
        if self.under_way >= self._most:
            self.dropped += 1
            return
        self.under_way += 1
        route = shadow.route(_SHADOW, question.segment.name)
        self._waiting.append(Copy(self, self._asking, question, route))
        self._look()

    def _look(self) -> None:
        """Send what waits if this is the moment; or look again soon."""
        waiting = self._waiting
        if self._sending or not waiting:
            return
        waited_s = perf_counter() - waiting[0].since
        if len(waiting) >= _MANY or waited_s >= _LONGEST_S:
            now = True
        else:
            now = (len(waiting) >= _TOGETHER or waited_s >= _GATHER_S) and self._alone()
        if now:
            self._sending = True
            self._send(len(waiting))
        elif not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(max(_LOOK_S, _GATHER_S - waited_s), self._look_again)

    def _look_again(self) -> None:
        self._looking = False
        self._look()

    def _alone(self) -> bool:
        """Whether no caller waits for an answer."""
        revisions = self._asking.deployments.revisions()
        return sum(each.replicas.in_flight for each in revisions) <= self.asked

    def _send(self, count: int) -> None:
        """Send so many, a few in each turn of the loop: what comes meanwhile is not kept waiting."""
        for _ in range(min(count, _TOGETHER)):
            self._waiting.popleft().send()
        if count > _TOGETHER:
            asyncio.get_running_loop().call_soon(self._send, count - _TOGETHER)
        else:
            self._sending = False
            self._look()

    def answered(self, copy: Copy, status: int, body: bytes, seconds: float) -> None:
        """Have an answer counted, one in each turn of the loop."""
        if not self._answers:
            asyncio.get_running_loop().call_soon(self._count)
        self._answers.append((copy, status, body, seconds))

    def _count(self) -> None:
        copy, status, body, seconds = self._answers.popleft()
        if self._answers:
            asyncio.get_running_loop().call_soon(self._count)
        copy.count(status, body, seconds)


class Copy:
    """A request for a shadow, until it is answered.

    Attributes:
        since: when it began to wait, then when it was sent; by `perf_counter`.
    """

    __slots__ = ("_asking", "_mirror", "_question", "_replica", "_route", "since")

    def __init__(self, mirror: Mirror, asking: Asking, question: Question, route: Route) -> None:
        self._mirror = mirror
        self._asking = asking
        self._question = question
        self._route = route
        self._replica: Replica | None = None
        self.since = perf_counter()

    def send(self) -> None:
        """Ask the shadow."""
        replica = self._route.revision.replicas.pick()
        if replica is None:
            self._mirror.under_way -= 1
            self._mirror.dropped += 1
            return
        self._mirror.sent += 1
        self._mirror.asked += 1
        self._replica = replica
        self.since = perf_counter()
        replica.in_flight += 1
        question = self._question
        send(question.head, question.body, self._route, replica, self)

    def answered(self, head: bytes, body: bytes) -> None:
        """See `exchange.Caller`."""
        if self._over() is not None:
            self._mirror.answered(self, int(head[9:12]), body, perf_counter() - self.since)

    def broken(self, why: str, *, sent: bool) -> None:
        """See `exchange.Caller`. It is not asked again."""
        replica = self._over()
        if replica is not None:
            self._route.revision.replicas.take_out(replica, why)
            self._mirror.dropped += sent

    def overdue(self, message: str) -> None:  # noqa: ARG002 - as a question's
        """It takes too long."""
        if self._over() is not None:
            self._mirror.answered(self, 504, b"", perf_counter() - self.since)

    def _over(self) -> Replica | None:
        """It is over; whom it was sent to, None if it was over before."""
        replica, self._replica = self._replica, None
        if replica is not None:
            self._mirror.under_way -= 1
            self._mirror.asked -= 1
            replica.in_flight -= 1
        return replica

    def count(self, status: int, body: bytes, seconds: float) -> None:
        """Count an answer, compare it with the caller's, and write it down."""
        question, asking, route = self._question, self._asking, self._route
        deployment = question.head.deployment
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
