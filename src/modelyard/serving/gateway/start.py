"""The gateway of deployments, from start to stop."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from modelyard import __version__
from modelyard.domain.errors import InvalidArgument
from modelyard.http import logs
from modelyard.http.listener import is_loopback, listen, url_of
from modelyard.http.memory import spare_the_collector

from .asking import Asking
from .deployed import Deployments
from .door import Door
from .following import File, Follower
from .heads import Heads
from .measuring import Measuring
from .mirroring import Mirror
from .reporting import Reporter
from .server import Server

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from modelyard.settings import GatewaySettings

    from .metrics import Metrics
    from .recorder import Recorder

log = logging.getLogger("modelyard.gateway")

_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LAST_S: Final = 2.0
_FORGET_S: Final = 0.5


class Running:
    """All parts of a gateway together.

    Args:
        settings: of it.
        name: of it.
        url: where it answers.

    Raises:
        InvalidArgument: the server's URL or the table is not understood.
    """

    def __init__(self, settings: GatewaySettings, name: str, url: str) -> None:
        folder = folder_of(settings, name)
        self._settings = settings
        self._folder = folder
        self._tasks: list[asyncio.Task[None]] = []
        self._measuring = Measuring()
        self._deployments = Deployments(settings, self._changed)
        self._heads = Heads(settings, self._deployments)
        self._server = Server(settings.server) if settings.server else None
        self._recorder = _recorder(settings, folder, name) if settings.server else None
        asking = Asking(settings, self._deployments, self._measuring, self._recorder)
        asking.mirror = Mirror(asking, settings.copies)
        self._asking = asking
        self._reporter = (
            Reporter(self._server, name, url, self._deployments, self._measuring) if self._server is not None else None
        )
        self._follower: Follower | File
        if settings.table:
            self._follower = File(Path(settings.table), self._deployments)
            self._follower.check()
        elif self._server is not None:
            self._follower = Follower(self._server, name, folder / "routing.json", self._deployments)
        self.door = Door(
            settings, name, self._heads, asking, self._server, lambda: self._follower.trouble, self._metrics,
            self._begin, self._end,
        )  # fmt: skip

    def _changed(self) -> None:
        self._heads.forget()

    def _metrics(self) -> Metrics:
        from .metrics import Metrics

        return Metrics(self._asking, self._follower, self._reporter)

    def _begin(self) -> None:
        """On the event loop, before the first request."""
        self._follower.remember()
        if self._recorder is not None:
            self._recorder.start()
        self._run(self._follower.follow())
        self._run(self._reporter.report() if self._reporter is not None else self._forget())

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work))

    async def _forget(self) -> None:
        """Without a server nobody wants to know what was measured, but `/metrics`."""
        while True:
            await asyncio.sleep(_FORGET_S)
            self._measuring.take()

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._deployments.close()
        if self._reporter is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_S):
                    await self._reporter.last()
        if self._server is not None:
            self._server.close()
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close)


def _recorder(settings: GatewaySettings, folder: Path, name: str) -> Recorder:
    from .recorder import Recorder

    return Recorder(folder / "predictions", settings.server, name, limit_bytes=settings.journal_bytes)


def folder_of(settings: GatewaySettings, name: str) -> Path:
    """Where a gateway keeps its table and its journal."""
    if settings.folder:
        return Path(settings.folder).absolute()
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state).absolute() / "modelyard" / "gateway" / _UNFIT.sub("-", name)


def run(settings: GatewaySettings, *, listen_fd: int = -1, parent: int = -1) -> int:
    """Answer until a signal; the exit code.

    Args:
        settings: of the gateway.
        listen_fd: a socket that listens already; -1: one is opened.
        parent: see `http.loop.run`.

    Raises:
        InvalidArgument: a setting or the table is not understood.
        NotFound: there is no such table.
        Unavailable: the port is taken.
    """
    _check(settings)
    logs.configure(settings.log_format, settings.log_level)
    from modelyard.http import loop

    with ExitStack() as held:
        listener = held.enter_context(listen(settings.host, settings.port, listen_fd))
        url = url_of(settings.host, listener)
        name = settings.name or f"{socket.gethostname().lower()}-{listener.getsockname()[1]}"
        running = Running(settings, name, url)
        _say(f"Listening at {url}")

        def tell(*, ready: bool) -> None:
            if ready:
                what = f"by {settings.table}" if settings.table else f"as {settings.server} says"
                _say(f"Modelyard {__version__} is ready at {url}\nRequests are shared out {what}: {url}/deployments")

        spare_the_collector()
        loop.run(running.door, settings, listener, tell, parent=parent)
    return 0


def _check(settings: GatewaySettings) -> None:
    """Refuse what cannot work.

    Raises:
        InvalidArgument: there is no source of routes, or the address is not allowed.
    """
    if not settings.server and not settings.table:
        raise InvalidArgument("Who answers what? Give --server URL of a Modelyard server, or --table FILE.")
    if not (settings.allow_remote or is_loopback(settings.host)):
        raise InvalidArgument(
            f"Refusing to listen on {settings.host!r}: nobody signs in, so whoever reaches that address could ask for "
            "predictions. Use 127.0.0.1 behind a proxy that authenticates, or say --allow-remote."
        )


def _say(text: str) -> None:
    with suppress(OSError):  # nobody reads it
        print(text, flush=True)  # noqa: T201
