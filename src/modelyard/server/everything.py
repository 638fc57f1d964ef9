"""The server, gateways and replicas of one data directory, started and stopped together."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import fields
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, Self

from modelyard import __version__
from modelyard.domain.errors import InvalidState, ModelyardError, Unavailable
from modelyard.http.listener import listen, url_of
from modelyard.serving.backends.lasting import open_lasting
from modelyard.settings import CLIENT, GatewaySettings, Settings, load, load_gateway

from .run import check_address, check_workers, make_directories
from .supervise import Part, Supervisor

_SHARED: Final = ("host", "allow_remote", "log_format", "log_level")
"""Flags that are meant for the gateway, too."""
_MODELYARD: Final = (sys.executable, "-P", "-m", "modelyard.cli.main")
_GRACE_S: Final = 15.0
"""Beyond the time that requests in flight get: what a process needs for the rest of its stop."""
_REPLICAS_STOP_S: Final = 60.0


def up(given: Mapping[str, Any], gateway_port: int | None, gateways: int) -> int:
    """Run all of it until a signal; the exit code.

    Args:
        given: the server's settings as flags say them, None where they do not.
        gateway_port: likewise.
        gateways: how many.

    Raises:
        InvalidArgument: a setting has no usable value, or the address is not allowed.
        InvalidState: it runs already on this data directory.
        Unavailable: a port is taken, or the data directory cannot be used.
    """
    settings = load(given)
    check_address(settings)
    check_workers(settings)
    shared = {name: given.get(name) for name in _SHARED}
    front = load_gateway({**shared, "port": gateway_port})
    make_directories(settings)
    data = Path(settings.data).absolute()
    with ExitStack() as held:
        claim = held.enter_context(Claim(data))
        inside = held.enter_context(listen(settings.host, settings.port))
        outside = held.enter_context(listen(front.host, front.port))
        urls = url_of(settings.host, inside), url_of(front.host, outside)
        claim.tell(*urls)
        server = Part(
            "server",
            [*_MODELYARD, "server"],
            inside,
            _told(settings, given),
            stop_s=settings.stop_timeout_s + _GRACE_S,
            stage=1,
        )
        parts = [server]
        called = front.name or f"{socket.gethostname().lower()}-{outside.getsockname()[1]}"
        for number in range(1, gateways + 1):
            suffix = "" if gateways == 1 else f"-{number}"
            name = f"gateway{suffix}"
            own = {
                **shared, "port": gateway_port, "server": urls[0], "folder": str(_folder(front, data)),
                "name": called + suffix,
            }  # fmt: skip
            told = _told(front, own)
            stop_s = front.stop_timeout_s + _GRACE_S
            parts.append(Part(name, [*_MODELYARD, "gateway"], _again(held, outside), told, stop_s=stop_s, stage=0))
        outside.close()  # each part has it
        return Supervisor(
            parts, lambda: _announce(*urls, data), lambda impatient: stop_replicas(settings.replicas_root, impatient)
        ).run()


def _announce(server: str, gateway: str, data: Path) -> None:
    lines = (
        f"Modelyard {__version__} is ready at {server}",
        f"Deployed models answer at {gateway}, their data are in {data}. Ctrl-C stops everything.",
    )
    with suppress(OSError):  # nobody reads it
        print("\n".join(lines), flush=True)  # noqa: T201


def _folder(front: GatewaySettings, data: Path) -> Path:
    """Shared by all gateways: what one that is gone has not delivered, another one does."""
    return Path(front.folder).absolute() if front.folder else data / "gateway"


def _again(held: ExitStack, listener: socket.socket) -> socket.socket:
    """A descriptor of its own for the same socket: each part closes its own."""
    return held.enter_context(listener.dup())


def _told(settings: Settings | GatewaySettings, given: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a part: flags as variables, since others may read a process's arguments."""
    prefix = settings.PREFIX
    others = {f"{Settings.PREFIX}{each.name.upper()}" for each in fields(Settings)} - set(CLIENT)
    hidden = others if isinstance(settings, GatewaySettings) else set()
    kept = {name: text for name, text in os.environ.items() if name not in hidden}
    flags = {f"{prefix}{name.upper()}": _text(value) for name, value in given.items() if value is not None}
    return {**kept, **flags, "PYTHONUNBUFFERED": "1"}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def stop_replicas(folder: str, impatient: Callable[[], bool]) -> None:
    """Have the model servers of this machine end; they answer what they were asked, and need nobody for it."""
    if not Path(folder).is_dir():
        return
    backend = open_lasting(folder)
    try:
        names = backend.list()
        for name in names:
            backend.stop(name)
        until = monotonic() + _REPLICAS_STOP_S
        while not impatient() and backend.list():
            if monotonic() > until:
                sys.stderr.write(f"Model servers that have not stopped yet: {', '.join(backend.list())}\n")
                return
            sleep(0.05)
    except ModelyardError as error:
        sys.stderr.write(f"Model servers may still run: {error.message}\n")
    finally:
        backend.close()


class Claim:
    """One supervisor for each data directory: a lock in it, with who has it.

    Args:
        data: the directory.

    Raises:
        InvalidState: another one runs; the message says where it answers.
        Unavailable: the directory cannot be written.
    """

    def __init__(self, data: Path) -> None:
        path = data / "up.lock"
        try:
            data.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Unavailable(f"The data directory {data} cannot be written: {error.strerror}.") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = os.read(self._file, 400).decode(errors="replace").strip() or "it is just starting"
            os.close(self._file)
            raise InvalidState(f"Modelyard is up already on {data}: {told}. Stop it, or give another --data.") from None
        os.ftruncate(self._file, 0)  # what the one before said

    def tell(self, server: str, gateway: str) -> None:
        """Write down who has it."""
        text = f"process {os.getpid()}, server {server}, models {gateway}\n".encode()
        os.pwrite(self._file, text, 0)
        os.ftruncate(self._file, len(text))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *told: object) -> None:
        os.close(self._file)
