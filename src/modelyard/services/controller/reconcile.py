"""One look at every deployment: read, measure, decide, write, act, tell the gateways.

Everything that is decided is in the database before anything is done about it, and what is done may be done twice. So
a controller that is killed at any moment goes on where it was: it reads what was decided, and asks backends what runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import msgspec

from modelyard.db import deployments as db
from modelyard.db import gateways as gateways_db
from modelyard.db import leases, predictions, watching
from modelyard.db import rollouts as rollouts_db
from modelyard.domain.deployments import Happened, Revision
from modelyard.domain.errors import Conflict, ModelyardError
from modelyard.domain.rollouts import Measurements, Rollout, StepKind, Traffic, traffic
from modelyard.services import environments, gateways
from modelyard.services.deployments import is_rehearsal

from . import desired as targets
from . import measuring, routing
from .decisions import Decision, Known, decide
from .replicas import Replicas, Seen, Wanted, mark, mark_of, unit_name, wanted

if TYPE_CHECKING:
    from modelyard.db.deployments import Row
    from modelyard.db.engine import Database
    from modelyard.db.transaction import Transaction

    from .board import Board
    from .desired import Follower

log = logging.getLogger("modelyard.controller")

GRACE_S: Final = 3.0
"""After every gateway works by a routing without them, so long replicas are left alone."""
_TOLD_S: Final = 2.0
"""What a rollout waits for changes often; it is written down so often at most."""
_PATIENCE_S: Final = 3.0
"""Trouble that passes sooner is none."""
_KEPT_REVISIONS: Final = 500


@dataclass(slots=True)
class Picture:
    """A deployment as it was read.

    Attributes:
        row: it.
        rollout_id: number of its newest rollout.
        rollout: that.
        stable: the revision that answers.
        canary: the one of the rollout, if that runs.
        newest: the greatest number of its revisions.
        desired: what should run.
        changer: who changed the spec last.
        counted: what was measured.
    """

    row: Row
    rollout_id: int | None
    rollout: Rollout | None
    stable: Revision | None
    canary: Revision | None
    newest: int
    desired: targets.Desired
    changer: str
    counted: Measurements

    def revision(self, number: int | None) -> Revision | None:
        """One of the two."""
        return next((each for each in (self.stable, self.canary) if each and each.number == number), None)


@dataclass(slots=True)
class Leaving:
    """Replicas that nobody wants any more.

    Attributes:
        generation: of the first routing without them.
        since: when every gateway worked by that one, on the monotonic clock; None: not yet.
    """

    generation: int
    since: float | None = None


@dataclass(slots=True)
class _Written:
    """When a rollout was written down last."""

    rollout_id: int | None = None
    at: float = 0.0


class Reconciler:
    """Looks at every deployment.

    Args:
        database: it.
        replicas: where they run.
        board: what gateways of this server work by.
        registry_uri: where replicas find models.
        follower: of another registry; None: ours is followed.
        holder: in whose name the lease is held.
        again: has the next look come at once.
        clock: milliseconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        replicas: Replicas,
        board: Board,
        registry_uri: str,
        follower: Follower | None,
        holder: str,
        again: Callable[[], None],
        clock: Callable[[], int],
    ) -> None:
        self._database = database
        self._replicas = replicas
        self._board = board
        self._registry_uri = registry_uri
        self._follower = follower
        self._holder = holder
        self._again = again
        self._clock = clock
        self._began_ms = clock()
        self._measurer = measuring.Measurer()
        self._revisions: dict[tuple[int, int], Revision] = {}
        self._resolved: dict[tuple[int, Any], targets.Desired] = {}
        self._instance = ""
        self._generation = 0
        self._published: dict[str, dict[str, Any]] | None = None
        self._leaving: dict[str, Leaving] = {}
        self._troubles: dict[int, tuple[str, float]] = {}
        self._written: dict[int, _Written] = {}
        self.active = False

    # ------------------------------------------------------------ a look

    def look(self, *, fresh: bool) -> None:
        """Look at everything once, and do what follows.

        Args:
            fresh: whether the registry may say something else than at the last look.

        Raises:
            Unavailable: the database does not answer.
            Conflict: another server does this now.
        """
        now = self._clock()
        if fresh:
            self._resolved.clear()
        if not self._instance:
            self._instance = self._database.write(gateways_db.instance)
        pictures = self._database.read(self._read, now)
        documents: dict[str, dict[str, Any]] = {}
        units: dict[str, Wanted] = {}
        self.active = False
        for picture in pictures:
            try:
                self._one(picture, units, documents, now)
            except Conflict:
                raise
            except _OvertakenError:
                self._stay(picture, units, documents)
                self._again()
            except ModelyardError as error:
                log.warning("Deployment %s: %s", picture.row.name, error.message)
                self._stay(picture, units, documents)
            except Exception:
                log.exception("Looking after deployment %s failed; it goes on", picture.row.name)
                self._stay(picture, units, documents)
        self._replicas.want(units)
        self._publish(documents, now)
        self._clear_away(units, now)
        self._measurer.forget(each.rollout_id for each in pictures if each.rollout_id is not None)

    def _one(self, picture: Picture, units: dict[str, Wanted], documents: dict[str, dict[str, Any]], now: int) -> None:
        measured, unsure = self._measured(picture)
        known = Known(
            row=picture.row,
            rollout_id=picture.rollout_id,
            rollout=picture.rollout,
            stable=picture.stable,
            canary=picture.canary,
            newest=picture.newest,
            desired=picture.desired,
            changer=picture.changer,
            measured=None if unsure else measured,
            trouble=self._trouble(picture),
        )
        decision = decide(known, now)
        self._write(picture, decision, now)
        self._take(picture, decision)
        if decision.begun is not None:  # what was measured is the one before's
            measured = Measurements(stable_ready=measured.stable_ready)
        self._want(picture, units)
        before = (self._published or {}).get(picture.row.name)
        if unsure and before is not None and decision.begun is None and picture.rollout == known.rollout:
            documents[picture.row.name] = before
        else:
            # a rehearsal is nobody's to ask
            document = None if is_rehearsal(picture.row.name) else self._document(picture, measured)
            if document is not None:
                documents[picture.row.name] = document
        self.active = self.active or picture.canary is not None

    def _stay(self, picture: Picture, units: dict[str, Wanted], documents: dict[str, dict[str, Any]]) -> None:
        """A deployment that cannot be looked at now goes on as it was."""
        self._want(picture, units)
        before = (self._published or {}).get(picture.row.name)
        if before is not None:
            documents[picture.row.name] = before

    # ------------------------------------------------------------ reading

    def _read(self, tx: Transaction, now: int) -> list[Picture]:
        if self._published is None:
            generation, document = gateways_db.newest(tx)
            self._generation = int(generation)
            self._published = {each["name"]: each for each in msgspec.json.decode(document)}
        rows = db.listing(tx)
        self._follow(tx, rows)
        return [self._picture(tx, row, now) for row in rows]

    def _picture(self, tx: Transaction, row: Row, now: int) -> Picture:
        rollout_id, rollout = rollouts_db.latest(tx, row.id) or (None, None)
        running = rollout if rollout is not None and not rollout.ended else None
        counted = Measurements()
        if running is not None and rollout_id is not None:
            try:
                known = self._feedback(tx, row.id, running, now)
                counted = self._measurer.measure(tx, row.id, rollout_id, running, now, known)
            except ModelyardError as error:
                counted = Measurements(error=f"nothing can be measured: {error.message}")
        return Picture(
            row=row,
            rollout_id=rollout_id,
            rollout=rollout,
            stable=self._revision(tx, row.id, row.state.stable),
            canary=self._revision(tx, row.id, running.canary) if running is not None else None,
            newest=db.newest_revision(tx, row.id),
            desired=self._desired(tx, row),
            changer=_changer(tx, row),
            counted=counted,
        )

    def _revision(self, tx: Transaction, deployment_id: int, number: int | None) -> Revision | None:
        if number is None:
            return None
        key = (deployment_id, number)
        if key not in self._revisions:
            found = db.revision(tx, deployment_id, number)
            if found is None:
                return None
            if len(self._revisions) > _KEPT_REVISIONS:
                self._revisions.clear()
            self._revisions[key] = found
        return self._revisions[key]

    def _follow(self, tx: Transaction, rows: list[Row]) -> None:
        if self._follower is not None:
            stages = {each.name: each.stage for each in environments.listing(tx)}
            self._follower.follow(
                (row.spec.environment, row.spec.models, stages.get(row.spec.environment.lower()))
                for row in rows
                if row.spec.models
            )

    def _desired(self, tx: Transaction, row: Row) -> targets.Desired:
        if self._follower is not None:
            env = environments.find(tx, row.spec.environment)
            return self._follower.resolve(row.spec, env.stage if env else None)
        key = (row.id, row.updated_ms)
        if key not in self._resolved:
            self._resolved[key] = targets.resolve(tx, row.spec)
        return self._resolved[key]

    def _feedback(
        self, tx: Transaction, deployment_id: int, rollout: Rollout, now: int
    ) -> Mapping[tuple[int, str], tuple[int, int]]:
        step = rollout.step
        if step is None or not any(each.measure.value == "correctness" for each in step.checks):
            return {}
        found = predictions.correctness(tx, deployment_id, measuring.window_ms(rollout, now))
        return {key: (count, right) for key, (right, count) in found.items()}

    # ------------------------------------------------------------ judging

    def _name(self, picture: Picture, revision: Revision) -> str:
        return unit_name(self._instance, picture.row.id, revision)

    def _seen(self, picture: Picture, revision: Revision | None) -> Seen:
        return self._replicas.seen(self._name(picture, revision)) if revision is not None else Seen()

    def _measured(self, picture: Picture) -> tuple[Measurements, bool]:
        """What is known of a rollout; and whether this controller cannot tell yet, since it has just begun to look."""
        stable, canary = self._seen(picture, picture.stable), self._seen(picture, picture.canary)
        running = picture.rollout if picture.canary is not None else None
        unsure = picture.stable is not None and not stable.known
        if running is None or picture.canary is None:
            return Measurements(), unsure
        began = running.step_ms is not None
        unsure = unsure or (began and not canary.known)
        ready = canary.there > 0 if began else canary.ready >= picture.canary.spec.replicas
        hopeless = canary.hopeless and not (self._follower is not None and self._follower.trouble)
        measured = measuring.complete(
            picture.counted,
            canary_ready=ready,
            stable_ready=picture.stable is None or stable.there > 0,
            trouble=canary.trouble or ("It is being started." if not ready else ""),
            hopeless=hopeless,
        )
        return replace(measured, golden=canary.golden), unsure

    def _trouble(self, picture: Picture) -> str:
        """Why what answers is not as it should be, if that lasts."""
        stable, seen = picture.stable, self._seen(picture, picture.stable)
        found = ""
        if stable is not None and seen.known and seen.ready < stable.spec.replicas:
            found = f"Revision {stable.number}: {seen.ready} of {stable.spec.replicas} replicas answer."
            failed = next((each.reason for each in seen.replicas if each.state == "failed" and each.reason), "")
            found = f"{found} {failed}".strip()
        elif stable is not None and seen.trouble:
            found = f"Revision {stable.number}: {seen.trouble}"
        if self._follower is not None and self._follower.trouble:
            found = found or f"The registry cannot be followed: {self._follower.trouble}"
        before = self._troubles.get(picture.row.id)
        if not found:
            self._troubles.pop(picture.row.id, None)
            return ""
        since = before[1] if before is not None else monotonic()
        self._troubles[picture.row.id] = (found, since)
        return found if monotonic() - since >= _PATIENCE_S else picture.row.state.trouble

    # ------------------------------------------------------------ writing

    def _write(self, picture: Picture, decision: Decision, now: int) -> None:
        moved = decision.rollout is not None and decision.rollout != picture.rollout
        if moved and picture.rollout is not None and decision.rollout is not None and not decision.notes:
            moved = self._worth(picture, picture.rollout, decision.rollout)
            if not moved and decision.state == picture.row.state and decision.begun is None:
                return
        changed = moved or decision.state != picture.row.state or decision.begun is not None
        if not changed and not decision.notes:
            return
        self._database.write(self._store, picture, decision, now, moved=moved)
        self._written[picture.row.id] = _Written(picture.rollout_id, monotonic())

    def _worth(self, picture: Picture, before: Rollout, after: Rollout) -> bool:
        """Whether another state of a rollout is to be written down now: words alone are, now and then."""
        same_words = replace(after, reason=before.reason, results=before.results)
        if same_words != before:
            return True
        written = self._written.get(picture.row.id)
        return written is None or written.rollout_id != picture.rollout_id or monotonic() - written.at > _TOLD_S

    def _store(self, tx: Transaction, picture: Picture, decision: Decision, now: int, *, moved: bool) -> None:
        """Write a decision, unless what it rests on was changed meanwhile.

        Raises:
            Conflict: somebody else has the lease.
        """
        leases.check(tx, leases.CONTROLLER, self._holder)
        row, rollout_id = picture.row, picture.rollout_id
        db.lock(tx, row.id)
        now_row = db.get(tx, row.name)
        latest = rollouts_db.latest(tx, row.id) or (None, None)
        if now_row != row or latest != (rollout_id, picture.rollout):
            raise _OvertakenError
        if moved and rollout_id is not None and decision.rollout is not None:
            rollouts_db.set(tx, rollout_id, decision.rollout, now)
        begun_id = None
        if decision.revision is not None and decision.begun is not None:
            db.add_revision(tx, row.id, decision.revision)
            begun_id = rollouts_db.insert(tx, row.id, decision.begun)
        if decision.state != row.state:
            db.set_state(tx, row.id, decision.state, now)
        for note in decision.notes:
            of = begun_id if note.begun else rollout_id
            rollouts_db.note(tx, row.id, of, note.kind, note.told, note.principal, now, note.document)
            log.info("%s: %s", row.name, note.told)

    def _take(self, picture: Picture, decision: Decision) -> None:
        """The picture after a decision."""
        before = picture.rollout
        picture.rollout = decision.rollout
        if decision.begun is not None and decision.revision is not None:
            picture.rollout, picture.canary = decision.begun, decision.revision
            picture.counted = Measurements()
            self._again()
            return
        if decision.state.stable != picture.row.state.stable:
            picture.stable = picture.revision(decision.state.stable) or picture.stable
            if picture.stable is not None and picture.stable.number != decision.state.stable:
                self._again()
        if picture.rollout is not None and picture.rollout.ended:
            picture.canary = None
        if before != picture.rollout:
            self._again()

    # ------------------------------------------------------------ acting

    def _want(self, picture: Picture, units: dict[str, Wanted]) -> None:
        step = picture.rollout.step if picture.rollout is not None and picture.canary is not None else None
        test = step is not None and step.kind is StepKind.GOLDEN
        for revision in (picture.stable, picture.canary):
            if revision is not None:
                name = self._name(picture, revision)
                units[name] = wanted(name, revision, self._registry_uri, test=test and revision is picture.canary)

    def _document(self, picture: Picture, measured: Measurements) -> dict[str, Any] | None:
        weights = Traffic()
        if picture.canary is not None and picture.rollout is not None:
            weights = traffic(picture.rollout, measured)
        stable, canary = (
            self._running(picture, revision) if revision is not None else None
            for revision in (picture.stable, picture.canary)
        )
        return routing.deployment(picture.row.name, stable, canary, weights)

    def _running(self, picture: Picture, revision: Revision) -> routing.Running:
        replicas = self._seen(picture, revision).replicas
        return routing.Running(revision, [(each.name, each.url) for each in replicas if each.url])

    def _publish(self, documents: dict[str, dict[str, Any]], now: int) -> None:
        if documents == self._published:
            return
        text = msgspec.json.encode([documents[name] for name in sorted(documents)]).decode()
        generation = self._database.write(self._store_routing, text, now)
        self._published, self._generation = documents, int(generation)
        self._board.post(generation, text)

    def _store_routing(self, tx: Transaction, text: str, now: int) -> str:
        leases.check(tx, leases.CONTROLLER, self._holder)
        return gateways_db.publish(tx, text, now)

    def _clear_away(self, units: Mapping[str, Wanted], now: int) -> None:
        """Stop what nobody wants, once no gateway can send there any more."""
        found = self._replicas.found()
        if found:
            ours = {mark(self._instance, number) for number in self._database.read(watching.every_id)}
            for name, backend, address in found:
                if mark_of(name) in ours and name not in units:
                    self._replicas.adopt(name, backend, address)
        unwanted = [name for name in self._replicas.running if name not in units]
        self.active = self.active or bool(unwanted)
        self._leaving = {name: each for name, each in self._leaving.items() if name in unwanted}
        if not unwanted:
            return
        seen = self._acknowledged(now)
        for name in unwanted:
            leaving = self._leaving.setdefault(name, Leaving(self._generation))
            if seen is not None and seen < leaving.generation:
                leaving.since = None
                continue
            leaving.since = leaving.since or monotonic()
            if monotonic() - leaving.since >= GRACE_S:
                self._replicas.stop(name)
                self._replicas.release(name)

    def _acknowledged(self, now: int) -> int | None:
        """The oldest generation that a gateway works by; None: there are no gateways."""
        # who could not say anything because no server was there is given time
        live = (
            each
            for each in self._database.read(gateways_db.listing)
            if now - max(each.seen_ms, self._began_ms) < gateways.LIVE_MS and now - each.seen_ms < gateways.KNOWN_MS
        )
        return min((int(each.generation) if each.generation.isdecimal() else 0 for each in live), default=None)


class _OvertakenError(ModelyardError):
    """Somebody changed the deployment while it was looked at: look again."""

    def __init__(self) -> None:
        super().__init__("It was changed meanwhile; it is looked at again.")


def _changer(tx: Transaction, row: Row) -> str:
    """Who changed the spec last."""
    for event in rollouts_db.events_before(tx, row.id, None, 50):
        if event.kind in (Happened.CHANGED, Happened.CREATED):
            return event.principal
    return ""
