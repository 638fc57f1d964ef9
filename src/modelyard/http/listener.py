"""The socket that a server listens on."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Final

from modelyard.domain.errors import Unavailable

BACKLOG: Final = 2048


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int, descriptor: int = -1) -> socket.socket:
    """A listening socket.

    Args:
        host: address or name.
        port: 0 takes a free one.
        descriptor: of one that whoever started this process holds: its connections wait while there is none of us.

    Raises:
        Unavailable: the port is taken, or the address is not one of this machine.
    """
    if descriptor >= 0:
        os.set_inheritable(descriptor, False)
        return socket.socket(fileno=descriptor)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"Cannot find the address {host!r}: {error}.") from None
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


def url_of(host: str, listener: socket.socket) -> str:
    """The address under which a browser on this machine finds the server."""
    shown = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{listener.getsockname()[1]}"
