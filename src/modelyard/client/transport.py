"""One HTTP client for a tracking server: pool, time-outs, retries, signing in, error bodies → domain errors."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

from modelyard import __version__, settings
from modelyard.domain.errors import InvalidArgument, ModelyardError, NotSupported, Unavailable

from . import refusals, uris
from .credentials import from_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import msgspec
    import urllib3

MLFLOW: Final = "/api/2.0/mlflow/"
NATIVE: Final = "/api/v1/"

CONNECT_TIMEOUT_S: Final = 10.0
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 10.0
POOL: Final = 64
"""Connections that are kept; they are made as threads need them."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Server:
    """What answers at a tracking URI.

    Attributes:
        kind: `modelyard`, or `mlflow` for everything else that speaks its protocol.
        version: as numbers, such as (3, 17, 2); empty if it does not say.
    """

    kind: str
    version: tuple[int, ...]

    @property
    def native(self) -> bool:
        """Whether it has our own API beside MLflow's."""
        return self.kind == "modelyard"


class Transport:
    """Requests to one tracking server. Threads may share it; a forked child opens connections of its own.

    Args:
        uri: a tracking URI as `uris.normal` spells it. A local one is served by a process that is found, or started.
        timeout_s: seconds without a byte after which an answer is given up, 0 for never; None: as the settings say.
        retries: how often a request is tried again; None: as the settings say.

    Attributes:
        uri: the tracking URI.
        away: whether the last request did not reach the server.
    """

    def __init__(self, uri: str, *, timeout_s: float | None = None, retries: int | None = None) -> None:
        self.uri = uri
        self.away = False
        self._timeout_s = settings.HTTP_TIMEOUT_S.get() if timeout_s is None else timeout_s
        self._retries = settings.HTTP_RETRIES.get() if retries is None else retries
        self._local = uris.is_local(uri)
        self._pool: urllib3.PoolManager | None = None
        self._pool_pid = 0
        self._authorization = ""
        self._url = ""
        self._server: Server | None = None
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}

    def __repr__(self) -> str:
        return f"Transport({uris.shown(self.uri)!r})"

    # -------------------------------------------------------------------------------- messages

    def call(
        self,
        method: str,
        path: str,
        message: Any = None,
        kind: type[T] | None = None,
        *,
        again: bool = True,
        timeout_s: float | None = None,
        retries: int | None = None,
    ) -> T:
        """Send a JSON message, and read the answer.

        Args:
            method: of HTTP.
            path: from the server's root, as `/api/2.0/mlflow/runs/get`.
            message: a dict or a struct; a GET or DELETE of the native API carries it as a query. None: nothing.
            kind: what the answer is read as; None: it is not read.
            again: whether the request may be sent twice if it is not known whether it arrived.
            timeout_s: instead of the transport's.
            retries: instead of the transport's.

        Returns:
            The answer, as `kind`; None without one.

        Raises:
            ModelyardError: what the server refuses, as the domain error that it stands for.
            Unavailable: the server cannot be reached.
        """
        import msgspec

        headers = {"Accept": "application/json"}
        query, body = None, None
        if message is not None:
            if method == "GET" or (method == "DELETE" and path.startswith(NATIVE)):
                query = queried(message)
            else:
                body = msgspec.json.encode(message)
                headers["Content-Type"] = "application/json"
        response = self.request(
            method, path, body=body, headers=headers, query=query, again=again, timeout_s=timeout_s, retries=retries
        )
        data: bytes = response.data
        if response.status >= 300:
            raise self.refusal(response, method, path)
        if kind is None:
            return cast("T", None)
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = msgspec.json.Decoder(kind, strict=False)
        try:
            return cast("T", decoder.decode(data))
        except msgspec.DecodeError as error:
            raise NotSupported(
                f"{method} {self._shown(path)} was answered with something else than expected ({error}). "
                "Is this the URL of a tracking server?"
            ) from error

    def refusal(self, response: Any, method: str, path: str) -> ModelyardError:
        """The domain error for an answer that is not a success; its body is read if it was not yet."""
        place = response.headers.get("location")
        if response.status < 400 and place:
            return InvalidArgument(
                f"{method} {self._shown(path)} was redirected to {uris.shown(place)}. Use the URL of the server itself "
                "as tracking URI."
            )
        return refusals.read(response.status, response.data, f"{method} {self._shown(path)}")

    # -------------------------------------------------------------------------------- requests

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Sequence[tuple[str, str]] | None = None,
        again: bool = True,
        timeout_s: float | None = None,
        retries: int | None = None,
        patient: bool = True,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        """Send one request; whatever is answered is returned, also a refusal. Redirects are not followed.

        Args:
            method: of HTTP.
            path: from the server's root, percent-encoded; or a whole URL, to which we do not sign in.
            body: bytes, a file, or an iterable of bytes. A file is rewound, an iterator is not sent again.
            headers: in addition to our own.
            query: pairs to put behind the path.
            again: whether the request may be sent twice if it is not known whether it arrived.
            timeout_s: seconds without a byte; None: the transport's.
            retries: None: the transport's.
            patient: whether a server that no connection can be made to is tried again, too.
            stream: leave the answer's body to be read by the caller, who also calls `release_conn`.

        Raises:
            Unavailable: the server could not be reached, or stayed silent.
        """
        from urllib3 import Timeout
        from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

        attempts = 1 + (self._retries if retries is None else retries)
        read_s = self._timeout_s if timeout_s is None else timeout_s
        start = body.tell() if hasattr(body, "tell") else None
        small = body is None or isinstance(body, bytes | bytearray | memoryview | str)
        replayable = small or start is not None
        # urllib3 sends under the time-out of connecting: a long body may meet a server that is slow to take it
        connect_s = min(CONNECT_TIMEOUT_S, read_s or CONNECT_TIMEOUT_S) if small else read_s or None
        timeout = Timeout(connect=connect_s, read=read_s or None)
        tail = f"?{urlencode(query)}" if query else ""
        foreign = path.startswith(("http://", "https://"))
        attempt = 0
        while True:
            attempt += 1
            more = replayable and attempt < attempts
            if attempt > 1 and start is not None:
                body.seek(start)
            try:
                url = (path if foreign else self._address() + path) + tail
                pool = self._connections()
                signed = {"Authorization": self._authorization} if self._authorization and not foreign else {}
                response = pool.request(
                    method,
                    url,
                    body=body,
                    headers={"User-Agent": AGENT, **signed, **(headers or {})},
                    timeout=timeout,
                    retries=False,
                    redirect=False,
                    preload_content=not stream,
                )
            except HTTPError as error:
                unsent = isinstance(error, NewConnectionError)
                self.away = True
                if self._local and unsent:
                    self._url = ""  # its process has gone; the next attempt finds or starts another
                nobody = unsent or isinstance(error, ConnectTimeoutError)
                if not more or not (again or unsent) or isinstance(error, SSLError) or (nobody and not patient):
                    raise Unavailable(self._unreachable(error)) from None  # the reason is in the text
                _pause(attempt)
                continue
            self.away = False
            if not more or response.status not in (_REFUSED_AT_THE_DOOR if not again else _PASSING):
                return response
            told = response.headers.get("retry-after", "")
            response.drain_conn()
            response.release_conn()
            _pause(attempt, float(told) if told.isdigit() else 0.0)

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        pool, self._pool = self._pool, None
        if pool is not None and self._pool_pid == os.getpid():
            pool.clear()

    # -------------------------------------------------------------------------------- the server

    @property
    def server(self) -> Server:
        """What answers at the tracking URI; asked once.

        Raises:
            Unavailable: nobody does.
        """
        if self._server is None:
            self._server = self._probe()
        return self._server

    def reach(self) -> None:
        """Insist that the server is there now, without waiting for one that has gone; one that is slow is waited for.

        Raises:
            Unavailable: nobody takes a connection.
        """
        if not self._local:  # there, the process is found or started
            self.request("GET", "/version", patient=False)

    def native(self, what: str) -> None:
        """Insist on a server with our own API.

        Args:
            what: what it is needed for, as the beginning of a sentence: `Labels of versions`.

        Raises:
            NotSupported: the server only speaks MLflow's protocol.
        """
        if not self.server.native:
            version = ".".join(map(str, self.server.version))
            raise NotSupported(
                f"{what} need a Modelyard server; {uris.shown(self.uri)} is a stock MLflow server"
                f"{' ' + version if version else ''}."
            )

    def _probe(self) -> Server:
        told = self.request("GET", "/version")
        if told.status in (401, 403) or told.status >= 500:
            raise self.refusal(told, "GET", "/version")
        text = told.data[:100].decode(errors="replace").strip() if told.status == 200 else ""
        numbers = re.match(r"\d+(?:\.\d+)*", text)
        version = tuple(map(int, numbers[0].split("."))) if numbers else ()
        native = self.request("GET", NATIVE + "environments")
        kind = native.headers.get("content-type", "")
        ours = kind.startswith("application/problem+json") or (
            native.status == 200 and kind.startswith("application/json") and b'"environments"' in native.data
        )
        return Server("modelyard" if ours else "mlflow", version)

    def _address(self) -> str:
        """The server's URL, without a last slash and without a password."""
        if self._url:
            return self._url
        if self._local:
            from .local import local_server

            self._url = local_server(self.uri).rstrip("/")
        else:
            parts = urlsplit(self.uri)
            self._url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        return self._url

    def _connections(self) -> urllib3.PoolManager:
        if self._pool is not None and self._pool_pid == os.getpid():
            return self._pool
        import urllib3

        userinfo = unquote(urlsplit(self.uri).netloc.rpartition("@")[0]) if not self._local else ""
        credentials = from_environment(userinfo)
        proxy = "" if self._local else _proxy(self._address())
        chosen: dict[str, Any] = {"num_pools": 4, "maxsize": POOL, **credentials.tls()}
        if not credentials.verify:  # whoever switched it off knows, and need not be told at each request
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        # Without a lock, which a fork could leave locked: two threads may both make a pool, and one of them is lost.
        pool = urllib3.ProxyManager(proxy, **chosen) if proxy else urllib3.PoolManager(**chosen)
        self._authorization = credentials.authorization
        self._pool = pool
        self._pool_pid = os.getpid()
        return pool

    def _shown(self, path: str) -> str:
        return path if path.startswith("http") else uris.shown(self._url or self.uri) + path

    def _unreachable(self, error: Exception) -> str:
        return f"The tracking server at {uris.shown(self._url or self.uri)} cannot be reached: {_reason(error)}."


AGENT: Final = f"modelyard/{__version__}"

_PASSING: Final = (429, 502, 503, 504)
_REFUSED_AT_THE_DOOR: Final = (429,)
"""Statuses with which a server says that it did nothing."""


def queried(message: Any) -> list[tuple[str, str]]:
    """A message as the query of a URL: lists as repeated names, what is None left out."""
    import msgspec

    pairs: list[tuple[str, str]] = []
    for name, value in msgspec.to_builtins(message).items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [
            (name, str(each).lower() if isinstance(each, bool) else str(each)) for each in values if each is not None
        ]
    return pairs


def _pause(attempt: int, told_s: float = 0.0) -> None:
    """Wait before the next attempt: twice as long each time, and everybody differently."""
    pause = min(FIRST_PAUSE_S * 2 ** (attempt - 1), LONGEST_PAUSE_S)
    time.sleep(max(random.uniform(pause / 2, pause), min(told_s, LONGEST_PAUSE_S)))  # noqa: S311 - not a secret


def _proxy(url: str) -> str:
    """The proxy that the environment names for a URL; empty: none."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(url)
    proxies = getproxies()
    if parts.hostname and proxy_bypass(parts.hostname):
        return ""
    found = proxies.get(parts.scheme) or proxies.get("all") or ""
    return found if not found or "://" in found else f"http://{found}"


def _reason(error: BaseException) -> str:
    """The innermost cause in words, without objects' addresses."""
    inner: BaseException = error
    while inner.__cause__ or inner.__context__:
        inner = inner.__cause__ or inner.__context__ or inner
    text = str(getattr(inner, "strerror", None) or inner)
    return re.sub(r"<[^>]*>:? ?|^.*?\(host=[^)]*\): ", "", text).strip().rstrip(".") or type(inner).__name__


_transports: dict[str, Transport] = {}
_transports_lock = threading.Lock()


def transport_for(uri: str) -> Transport:
    """This process's transport for a tracking URI, as `uris.normal` spells it."""
    with _transports_lock:
        found = _transports.get(uri)
        if found is None:
            found = _transports[uri] = Transport(uri)
        return found


def forget() -> None:
    """Close this process's transports; the next call makes new ones, with the settings that hold then."""
    with _transports_lock:
        for each in _transports.values():
            each.close()
        _transports.clear()


def _after_fork() -> None:
    """A lock may have been held by a thread that the child does not have."""
    global _transports_lock  # noqa: PLW0603 - there is one per process
    _transports_lock = threading.Lock()
    _transports.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
