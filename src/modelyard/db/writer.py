"""The one writer: commands from any number of callers, one transaction per drain, answered after COMMIT.

Group commit is worth 3 to 5 times the throughput of a transaction per request. Two kinds of command exist: a function
that runs inside a savepoint of its own, and data (see bulk.py): all that wait are applied together, a few statements
for each kind.

Where a drain happens: with SQLite on the event loop itself at the end of a tick (a commit there is a buffered write of
some tens of µs, less than a hand-over between threads), or on the calling thread; with PostgreSQL, or with `full_sync`,
on threads of the writer, because a commit waits for the disk.

What a failure costs: a command that fails alone is undone alone; one that spoils the transaction has every command
tried again on its own; a database that is down fails all that wait, at once. Nothing is tried again once a COMMIT was
sent.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import random
import sqlite3
import threading
import time
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import ModelyardError, Unavailable

from . import at_once, bulk, changes
from .transaction import Transaction
from .yielding import YieldingLock

if TYPE_CHECKING:
    from collections.abc import Callable

    from .bulk import Bulk
    from .connections import Connections
    from .keys import Keys

    Listener = Callable[[dict[int, set[int]]], None]

MOST_PER_DRAIN = 256
POSTGRES_THREADS = 2
HOLD_S = 0.001
"""How long a threaded drain waits for callers that its last one answered. One caller alone never waits."""

BUSY_S = 30.0
"""How long another process may write to the SQLite file before ours are refused."""

PAUSE_S = 0.02
RETRIES = 4
"""How often a transaction is begun again whose connection was lost before its commit, or that a deadlock ended."""

log = logging.getLogger("modelyard.db")


class Command:
    """One caller's wish, and where the answer goes."""

    __slots__ = ("batch", "error", "future", "loop", "result", "work")

    def __init__(
        self,
        work: Callable[[Transaction], Any] | None,
        batch: Any,
        loop: asyncio.AbstractEventLoop | None,
        future: Any,
    ) -> None:
        self.work = work
        self.batch = batch
        self.loop = loop
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None


class Lane:
    """A write connection; drains on one are serial.

    Attributes:
        commits: transactions committed so far.
        commands: commands that these carried.
    """

    def __init__(self, database: Connections, keys: Keys, on_commit: list[Listener]) -> None:
        self.database = database
        self.keys = keys
        self.on_commit = on_commit
        self.lock = YieldingLock()
        self.queue: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self.commits = 0
        self.commands = 0
        self._connection: Any = None
        self._generation = 0

    def drain(self, commands: list[Command], *, wait: bool = True, short: bool = True) -> bool:
        """Apply the commands in one transaction; every command then has its result or its error.

        Args:
            commands: of any number of callers.
            wait: for another process that writes to the same SQLite file; else that gives False, and nothing is done.
            short: try the way of at_once.py, where there is one.
        """
        if not commands:
            return True
        failure = self._try(commands, wait=wait, short=short)
        if isinstance(failure, BlockingIOError):
            return False
        for attempt in range(RETRIES):
            if failure is None or not self.database.passing(failure):
                break
            # Two that meet in a deadlock must not begin again in step.
            time.sleep(random.uniform(0, PAUSE_S * 2**attempt))  # noqa: S311 - no secret
            failure = self._try(commands, wait=wait, short=short)
        if failure is None:
            return True
        if len(commands) == 1 or self.database.down(failure):
            answer = self.database.translate(failure)
            for command in commands:
                command.result, command.error = None, answer
            return True
        # One of them spoilt the transaction for all: each on its own then.
        for command in commands:
            command.result = command.error = None
            self.drain([command], short=short)
        return True

    def _try(self, commands: list[Command], *, wait: bool, short: bool) -> Exception | None:
        """Apply the commands, or none of them and say why; after a loss at the commit nobody knows which."""
        sent = False
        try:
            steps = self._steps(commands) if short else None
            if steps:
                # What logs may be applied twice: a repeated point counts once, and a param keeps its value.
                sent = not all(step.repeatable for step in steps)
                if self._at_once(steps, commands):
                    return None
                sent = False
            tx = self._begin(wait=wait)
            with self._pipeline(commands):
                self._apply(tx, commands)
                sent = True
                self._connection.commit()
        except BlockingIOError as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever it is, its callers must hear of it
            self._rollback(error)
            return self._unknown(error) if sent and self.database.broken(error) else error
        self._follow(len(commands), tx.touched, tx.committed)
        return None

    def _steps(self, commands: list[Command]) -> list[at_once.Step] | None:
        if self.database.dialect == "sqlite":
            return None
        return at_once.plan([command.batch for command in commands], self.keys)

    def _at_once(self, steps: list[at_once.Step], commands: list[Command]) -> bool:
        """PostgreSQL: carry out a drain in one round trip; what its statements leave undone goes the ordinary way.

        False: it failed as a whole, as when another server logs the same param at this moment, and nothing was done.
        """
        database = self.database
        if self._connection is not None and at_once.was_closed(self._connection):
            self._disconnect()
        if self._connection is None:
            self._connection = database.connect()
        try:
            found = at_once.execute(self._connection, steps)
        except Exception as error:
            if database.down(error) or database.passing(error):
                raise
            self._connection.rollback()
            return False
        touched: dict[int, set[int]] = {}
        undone: list[Command] = []
        for step, rows in zip(steps, found, strict=True):
            theirs = [commands[at] for at in step.places]
            if not rows:
                undone += theirs
                continue
            try:
                for command, result in zip(theirs, step.results(rows), strict=True):
                    command.result = result
                    if result is None and not step.repeatable:  # deleted at this moment
                        undone.append(command)
            except Exception as error:  # it is committed: it must not be done again
                log.exception("the results of a commit could not be read")
                for command in theirs:
                    command.error = error
            for experiment, number, *_ in rows:
                touched.setdefault(experiment, set()).add(number)
        self._follow(len(commands) - len(undone), touched)
        if undone:
            self.drain(undone, short=False)
        return True

    def _follow(self, count: int, touched: dict[int, set[int]], committed: Callable[[], None] | None = None) -> None:
        """After a commit. It is done, and must not be done again whatever goes wrong here."""
        self.commits += 1
        self.commands += count
        try:
            if committed is not None:
                committed()
            if touched:
                for listener in self.on_commit:
                    listener(touched)
        except Exception:
            log.exception("what follows a commit failed")

    def _unknown(self, error: Exception) -> Unavailable:
        """Why these commands are not done again: the commit may have been the last thing that worked."""
        return Unavailable(
            "The connection to the database was lost while it committed: the change was made or not. "
            f"Read before you send it again. ({str(error).partition(chr(10))[0]})"
        )

    def _begin(self, *, wait: bool) -> Transaction:
        database = self.database
        if database.dialect == "sqlite":
            generation = database.check_file()
            if generation != self._generation:
                self._disconnect()
                self._generation = generation
        if self._connection is None:
            self._connection = database.connect()
            if database.dialect == "sqlite":
                self._connection.execute("PRAGMA busy_timeout=0")  # `_begin_sqlite` waits, where it may
        if database.dialect == "sqlite":
            self._begin_sqlite(wait=wait)
        return Transaction(self._connection, database.dialect, self.keys, writing=True)

    def _begin_sqlite(self, *, wait: bool) -> None:
        end = time.monotonic() + BUSY_S
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
                if not wait:
                    raise BlockingIOError from error
            else:
                return
            time.sleep(0.002)

    def _pipeline(self, commands: list[Command]) -> AbstractContextManager[object]:
        """PostgreSQL: send statements without waiting for each answer, the COMMIT with the last of them.

        Not where functions run: an error must be met by the function that caused it. Nor for more than a socket takes
        at once: the driver could wait for an answer to what it has not sent whole.
        """
        if self.database.dialect == "sqlite" or any(command.work is not None for command in commands):
            return nullcontext()
        if sum(bulk.size(command.batch) for command in commands) > at_once.MOST_UNANSWERED:
            return nullcontext()
        pipeline: AbstractContextManager[object] = self._connection.pipeline()
        return pipeline

    def _apply(self, tx: Transaction, commands: list[Command]) -> None:
        batches = [command for command in commands if command.batch is not None]
        if batches:
            for command, outcome in zip(batches, bulk.apply(tx, [c.batch for c in batches]), strict=True):
                if isinstance(outcome, ModelyardError):
                    command.error = outcome
                else:
                    command.result = outcome
        alone = len(commands) == 1
        for command in commands:
            if command.work is None:
                continue
            if alone:
                command.result = command.work(tx)
                continue
            waiting = tx.savepoint()
            try:
                command.result = command.work(tx)
            except Exception as error:
                if self.database.spoils(error):
                    raise
                command.error = self.database.translate(error)
                tx.roll_back_to(waiting)
            tx.release()
        if tx.touched and tx.dialect == "postgresql":
            changes.record(tx)

    def _rollback(self, error: Exception) -> None:
        connection = self._connection
        if connection is None:
            return
        try:
            connection.rollback()
            usable = not self.database.down(error) and not self.database.broken(error)
        except Exception:  # noqa: BLE001 - then it is of no more use
            usable = False
        if not usable:
            self._disconnect()

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    def queued(self, most: int = MOST_PER_DRAIN) -> list[Command]:
        """Take what waits, about as much as a drain takes, or everything (0); leaves the mark that ends the queue."""
        commands: list[Command] = []
        with suppress(queue.Empty):
            while not most or len(commands) < most:
                command = self.queue.get_nowait()
                if command is None:
                    self.queue.put(None)
                    break
                commands.append(command)
        return commands

    def close(self) -> None:
        """Let go of the connection."""
        self._disconnect()


class Writer:
    """Takes commands from an event loop (with PostgreSQL, from several) and from threads. See the module's text."""

    def __init__(self, database: Connections, keys: Keys, on_commit: list[Listener]) -> None:
        self.threaded = database.dialect == "postgresql" or database.full_sync
        count = POSTGRES_THREADS if database.dialect == "postgresql" else 1
        self.lanes = [Lane(database, keys, on_commit) for _ in range(count)]
        self._waiting: list[Command] = []
        self._scheduled = False
        self._later = 0
        self._latecomers = ThreadPoolExecutor(1, thread_name_prefix="modelyard-write")
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._start_lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """Commands that no drain has taken yet."""
        return len(self._waiting) + sum(lane.queue.qsize() for lane in self.lanes)

    @property
    def commands(self) -> int:
        """Commands carried out so far."""
        return sum(lane.commands for lane in self.lanes)

    # ------------------------------------------------------------------ entrances

    def bulk(self, command: Bulk, reply: Any = None) -> asyncio.Future[Any]:
        """Queue a command that is data from the running event loop; the future holds its value once it is durable.

        Args:
            command: to be applied with others of its kind.
            reply: what to settle instead of a new future; it has `done`, `set_result` and `set_exception`.
        """
        return self._submit(Command(None, command, None, reply), command.run)

    def submit(self, work: Callable[[Transaction], Any]) -> asyncio.Future[Any]:
        """Queue a function from the running event loop; the future holds its value once it is durable."""
        return self._submit(Command(work, None, None, None), "")

    def call(self, work: Callable[[Transaction], Any]) -> Any:
        """Run a function in a write transaction from an ordinary thread and wait for it."""
        self._check_open()
        command = Command(work, None, None, None)
        if self.threaded:
            command.future = Future()
            self._put(self.lanes[0], command)
            return command.future.result()
        lane = self.lanes[0]
        with lane.lock:
            lane.drain([command])
        if command.error is not None:
            raise command.error
        return command.result

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("The server is stopping; send the request again to the next one.")

    # ------------------------------------------------------------------ drains

    def _submit(self, command: Command, run: str) -> asyncio.Future[Any]:
        self._check_open()
        loop = asyncio.get_running_loop()
        command.loop = loop
        future: asyncio.Future[Any] = command.future or loop.create_future()
        command.future = future
        if self.threaded:
            # A text that is not valid Unicode names no run; any lane will say so.
            lane = self.lanes[zlib.crc32(run.encode(errors="replace")) % len(self.lanes)] if run else self.lanes[0]
            self._put(lane, command)
            return future
        self._waiting.append(command)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._tick, loop)
        return future

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """Drain on the event loop; on a thread while another has the connection, or another process the file."""
        lane = self.lanes[0]
        commands, self._waiting = self._waiting[:MOST_PER_DRAIN], self._waiting[MOST_PER_DRAIN:]
        self._scheduled = bool(self._waiting)
        if self._scheduled:
            loop.call_soon(self._tick, loop)
        # What waits for a thread is older; nothing overtakes it.
        if not self._later and lane.lock.acquire(blocking=False):
            try:
                done = lane.drain(commands, wait=False)
            finally:
                lane.lock.release()
            if done:
                _answer(commands)
                return
        for command in commands:
            lane.queue.put(command)
        if commands:
            self._later += 1
            loop.run_in_executor(self._latecomers, self._drain_queue, lane, loop)

    def _drain_queue(self, lane: Lane, loop: asyncio.AbstractEventLoop) -> None:
        with lane.lock:
            commands = lane.queued()
            lane.drain(commands)
        loop.call_soon_threadsafe(self._drained, commands)

    def _drained(self, commands: list[Command]) -> None:
        self._later -= 1
        _answer(commands)

    def _put(self, lane: Lane, command: Command) -> None:
        """Queue for the lane's thread; never behind the mark that ends it."""
        with self._start_lock:
            self._check_open()
            if not self._threads:
                self._threads = [
                    threading.Thread(target=self._serve, args=(lane,), name="modelyard-write", daemon=True)
                    for lane in self.lanes
                ]
                for thread in self._threads:
                    thread.start()
            lane.queue.put(command)

    def _serve(self, lane: Lane) -> None:
        together = 1
        while True:
            command = lane.queue.get()
            if command is None:
                return
            if lane.queue.qsize() + 1 < together:
                # Those who were answered together come back together: the first waits for the others a moment, since
                # a transaction for one costs nearly as much as one for all.
                time.sleep(HOLD_S)
            commands = [command, *lane.queued()]
            together = len(commands)
            with lane.lock:
                lane.drain(commands)
            _deliver(commands)

    def close(self) -> None:
        """Refuse new commands, finish the queued ones, close the connections."""
        with self._start_lock:
            self._closed = True
            for lane, _ in zip(self.lanes, self._threads, strict=False):
                lane.queue.put(None)
        for thread in self._threads:
            thread.join()
        for lane in self.lanes:
            with lane.lock:
                if not self.threaded:
                    commands = [*lane.queued(most=0), *self._waiting]
                    self._waiting = []
                    lane.drain(commands)
                    _deliver(commands)
                lane.close()
        self._latecomers.shutdown()


def _answer(commands: list[Command]) -> None:
    """Settle the futures; on their own loop's thread."""
    for command in commands:
        future = command.future
        if future.done():  # the client has gone
            continue
        try:
            if command.error is not None:
                future.set_exception(command.error)
            else:
                future.set_result(command.result)
        except Exception:  # one caller's trouble is not the next one's
            log.exception("an answer could not be given")


def _deliver(commands: list[Command]) -> None:
    """Settle futures of event loops (one wake-up per loop) and of threads."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Command]] = {}
    for command in commands:
        if command.loop is not None:
            by_loop.setdefault(command.loop, []).append(command)
        else:
            _answer([command])
    for loop, theirs in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_answer, theirs)
