"""The controller: a thread of the server that looks after deployments, as long as this server has the lease for it.

It costs next to nothing while there is nothing to look after: one short question to the database now and then.
"""

from __future__ import annotations

import logging
import os
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

from modelyard.db import leases, watching
from modelyard.domain.errors import Conflict, ModelyardError
from modelyard.services.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelyard.db.engine import Database
    from modelyard.settings import Settings

    from .board import Board
    from .desired import Follower
    from .reconcile import Reconciler
    from .replicas import Replicas

log = logging.getLogger("modelyard.controller")

LEASE_MS: Final = 5_000
_RENEW_S: Final = 1.0
_IDLE_S: Final = 0.5
_LOOK_S: Final = 0.2
"""How often the registry's and the deployments' newest events are looked at."""
_ACTIVE_S: Final = 0.4
"""How often a rollout that runs is looked at, whatever is heard."""
_FULL_S: Final = 5.0
_LEAST_S: Final = 0.05
_SETTLE_S: Final = 30.0
_TIDY_S: Final = 20.0
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0


class Controller:
    """Looks after deployments.

    Args:
        database: it.
        settings: of the server.
        board: what gateways of this server work by.
        rehearsed: told whether a rehearsal passed, for each that has ended.
    """

    def __init__(self, database: Database, settings: Settings, board: Board, rehearsed: Callable[[bool], None]) -> None:
        self._database = database
        self._settings = settings
        self._board = board
        self._rehearsed = rehearsed
        self._url = ""
        self._holder = f"{os.getpid()}-{os.urandom(6).hex()}"
        self._woken = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="modelyard-controller", daemon=True)
        self._reconciler: Reconciler | None = None
        self._replicas: Replicas | None = None
        self._follower: Follower | None = None
        self._renewed = 0.0
        self._seen: tuple[int, ...] = ()
        self._again = False

    def start(self, url: str) -> None:
        """Begin.

        Args:
            url: where this server answers, for replicas.
        """
        self._url = url
        self._thread.start()

    def wake(self) -> None:
        """Look at once; from any thread."""
        self._woken.set()

    def heard(self) -> None:
        """A gateway said something: look at once, if anything waits for that; from any thread."""
        reconciler = self._reconciler
        if reconciler is not None and reconciler.active:
            self._woken.set()

    def stop(self) -> None:
        """Finish the look at hand, and end. Replicas that last go on."""
        self._stop.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    # ------------------------------------------------------------ the thread

    def _work(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._stop.is_set():
            try:
                if not self._database.read(watching.anything):
                    self._stop.wait(_IDLE_S)
                    continue
                self._lead()
                pause = _FIRST_PAUSE_S
            except Conflict as error:
                log.info("%s", error.message)
                self._let_go()
            except ModelyardError as error:
                log.warning("Deployments are not looked after now: %s", error.message)
                self._stop.wait(pause)
                pause = min(_LONGEST_PAUSE_S, pause * 2)
            except Exception:
                log.exception("Looking after deployments failed; it goes on")
                self._stop.wait(pause)
                pause = min(_LONGEST_PAUSE_S, pause * 2)
        self._end()

    def _end(self) -> None:
        self._let_go()
        try:
            self._database.write(leases.release, leases.CONTROLLER, self._holder)
        except ModelyardError as error:
            log.debug("the lease was not given back: %s", error.message)
        self._database.drop_reader()

    def _let_go(self) -> None:
        """Forget everything: another server does it, or the next one will."""
        replicas, follower = self._replicas, self._follower
        self._reconciler = self._replicas = self._follower = None
        self._renewed = 0.0
        if follower is not None:
            follower.close()
        if replicas is not None:
            replicas.close()

    def _lead(self) -> None:
        """Look again and again, as long as the lease is held.

        Raises:
            Conflict: another server took it.
            Unavailable: the database does not answer.
        """
        looked = settled = 0.0
        tidied = monotonic()
        while not self._stop.is_set():
            if not self._hold():
                self._let_go()
                self._stop.wait(_RENEW_S)
                return
            reconciler = self._reconciler or self._open()
            now = monotonic()
            heard = self._database.read(watching.newest)
            full = heard != self._seen or now - looked > _FULL_S
            if heard != self._seen or now - settled > _SETTLE_S:
                self._settle()
                settled = now
            self._seen = heard
            if full:
                self._rehearse()
            if full or self._woken.is_set() or self._again or (reconciler.active and now - looked > _ACTIVE_S):
                self._woken.clear()
                self._again = False
                reconciler.look(fresh=full)
                looked = monotonic()
            elif now - tidied > _TIDY_S:
                from . import chores  # noqa: PLC0415

                more = self._database.write(chores.tidy_up, now_ms())
                tidied = now if not more else tidied + 1
            self._wait()

    def _wait(self) -> None:
        """Until something is due: the next look of the replicas, of the registry, or what somebody wakes it for."""
        self._stop.wait(_LEAST_S)
        if self._replicas is not None:
            self._replicas.tick()
            if not self._again:
                self._woken.wait(max(_LEAST_S, min(_LOOK_S, self._replicas.due_s())))

    def _hold(self) -> bool:
        """Whether this server has the lease; it is renewed now and then, where there may be other servers."""
        now = monotonic()
        alone = self._database.dialect == "sqlite"
        if self._reconciler is not None and (alone or now - self._renewed < _RENEW_S):
            return True
        held = self._database.write(leases.take, leases.CONTROLLER, self._holder, LEASE_MS, now_ms())
        self._renewed = now
        return held

    def _settle(self) -> None:
        """Have policies choose anew; something may have changed that they choose by."""
        if self._follower is None and self._database.read(watching.policies):
            from . import chores  # noqa: PLC0415

            self._database.write(chores.settle)

    def _rehearse(self) -> None:
        """Begin and end rehearsals, where it is time."""
        from modelyard.services import rehearsals  # noqa: PLC0415

        if self._database.read(rehearsals.pending, now_ms()):
            for done in self._database.write(rehearsals.tend, now_ms()):
                log.log(logging.WARNING if done.passed is False else logging.INFO, "%s", done.told)
                if done.passed is not None:
                    self._rehearsed(done.passed)

    def _open(self) -> Reconciler:
        from .desired import Follower  # noqa: PLC0415 - backends and the client, once there is something to do
        from .reconcile import Reconciler  # noqa: PLC0415
        from .replicas import Replicas  # noqa: PLC0415

        settings = self._settings
        if settings.followed_registry:
            self._follower = Follower(settings.followed_registry, self.wake)
        self._replicas = Replicas(settings.replicas_root, self.wake, settings.ray_address)
        self._reconciler = Reconciler(
            self._database,
            self._replicas,
            self._board,
            settings.followed_registry or self._url,
            self._follower,
            self._holder,
            self._look_again,
            now_ms,
        )
        log.info("This server looks after deployments")
        return self._reconciler

    def _look_again(self) -> None:
        self._again = True
