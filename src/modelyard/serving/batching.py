"""Requests on their way to a model: queued, put into frames, sent to a free worker, answered.

No timer at rest: a free worker gets at once what waits. Only under concurrency, when the callers that were just
answered are about to ask again, is a frame held back for them, for a fraction of the time that the model takes; that
turns two half batches in turns into one whole one. Held back in vain too often, it is not tried any more for a while.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain.errors import ModelyardError, Timeout

from . import frames
from .counts import Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from .calls import Answered, Plan

_MOST_CALLS: Final = 512
"""In one frame."""
_MOST_BYTES: Final = 8 * 2**20
"""Of bodies in one frame, if there is more than one."""
_HOLD: Final = 0.25
"""The part of a frame's time at work for which the next one may be held back."""
_SPIN_S: Final = 0.0004
"""So long a hold looks at the sockets again and again: the loop's timers count in milliseconds."""
_SHORT_S: Final = 0.0015
"""A worker whose frames take less has the next one at hand before it is done with the last."""
_SMOOTH: Final = 0.2
_TRY_AGAIN: Final = 64
"""After so many frames a hold that was given up is tried again."""


class Overloaded(ModelyardError):
    """Too much is waiting; come again later.

    Attributes:
        retry_after_s: seconds.
    """

    error_code = "RESOURCE_EXHAUSTED"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Pending:
    """A request that was not answered yet.

    Args:
        protocol: as in `calls`.
        content_type: the header's value.
        json_bytes: as in `calls.Asked`.
        body: as sent.
        settle: called once, with the answer or the error; and with the queue that it was in.

    Attributes:
        alone: whether it shares no frame, since a worker died over it.
        gone: whether nobody waits for the answer any more.
        pinned: whether it is for this version of the model and no other.
    """

    __slots__ = (
        "alone", "arrived", "body", "content_type", "gone", "json_bytes", "pinned", "protocol", "queue", "settle",
    )  # fmt: skip

    def __init__(
        self,
        protocol: int,
        content_type: bytes,
        json_bytes: int,
        body: bytes,
        settle: Callable[[Queue, Answered | None, ModelyardError | None], None],
    ) -> None:
        self.protocol = protocol
        self.content_type = content_type
        self.json_bytes = json_bytes
        self.body = body
        self.settle = settle
        self.arrived = perf_counter()
        self.alone = False
        self.gone = False
        self.pinned = False
        self.queue: Queue | None = None

    def give_up(self) -> None:
        """The client does not wait any more: what was not sent to a worker yet never will be."""
        self.gone = True
        if self.queue is not None:
            self.queue.counts.gone += 1


class Bounds:
    """How much may wait.

    Attributes:
        calls: requests.
        size: bytes of their bodies.
        seconds: that the last one would have to wait, going by what the model answered lately.
        timeout_s: for one prediction.
    """

    __slots__ = ("calls", "seconds", "size", "timeout_s")

    def __init__(self, calls: int, size: int, seconds: float, timeout_s: float) -> None:
        self.calls = calls
        self.size = size
        self.seconds = seconds
        self.timeout_s = timeout_s


class Queue:
    """What waits for one version of one model.

    Args:
        bounds: how much may wait.
        counts: of the model.
        headers: lines of HTTP's head that every answer gets, with their line breaks.

    Attributes:
        most: calls in a frame, at most.
        waiting: in order of arrival.
        used: when the last frame was sent.
        needed: called when something waits and no worker has the model.
    """

    def __init__(self, bounds: Bounds, counts: Counts, headers: bytes = b"") -> None:
        self.bounds = bounds
        self.counts = counts
        self.headers = headers
        self.waiting: deque[Pending] = deque()
        self.most = 1
        self.used = 0.0
        self.needed: Callable[[], None] | None = None
        self._batched = False
        self._fixed_wait: float | None = None
        self._bytes = 0
        self._links: dict[Link, int] = {}
        self._scheduled = False
        self._in_flight = 0
        self._frame_s = 0.0
        self._call_s = 0.0
        self._concurrent = 0  # callers that were with us at the last frame
        self._held_since = 0.0
        self._vain = 0
        self._frames = 0
        self._ended: ModelyardError | None = None
        self._heir: Queue | None = None

    def use(self, plan: Plan, max_wait_s: float | None = None) -> None:
        """Put calls together as planned; `max_wait_s` holds every frame back so long, None as it pays."""
        self._batched = plan.rows > 1
        self.most = min(plan.rows, _MOST_CALLS) if self._batched else 1
        self._fixed_wait = max_wait_s

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being answered."""
        return not self.waiting and not self._in_flight

    @property
    def depth(self) -> int:
        """How many wait."""
        return len(self.waiting)

    @property
    def in_flight(self) -> int:
        """How many are with workers."""
        return self._in_flight

    # ------------------------------------------------------------ workers

    def attach(self, link: Link, slot: int) -> None:
        """A worker has the model, in this slot."""
        self._links[link] = slot
        self.wake()

    def detach(self, link: Link) -> None:
        """The worker is not to be asked any more; what it has, it answers."""
        self._links.pop(link, None)

    @property
    def links(self) -> tuple[Link, ...]:
        """The workers that have the model."""
        return tuple(self._links)

    # ------------------------------------------------------------ requests

    def submit(self, pending: Pending) -> None:
        """Queue a request.

        Raises:
            Overloaded: too much is waiting.
            ModelyardError: nobody answers here any more.
        """
        bounds = self.bounds
        waiting = len(self.waiting)
        if self._ended is not None:
            if self._heir is None or pending.pinned:
                raise self._ended
            self._heir.submit(pending)
            return
        if waiting >= bounds.calls or (waiting and self._bytes + len(pending.body) > bounds.size):
            raise Overloaded(
                f"{waiting} requests are waiting for this model, as many as may. Send fewer at a time, or come again.",
                self._patience(waiting),
            )
        if waiting > 16 and waiting * self._call_s > bounds.seconds * max(1, len(self._links)):
            raise Overloaded(
                f"{waiting} requests are waiting for this model, for more than {bounds.seconds:g} seconds to come.",
                self._patience(waiting),
            )
        pending.queue = self
        self._bytes += len(pending.body)
        self.waiting.append(pending)
        if not self._scheduled:
            self.wake()

    def _patience(self, waiting: int) -> int:
        return min(60, max(1, round(waiting * self._call_s)))

    def wake(self) -> None:
        """Look for work at the loop's next turn, when all that has arrived by then is there."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._scheduled = False
        waiting = self.waiting
        while waiting:
            if waiting[0].gone:
                self._take()
                continue
            link = self._free()
            if link is None:
                for each in self._links:
                    each.hunger(self)
                if not self._links and self.needed is not None:
                    self.needed()
                return
            if not waiting[0].alone and self._hold(link):
                return
            self._send(link)

    def _free(self) -> Link | None:
        """The least busy worker that takes another frame."""
        best = None
        for link in self._links:
            if link.calls == 0:
                return link
            # A second frame beside the first only where that one is short, and not if it takes unusually long.
            if (
                link.frames == 1
                and self._frame_s < _SHORT_S
                and 2 * len(self.waiting) >= min(self._concurrent, self.most)
                and (best is None or link.calls < best.calls)
                and link.stuck_s(perf_counter()) < 4 * _SHORT_S
            ):
                best = link
        return best

    def _hold(self, link: Link) -> bool:
        """Whether to wait for callers who are about to ask again."""
        have = len(self.waiting)
        if self._fixed_wait is None:
            target = min(self.most, self._concurrent)
            longest = _HOLD * self._frame_s
            if have >= target or link.calls or have >= self.most or self._vain > 4:
                self._held(have >= target)
                return False
        else:
            longest = self._fixed_wait
            if have >= self.most:
                return False
        now = perf_counter()
        if not self._held_since:
            self._held_since = now
        spent = now - self._held_since
        if spent >= longest:
            self._held(good=False)
            return False
        self._scheduled = True
        loop = asyncio.get_running_loop()
        if spent < _SPIN_S and longest < 0.02:
            loop.call_soon(self._pump)
        else:
            loop.call_later(max(0.001, longest - spent), self._pump)
        return True

    def _held(self, good: bool) -> None:  # noqa: FBT001
        if self._held_since:
            self._held_since = 0.0
            self._vain = 0 if good else self._vain + 1
        elif self._vain > 4:
            self._frames += 1
            if self._frames >= _TRY_AGAIN:
                self._frames, self._vain = 0, 3

    def _take(self) -> Pending:
        pending = self.waiting.popleft()
        self._bytes -= len(pending.body)
        return pending

    def _send(self, link: Link) -> None:
        """One frame to a worker."""
        waiting = self.waiting
        self._held_since = 0.0
        # each alone: as many as keep the process busy for a millisecond, or the pipe would be the slowest part
        most = self.most if self._batched else min(64, max(1, int(0.001 / self._call_s) if self._call_s else 1))
        if len(self._links) > 1 and self._batched:
            most = min(most, max(1, -(-len(waiting) // len(self._links))))
        taken: list[Pending] = []
        size = 0
        while waiting and len(taken) < most:
            if waiting[0].gone:
                self._take()
                continue
            if taken and (waiting[0].alone or size + len(waiting[0].body) > _MOST_BYTES):
                break
            pending = self._take()
            taken.append(pending)
            size += len(pending.body)
            if pending.alone:
                break
        if taken:
            self.used = perf_counter()
            self._in_flight += len(taken)
            self._concurrent = self._in_flight + len(waiting)
            self.counts.calls.add(len(taken))
            link.send(self, self._links[link], taken)

    # ------------------------------------------------------------ what comes back

    def returned(self, calls: int, rows: int, seconds: float) -> None:
        """A frame was answered."""
        self._in_flight -= calls
        self._frame_s += _SMOOTH * (seconds - self._frame_s)
        self._call_s += _SMOOTH * (seconds / calls - self._call_s)
        counts = self.counts
        counts.batch.add(rows)
        counts.rows += rows
        counts.work_s += seconds

    def lost(self, calls: list[Pending], *, begun: bool) -> None:
        """A worker died on these: each is asked once more, by itself, so that only the guilty one fails.

        Args:
            calls: of one frame.
            begun: whether the worker was at them; those that lay in the pipe are innocent.
        """
        self._in_flight -= len(calls)
        again = []
        for pending in calls:
            if pending.gone:
                continue
            if pending.alone and begun:
                pending.settle(
                    self,
                    None,
                    ModelyardError("The model's process died while it answered this request, twice. It was restarted."),
                )
            else:
                pending.alone = pending.alone or begun
                self.counts.retried += 1
                again.append(pending)
        for pending in reversed(again):
            self._bytes += len(pending.body)
            self.waiting.appendleft(pending)
        if self._ended is not None:
            self.end(self._ended, self._heir)
        else:
            self.wake()

    def overdue(self, now: float) -> None:
        """Answer those that have waited too long; asked about once a second."""
        limit = self.bounds.timeout_s
        while self.waiting and (self.waiting[0].gone or now - self.waiting[0].arrived > limit):
            pending = self._take()
            if not pending.gone:
                pending.settle(self, None, Timeout(f"No prediction within {limit:g} seconds: the model is busy."))

    def refuse(self, error: ModelyardError) -> None:
        """Answer all that wait with an error."""
        while self.waiting:
            pending = self._take()
            if not pending.gone:
                pending.settle(self, None, error)

    def end(self, error: ModelyardError, heir: Queue | None = None) -> None:
        """Answer nobody any more.

        Args:
            error: the answer to what waits, and to what comes back from a worker that dies.
            heir: who gets that instead, unless it is for this version only.
        """
        self._ended, self._heir = error, heir
        while self.waiting:
            pending = self._take()
            if pending.gone:
                continue
            try:
                self.submit(pending)
            except ModelyardError as refusal:
                pending.settle(self, None, refusal)


class Link(asyncio.Protocol):
    """The front's end of the socket pair to one worker process.

    Args:
        noted: called with the content of each note from the worker.
        lost: called once, when the worker is gone.

    Attributes:
        frames: sent and not answered.
        calls: in them.
    """

    def __init__(self, noted: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self._noted = noted
        self._lost = lost
        self._reader = frames.Reader()
        self._transport: Any = None
        self._sent: deque[tuple[Queue, int, float]] = deque()
        self._tickets: dict[int, Pending] = {}
        self._next = 0
        self._hungry: deque[Queue] = deque()
        self.frames = 0
        self.calls = 0
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The pair is ours."""
        self._transport = transport

    def note(self, content: bytes) -> None:
        """Tell the worker something."""
        self._transport.write(frames.note(content))

    def hunger(self, queue: Queue) -> None:
        """The queue wants to be told when a frame can be sent."""
        if queue not in self._hungry:
            self._hungry.append(queue)

    def send(self, queue: Queue, slot: int, taken: list[Pending]) -> None:
        """Send calls as one frame."""
        parts: list[bytes | memoryview] = []
        ticket = self._next
        for pending in taken:
            parts += frames.call_parts(ticket, pending.protocol, pending.content_type, pending.json_bytes, pending.body)
            self._tickets[ticket] = pending
            ticket = (ticket + 1) & 0xFFFFFFFF
        self._next = ticket
        self._sent.append((queue, len(taken), perf_counter()))
        self.frames += 1
        self.calls += len(taken)
        self._transport.writelines(frames.calls(slot, len(taken), parts))

    def data_received(self, data: bytes) -> None:
        """Answers, or notes."""
        for kind, content in self._reader.feed(data):
            if kind == frames.ANSWERS:
                self._answers(content)
            else:
                self._noted(bytes(content))

    def _answers(self, content: memoryview) -> None:
        seconds, answered = frames.read_answers(content)
        queue, calls, _ = self._sent.popleft()
        self.frames -= 1
        self.calls -= calls
        rows = 0
        pop = self._tickets.pop
        for ticket, answer in answered:
            pending = pop(ticket)
            rows += answer.rows
            if not pending.gone:
                pending.settle(queue, answer, None)
        queue.returned(calls, rows, seconds)
        if queue.waiting:
            self.hunger(queue)
        hungry, self._hungry = self._hungry, deque()
        for each in hungry:  # in turn: who finds no room is hungry again, behind the others
            each.wake()

    def stuck_s(self, now: float) -> float:
        """For how many seconds the oldest frame has been with the worker."""
        return now - self._sent[0][2] if self._sent else 0.0

    def refuse(self, error: ModelyardError) -> None:
        """Answer what the worker has with an error: it will not."""
        for pending in self._tickets.values():
            if not pending.gone and pending.queue is not None:
                pending.settle(pending.queue, None, error)
                pending.gone = True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """The worker has gone; what it had goes back to its queues."""
        self.closed = True
        tickets = list(self._tickets.values())
        self._tickets.clear()
        self._lost()
        at = 0
        for queue, calls, _ in self._sent:
            queue.detach(self)
            queue.lost(tickets[at : at + calls], begun=at == 0)
            at += calls
        self._sent.clear()
        self.frames = self.calls = 0

    def close(self) -> None:
        """Let the worker end."""
        if self._transport is not None:
            self._transport.close()
