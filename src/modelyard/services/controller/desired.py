"""What a deployment should run: what its environment's pointer, or the selection of its slot, says in a registry.

Ours is read in the transaction of the look. Another one (`followed_registry`) is asked on a thread of its own, once a
second, further apart while it does not answer; what it said last holds until it says something else.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from modelyard.db import history, models, versions
from modelyard.db import policies as policies_db
from modelyard.domain.deployments import Spec, Target
from modelyard.domain.errors import ModelyardError, NotFound
from modelyard.domain.history import Change
from modelyard.domain.policies import Policy
from modelyard.services import environments, policies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from modelyard.db.transaction import Transaction
    from modelyard.domain.versions import ModelVersion, Stage

log = logging.getLogger("modelyard.controller")

DIGEST_TAG: Final = "modelyard.digest"
_EVENTS: Final = 50
_POLL_S: Final = 1.0
_LONGEST_POLL_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Desired:
    """What should run.

    Attributes:
        target: it; None: nothing can be said, and what runs goes on.
        why: in words: who or what chose it, or why there is nothing.
        who: the principal that did.
    """

    target: Target | None
    why: str = ""
    who: str = ""


def same(one: Target, other: Target) -> bool:
    """Whether two targets are one thing to run, whatever label it has got meanwhile."""
    return (one.model, one.version, one.url) == (other.model, other.version, other.url)


# ------------------------------------------------------------------------------------ our registry


def resolve(tx: Transaction, spec: Spec) -> Desired:
    """What a deployment should run, by this server's registry."""
    if spec.url:
        return Desired(Target(url=spec.url), f"The spec names {spec.url}")
    env = environments.find(tx, spec.environment)
    if env is None:
        return Desired(None, f"There is no environment {spec.environment!r} any more.")
    missing = [name for name in spec.models if models.bare(tx, name) is None]
    if missing:
        return Desired(None, f"There is no registered model {missing[0]!r} any more.")
    try:
        version, why = _chosen(tx, spec, env.name)
    except NotFound as error:
        return Desired(None, error.message)
    if version is None:
        return Desired(None, why)
    moved, who = _mover(tx, version, env.name)
    target = Target(
        version.model, str(version.number), version.location, version.tags.get(DIGEST_TAG, ""), "", version.label or ""
    )
    return Desired(target, moved or why, who)


def _chosen(tx: Transaction, spec: Spec, env: str) -> tuple[ModelVersion | None, str]:
    slot = spec.models[0] if len(spec.models) == 1 else spec.name
    said = policies_db.get(tx, env, slot), policies_db.get(tx, env, "")
    if len(spec.models) > 1 and not (said[0] and said[0].models):
        found = policies.explain(tx, env, slot, instead=replace(said[0] or Policy(), models=spec.models))
        version = versions.find(tx, found.chosen.model, found.chosen.version) if found.chosen else None
        return version, found.reason
    if any(said):
        return policies.selected(tx, env, slot)
    model = models.bare(tx, slot)
    pointers = environments.pointers(tx, slot) if model else []
    number = next((each.version for each in pointers if each.environment == env), None)
    if model is None or number is None:
        return None, f"No version of {slot!r} is in {env}."
    version = versions.get(tx, model.id, number)
    return version, f"{env} points to version {number}" if version else f"Version {number} of {slot!r} was deleted."


def _mover(tx: Transaction, version: ModelVersion, env: str) -> tuple[str, str]:
    """Who put a version into an environment, and what they said."""
    for event in history.page(tx, version.model_id, None, _EVENTS):
        if event.kind is Change.ENVIRONMENT_MOVED and event.subject == env and event.new == str(version.number):
            what = f"{event.principal} put {version.model} version {version.number} into {env}"
            return f"{what}: {event.reason}" if event.reason else what, event.principal
    return "", ""


# ------------------------------------------------------------------------------------ another's registry


class Follower:
    """Follows another registry: a stock MLflow server's, or another Modelyard's.

    An environment stands for the alias of its name, else for the stage that it has here.

    Args:
        uri: of the registry.
        changed: called, on any thread, when it says something else.

    Attributes:
        trouble: why it could not be asked; empty if it could.
    """

    def __init__(self, uri: str, changed: Callable[[], None]) -> None:
        self.uri = uri
        self.trouble = ""
        self._changed = changed
        self._wanted: frozenset[tuple[str, tuple[str, ...], str]] = frozenset()
        self._found: dict[tuple[str, tuple[str, ...], str], Desired] = {}
        self._versions: dict[tuple[str, str], Any] = {}
        self._client: Any = None
        self._stop = threading.Event()
        self._more = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, wanted: Iterable[tuple[str, tuple[str, ...], Stage | None]]) -> None:
        """Look at these from now on: environment, models, stage."""
        keys = frozenset((env, names, stage.value if stage else "") for env, names, stage in wanted)
        if keys - self._wanted:
            self._more.set()
        self._wanted = keys
        if self._thread is None and keys:
            self._thread = threading.Thread(target=self._follow, name="modelyard-follow", daemon=True)
            self._thread.start()

    def resolve(self, spec: Spec, stage: Stage | None) -> Desired:
        """What a deployment should run, by what was heard last."""
        if spec.url:
            return Desired(Target(url=spec.url), f"The spec names {spec.url}")
        found = self._found.get((spec.environment, spec.models, stage.value if stage else ""))
        if found is None:
            return Desired(None, self.trouble)  # it is being asked for the first time
        return found

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._more.set()

    def _follow(self) -> None:
        pause = _POLL_S
        while not self._stop.is_set():
            self._more.clear()
            began = monotonic()
            before = (dict(self._found), self.trouble)
            try:
                for key in self._wanted:
                    self._found[key] = self._ask(*key)
                self.trouble, pause = "", _POLL_S
            except ModelyardError as error:
                self.trouble, pause = error.message, min(_LONGEST_POLL_S, pause * 2)
            except Exception as error:
                log.exception("Following %s failed; it goes on", self.uri)
                self.trouble, pause = f"{type(error).__name__}: {error}", min(_LONGEST_POLL_S, pause * 2)
            if (self._found, self.trouble) != before:
                self._changed()
            self._more.wait(max(0.05, began + pause - monotonic()))

    def _ask(self, environment: str, names: tuple[str, ...], stage: str) -> Desired:
        if self._client is None:
            from .impatient import Impatient  # noqa: PLC0415 - most servers follow themselves

            self._client = Impatient(self.uri)
        chosen: Any = None
        for name in names:
            try:
                model = self._client.get_registered_model(name)
            except NotFound:
                continue
            number = model.aliases.get(environment)
            staged = [each.version for each in model.latest_versions if each.current_stage == stage] if stage else []
            number = str(number or next(iter(staged), ""))
            if number:
                version = self._version(name, number)
                if chosen is None or version.last_updated_timestamp > chosen.last_updated_timestamp:
                    chosen = version
        named = " or ".join(repr(each) for each in names)
        if chosen is None:
            place = f"the alias {environment!r}" + (f" or the stage {stage}" if stage else "")
            return Desired(None, f"No version of {named} has {place} in {self.uri}.")
        target = Target(
            chosen.name, str(chosen.version), chosen.source or "", (chosen.tags or {}).get(DIGEST_TAG, ""), "",
            getattr(chosen, "label", "") or "",
        )  # fmt: skip
        return Desired(target, f"{self.uri} has {chosen.name} version {chosen.version} in {environment}")

    def _version(self, name: str, number: str) -> Any:
        """A version, which does not change in what matters here."""
        found = self._versions.get((name, number))
        if found is None:
            found = self._versions[name, number] = self._client.get_model_version(name, number)
        return found
