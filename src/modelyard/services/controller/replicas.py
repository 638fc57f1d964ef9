"""The replicas of revisions: asked for, looked at, tested, stopped. Backends may be slow; nobody waits for them here.

Each revision that is to run is a *unit*: a spec of a backend. Units are looked at on threads, a few for each backend,
so that one that does not answer holds nobody else up; what was seen last is read from memory.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from modelyard.domain.deployments import Backend as Kind
from modelyard.domain.errors import InvalidState, ModelyardError, Unavailable
from modelyard.domain.rollouts import Golden
from modelyard.serving.backends import base

from . import golden
from .threads import Threads

if TYPE_CHECKING:
    from modelyard.domain.deployments import Revision

log = logging.getLogger("modelyard.controller")

_THREADS: Final = 4
_SOON_S: Final = 0.15
_BETWEEN_S: Final = 1.0
_ENSURE_S: Final = 10.0
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_FALLS: Final = 3
"""A replica that ended so often without ever having been ready will not be."""
_FAILED_S: Final = 8.0
"""A model server tries again 5 s after it could not load a model; what still fails then is not a passing trouble."""
_LIST_S: Final = 60.0
_NAME: Final = re.compile(r"(?P<deployment>.+)-r(?P<number>\d+)-(?P<mark>[0-9a-f]{6})")


def mark(instance: str, deployment_id: int) -> str:
    """What tells replicas of a deployment from those of another database's, or of a deleted one of the same name."""
    return hashlib.sha256(f"{instance} {deployment_id}".encode()).hexdigest()[:6]


def unit_name(instance: str, deployment_id: int, revision: Revision) -> str:
    """What a backend calls the replicas of a revision."""
    return f"{revision.deployment}-r{revision.number}-{mark(instance, deployment_id)}"


def mark_of(name: str) -> str:
    """The mark in a name that a backend lists; empty if it is none of ours."""
    found = _NAME.fullmatch(name)
    return found["mark"] if found else ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A revision that is to run.

    Attributes:
        revision: it.
        spec: for the backend.
        test: whether its golden tests are to be run now.
    """

    revision: Revision
    spec: base.Spec
    test: bool = False

    @property
    def backend(self) -> str:
        """Which one."""
        return Kind.EXTERNAL if self.spec.url else self.revision.spec.backend

    @property
    def address(self) -> str:
        """Of what the backend runs on; empty: its default."""
        return str(self.revision.spec.serve.get("ray_address", "")) if self.backend == Kind.RAY else ""


def wanted(name: str, revision: Revision, registry_uri: str, *, test: bool) -> Wanted:
    """What a backend is to run for a revision.

    Args:
        name: see `unit_name`.
        revision: it.
        registry_uri: where replicas find models.
        test: whether its golden tests are to be run.
    """
    spec, target = revision.spec, revision.target
    if target.url:
        return Wanted(revision, base.Spec(name=name, url=target.url), test)
    settings = {key: value for key, value in spec.serve.items() if key != "ray_address"}
    made = base.Spec(
        name=name,
        models=(f"{revision.deployment}=models:/{target.model}/{target.version}",),
        settings={**settings, "poll_s": 0.0},
        replicas=spec.replicas,
        cpus=spec.cpus,
        gpus=spec.gpus,
        memory_bytes=spec.memory_bytes,
        env={"MODELYARD_TRACKING_URI": registry_uri, "MODELYARD_REGISTRY_URI": registry_uri},
    )
    return Wanted(revision, made, test)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a unit last.

    Attributes:
        known: whether the backend ever said anything.
        replicas: without those that are stopping.
        trouble: why it is not as it should be.
        hopeless: whether waiting cannot help.
        golden: how its golden tests went; None: they have not run, or are not wanted.
    """

    known: bool = False
    replicas: tuple[base.Replica, ...] = ()
    trouble: str = ""
    hopeless: bool = False
    golden: Golden | None = None

    @property
    def ready(self) -> int:
        """How many replicas are ready."""
        return sum(each.state == base.READY for each in self.replicas)

    @property
    def there(self) -> int:
        """How many are ready, as far as anybody knows."""
        return sum(each.state in (base.READY, base.UNKNOWN) for each in self.replicas)


@dataclass(slots=True)
class _Unit:
    name: str
    backend: str
    address: str
    wanted: Wanted | None
    """None: it is to go."""
    seen: Seen = field(default_factory=Seen)
    due: float = 0.0
    pause_s: float = _FIRST_PAUSE_S
    ensured: float | None = None
    looking: bool = False
    falls: int = 0
    down: frozenset[str] = frozenset()
    failing_since: float | None = None
    tested: tuple[str, ...] = ()
    stale: bool = False
    gone: bool = False


class Replicas:
    """All units of this controller.

    Args:
        folder: by which the local backend finds its replicas again.
        changed: called, on any thread, when anything is seen to be otherwise than before.
        ray_address: of the Ray cluster; empty: the one on this machine.
    """

    def __init__(self, folder: str, changed: Callable[[], None], ray_address: str = "") -> None:
        self._addresses = {Kind.LOCAL.value: folder, Kind.RAY.value: ray_address}
        self._always = [(Kind.LOCAL.value, ""), *([(Kind.RAY.value, "")] if ray_address else [])]
        self._changed = changed
        self._units: dict[str, _Unit] = {}
        self._opened: dict[tuple[str, str], base.Backend] = {}
        self._open_guards: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._threads: dict[str, Threads] = {}
        self._listed: dict[tuple[str, str], frozenset[str]] = {}
        self._listing: dict[tuple[str, str], float] = {}
        self._closed = False

    # ------------------------------------------------------------ what the controller asks

    def want(self, units: Mapping[str, Wanted]) -> None:
        """These are to run. Units that are not named go on until they are told to stop."""
        for name, each in units.items():
            unit = self._units.get(name)
            if unit is None:
                self._units[name] = unit = _Unit(name, each.backend, each.address, each)
            elif unit.wanted != each:
                if unit.wanted is None or unit.wanted.spec != each.spec:
                    unit.ensured = None
                unit.wanted = each
                unit.due = 0.0
                unit.gone = False
        if not self._closed:
            self.tick()

    def stop(self, name: str) -> None:
        """A unit is to go."""
        unit = self._units.get(name)
        if unit is not None and unit.wanted is not None:
            log.info("Stopping the replicas %s", name)
            unit.wanted, unit.due, unit.ensured = None, 0.0, None

    def adopt(self, name: str, backend: str, address: str) -> None:
        """Know of a unit that somebody started earlier, and that nobody wants; `stop` stops it."""
        if name not in self._units:
            unit = _Unit(name, backend, address, None, due=float("inf"))
            self._units[name] = unit

    def release(self, name: str) -> None:
        """Stop an adopted unit."""
        unit = self._units.get(name)
        if unit is not None and unit.wanted is None and unit.due == float("inf"):
            log.info("Stopping the replicas %s, which nobody wants", name)
            unit.due = 0.0

    def seen(self, name: str) -> Seen:
        """What was seen of a unit last."""
        unit = self._units.get(name)
        return unit.seen if unit is not None else Seen()

    @property
    def running(self) -> dict[str, bool]:
        """Units that are there, and whether they are to run."""
        return {name: unit.wanted is not None for name, unit in self._units.items()}

    def found(self) -> list[tuple[str, str, str]]:
        """Names of units that backends list and that are not among ours: name, backend, address."""
        return [(name, *key) for key, names in tuple(self._listed.items()) for name in names if name not in self._units]

    # ------------------------------------------------------------ looking

    def tick(self) -> None:
        """Begin every look that is due."""
        now = monotonic()
        for name, unit in tuple(self._units.items()):
            if unit.gone:
                del self._units[name]
                key = (unit.backend, unit.address)  # else it would be found again until the next list
                self._listed[key] = self._listed.get(key, frozenset()) - {name}
            elif unit.due <= now and not unit.looking:
                unit.looking = True
                self._pool(unit.backend).do(partial(self._look, unit))
        for key in {*self._always, *((unit.backend, unit.address) for unit in self._units.values())}:
            if key[0] != Kind.EXTERNAL and now >= self._listing.get(key, 0.0):
                self._listing[key] = now + _LIST_S
                self._pool(key[0]).do(partial(self._list, key))

    def due_s(self) -> float:
        """Seconds until the next look is due."""
        now = monotonic()
        waiting = [unit.due for unit in self._units.values() if not unit.looking]
        return max(0.0, min(waiting, default=now + _BETWEEN_S) - now)

    def close(self) -> None:
        """Let go; what lasts goes on."""
        self._closed = True
        for pool in self._threads.values():
            pool.close()
        for backend in self._opened.values():
            backend.close()

    # ------------------------------------------------------------ on threads

    def _pool(self, backend: str) -> Threads:
        if backend not in self._threads:
            self._threads[backend] = Threads(_THREADS, f"modelyard-{backend}")
        return self._threads[backend]

    def _backend(self, name: str, address: str) -> base.Backend:
        found = self._opened.get((name, address))
        if found is not None:
            return found
        with self._open_guards[name]:  # joining a cluster may take long, and the others do not wait for it
            found = self._opened.get((name, address))
            if found is None:
                where = address or self._addresses.get(name, "")
                found = self._opened[name, address] = base.find(name, where, lasting=True)
            return found

    def _list(self, key: tuple[str, str]) -> None:
        try:
            names = frozenset(self._backend(*key).list())
        except ModelyardError as error:
            log.debug("the backend %s did not say what runs: %s", key[0], error.message)
            return
        if names != self._listed.get(key):
            self._listed[key] = names
            self._changed()

    def _look(self, unit: _Unit) -> None:
        if self._closed:
            return
        before, target = unit.seen, unit.wanted
        try:
            seen = self._see(unit, target) if target is not None else self._end(unit)
            unit.pause_s = _FIRST_PAUSE_S
            settled = target is not None and seen.ready == target.spec.replicas and not seen.trouble
            unit.due = monotonic() + (_BETWEEN_S if settled else _SOON_S)
        except ModelyardError as error:
            # a spec that cannot be run here will not be runnable later; what cannot be reached may
            hopeless = target is not None and not isinstance(error, Unavailable) and not before.there
            seen = replace(before, known=before.known or hopeless, trouble=error.message, hopeless=hopeless)
            self._later(unit)
        except Exception as error:
            log.exception("Looking after %s failed; it goes on", unit.name)
            seen = replace(before, trouble=f"{type(error).__name__}: {error}")
            self._later(unit)
        if unit.wanted is not target:
            unit.due = 0.0
        unit.seen = seen
        unit.looking = False
        if seen != before or unit.gone:
            self._changed()

    def _later(self, unit: _Unit) -> None:
        unit.ensured = None
        unit.due = monotonic() + unit.pause_s
        unit.pause_s = min(_LONGEST_PAUSE_S, unit.pause_s * 2)

    def _end(self, unit: _Unit) -> Seen:
        """See that it goes."""
        backend = self._backend(unit.backend, unit.address)
        backend.stop(unit.name)
        left = backend.status(unit.name).replicas
        unit.gone = not left and unit.wanted is None
        return Seen(known=True)

    def _see(self, unit: _Unit, target: Wanted) -> Seen:
        backend = self._backend(unit.backend, unit.address)
        now = monotonic()
        if unit.ensured is None or now - unit.ensured > _ENSURE_S:
            self._ensure(backend, unit, target)
            unit.ensured = now
        told = tuple(each for each in backend.status(unit.name).replicas if each.state != base.STOPPING)
        if len(told) < target.spec.replicas:
            unit.ensured = None
        if unit.stale and not any(each.state == base.READY for each in told):
            backend.stop(unit.name)  # it comes again as it is wanted now
        return self._judge(unit, target, told)

    def _ensure(self, backend: base.Backend, unit: _Unit, target: Wanted) -> None:
        try:
            backend.ensure(target.spec)
            unit.stale = False
        except InvalidState:
            # it runs with settings that were derived otherwise, such as this server's address before a restart
            if not backend.status(unit.name).replicas:
                raise
            unit.stale = True

    def _judge(self, unit: _Unit, target: Wanted, told: tuple[base.Replica, ...]) -> Seen:
        """What to think of replicas that are not all ready, and of golden tests."""
        down = frozenset(each.name for each in told if each.state == base.FAILED)
        unit.falls += len(down - unit.down)
        unit.down = down
        if any(each.state == base.READY for each in told):
            unit.falls = 0
        trouble = next((each.reason for each in told if each.state == base.FAILED and each.reason), "")
        trouble = trouble or next((each.reason for each in told if each.state != base.READY and each.reason), "")
        if not told:
            trouble = "Its replicas are about to be started."
        hopeless = unit.falls >= _FALLS
        result = unit.seen.golden
        name = target.revision.deployment
        unready = [each for each in told if each.state == base.STARTING and each.url]
        if unready and unit.backend != Kind.EXTERNAL:
            facts = golden.facts(unready[0].url, name)
            brought = golden.brought(facts)
            if any(not each.passed for each in brought):
                result, hopeless = golden.verdict(brought), True
                trouble = f"golden tests: {result.told}"
            elif facts is not None and facts.get("state") == "failed":
                unit.failing_since = unit.failing_since or monotonic()
                hopeless = hopeless or monotonic() - unit.failing_since > _FAILED_S
                trouble = str(facts.get("reason") or trouble)
        if any(each.state == base.READY for each in told):
            unit.failing_since = None
            trouble = trouble if len(told) > 1 else ""
            if target.test:
                result = self._test(unit, target, told)
        return Seen(known=True, replicas=told, trouble=trouble, hopeless=hopeless, golden=result)

    def _test(self, unit: _Unit, target: Wanted, told: tuple[base.Replica, ...]) -> Golden | None:
        """Run the golden tests on every replica, once all are ready; again if there are others."""
        urls = tuple(sorted(each.url for each in told if each.state == base.READY))
        if len(urls) < target.spec.replicas:
            return None
        if unit.seen.golden is not None and unit.tested == urls:
            return unit.seen.golden
        name, external = target.revision.deployment, bool(target.spec.url)
        verdicts = []
        for url in urls:
            results = [] if external else golden.brought(golden.facts(url, name))
            results += golden.asked(url, name, target.revision.spec, external=external)
            verdicts.append(golden.verdict(results))
        unit.tested = urls
        return next((each for each in verdicts if not each.passed), verdicts[0])
