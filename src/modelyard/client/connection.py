"""What all parts of `Client` share: which servers it speaks to, and that it sees what this process has logged."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any, Final, TypeVar

from . import uris
from .pages import Page, Results, search
from .transport import MLFLOW, Transport, transport_for

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

FLUSH_S: Final = 30.0
"""How long a call waits at most until what this process has logged before is delivered."""

_RUNS: Final = ("run_id", "source_run_id")
"""Members of messages that name a run."""

T = TypeVar("T")
E = TypeVar("E")


class Connection:
    """Two tracking URIs, one for runs and one for the registry; no connection is made before it is needed."""

    def __init__(
        self, tracking_uri: str | os.PathLike[str] | None = None, registry_uri: str | os.PathLike[str] | None = None
    ) -> None:
        self._tracking_uri = uris.tracking_uri(tracking_uri)
        self._registry_uri = uris.registry_uri(registry_uri, self._tracking_uri)

    @property
    def tracking_uri(self) -> str:
        """Where runs are kept."""
        return self._tracking_uri

    @property
    def registry_uri(self) -> str:
        """Where registered models are kept."""
        return self._registry_uri

    @property
    def tracking(self) -> Transport:
        """The way to the server that keeps runs."""
        return transport_for(self._tracking_uri)

    @property
    def registry(self) -> Transport:
        """The way to the server that keeps registered models."""
        return transport_for(self._registry_uri)

    def _track(
        self, method: str, path: str, message: dict[str, Any] | None, kind: type[T] | None = None, *, again: bool = True
    ) -> T:
        """Ask the tracking server, below MLflow's prefix, once it has what this process has logged."""
        flush_logged()
        return self.tracking.call(method, MLFLOW + path, self._named(message), kind, again=again)

    def _register(
        self, method: str, path: str, message: dict[str, Any] | None, kind: type[T] | None = None, *, again: bool = True
    ) -> T:
        """Ask the registry, below MLflow's prefix."""
        flush_logged()
        return self.registry.call(method, MLFLOW + path, self._named(message), kind, again=again)

    def _named(self, message: dict[str, Any] | None) -> dict[str, Any] | None:
        """A message with the server's ids of runs: one begun while it was away may have another there than here."""
        recorder = sys.modules.get("modelyard.client.recorder")
        if recorder is None or not message:
            return message
        uri = self._tracking_uri
        return {
            name: recorder.server_id(uri, value) if name in _RUNS and isinstance(value, str) else value
            for name, value in message.items()
        }


def flush_logged() -> None:
    """Deliver what this process has logged, if it has logged anything: who reads sees what they wrote."""
    recorder = sys.modules.get("modelyard.client.recorder")
    if recorder is not None:
        recorder.flush_all(FLUSH_S)


def recorder_for(uri: str) -> Any:
    """This process's recorder for a tracking URI."""
    return importlib.import_module("modelyard.client.recorder").recorder_for(uri)


def searched(
    ask: Callable[[dict[str, Any]], tuple[list[E], str]],
    message: dict[str, Any],
    *,
    identity: Callable[[E], Hashable],
    max_results: int | None,
    page_token: str | None,
    page: int = 1000,
    most: int,
) -> Page[E] | Results[E]:
    """The answer of one of MLflow's searches.

    Args:
        ask: from a whole message to entities, and the token of what follows.
        message: what is searched for; what is None is not sent.
        identity: what makes two of them the same.
        max_results: the limit; None: there is none.
        page_token: where to begin.
        page: how many to ask for at once, without a limit.
        most: how many the server sends at once at most.
    """
    said = {name: value for name, value in message.items() if value}

    def fetch(limit: int, token: str) -> tuple[list[E], str]:
        return ask({**said, "max_results": limit, **({"page_token": token} if token else {})})

    return search(fetch, identity=identity, max_results=max_results, page_token=page_token, page=page, most=most)


def pairs(texts: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """Tags or params as the protocol lists them."""
    return [{"key": str(key), "value": str(value)} for key, value in (texts or {}).items()]
