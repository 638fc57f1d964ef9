"""uvicorn around the application, in this process: its configuration, its signals, its one tick per second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Final
from typing import Protocol as Interface

import uvicorn
import uvloop

from .link import Served
from .listener import BACKLOG
from .memory import reuse_buffers
from .protocol import Protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from types import FrameType

    from uvicorn.server import ServerState

log = logging.getLogger("modelyard.http")

KEEP_ALIVE_S: Final = 75
"""Above the 60 s after which common proxies and pools let go of an idle connection."""

_TICKS_PER_S: Final = 10  # uvicorn's
_SWEEP_TICKS: Final = 20


class App(Interface):
    """What is served: an ASGI application that wants to hear the time."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or follow the server's start and stop."""
        ...

    def tick(self) -> None:
        """What is due about once a second; on the event loop, so it must be short."""
        ...

    def soon(self) -> None:
        """What is due ten times a second, and takes next to no time."""
        ...


class Limits(Interface):
    """How long things may take, in seconds; settings say so."""

    @property
    def stop_timeout_s(self) -> float:
        """What requests in flight get to finish at a stop."""
        ...

    @property
    def body_timeout_s(self) -> float:
        """Without a byte for so long, a sending client is given up."""
        ...


class Tell(Interface):
    """Tells others whether requests are taken."""

    def __call__(self, *, ready: bool) -> None:
        """They are, or not any more."""
        ...


class Idle:
    """When a server that nobody needs may stop.

    Args:
        after_s: without a connection and without a request.
        tell: what others are told.
    """

    def __init__(self, after_s: float, tell: Tell) -> None:
        self._after_s = after_s
        self._tell = tell
        self._requests = -1
        self._since = time.monotonic()
        self._hidden = False

    def over(self, state: ServerState) -> bool:
        """Whether to stop now; asked once a second.

        First it is no longer to be found, then it stops: who found it before has a second to come.
        """
        now = time.monotonic()
        if state.connections or state.tasks or state.total_requests != self._requests:
            self._requests, self._since = state.total_requests, now
            if self._hidden:
                self._hidden = False
                self._tell(ready=True)
        elif now - self._since > self._after_s:
            if self._hidden:
                return True
            self._hidden = True
            self._tell(ready=False)
        return False


class Server(uvicorn.Server):
    """uvicorn's server, stopped by a signal as by a wish, and by the second one at once."""

    def __init__(self, config: uvicorn.Config, app: App, limits: Limits, tell: Tell, idle_exit_s: float) -> None:
        super().__init__(config)
        self._idle = Idle(idle_exit_s, tell) if idle_exit_s else None
        self.stop_signals = [signal.SIGTERM, signal.SIGINT]
        self._app = app
        self._patience_s = limits.body_timeout_s
        self._tell = tell

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets=sockets)
        if self.started:
            self._tell(ready=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests, answer those in flight."""
        self._tell(ready=False)
        await super().shutdown(sockets=sockets)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        self._app.soon()
        if counter % _TICKS_PER_S == 0:
            try:
                self._app.tick()
            except Exception:  # what is not counted this second does not end the server
                log.exception("The tick failed; the next one comes in a second")
            if self._idle is not None and self._idle.over(self.server_state):
                self.should_exit = True
        if counter % _SWEEP_TICKS == 0:
            now = time.monotonic()
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, Protocol | Served):
                    connection.close_if_stuck(now, self._patience_s)
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but a stop that was asked for is a success: the signal is not raised again."""
        before = {number: signal.signal(number, self.handle_exit) for number in self.stop_signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a signal handler's signature
        """Stop; the second time at once. What was acknowledged is committed already."""
        if self.should_exit:
            sys.stderr.flush()
            os._exit(128 + sig)
        self.should_exit = True


def run(
    app: App, limits: Limits, listener: socket.socket, tell: Tell, *, parent: int = -1, idle_exit_s: float = 0.0
) -> None:
    """Serve on this socket until a signal, then let what is in flight finish.

    Args:
        app: the application; its lifespan closes what it holds.
        limits: how long things may take.
        listener: a listening socket; closed at the stop.
        tell: called once requests are answered, and before they are not any more.
        parent: descriptor of a pipe whose end means that the parent process has gone; -1 for none.
        idle_exit_s: stop after so many seconds without a connection or a request; 0: never.
    """
    reuse_buffers()
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(limits.stop_timeout_s)),
        backlog=BACKLOG,
    )
    server = Server(config, app, limits, tell, idle_exit_s)

    async def main() -> None:
        if parent >= 0:
            server.stop_signals.remove(signal.SIGINT)  # Ctrl-C reaches the whole group; the parent hears it, and tells
            asyncio.get_running_loop().add_reader(parent, _orphaned, server, parent)
        await server.serve(sockets=[listener])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def _orphaned(server: Server, parent: int) -> None:
    asyncio.get_running_loop().remove_reader(parent)
    server.should_exit = True
