"""A request for a prediction, from its bytes to its answer: who is asked, what is counted, and what is recorded."""

from __future__ import annotations

import os
import re
from binascii import hexlify
from time import monotonic, perf_counter, time_ns
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from modelyard.domain.deployments import Role
from modelyard.domain.predictions import LONGEST_LABEL, Ids
from modelyard.serving.calls import NATURAL
from modelyard.serving.refusals import refuse

from .answers import NOTHING, Said
from .deployed import Deployment, Segment, address
from .inputs import renamed

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelyard.settings import GatewaySettings

    from .deployed import Deployments, Revision, Route
    from .exchange import Caller, Exchange
    from .measuring import Measuring
    from .recorder import Recorder
    from .replicas import Replica

    Reply = Callable[[int, bytes, bytes], None]

_MOST_SENT: Final = 3
_LONGEST_KEY: Final = 500
_STABLE: Final = Role.STABLE.value
_json: Final = msgspec.json.Decoder(msgspec.Raw).decode


class Head(NamedTuple):
    """A request's head, understood.

    Attributes:
        length: of the body, in bytes.
        deployment: that is asked.
        protocol: see `calls`.
        head: for our own model servers, with the empty line at its end.
        fields: header lines for somebody else's, without host and length.
        version: that has to answer; empty: any.
        segment, sticky, key: as far as headers say them.
        details: whether the answer's details are asked for in the body.
        plain: whether it may go over a link.
        extra: lines for the answer.
    """

    length: int
    deployment: Deployment
    protocol: int
    head: bytes
    fields: bytes
    version: str
    segment: str
    sticky: str
    key: str
    details: bool
    plain: bool
    extra: bytes


class Copies(Protocol):
    """Sends copies to shadows, and counts those that went out and those that did not."""

    sent: int
    dropped: int

    def copy(self, question: Question, shadow: Revision) -> None:
        """Send a copy of a request that was answered."""
        ...


class Asking:
    """Where predictions are asked for.

    Args:
        settings: of the gateway.
        deployments: who answers.
        measuring: counts the answers.
        recorder: writes them down; None: nobody does.

    Attributes:
        mirror: sends copies to shadows.
        gone: requests whose client did not wait.
        repeated: requests that were sent once more.
        refused: answers that no model server gave, by status.
    """

    mirror: Copies

    def __init__(
        self, settings: GatewaySettings, deployments: Deployments, measuring: Measuring, recorder: Recorder | None
    ) -> None:
        self.settings = settings
        self.deployments = deployments
        self.measuring = measuring
        self.recorder = recorder
        self.ids = Ids(os.urandom(5))
        self.gone = 0
        self.repeated = 0
        self.refused: dict[int, int] = {}

    def ask(self, head: Head, body: bytes, reply: Reply) -> Question:
        """Ask; `reply` is called once, now or later: with the status 0 and a whole head, or with a refusal.

        Args:
            head: of the request.
            body: of it.
            reply: see `http.protocol.Express`.
        """
        deployment = head.deployment
        name, sticky, key = head.segment, head.sticky, head.key
        if deployment.fields is not None:
            told = deployment.told
            values = deployment.fields.read(head.protocol, body)
            if values:
                name = values.get(told.segment.field, name) if told.segment.field else name
                sticky = values.get(told.sticky.field, sticky) if told.sticky.field else sticky
                key = values.get(told.key.field, key) if told.key.field else key
        segment = deployment.segments.get(name, deployment.default) if name else deployment.default
        question = Question(self, head, body, reply, segment, sticky, key)
        question.begin(deployment)
        return question

    def count(self, status: int) -> None:
        """An answer of our own."""
        self.refused[status] = self.refused.get(status, 0) + 1


class Question:
    """A request, until it is answered.

    Attributes:
        id: of the prediction, once it is answered.
        said: what the answer says.
        seconds: that it took.
        route: that is taken, or was.
        since_s: when it came, on the monotonic clock.
    """

    __slots__ = (
        "_asking", "_done", "_exchange", "_replica", "_reply", "_sent", "_since", "_sticky", "body", "head", "id",
        "key", "route", "said", "seconds", "segment", "since_s", "status", "waits",
    )  # fmt: skip

    def __init__(
        self,
        asking: Asking,
        head: Head,
        body: bytes,
        reply: Reply,
        segment: Segment,
        sticky: str,
        key: str,
    ) -> None:
        self._asking = asking
        self.body = body
        self._done = False
        self._exchange: Exchange | None = None
        self._replica: Replica | None = None
        self._reply = reply
        self._sent = 0
        self._since = perf_counter()
        self._sticky = sticky
        self.head = head
        self.id = b""
        self.key = key
        self.route: Route | None = None
        self.said = NOTHING
        self.seconds = 0.0
        self.segment = segment
        self.since_s = 0.0
        self.status = 0
        self.waits: Deployment | None = None

    @property
    def revision(self) -> Revision | None:
        """Who is asked, or who answered."""
        return self.route.revision if self.route is not None else None

    @property
    def role(self) -> str:
        """What that is for this request."""
        return self.route.role if self.route is not None else ""

    # ------------------------------------------------------------ who is asked

    def again(self, deployment: Deployment | None) -> None:
        """Find somebody who answers, or wait.

        Args:
            deployment: as the newest table has it; None: it has gone.
        """
        if self.waits is not None:
            self.waits.waiting.remove(self)
            self.waits = None
        if self._done:
            return
        if deployment is None:
            self.refuse(503, f"{self.head.deployment.name} is not answered here any more.")
            return
        # shares are places in a table's list of revisions, and the table may be a newer one
        self.segment = deployment.segments.get(self.segment.name, deployment.default)
        self.begin(deployment)

    def begin(self, deployment: Deployment) -> None:
        """Find somebody who answers, or wait.

        Args:
            deployment: that the segment is of.
        """
        version = self.head.version
        if version and not deployment.has(self.segment, version):
            name = deployment.name
            self.refuse(404, f"{name} is not answered by version {version}. See /deployments for those that there are.")
            return
        route = deployment.choose(self.segment, self._sticky, version)
        if route is not None:
            self._send(route)
        elif len(deployment.waiting) >= self._asking.settings.queue:
            self.refuse(503, "No replica is ready, and as many requests as may wait already. Come again later.")
        else:
            self.since_s = self.since_s or monotonic()
            self.waits = deployment
            deployment.waiting.append(self)

    def unanswered(self) -> None:
        """It has waited long enough."""
        if self.waits is not None:
            self.waits.waiting.remove(self)
            self.waits = None
        seconds = self._asking.settings.wait_s
        self.refuse(503, f"No replica of {self.head.deployment.name} was ready within {seconds:g} seconds.")

    def _send(self, route: Route) -> None:
        self.route = route
        replica = route.revision.replicas.pick()
        if replica is None:  # it was ready a moment ago
            self.refuse(503, "No replica is ready. Come again later.")
            return
        if replica.in_flight >= self._asking.settings.queue:
            self.refuse(503, "Each replica has as many requests to answer as may wait. Come again later.")
            return
        replica.in_flight += 1
        self._replica = replica
        self._exchange = send(self.head, self.body, route, replica, self)

    def _left(self) -> Replica | None:
        replica, self._replica = self._replica, None
        if replica is not None:
            replica.in_flight -= 1
        return replica

    # ------------------------------------------------------------ what comes of it

    def answered(self, head: bytes, body: bytes) -> None:
        """See `exchange.Caller`."""
        replica, route = self._left(), self.route
        if replica is None or route is None or self._done:
            return
        code = head[9:12]
        counts = replica.answered
        counts[code] = counts.get(code, 0) + 1
        self.status = status = 200 if code == b"200" else int(code)
        if status == 503 and route.role != _STABLE and self._elsewhere(route):
            return
        self._done = True
        asking, asked = self._asking, self.head
        deployment, protocol = asked.deployment, asked.protocol
        self.seconds = seconds = perf_counter() - self._since
        at_ms = time_ns() // 1_000_000
        self.id = id = asking.ids.next(at_ms)
        said = deployment.reader.read(protocol, body) if status == 200 else NOTHING
        if route.threshold is not None:
            said = said.over(route.threshold)
        self.said = said
        failed = status != 200 and route.fails(status, self.body)
        asking.measuring.add(route.of, at_ms // 1000, failed, seconds, said)
        if asking.recorder is not None:
            note(asking.recorder, deployment, route, id, at_ms, seconds, status, protocol, self.body, body, said,
                 self.key)  # fmt: skip
        if asked.details and status == 200 and asked.protocol == NATURAL:
            head, body = self._detailed(head, body)
        own, at = replica.own, replica.own_at
        if own and head.startswith(own, at):
            before, after = head[:at], head[at + len(own) :]
        else:
            before, after = stripped(head), b""
            replica.own, replica.own_at = own_lines(head)
        self._reply(0, b"".join((before, route.lines, hexlify(id), b"\r\n", asked.extra, after, b"\r\n")), body)
        shadow = deployment.shadow
        if shadow is not None and status < 500 and shadow.replicas.ready:
            asking.mirror.copy(self, shadow)

    def _elsewhere(self, route: Route) -> bool:
        """Ask another revision, since this one cannot answer now. Stable has none: a canary is not there for that."""
        self._sent += 1
        if self._sent >= _MOST_SENT:
            return False
        deployment = self._asking.deployments.named.get(self.head.deployment.name)
        other = deployment.instead(route.revision, self.segment) if deployment is not None else None
        if other is None:
            return False
        route.revision.failed += 1
        now_s = time_ns() // 1_000_000_000
        seconds = perf_counter() - self._since
        self._asking.measuring.add(route.of, now_s, True, seconds, NOTHING)
        self._asking.repeated += 1
        self._send(other)
        return True

    def _detailed(self, head: bytes, body: bytes) -> tuple[bytes, bytes]:
        """The answer with its details around it; as it is if it is no JSON, such as somebody else's."""
        try:
            _json(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return head, body
        revision = self.revision
        assert revision is not None  # noqa: S101 - it has answered
        details = msgspec.json.encode(
            {
                "id": self.id.hex(),
                "deployment": revision.deployment,
                "model": revision.model,
                "version": revision.version,
                "revision": revision.number,
                "endpoint": revision.endpoint,
                "role": self.role,
                "segment": self.segment.name,
                "label": self.said.label,
                "score": self.said.score,
                "positive": self.said.positive,
                "milliseconds": round(self.seconds * 1000, 3),
            }
        )
        content = b'{"prediction":%b,"details":%b}' % (body.strip(), details)
        return resized(head + b"\r\n", len(content))[:-2], content

    def broken(self, why: str, *, sent: bool) -> None:
        """See `exchange.Caller`."""
        replica, revision = self._left(), self.revision
        self._sent += sent
        if self._done:
            return
        if replica is not None and revision is not None:
            replica.broken += 1
            revision.replicas.take_out(replica, why)
        asking = self._asking
        if self._sent >= _MOST_SENT:
            self.refuse(503, f"{self._sent} replicas broke off before they answered. Ask again.")
            return
        asking.repeated += sent
        if self._sent > 1 and revision is not None:  # it breaks whoever is asked: another revision may stand it
            deployment = asking.deployments.named.get(self.head.deployment.name)
            other = deployment.instead(revision, self.segment) if deployment is not None else None
            if other is not None:
                self._send(other)
                return
        self.again(asking.deployments.named.get(self.head.deployment.name))

    def overdue(self, message: str) -> None:
        """It takes too long: answer it, and do not wait."""
        if self._exchange is not None:
            self._exchange.give_up()
        self.refuse(504, message)

    def refuse(self, status: int, message: str) -> None:
        """Answer it ourselves."""
        self._left()
        if self._done:
            return
        self._done = True
        self.status = status
        asking = self._asking
        asking.count(status)
        if self.route is not None:
            now_s, seconds = time_ns() // 1_000_000_000, perf_counter() - self._since
            asking.measuring.add(self.route.of, now_s, status >= 500, seconds, NOTHING)
        refusal = refuse(self.head.protocol, status, message)
        lines = b"content-type: %b\r\n%b" % (refusal.content_type, self.head.extra)
        if status == 503:
            lines += b"retry-after: 1\r\n"
        self._reply(status, lines, refusal.body)

    def give_up(self) -> None:
        """The client has gone."""
        if self._done:
            return
        self._done = True
        self._left()
        self._asking.gone += 1
        if self.waits is not None:
            self.waits.waiting.remove(self)
            self.waits = None
        if self._exchange is not None:
            self._exchange.give_up()


def send(head: Head, body: bytes, route: Route, replica: Replica, caller: Caller) -> Exchange:
    """Send a request as a revision takes it; see `upstream.Upstream.ask`."""
    upstream, external_ = replica.upstream, route.revision.external
    if route.inputs and head.protocol == NATURAL:
        body = renamed(body, route.inputs)
        if not external_:
            return upstream.ask(resized(head.head, len(body)) + body, caller)
    if external_:
        return upstream.ask(external(head, replica.url, body), caller)
    return upstream.send(head.head, body, caller) if head.plain else upstream.ask(head.head + body, caller)


def note(
    recorder: Recorder,
    deployment: Deployment,
    route: Route,
    id: bytes,
    at_ms: int,
    seconds: float,
    status: int,
    protocol: int,
    request: bytes,
    response: bytes,
    said: Said,
    key: str,
    parent: bytes | None = None,
) -> None:
    """Write an answer down, by the deployment's policy."""
    sample = deployment.sample
    label = said.label
    if label is not None and len(label) > LONGEST_LABEL:
        label = label[:LONGEST_LABEL]
    recorder.write(
        route.form.packed, id, at_ms, seconds, status, protocol,
        request if sample >= 1 or (sample > 0 and deployment.samples.next() < sample) else None,
        response if deployment.output else None, deployment.hashed, label, said.score, said.positive,
        key[:_LONGEST_KEY] or None, parent,
    )  # fmt: skip


_OWN: Final = re.compile(rb"(?<=\r\n)(?:modelyard-[a-z]+:[^\r\n]*\r\n)+")


def own_lines(head: bytes) -> tuple[bytes, int]:
    """The lines in which a model server says who it is, if they stand together in an answer's head, and where."""
    found = list(_OWN.finditer(head))
    return (found[0][0], found[0].start()) if len(found) == 1 else (b"", 0)


def stripped(head: bytes) -> bytes:
    """An answer's head without them: a model server knows itself under another name."""
    return _OWN.sub(b"", head)


def external(head: Head, url: str, body: bytes) -> bytes:
    """A request as somebody else's endpoint gets it: to its own path."""
    target, authority = address(url)
    return b"POST %b HTTP/1.1\r\nhost: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
        target, authority, head.fields, len(body), body,
    )  # fmt: skip


def resized(head: bytes, length: int) -> bytes:
    """A head with another length of the body."""
    lines = [each for each in head.split(b"\r\n") if each and not each.lower().startswith(b"content-length:")]
    return b"\r\n".join((*lines, b"content-length: %d" % length, b"", b""))
