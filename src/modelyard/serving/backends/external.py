"""Nothing is run: a model that somebody else serves at a URL, and whether it answers there."""

from __future__ import annotations

import http.client
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from modelyard.domain.errors import InvalidArgument

from .base import READY, STARTING, UNKNOWN, Replica, Status, check_same

if TYPE_CHECKING:
    from .base import Spec

_PROBE_S: Final = 2.0
_BETWEEN_S: Final = 1.0
_WAIT_S: Final = 0.5
_AWAY: Final = (502, 503, 504)
"""What a proxy says of a service that is not there."""


@dataclass(slots=True)
class _Endpoint:
    """A URL, and what was found out about it last."""

    fingerprint: str
    url: str
    told: Replica
    asked: Future[Replica] | None = None
    at: float = field(default=0.0)


class ExternalBackend:
    """See `base.Backend`. A spec has one replica, however many it asks for: what is behind the URL is not ours."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._endpoints: dict[str, _Endpoint] = {}
        self._threads = ThreadPoolExecutor(8, "modelyard-external")

    def ensure(self, spec: Spec) -> None:
        """See `base.Backend`."""
        _check(spec.url)
        with self._guard:
            known = self._endpoints.get(spec.name)
            if known is not None:
                check_same(spec, known.fingerprint)
                return
            first = Replica("0", STARTING, spec.url, _host(spec.url), "It was not asked yet.")
            self._endpoints[spec.name] = _Endpoint(spec.fingerprint, spec.url, first)

    def status(self, name: str) -> Status:
        """See `base.Backend`."""
        with self._guard:
            endpoint = self._endpoints.get(name)
            if endpoint is None:
                return Status(name)
            if endpoint.asked is None and monotonic() - endpoint.at >= _BETWEEN_S:
                endpoint.asked = self._threads.submit(_probe, endpoint.url)
            asked = endpoint.asked
        if asked is not None:
            with suppress(TimeoutError):
                told = asked.result(_WAIT_S)
                with self._guard:
                    if endpoint.asked is asked:
                        endpoint.told, endpoint.asked, endpoint.at = told, None, monotonic()
        return Status(name, (endpoint.told,))

    def stop(self, name: str) -> None:
        """See `base.Backend`: it is forgotten."""
        with self._guard:
            self._endpoints.pop(name, None)

    def list(self) -> tuple[str, ...]:
        """See `base.Backend`: what this process was asked for, since nothing else is there to be found."""
        with self._guard:
            return tuple(sorted(self._endpoints))

    def close(self) -> None:
        """See `base.Backend`."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _check(url: str) -> None:
    """Raise InvalidArgument unless requests can be sent there."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise InvalidArgument(
            f"{url!r} is not a URL where a model answers. Give one such as http://legacy:8080/predict."
        )


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _probe(url: str) -> Replica:
    """Ask for the head of the page: whoever answers anything but that nobody is there, is there."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(host, parts.port, timeout=_PROBE_S)
    try:
        connection.request("HEAD", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        status = connection.getresponse().status
    except TimeoutError:
        return Replica("0", UNKNOWN, url, host, f"{host} gave no answer within {_PROBE_S:g} seconds.")
    except (OSError, http.client.HTTPException) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
        return Replica("0", UNKNOWN, url, host, f"{host} does not answer: {why}.")
    finally:
        connection.close()
    if status in _AWAY:
        return Replica("0", UNKNOWN, url, host, f"{host} answers that the service is away (status {status}).")
    return Replica("0", READY, url, host)


def open_backend(address: str = "", *, lasting: bool = False) -> ExternalBackend:  # noqa: ARG001 - nothing to keep
    """Make one; what is behind the URL lasts or does not, whatever is asked for here."""
    return ExternalBackend()
