"""The gateway of deployments, from start to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelyard.domain.errors import Unavailable

if TYPE_CHECKING:
    from modelyard.settings import GatewaySettings


def run(settings: GatewaySettings, *, listen_fd: int = -1, parent: int = -1) -> int:
    """Answer until a signal; the exit code.

    Args:
        settings: of the gateway.
        listen_fd: a socket that listens already; -1: one is opened.
        parent: see `http.loop.run`.

    Raises:
        InvalidArgument: a setting or the table is not understood.
        Unavailable: the port is taken.
    """
    raise Unavailable(f"Not yet: {settings.port}, {listen_fd}, {parent}.")
