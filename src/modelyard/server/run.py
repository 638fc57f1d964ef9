"""A server process from start to stop: its socket, its application, uvicorn around it, signals, and what it prints."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from modelyard import __version__
from modelyard.domain.errors import InvalidArgument, Unavailable

from .memory import reuse_buffers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from modelyard.settings import Settings

    from .app import App

KEEP_ALIVE_S = 75  # above the 60 s after which common proxies and pools drop an idle connection
BACKLOG = 2048


def serve(settings: Settings) -> int:
    """Run a server until it is told to stop; its exit code.

    Raises:
        InvalidArgument: a setting has no usable value, or the address is not allowed.
        Unavailable: the port is taken, or the database or the data directory cannot be used.
    """
    check_address(settings)
    # numpy's linear algebra would start a thread per core, with its stack and buffers, and is not used.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with listen(settings.host, settings.port) as listener:
        from .app import create_app

        reuse_buffers()
        app = create_app(settings)
        run_one(app, settings, listener, ready=lambda: announce(settings, listener))
    return 0


def check_address(settings: Settings) -> None:
    """Refuse to be reachable from other machines unless that was asked for.

    Raises:
        InvalidArgument: the host is not a loopback address, and `allow_remote` is off.
    """
    if settings.allow_remote or _is_loopback(settings.host):
        return
    raise InvalidArgument(
        f"Refusing to listen on {settings.host!r}: nobody signs in yet, so whoever reaches that address could read, "
        "change and delete everything. Use 127.0.0.1 behind a proxy that authenticates, or say --allow-remote."
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        Unavailable: the port is taken, or the address is not one of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"Cannot find the address {host!r}: {error}.") from None
    except OverflowError:
        raise InvalidArgument(f"The port is {port}; expected 0 to 65535.") from None
    family, _, _, _, address = found[0]
    # The protocol must be spelt out: the event loop sets TCP_NODELAY only where it sees TCP, and without it small
    # answers wait 40 ms for the other side's delayed acknowledgement. Accepted sockets inherit it on Linux as well.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"Cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}. "
            "Stop the other program, or choose another address with --host and --port (--port 0 takes a free one)."
        ) from None
    return listener


def url_of(settings: Settings, listener: socket.socket) -> str:
    """The address under which a browser on this machine finds the server."""
    port = listener.getsockname()[1]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - compared only
    return f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{port}"


def announce(settings: Settings, listener: socket.socket) -> None:
    """Tell the terminal, or whoever started us, that requests are answered from now on."""
    print(f"Modelyard {__version__} is ready at {url_of(settings, listener)}", flush=True)  # noqa: T201


def run_one(app: App, settings: Settings, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve on this socket, in this process, until a signal; then let what is in flight finish."""
    import uvicorn
    import uvloop

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                ready()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            """As uvicorn does, but a stop that was asked for is a success: the signal is not raised again."""
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            if self.should_exit:  # the second time: now. What was acknowledged is committed already.
                sys.stderr.flush()
                os._exit(128 + sig)
            self.should_exit = True

    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(settings.stop_timeout_s)),
        backlog=BACKLOG,
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Server(config).serve(sockets=[listener]))
