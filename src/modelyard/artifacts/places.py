"""Where artifact URIs lead: to the server's own store, or to another one that it may reach.

A run's or a version's artifact URI comes from a client. So it may name what the server can read but the client should
not: a local path outside the server's own artifact root is refused.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from modelyard.artifacts.base import ArtifactStore, store_for
from modelyard.artifacts.paths import contained
from modelyard.domain.errors import InvalidArgument, PermissionDenied

PROXIED: Final = "mlflow-artifacts"
"""Scheme of artifacts that clients reach through the server."""

_ROUTE: Final = "/mlflow-artifacts/artifacts/"
_KEPT: Final = 32


@dataclass(frozen=True, slots=True)
class Place:
    """A store, and a path in it; "" is its root."""

    store: ArtifactStore
    path: str

    def below(self, relative: str) -> "Place":
        """The place of `relative`, a path that a client named, below this one.

        Raises:
            InvalidArgument: if it would not be below.
        """
        inner = contained(relative)
        return Place(self.store, "/".join(part for part in (self.path, inner) if part))


class Places:
    """The server's store, and the way from URIs to stores.

    Args:
        root: URI of the store behind `mlflow-artifacts:`.
        options: settings for object stores, as in `store_for`.

    Attributes:
        root: that store.
    """

    def __init__(self, root: str, options: Mapping[str, str] | None = None) -> None:
        self._options = dict(options or {})
        self.root = store_for(root, self._options)
        self._root_uri = self.root.uri.rstrip("/") + "/"
        self._stores: OrderedDict[str, ArtifactStore] = OrderedDict()

    def locate(self, uri: str) -> Place:
        """The place that an artifact URI names. Nothing is contacted.

        Raises:
            InvalidArgument: if the scheme is unknown, or a path in it leads upwards.
            PermissionDenied: for a local path outside the server's own root.
        """
        parts = urlsplit(uri)
        scheme = parts.scheme.lower()
        if scheme == PROXIED:
            return Place(self.root, contained(parts.path.lstrip("/")))
        if scheme in ("http", "https"):
            _, route, path = parts.path.partition(_ROUTE)
            if not route:
                raise InvalidArgument(f"{scheme}: artifact URIs must point to a server's {_ROUTE} route.")
            return Place(self.root, contained(path))
        if scheme in ("", "file"):
            uri = _local_uri(uri)
            if (uri + "/").startswith(self._root_uri):
                return Place(self.root, contained(unquote(uri[len(self._root_uri) :])))
            raise PermissionDenied(
                "This artifact URI is a local path outside the server's artifact root; the server does not open those. "
                "Use the root that the server was started with, or an object store."
            )
        if (uri.rstrip("/") + "/").startswith(self._root_uri):
            return Place(self.root, contained(uri[len(self._root_uri) :]))
        contained(parts.path.lstrip("/"))
        return Place(self._store(uri), "")

    def _store(self, uri: str) -> ArtifactStore:
        store = self._stores.get(uri)
        if store is None:
            store = self._stores[uri] = store_for(uri, self._options)
            while len(self._stores) > _KEPT:
                self._stores.popitem(last=False)
        else:
            self._stores.move_to_end(uri)
        return store


def _local_uri(uri: str) -> str:
    path = unquote(urlsplit(uri).path) if uri[:5].lower() == "file:" else uri
    if ".." in path.split("/"):
        raise InvalidArgument("Invalid path: it contains '..'")
    return Path(path).absolute().as_uri()
