"""A gateway with its replicas, from start to stop."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from dataclasses import fields
from time import perf_counter
from typing import TYPE_CHECKING, Final

from modelyard import __version__
from modelyard.domain.errors import InvalidArgument, ModelyardError
from modelyard.http import logs
from modelyard.http.listener import listen, url_of
from modelyard.http.memory import spare_the_collector
from modelyard.serving.backends import base
from modelyard.serving.scaling import Policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelyard.serving.wanted import Source
    from modelyard.settings import ServeSettings

_OWN: Final = frozenset({
    "host", "port", "allow_remote", "backend", "ray_address", "replicas", "min_replicas", "max_replicas",
    "gpus_per_replica", "memory_per_replica_bytes", "target_in_flight", "cool_down_s", "start_timeout_s",
})  # fmt: skip
"""Settings of the gateway; the others are the replicas'."""


def policy(settings: ServeSettings) -> Policy:
    """How many replicas the settings ask for.

    Raises:
        InvalidArgument: the bounds contradict each other.
    """
    least = settings.replicas if settings.min_replicas < 0 else settings.min_replicas
    most = settings.max_replicas or max(settings.replicas, least)
    if not least <= most:
        raise InvalidArgument(f"At least {least} replicas and at most {most}: that cannot be.")
    return Policy(least, most, settings.target_in_flight, settings.cool_down_s)


def wanted(settings: ServeSettings) -> bool:
    """Whether the settings ask for a gateway: for replicas elsewhere, or for another number than one."""
    found = policy(settings)
    return settings.backend != "local" or (found.least, found.most) != (1, 1)


def spec(settings: ServeSettings, sources: Sequence[Source]) -> base.Spec:
    """What a replica is."""
    told = {
        each.name: getattr(settings, each.name)
        for each in fields(settings)
        if each.name not in _OWN and getattr(settings, each.name) != each.default
    }
    bounds = policy(settings)
    cpus = settings.cpus_per_replica or 1.0
    if settings.backend != "local":
        told["cpus_per_replica"] = cpus  # its machine has more, for others
    return base.Spec(
        name=f"serve-{socket.gethostname().lower()}-{os.getpid()}",
        models=tuple(_model(each) for each in sources if not each.filter),
        settings=told,
        replicas=min(max(settings.replicas, bounds.least), bounds.most) if bounds.least else 0,
        cpus=cpus,
        gpus=settings.gpus_per_replica,
        memory_bytes=settings.memory_per_replica_bytes,
        env=base.inherited(),
    )


def _model(source: Source) -> str:
    """A model as a process with another working directory understands it, under the name that it has here."""
    name = source.name or (source.likely_name if source.directory else "")
    return f"{name}={source.directory or source.uri}" if name else source.uri


def serve(settings: ServeSettings, models: Sequence[str], *, parent: int = -1) -> int:
    """Serve until a signal; the exit code.

    Args:
        settings: of gateway and replicas.
        models: what to serve, see `wanted.parse`.
        parent: see `http.loop.run`.

    Raises:
        InvalidArgument: a setting or a model is not understood.
        NotFound: there is no such model.
        Unavailable: the port is taken, or the registry or the cluster cannot be reached.
    """
    began = perf_counter()
    logs.configure(settings.log_format, settings.log_level)
    from modelyard.http import loop
    from modelyard.serving import greeting
    from modelyard.serving.sources import Sources
    from modelyard.serving.wanted import parse

    sources = parse(models, settings)
    first = Sources(sources).look()
    what = spec(settings, sources)
    with ExitStack() as held:
        listener = held.enter_context(listen(settings.host, settings.port))
        backend = base.find(settings.backend, settings.ray_address if settings.backend == "ray" else "")
        try:
            backend.ensure(what)  # what cannot be placed at all is said now
        except ModelyardError:
            backend.close()
            raise
        url = url_of(settings.host, listener)
        greeting.say(f"{greeting.starting(first)}\nListening at {url}")

        from .front import Gateway
        from .keeping import Keeper

        keeper = Keeper(settings, backend, what, policy(settings))

        def ready() -> None:
            count = keeper.replicas.ready
            replicas = "1 replica" if count == 1 else f"{count} replicas"
            after = f"after {perf_counter() - began:.1f} s"
            greeting.say(f"Modelyard {__version__} is ready at {url}\n{replicas} {after}. Where: {url}/replicas")
            if count:
                greeting.say(f"How it is asked, to read and to try: {url}/docs")

        spare_the_collector()
        loop.run(Gateway(settings, keeper, ready), settings, listener, lambda *, ready: None, parent=parent)  # noqa: ARG005
    return 0
