"""A model server from start to stop."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from modelyard.domain.errors import InvalidArgument
from modelyard.http import logs
from modelyard.http.listener import is_loopback, listen, url_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelyard.settings import ServeSettings

    from .catalog import Catalog


def serve(
    settings: ServeSettings, models: Sequence[str], greet: Callable[[str, Catalog], None] = lambda *_: None
) -> int:
    """Serve models until a signal; the exit code.

    Args:
        settings: of the server.
        models: what to serve, see `wanted.parse`.
        greet: called once with the address and the catalog, when everything is ready.

    Raises:
        InvalidArgument: a setting or a model is not understood, or the address is not allowed.
        NotFound: there is no such model.
        Unavailable: the port is taken, or the registry cannot be reached.
    """
    _check_address(settings)
    logs.configure(settings.log_format, settings.log_level)
    from modelyard.http import loop

    from .catalog import Catalog
    from .front import Front
    from .sources import Sources
    from .wanted import parse

    sources = Sources(parse(models, settings))
    first = sources.look()
    with ExitStack() as held:
        listener = held.enter_context(listen(settings.host, settings.port))
        url = url_of(settings.host, listener)
        catalog = Catalog(settings, sources, first)
        front = Front(settings, catalog, lambda: greet(url, catalog))
        loop.run(front, settings, listener, lambda *, ready: None)  # noqa: ARG005
    return 0


def _check_address(settings: ServeSettings) -> None:
    """Refuse to be reachable from other machines unless that was asked for."""
    if settings.allow_remote or is_loopback(settings.host):
        return
    raise InvalidArgument(
        f"Refusing to listen on {settings.host!r}: nobody signs in, so whoever reaches that address could ask for "
        "predictions. Use 127.0.0.1 behind a proxy that authenticates, or say --allow-remote."
    )
