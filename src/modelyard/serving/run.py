"""A model server from start to stop."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.http import logs
from modelyard.http.listener import is_loopback, listen, url_of
from modelyard.http.memory import spare_the_collector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.settings import ServeSettings


def serve(settings: ServeSettings, models: Sequence[str], *, parent: int = -1) -> int:
    """Serve models until a signal; the exit code.

    Args:
        settings: of the server.
        models: what to serve, see `wanted.parse`.
        parent: see `http.loop.run`.

    Raises:
        InvalidArgument: a setting or a model is not understood, or the address is not allowed.
        NotFound: there is no such model.
        Unavailable: the port is taken, or the registry cannot be reached.
    """
    began = perf_counter()
    _check_address(settings)
    from .gateway import run as gateway

    if gateway.wanted(settings):
        return gateway.serve(settings, models, parent=parent)
    logs.configure(settings.log_format, settings.log_level)
    from . import spawning

    spawning.ahead(settings, _folders(models) if not settings.filter else ())
    try:
        return _serve(settings, models, began, parent)
    finally:
        spawning.forget()


def _serve(settings: ServeSettings, models: Sequence[str], began: float, parent: int) -> int:
    from modelyard.http import loop

    from . import greeting, spawning
    from .catalog import Catalog
    from .front import Front
    from .sources import Sources
    from .wanted import parse

    sources = Sources(parse(models, settings))
    first = sources.look()
    if settings.default_model and settings.default_model not in {**first.found, **first.missing}:
        names = ", ".join(sorted(first.found)[:20])
        raise NotFound(f"--default-model {settings.default_model!r} is not among the models served: {names}.")
    with ExitStack() as held:
        listener = held.enter_context(listen(settings.host, settings.port))
        url = url_of(settings.host, listener)
        greeting.say(f"{greeting.starting(first)}\nListening at {url}")
        catalog = Catalog(settings, sources, first)

        def ready() -> None:
            spawning.forget()
            asked = catalog.find("") or next(iter(catalog.models.values()))
            greeting.say(
                greeting.ready(
                    url,
                    list(catalog.models),
                    default=settings.default_model,
                    example=front.pages.example(asked),
                    seconds=perf_counter() - began,
                )
            )

        front = Front(settings, catalog, ready)
        spare_the_collector()
        loop.run(front, settings, listener, lambda *, ready: None, parent=parent)  # noqa: ARG005
    if sources.busy:  # with a server that says nothing; the interpreter would wait for it
        spawning.forget()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0


def _folders(models: Sequence[str]) -> list[str]:
    """The directory of each model, as far as that is seen without looking closely; empty where it is none."""
    given = [each if Path(each).is_dir() else each.partition("=")[2] for each in models]
    return [each if Path(each).is_dir() else "" for each in given]


def _check_address(settings: ServeSettings) -> None:
    """Refuse to be reachable from other machines unless that was asked for."""
    if settings.allow_remote or is_loopback(settings.host):
        return
    raise InvalidArgument(
        f"Refusing to listen on {settings.host!r}: nobody signs in, so whoever reaches that address could ask for "
        "predictions. Use 127.0.0.1 behind a proxy that authenticates, or say --allow-remote."
    )
