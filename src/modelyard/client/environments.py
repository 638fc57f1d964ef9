"""`Client`: environments and the registry's history, which only Modelyard servers have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from .pages import Page, Results, search
from .transport import NATIVE
from .versions import Versions

if TYPE_CHECKING:
    from modelyard.wire.environments import Environment, PointedAt, Pointer
    from modelyard.wire.history import Event

    from .entities import ModelVersion

T = TypeVar("T")

MOST = 500
"""Most events in one answer."""


class Environments(Versions):
    """Environments, in which versions serve, and the history of all changes in the registry."""

    def list_environments(self) -> list[Environment]:
        """All environments, the most advanced last. Modelyard's own.

        Raises:
            NotSupported: the server is a stock MLflow server.
        """
        from modelyard.wire.environments import EnvironmentList

        return self._native("GET", "environments", None, EnvironmentList).environments

    def list_model_environments(self, name: str) -> list[Pointer]:
        """Which version of a registered model is in each environment. Modelyard's own."""
        from modelyard.wire.environments import PointerList

        return self._native("GET", _path(name), None, PointerList).environments

    def get_model_version_by_environment(self, name: str, environment: str) -> ModelVersion:
        """Read the version that is in an environment. Modelyard's own.

        Raises:
            NotFound: there is no such model or environment, or nothing is in it.
        """
        from modelyard.wire.versions import Version

        found = self._native("GET", _path(name, environment), None, Version)
        return self.get_model_version(name, found.version)

    def set_model_environment(self, name: str, environment: str, version: str | int, reason: str = "") -> ModelVersion:
        """Put a version into an environment. Modelyard's own.

        Args:
            name: the registered model's name.
            environment: such as `production`.
            version: its number, or whatever else names it: a label, `@alias`, another environment, `latest`.
            reason: why; kept in the history.

        Raises:
            NotFound: there is no such model, version or environment.
        """
        from modelyard.wire.versions import PointTo, Version

        reference = int(version) if str(version).isdigit() else version
        put = self._native("PUT", _path(name, environment), PointTo(version=reference, reason=reason), Version)
        return self.get_model_version(name, put.version)

    def clear_model_environment(self, name: str, environment: str, reason: str = "") -> None:
        """Leave an environment empty of a model's versions. Modelyard's own."""
        from modelyard.wire.versions import WithReason

        self._native("DELETE", _path(name, environment), WithReason(reason=reason), None)

    def get_model_environment_at(self, name: str, environment: str, time_ms: int) -> PointedAt:
        """Which version was in an environment at a time. Modelyard's own.

        Args:
            name: the registered model's name.
            environment: such as `production`.
            time_ms: ms since the epoch.
        """
        from modelyard.wire.environments import At
        from modelyard.wire.environments import PointedAt as Answer

        return self._native("GET", _path(name, environment) + "/at", At(time_ms=time_ms), Answer)

    def get_history(
        self,
        name: str | None = None,
        version: str | int | None = None,
        max_results: int | None = None,
        page_token: str | None = None,
    ) -> Page[Event] | Results[Event]:
        """What happened in the registry, the newest first: who, when, what, from, to, and why. Modelyard's own.

        Args:
            name: only to this registered model, renamed or deleted since or not; None: to all.
            version: only to this version of it.
            max_results: the most events that are wanted; None: all.
            page_token: the `token` of an earlier page: go on there.
        """
        from modelyard.wire.history import EventPage, HistoryQuery, ModelHistoryQuery

        def fetch(limit: int, cursor: str) -> tuple[list[Event], str]:
            if name is None:
                answer = self._native("GET", "history", HistoryQuery(limit=limit, cursor=cursor), EventPage)
            else:
                query = ModelHistoryQuery(
                    limit=limit, cursor=cursor, version=int(version) if version is not None else None
                )
                answer = self._native("GET", f"models/{quote(name, safe='')}/history", query, EventPage)
            return answer.events, answer.next_cursor or ""

        return search(
            fetch,
            identity=lambda event: event.id,
            max_results=max_results,
            page_token=page_token,
            page=MOST,
            most=MOST,
        )

    def _native(self, method: str, path: str, message: Any, kind: type[T] | None) -> T:
        self.registry.native("Environments and history")
        return self.registry.call(method, NATIVE + path, message, kind)


def _path(name: str, *environment: str) -> str:
    return "/".join(["models", quote(name, safe=""), "environments", *(quote(each, safe="") for each in environment)])
