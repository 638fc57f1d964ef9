"""The routing table at work: each deployment with its revisions, and each revision with its replicas."""

from __future__ import annotations

import logging
from collections import deque
from random import random
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from modelyard.domain.deployments import Keep, Role, Share, choose, position
from modelyard.serving.backends import base

from .answers import Reader
from .entries import Form
from .inputs import Fields, hold
from .measuring import Of
from .replicas import Replicas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from modelyard.settings import GatewaySettings
    from modelyard.wire.routing import RoutedDeployment, RoutedRevision, RoutedSegment, RoutedSettings, Routing


log = logging.getLogger("modelyard.gateway")

_GOLDEN: Final = 0.6180339887498949


class Turns:
    """Positions from 0 to 1, spread as evenly as can be whatever part of them is looked at (Weyl's sequence).

    Throwing dice would do, but is off by 1 % in one of twenty runs of 10,000 requests.
    """

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at = random()  # noqa: S311 - no secret

    def next(self) -> float:
        """The next one."""
        self._at = at = (self._at + _GOLDEN) % 1.0
        return at


class Waits(Protocol):
    """A request for which nobody is ready.

    Attributes:
        since_s: when it began to wait, on the monotonic clock.
    """

    since_s: float

    def again(self, deployment: Deployment | None) -> None:
        """There may be somebody now; None: the deployment has gone."""
        ...

    def unanswered(self) -> None:
        """It has waited long enough."""
        ...


class Revision:
    """One that can be asked. It outlives tables, as long as they name it.

    Args:
        deployment: name of it.
        told: by the table.
        settings: of the gateway.
        came: called when a replica has become ready.

    Attributes:
        replicas: of it.
        failed: answers of it that were not passed on, since another revision answered.
        run_id: of the run that made its version; None: nobody asked yet.
    """

    def __init__(
        self, deployment: str, told: RoutedRevision, settings: GatewaySettings, came: Callable[[], None]
    ) -> None:
        self.deployment = deployment
        self.number, self.endpoint = told.number, told.endpoint
        self.external = told.external
        self.replicas = Replicas(
            settings.queue, settings.timeout_s, settings.wait_s, lambda: None, came=came, external=told.external
        )
        self.failed = 0
        self.run_id: str | None = None
        self._routes: dict[tuple[str, str], Route] = {}
        self.update(told)

    def update(self, told: RoutedRevision) -> None:
        """What a newer table says of it."""
        self.model, self.version = told.model, told.version
        self._routes.clear()
        self._default, self._segments = told.default, told.segments
        # tables come when something has changed: who was not ready is asked again at once
        self.replicas.update(tuple(base.Replica(each.name, base.READY, each.url) for each in told.replicas))

    @property
    def ready(self) -> int:
        """How many replicas take requests."""
        return self.replicas.ready

    def route(self, role: str, segment: str) -> Route:
        """Itself in a role, for the requests of a segment."""
        found = self._routes.get((role, segment))
        if found is None:
            settings = self._segments.get(segment, self._default)
            found = self._routes[role, segment] = Route(self, role, segment, settings)
        return found

    def __str__(self) -> str:
        return self.endpoint or f"{self.deployment} revision {self.number}"


class Route:
    """A revision in one role, for the requests of one segment: what they have in common, made once.

    Args:
        revision: that is asked.
        role: what it is for these requests.
        segment: name of it; empty: all others.
        settings: how they are put to the revision.

    Attributes:
        inputs: input column → field of the request, where they differ.
        threshold: a score from here on makes an answer positive; None: the label says so.
        of: what answers are counted under.
        lines: of a head, that answers get; the last one ends where the prediction's id is to stand.
        form: packs what is recorded.
    """

    __slots__ = ("form", "inputs", "lines", "of", "revision", "role", "threshold")

    def __init__(self, revision: Revision, role: str, segment: str, settings: RoutedSettings) -> None:
        self.revision, self.role = revision, role
        self.inputs = {column: field for column, field in settings.inputs.items() if column != field}
        self.threshold = settings.threshold
        name, number, endpoint, version = revision.deployment, revision.number, revision.endpoint, revision.version
        self.of = Of(name, number, endpoint, role, segment)
        lines = [("model", endpoint or revision.model), ("version", version), ("role", role)]
        if not endpoint:
            lines.append(("revision", str(number)))
        told = "".join(f"modelyard-{name}: {quote(value, safe=' ')}\r\n" for name, value in lines if value)
        self.lines = told.encode() + b"modelyard-prediction: "
        self.form = Form(name, number, endpoint, revision.model, version, role, segment)

    def fails(self, status: int, body: bytes) -> bool:
        """Whether an answer is an error of ours: a server's, or an input refused that was put together here.

        Args:
            status: of the answer.
            body: of the request; what has not the fields to put together is its sender's own mistake.
        """
        return status >= 500 or (status == 400 and bool(self.inputs) and hold(body, self.inputs))


class Segment(NamedTuple):
    """A segment of a deployment.

    Attributes:
        name: of it; empty: all others.
        shares: who answers; `to` is an index.
        routes: of the shares, in the same order.
        turns: at which of them the next request stands.
    """

    name: str
    shares: tuple[Share, ...]
    routes: tuple[Route, ...]
    turns: Turns


class Deployment:
    """One name.

    Args:
        told: by the table.
        revisions: of it, in the table's order.

    Attributes:
        fields: what is read of requests' bodies; None: nothing.
        copies: which requests are copied to the shadow.
        sample: of how many requests the input is kept, from 0 to 1.
        samples: of which.
        hashed: whether its hash is kept instead.
        output: whether answers are kept.
        waiting: requests for which no replica is ready.
    """

    def __init__(self, told: RoutedDeployment, revisions: list[Revision]) -> None:
        self.name = told.name
        self.environment = told.environment
        self.told = told
        self.revisions = revisions
        self.default = _segment("", told.default, revisions)
        self.segments = {name: _segment(name, each, revisions) for name, each in told.segments.items()}
        self.shadow = revisions[told.shadow.to] if told.shadow is not None and told.shadow.share > 0 else None
        self.shadow_share = told.shadow.share if told.shadow is not None else 0.0
        self.copies = Turns()
        self.samples = Turns()
        self.reader = Reader(told.answer)
        names = [each.field for each in (told.segment, told.sticky, told.key) if each.field]
        self.fields = Fields(list(dict.fromkeys(names))) if names else None
        keep = told.recording.input
        self.hashed = keep == Keep.HASHED
        kept = 0.0 if keep == Keep.NONE else told.recording.sample
        self.sample = 1.0 if keep == Keep.ALL or self.hashed else kept
        self.output = told.recording.output
        self.waiting: deque[Waits] = deque()
        self._standing = self._ranked()

    def _ranked(self) -> tuple[tuple[Revision, str], ...]:
        """Who may stand in for others, in which role: stable, then the canary."""
        found: dict[int, tuple[Revision, str]] = {}
        for role in (Role.STABLE, Role.CANARY):
            for segment in (self.told.default, *self.told.segments.values()):
                for share in segment.shares:  # also those of no weight: stable while the canary has all requests
                    if share.role == role:
                        found.setdefault(share.to, (self.revisions[share.to], role.value))
        return tuple(found.values())

    def has(self, segment: Segment, version: str) -> bool:
        """Whether a version answers some of a segment's requests."""
        return any(self.revisions[int(share.to)].version == version for share in segment.shares)

    def choose(self, segment: Segment, sticky: str, version: str = "") -> Route | None:
        """Who answers a request; None if nobody is ready.

        Args:
            segment: of the request.
            sticky: the key by which it stays with one revision; empty: at random.
            version: that has to answer; empty: any.
        """
        shares, routes = segment.shares, segment.routes
        if version:
            for route in routes:
                if route.revision.version == version and route.revision.replicas.ready:
                    return route
            return None
        if len(routes) == 1:
            route = routes[0]
        elif routes:
            share = choose(shares, position(sticky, self.name) if sticky else segment.turns.next())
            route = routes[next(at for at, each in enumerate(shares) if each is share)]
        else:
            return None
        if route.revision.replicas.ready:
            return route
        return self.instead(route.revision, segment)

    def instead(self, of: Revision | None, segment: Segment) -> Route | None:
        """Who answers in place of a revision that cannot; None if nobody is ready."""
        for revision, role in self._standing:
            if revision is not of and revision.replicas.ready:
                return revision.route(role, segment.name)
        return None

    @property
    def stable(self) -> Revision | None:
        """Who answers what is no prediction, such as a page: stable, canary, or an endpoint; ready ones first."""
        found = [revision for revision, _ in self._standing] or self.revisions
        return next((each for each in found if each.ready), found[0] if found else None)

    @property
    def ready(self) -> bool:
        """Whether a request without a segment would be answered."""
        mine = [route.revision for route in self.default.routes]
        return any(each.ready for each in (*mine, *(revision for revision, _ in self._standing)))


def _segment(name: str, told: RoutedSegment, revisions: Sequence[Revision]) -> Segment:
    shares = tuple(Share(each.to, Role(each.role), each.weight) for each in told.shares if each.weight > 0)
    routes = tuple(revisions[int(share.to)].route(share.role.value, name) for share in shares)
    return Segment(name, shares, routes, Turns())


class Deployments:
    """All of them, as the newest table has them.

    Args:
        settings: of the gateway.
        changed: called when there is another table.

    Attributes:
        generation: of the table; empty: there is none yet.
        named: by name.
    """

    def __init__(self, settings: GatewaySettings, changed: Callable[[], None]) -> None:
        self.generation = ""
        self.named: dict[str, Deployment] = {}
        self._settings = settings
        self._changed = changed
        self._revisions: dict[tuple[str, int, str, bool], Revision] = {}
        self._leaving: list[Revision] = []

    def apply(self, table: Routing) -> None:
        """Work by a table that was checked; on the event loop."""
        named, kept = {}, {}
        for told in table.deployments:
            revisions = []
            for each in told.revisions:
                key = (told.name, each.number, each.endpoint, each.external)
                revision = self._revisions.get(key)
                if revision is None:
                    revision = Revision(told.name, each, self._settings, self._came(told.name))
                else:
                    revision.update(each)
                kept[key] = revision
                revisions.append(revision)
            named[told.name] = Deployment(told, revisions)
        before, self.named, self.generation = self.named, named, table.generation
        gone = [each for key, each in self._revisions.items() if key not in kept]
        self._revisions = kept
        self._changed()
        for name, old in before.items():
            for question in tuple(old.waiting):
                question.again(named.get(name))
        for revision in gone:
            revision.replicas.close()
            self._leaving.append(revision)
        log.info("Routing table %s: %s", table.generation, ", ".join(named) or "nothing")

    def _came(self, name: str) -> Callable[[], None]:
        def came() -> None:
            deployment = self.named.get(name)
            if deployment is not None:
                for question in tuple(deployment.waiting):
                    question.again(deployment)

        return came

    def revisions(self) -> Iterator[Revision]:
        """All that tables name, and those that still answer."""
        yield from self._revisions.values()
        yield from self._leaving

    def tick(self, now: float) -> None:
        """Once a second: what takes too long is answered."""
        for revision in self.revisions():
            revision.replicas.tick()
        self._leaving = [each for each in self._leaving if each.replicas.in_flight]
        for deployment in self.named.values():
            while deployment.waiting and now - deployment.waiting[0].since_s > self._settings.wait_s:
                deployment.waiting[0].unanswered()

    def close(self) -> None:
        """Stop looking after replicas; what waits is refused."""
        for deployment in self.named.values():
            for question in tuple(deployment.waiting):
                question.again(None)
        for revision in self._revisions.values():
            revision.replicas.close()


def address(url: str) -> tuple[bytes, bytes]:
    """Of somebody else's endpoint: the target of its requests, and its host and port."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.path or '/'}{query}".encode(), parts.netloc.rpartition("@")[2].encode()
