"""A server from start to stop: what must hold before it begins, its processes, and what it prints."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from modelyard import __version__
from modelyard.domain.errors import InvalidArgument, Unavailable
from modelyard.http.listener import is_loopback, listen, url_of
from modelyard.settings import masked

if TYPE_CHECKING:
    import socket

    from modelyard.settings import Settings

    from .app import App
    from .claim import Claim
    from .metrics import Metrics

_RETRIED = " It is retried."  # true of a server that runs, not of one that begins


def serve(settings: Settings, *, listen_fd: int = -1, parent: int = -1) -> int:
    """Run a server until it is told to stop; its exit code.

    Args:
        settings: of the server.
        listen_fd: a socket that listens already; -1: one is opened.
        parent: see `http.loop.run`.

    Raises:
        InvalidArgument: a setting has no usable value, or the address is not allowed.
        InvalidState: another server has the SQLite file, or the database belongs to a newer release.
        Unavailable: the port is taken, or the database or the data directory cannot be used.
    """
    check_address(settings)
    check_workers(settings)
    # numpy's linear algebra would start a thread per core, with its stack and buffers, and is not used.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from modelyard.http import logs  # noqa: PLC0415 - what can be refused without it is refused faster

    logs.configure(settings.log_format, settings.log_level)
    with ExitStack() as held:
        listener = held.enter_context(listen(settings.host, settings.port, listen_fd))
        url = url_of(settings.host, listener)
        make_directories(settings)
        if settings.database_url.startswith("sqlite:///"):
            from .claim import Claim  # noqa: PLC0415

            claim = held.enter_context(Claim(sqlite_path(settings.database_url), url, settings))
            run_here(settings, listener, url, claim, parent=parent)
        elif settings.workers > 1:
            from . import workers  # noqa: PLC0415

            return workers.supervise(settings, listener, open_app, lambda: announce(url), parent=parent)
        else:
            run_here(settings, listener, url, parent=parent)
    return 0


def run_here(
    settings: Settings, listener: socket.socket, url: str, claim: Claim | None = None, *, parent: int = -1
) -> None:
    """Serve in this process; the claim's lock says when requests are taken."""
    from modelyard.http import loop  # noqa: PLC0415

    app = open_app(settings)
    app.state.url = url

    def tell(*, ready: bool) -> None:
        if claim is not None:
            claim.tell(ready=ready)
        if ready:
            app.state.stopping = False  # it only hid, and was found all the same
            announce(url)
        else:
            app.stopping()

    loop.run(app, settings, listener, tell, parent=parent, idle_exit_s=settings.idle_exit_s)


def check_address(settings: Settings) -> None:
    """Refuse to be reachable from other machines unless that was asked for.

    Raises:
        InvalidArgument: the host is not a loopback address, and `allow_remote` is off.
    """
    if settings.allow_remote or is_loopback(settings.host):
        return
    raise InvalidArgument(
        f"Refusing to listen on {settings.host!r}: nobody signs in yet, so whoever reaches that address could read, "
        "change and delete everything. Use 127.0.0.1 behind a proxy that authenticates, or say --allow-remote."
    )


def check_workers(settings: Settings) -> None:
    """Raise InvalidArgument for several workers on SQLite, whose one writer lives in one process, or that may stop."""
    if settings.workers > 1 and not settings.database.startswith(("postgresql://", "postgres://")):
        raise InvalidArgument(
            f"{settings.workers} workers need PostgreSQL: SQLite is written by one process. "
            "Give --database postgresql://..., or leave --workers at 1."
        )
    if settings.workers > 1 and settings.idle_exit_s:
        raise InvalidArgument("Several workers cannot stop when idle: leave --workers at 1, or --idle-exit at 0.")


def sqlite_path(url: str) -> str:
    """The file that a SQLite URL names.

    Raises:
        InvalidArgument: it names none.
    """
    path = unquote(url.removeprefix("sqlite:///"))
    if path in ("", ":memory:"):
        raise InvalidArgument(f"{url} names no file, and a server needs one. Give sqlite:///PATH, or only --data.")
    return path


def make_directories(settings: Settings) -> None:
    """Make the data directory, and see that it can be written, if anything is kept in it.

    Raises:
        Unavailable: it cannot be made or written.
    """
    if settings.database and settings.artifacts:
        return
    directory = Path(settings.data).absolute()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise Unavailable(
            f"The data directory {directory} cannot be written: {error.strerror}. "
            "Choose another with --data, or mend its permissions."
        ) from None


def open_app(settings: Settings, metrics: Metrics | None = None) -> App:
    """The application, with its database open and up to date.

    Raises:
        ModelyardError: the database cannot be used; the message says which database and why.
    """
    from .app import create_app  # noqa: PLC0415 - loads SQLAlchemy and numpy, once everything cheap was checked

    try:
        return create_app(settings, metrics)
    except Unavailable as error:
        raise Unavailable(
            f"Cannot open the database {masked(settings.database_url)}: {error.message.removesuffix(_RETRIED)}"
        ) from error


def announce(url: str) -> None:
    """Tell the terminal, or whoever started us, that requests are answered from now on."""
    with suppress(OSError):  # nobody reads it
        print(f"Modelyard {__version__} is ready at {url}", flush=True)  # noqa: T201
