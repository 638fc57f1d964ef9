"""Which replica a request goes to: the ready one with the fewest requests in flight.

A replica that does not answer is out at once, and in again when it says that it is ready. What was under way there is
asked once more elsewhere. While there is none, requests wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Final

from modelyard.serving.backends.base import READY, STOPPING
from modelyard.serving.backends.process import missing
from modelyard.serving.counts import SECONDS, Histogram
from modelyard.serving.refusals import refuse

from .upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelyard.serving.backends import base

    from .exchange import Exchange

    Reply = Callable[[int, bytes, bytes], None]

log = logging.getLogger("modelyard.serving")

_PROBE_S: Final = 2.0
_FIRST_PAUSE_S: Final = 0.05
_BETWEEN_S: Final = 1.0
_SILENT: Final = 3
"""So many questions in a row without an answer: what is under way there is given up, and asked elsewhere."""
_MOST_SENT: Final = 2
_GRACE_S: Final = 5.0
"""A replica answers 504 by itself; this is for one that does not."""


class Replica:
    """One of them.

    Attributes:
        name: as the backend calls it.
        url: where it answers.
        told: what the backend said of it last.
        ready: whether requests go there.
        reason: why they do not.
        in_flight: requests that it has not answered yet.
        answered: answers by status.
        latency: seconds from a request's sending to its answer.
        broken: requests whose connection broke.
        own: the lines in which it says who it is, as its last answers had them.
        own_at: where these stood in the answers' heads.
    """

    def __init__(self, told: base.Replica, *, external: bool = False) -> None:
        self.name = told.name
        self.url = told.url
        self.told = told
        self.ready = False
        self.reason = "It was not asked yet."
        self.in_flight = 0
        self.answered: dict[bytes, int] = {}
        self.latency = Histogram(SECONDS)
        self.broken = 0
        self.own = b""
        self.own_at = 0
        self.tag = b"modelyard-replica: %b\r\n\r\n" % told.name.encode()
        self.upstream = Upstream(told.url, None if external else self._leaving)
        self.wake = asyncio.Event()
        self.watch: asyncio.Task[None] | None = None

    def _leaving(self) -> None:
        """Its link ended: look at once whether it is still there."""
        self.wake.set()


class Call:
    """A request, until it is answered.

    Args:
        head: as sent to a replica, with the empty line at its end.
        body: of it.
        plain: whether it is a plain request for a prediction, see `Upstream.send`.
        protocol: in whose words it is refused.
        reply: called once: with the status 0 and an answer as it came, or with a refusal.
        replicas: whom it may go to.
    """

    __slots__ = (
        "_began", "_body", "_exchange", "_head", "_plain", "_replicas", "_reply", "_sent", "protocol", "replica",
        "since",
    )  # fmt: skip

    def __init__(
        self, head: bytes, body: bytes, protocol: int, reply: Reply, replicas: Replicas, *, plain: bool = False
    ) -> None:
        self._head = head
        self._body = body
        self._plain = plain
        self.protocol = protocol
        self.replica: Replica | None = None
        self.since = monotonic()
        self._reply = reply
        self._replicas = replicas
        self._exchange: Exchange | None = None
        self._sent = 0
        self._began = 0.0

    def send(self, replica: Replica) -> None:
        """Ask a replica."""
        self.replica = replica
        replica.in_flight += 1
        self._began = perf_counter()
        if self._plain:
            self._exchange = replica.upstream.send(self._head, self._body, self)
        else:
            self._exchange = replica.upstream.ask(self._head + self._body, self)

    def _left(self) -> Replica | None:
        replica, self.replica = self.replica, None
        if replica is not None:
            replica.in_flight -= 1
        return replica

    def answered(self, head: bytes, body: bytes) -> None:
        """See `exchange.Caller`."""
        replica = self._left()
        if replica is None:
            return
        status = head[9:12]
        replica.answered[status] = replica.answered.get(status, 0) + 1
        replica.latency.add(perf_counter() - self._began)
        self._reply(0, head + replica.tag, body)

    def broken(self, why: str, *, sent: bool) -> None:
        """See `exchange.Caller`."""
        replica = self._left()
        self._sent += sent
        if replica is not None:
            replica.broken += 1
            self._replicas.take_out(replica, why)
        if self._sent >= _MOST_SENT:
            self.refuse(503, "Two replicas broke off before they answered. Ask again.")
        else:
            self._replicas.repeated += sent
            self._replicas.submit(self)

    def refuse(self, status: int, message: str) -> None:
        """Answer it ourselves."""
        self._left()
        self._replicas.count(status)
        refusal = refuse(self.protocol, status, message)
        head = b"content-type: %b\r\n" % refusal.content_type
        if status == 503:
            head += b"retry-after: 1\r\n"
        self._reply(status, head, refusal.body)

    def give_up(self) -> None:
        """The client has gone."""
        self._left()
        self._replicas.gone += 1
        self._replicas.forget(self)
        if self._exchange is not None:
            self._exchange.give_up()

    def overdue(self, message: str) -> None:
        """It takes too long: answer it, and break the connection."""
        if self._exchange is not None:
            self._exchange.give_up()
        self.refuse(504, message)


class Replicas:
    """All of them, and what waits for one.

    Args:
        most: requests that wait or are in flight for each replica; further ones are refused.
        timeout_s: for an answer.
        wait_s: for a replica, when there is none.
        needed: called when a request begins to wait.
        came: called when a replica has become ready.
        external: whether these are somebody else's: they have no `/ready`, and are ready if they can be reached.

    Attributes:
        repeated: requests that were sent a second time.
        gone: requests whose client did not wait.
        refused: answers that no replica gave, by status.
    """

    def __init__(
        self,
        most: int,
        timeout_s: float,
        wait_s: float,
        needed: Callable[[], None],
        *,
        came: Callable[[], None] = lambda: None,
        external: bool = False,
    ) -> None:
        self.all: dict[str, Replica] = {}
        self.wanted = 1
        self.reason = ""
        self.repeated = 0
        self.gone = 0
        self.refused: dict[int, int] = {}
        self.waiting: deque[Call] = deque()
        self._ready: list[Replica] = []
        self._turn = 0
        self._most = most
        self._timeout_s = timeout_s
        self._wait_s = wait_s
        self._needed = needed
        self._came = came
        self._external = external
        self._leaving: list[Replica] = []

    # ------------------------------------------------------------ requests

    @property
    def in_flight(self) -> int:
        """Requests that are not answered yet."""
        return sum(each.in_flight for each in (*self.all.values(), *self._leaving)) + len(self.waiting)

    @property
    def ready(self) -> int:
        """How many take requests."""
        return len(self._ready)

    def pick(self) -> Replica | None:
        """The ready replica with the fewest requests in flight; of equal ones the next in turn."""
        ready = self._ready
        if len(ready) < 2:
            return ready[0] if ready else None
        self._turn = turn = (self._turn + 1) % len(ready)
        best = ready[turn]
        for each in ready:
            if each.in_flight < best.in_flight:
                best = each
        return best

    def submit(self, call: Call) -> None:
        """Send a request, have it wait, or refuse it."""
        replica = self.pick()
        if replica is None:
            if len(self.waiting) >= self._most:
                call.refuse(503, f"No replica is ready, and {self._most} requests wait already. Come again later.")
                return
            self.waiting.append(call)
            self._needed()
        elif replica.in_flight >= self._most:
            call.refuse(503, f"Each replica has {self._most} requests to answer already. Come again later.")
        else:
            call.send(replica)

    def forget(self, call: Call) -> None:
        """A request does not wait any more."""
        if call in self.waiting:
            self.waiting.remove(call)

    def count(self, status: int) -> None:
        """An answer of our own."""
        self.refused[status] = self.refused.get(status, 0) + 1

    def tick(self) -> None:
        """Once a second: what takes too long is answered."""
        now = monotonic()
        for replica in (*self.all.values(), *self._leaving):
            replica.upstream.sweep(now)
            for exchange in replica.upstream.exchanges():
                call = exchange.caller
                overdue = getattr(call, "overdue", None)  # a probe has a time-out of its own
                if now - exchange.since > self._timeout_s + _GRACE_S and overdue is not None:
                    overdue(f"Replica {replica.name} gave no answer within {self._timeout_s:g} seconds.")
        while self.waiting and now - self.waiting[0].since > self._wait_s:
            why = f" {self.reason}" if self.reason else ""
            self.waiting.popleft().refuse(503, f"No replica was ready within {self._wait_s:g} seconds.{why}")
        self._leaving = [each for each in self._leaving if each.in_flight]

    # ------------------------------------------------------------ replicas

    def update(self, told: tuple[base.Replica, ...]) -> None:
        """What the backend says there is now. A replica whose node it cannot ask stays as long as it answers us."""
        now = {each.name: each for each in told if each.url and each.state != STOPPING}
        for name, replica in tuple(self.all.items()):
            fresh = now.get(name)
            if fresh is None or fresh.url != replica.url:
                self._remove(replica)
            else:
                if fresh.state == READY and not replica.ready:
                    replica.wake.set()
                replica.told = fresh
        for name, each in now.items():
            if name not in self.all:
                self.all[name] = replica = Replica(each, external=self._external)
                replica.watch = asyncio.get_running_loop().create_task(self._watch(replica))
        self.reason = next((each.reason for each in told if each.reason), "")

    def take_out(self, replica: Replica, why: str) -> None:
        """No more requests for this one, until it says again that it is ready."""
        if replica.ready:
            log.warning("Replica %s (%s) is out: %s", replica.name, replica.url, why)
            replica.ready = False
            self._ready.remove(replica)
        replica.reason = why
        replica.wake.set()

    def close(self) -> None:
        """Stop watching; what waits is refused."""
        for replica in tuple(self.all.values()):
            self._remove(replica)
        while self.waiting:
            self.waiting.popleft().refuse(503, "The gateway is stopping.")

    def _remove(self, replica: Replica) -> None:
        del self.all[replica.name]
        if replica.ready:
            replica.ready = False
            self._ready.remove(replica)
        if replica.watch is not None:
            replica.watch.cancel()
        replica.upstream.close()
        if replica.in_flight:
            self._leaving.append(replica)

    def _put_in(self, replica: Replica) -> None:
        if not replica.ready:
            log.info("Replica %s (%s) takes requests", replica.name, replica.url)
            replica.ready, replica.reason = True, ""
            self._ready.append(replica)
            self._came()
        replica.upstream.link()
        while self.waiting and self._ready:
            self.submit(self.waiting.popleft())

    async def _watch(self, replica: Replica) -> None:
        """Ask it again and again whether it is ready."""
        silent, pause = 0, _FIRST_PAUSE_S
        while True:
            replica.wake.clear()
            answered, ready, why = await self._probe(replica)
            if ready:
                silent, pause = 0, _BETWEEN_S
                self._put_in(replica)
            elif answered:
                silent, pause = 0, min(_BETWEEN_S, pause * 2)
                self.take_out(replica, why)
            else:
                silent += 1
                self.take_out(replica, why)
                pause = _FIRST_PAUSE_S if silent == 1 else min(_BETWEEN_S, pause * 2)
                if silent == _SILENT:
                    replica.upstream.abort()
            if not ready:
                replica.wake.clear()
            try:
                async with asyncio.timeout(pause):
                    await replica.wake.wait()
            except TimeoutError:
                pass

    async def _probe(self, replica: Replica) -> tuple[bool, bool, str]:
        """Whether it answers, whether it is ready, and why not."""
        if self._external:
            why = await replica.upstream.reach()
            return not why, not why, why
        probe = _Probe()
        request = b"GET /ready HTTP/1.1\r\nhost: %b\r\n\r\n" % replica.upstream.authority
        exchange = replica.upstream.ask(request, probe)
        try:
            async with asyncio.timeout(_PROBE_S):
                return await probe.waiting
        except TimeoutError:
            return False, False, f"It did not answer within {_PROBE_S:g} seconds."
        finally:
            if not probe.waiting.done() or probe.waiting.cancelled():
                exchange.give_up()


class _Probe:
    """Asks for readiness."""

    def __init__(self) -> None:
        self.waiting: asyncio.Future[tuple[bool, bool, str]] = asyncio.get_running_loop().create_future()

    def answered(self, head: bytes, body: bytes) -> None:
        if not self.waiting.done():
            ready = head[9:12] == b"200"
            self.waiting.set_result((True, ready, "" if ready else missing(body)))

    def broken(self, why: str, *, sent: bool) -> None:  # noqa: ARG002 - a caller's signature
        if not self.waiting.done():
            self.waiting.set_result((False, False, why))
