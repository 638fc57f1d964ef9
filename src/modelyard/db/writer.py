"""The one writer: commands from any number of callers, one transaction per drain, answered after COMMIT.

Group commit is worth 3 to 5 times the throughput of a transaction per request. Two kinds of command exist: a function that
runs inside a savepoint of its own, and `LogBatch`, which is data: all that wait are applied together, statement by statement.

Where a drain happens: with SQLite on the event loop itself at the end of a tick (a commit there is a buffered write of some
tens of µs, less than a hand-over between threads), or on the calling thread; with PostgreSQL, or with `full_sync`, on
threads of the writer, because a commit waits for the disk.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import zlib
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from modelyard.domain.errors import ModelyardError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .engine import Database, Transaction

MOST_PER_DRAIN = 256
POSTGRES_THREADS = 2


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

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lock = threading.Lock()
        self.queue: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self.commits = 0
        self.commands = 0
        self._connection: Any = None

    def drain(self, commands: list[Command]) -> None:
        """Apply the commands in one transaction; every command then has its result or its error."""
        try:
            self._apply(commands)
        except Exception as error:
            self._rollback(error)
            if len(commands) == 1:
                commands[0].error = self.database.translate(error)
                return
            # One of them spoilt the transaction for all: each on its own then.
            for command in commands:
                command.error = None
                self.drain([command])

    def _apply(self, commands: list[Command]) -> None:
        from .engine import Transaction

        database = self.database
        if self._connection is None:
            self._connection = database.connect()
        connection = self._connection
        if database.dialect == "sqlite":
            connection.execute("BEGIN IMMEDIATE")
        tx = Transaction(connection, database)
        batches = [command for command in commands if command.batch is not None]
        if batches:
            from . import log

            for command, error in zip(batches, log.apply(tx, [c.batch for c in batches]), strict=True):
                command.error = error
        alone = len(commands) == 1
        for command in commands:
            if command.work is None:
                continue
            if alone:
                command.result = command.work(tx)
                continue
            tx.sql("SAVEPOINT command")
            try:
                command.result = command.work(tx)
            except ModelyardError as error:
                if isinstance(error, Unavailable):
                    raise
                command.error = error
                tx.sql("ROLLBACK TO SAVEPOINT command")
            tx.sql("RELEASE SAVEPOINT command")
        if tx.touched and database.dialect == "postgresql":
            from . import changes

            changes.record(tx)
        connection.commit()
        self.commits += 1
        self.commands += len(commands)
        tx.committed()
        if tx.touched:
            for listener in database.on_commit:
                listener(tx.touched)

    def _rollback(self, error: Exception) -> None:
        if self._connection is None:
            return
        with suppress(Exception):
            self._connection.rollback()
        if self.database.broken(error) or self.database.dialect == "sqlite":
            # A SQLite connection that met a full disk keeps no state worth saving either.
            if isinstance(error, ModelyardError):
                return
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    def close(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None


class Writer:
    """Takes commands from event loops and threads. See the module's text."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.threaded = database.dialect == "postgresql" or database.full_sync
        count = POSTGRES_THREADS if database.dialect == "postgresql" else 1
        self.lanes = [Lane(database) for _ in range(count)]
        self._waiting: list[Command] = []
        self._scheduled = False
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

    def log(self, batch: Any) -> asyncio.Future[None]:
        """Queue a `LogBatch` from the running event loop; done when it is durable."""
        return self._submit(Command(None, batch, None, None), batch.run)

    def submit(self, work: Callable[[Transaction], Any]) -> asyncio.Future[Any]:
        """Queue a function from the running event loop; the future holds its value once it is durable."""
        return self._submit(Command(work, None, None, None), "")

    def call(self, work: Callable[[Transaction], Any]) -> Any:
        """Run a function in a write transaction from an ordinary thread and wait for it."""
        self._check_open()
        command = Command(work, None, None, None)
        if self.threaded:
            command.future = Future()
            self._start()
            self.lanes[0].queue.put(command)
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
        future: asyncio.Future[Any] = loop.create_future()
        command.future = future
        if self.threaded:
            self._start()
            lane = self.lanes[zlib.crc32(run.encode()) % len(self.lanes)] if run else self.lanes[0]
            lane.queue.put(command)
            return future
        self._waiting.append(command)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._tick, loop)
        return future

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        """Drain on the event loop, or on a thread while another thread holds the connection."""
        lane = self.lanes[0]
        commands, self._waiting = self._waiting[:MOST_PER_DRAIN], self._waiting[MOST_PER_DRAIN:]
        self._scheduled = bool(self._waiting)
        if self._scheduled:
            loop.call_soon(self._tick, loop)
        if not lane.lock.acquire(blocking=False):
            loop.run_in_executor(self.database.readers, self._drain_later, lane, commands, loop)
            return
        try:
            lane.drain(commands)
        finally:
            lane.lock.release()
        _answer(commands)

    def _drain_later(self, lane: Lane, commands: list[Command], loop: asyncio.AbstractEventLoop) -> None:
        with lane.lock:
            lane.drain(commands)
        loop.call_soon_threadsafe(_answer, commands)

    def _start(self) -> None:
        if self._threads:
            return
        with self._start_lock:
            if self._threads:
                return
            self._threads = [
                threading.Thread(target=self._serve, args=(lane,), name="modelyard-write", daemon=True)
                for lane in self.lanes
            ]
            for thread in self._threads:
                thread.start()

    def _serve(self, lane: Lane) -> None:
        stopping = False
        while not stopping:
            commands: list[Command] = []
            command = lane.queue.get()
            while True:
                if command is None:
                    stopping = True
                else:
                    commands.append(command)
                if len(commands) >= MOST_PER_DRAIN:
                    break
                try:
                    command = lane.queue.get_nowait()
                except queue.Empty:
                    break
            if commands:
                with lane.lock:
                    lane.drain(commands)
                _deliver(commands)

    def close(self) -> None:
        """Refuse new commands, finish the queued ones, close the connections."""
        self._closed = True
        for lane, thread in zip(self.lanes, self._threads, strict=False):
            lane.queue.put(None)
            thread.join()
        if self._waiting:
            commands, self._waiting = self._waiting, []
            with self.lanes[0].lock:
                self.lanes[0].drain(commands)
            _answer(commands)
        for lane in self.lanes:
            lane.close()


def _answer(commands: list[Command]) -> None:
    """Settle the futures; on their own loop's thread."""
    for command in commands:
        future = command.future
        if future.done():  # the client has gone
            continue
        if command.error is not None:
            future.set_exception(command.error)
        else:
            future.set_result(command.result)


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
