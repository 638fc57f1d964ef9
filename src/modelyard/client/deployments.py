"""`Client`: deployments, which only Modelyard servers have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from .connection import Connection
from .transport import NATIVE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from modelyard.wire.deployments import (
        Deployment,
        DeploymentEvent,
        DeploymentEventList,
        DeploymentRevision,
        Rollout,
        SpecFindings,
    )

    from .followed import FollowedDeployment

T = TypeVar("T")

MOST: Final = 1000
"""Most revisions, rollouts or events in one answer."""
WAIT_S: Final = 20.0
"""How long one request waits for the next event."""


class Deployments(Connection):
    """Served names, on the server of the tracking URI: what answers them, and how a new version takes its place."""

    def list_deployments(self) -> list[Deployment]:
        """All deployments by name, and how each stands. Modelyard's own.

        Raises:
            NotSupported: the server is a stock MLflow server.
        """
        from modelyard.wire.deployments import DeploymentList

        return self._deploy("GET", "", None, DeploymentList).deployments

    def get_deployment(self, name: str) -> Deployment:
        """What is wanted of a deployment, what answers, and what goes on. Modelyard's own.

        Raises:
            NotFound: there is none of this name.
        """
        from modelyard.wire.deployments import Deployment as Answer

        return self._deploy("GET", _path(name), None, Answer)

    def check_deployment(self, spec: Mapping[str, Any]) -> SpecFindings:
        """Look at a spec: what is wrong with it and where, what it would change. Nothing is changed. Modelyard's own.

        Args:
            spec: as docs/deployments.md describes it.
        """
        from modelyard.wire.deployments import SpecFindings as Answer
        from modelyard.wire.deployments import SpecToCheck

        return self._deploy("POST", "/check", SpecToCheck(spec=dict(spec)), Answer)

    def apply_deployment(self, spec: Mapping[str, Any], *, force: bool = False, reason: str = "") -> SpecFindings:
        """Make a deployment, or change what is wanted of it. Modelyard's own.

        Args:
            spec: as docs/deployments.md describes it; all of it: what is left out is as by default.
            force: go past what does not fit the model's signature; that is written down.
            reason: why; kept in the history.

        Raises:
            InvalidArgument: the spec cannot be; `places` are all that is wrong with it.
        """
        from modelyard.wire.deployments import SpecFindings as Answer
        from modelyard.wire.deployments import WantedDeployment

        wanted = WantedDeployment(spec=dict(spec), force=force, reason=reason)
        return self._deploy("PUT", _path(str(spec.get("name") or "?")), wanted, Answer)

    def delete_deployment(self, name: str, reason: str = "") -> None:
        """Delete a deployment: its replicas are stopped, its past is kept. Modelyard's own.

        Raises:
            NotFound: there is none of this name.
        """
        from modelyard.wire.versions import WithReason

        self._deploy("DELETE", _path(name), WithReason(reason=reason), None)

    def pause_deployment(self, name: str, reason: str = "") -> Deployment:
        """Stay at the current step of a rollout, and begin nothing new. Modelyard's own.

        Raises:
            InvalidState: it is paused already.
        """
        return self._say(name, "pause", reason)

    def resume_deployment(self, name: str, reason: str = "") -> Deployment:
        """Go on; if nothing is paused, try again what was rolled back. Modelyard's own.

        Raises:
            InvalidState: nothing is paused, and nothing is held back.
        """
        return self._say(name, "resume", reason)

    def approve_rollout(self, name: str, *, everything: bool = False, reason: str = "") -> Deployment:
        """Agree that a rollout goes on. Modelyard's own.

        Args:
            name: of the deployment.
            everything: skip what is left: the new revision gets all traffic at once.
            reason: why.

        Raises:
            InvalidState: nothing waits to be approved, or the new revision is not ready.
        """
        from modelyard.wire.deployments import Approval
        from modelyard.wire.deployments import Deployment as Answer

        approval = Approval(everything=everything, reason=reason)
        return self._deploy("POST", _path(name, "approve"), approval, Answer, again=False)

    def abort_rollout(self, name: str, reason: str = "") -> Deployment:
        """Stop a rollout: the revision that answered before gets all traffic. Modelyard's own.

        Raises:
            InvalidState: no rollout runs.
        """
        return self._say(name, "abort", reason)

    def rollback_deployment(self, name: str, reason: str = "") -> Deployment:
        """Stop a rollout or, if none runs, return to the revision before. Modelyard's own.

        Raises:
            InvalidState: there is nothing to return to.
        """
        return self._say(name, "rollback", reason)

    def rehearse_deployment(self, name: str, reason: str = "") -> str:
        """Deploy a copy, test it, remove it; an event `rehearsed` tells how it went. Modelyard's own.

        Returns:
            The copy's name.

        Raises:
            InvalidState: a rehearsal is under way.
        """
        from modelyard.wire.deployments import Rehearsal, Said

        return self._deploy("POST", _path(name, "rehearse"), Said(reason=reason), Rehearsal, again=False).name

    def list_deployment_revisions(self, name: str, max_results: int = MOST) -> list[DeploymentRevision]:
        """A deployment's history, newest first: who, when, why, what changed, what came of it. Modelyard's own."""
        from modelyard.wire.deployments import DeploymentRevisionList, PastQuery

        query = PastQuery(limit=min(max_results, MOST))
        return self._deploy("GET", _path(name, "revisions"), query, DeploymentRevisionList).revisions

    def list_rollouts(self, name: str, max_results: int = 100) -> list[Rollout]:
        """A deployment's rollouts, newest first, with their last checks. Modelyard's own."""
        from modelyard.wire.deployments import PastQuery, RolloutList

        query = PastQuery(limit=min(max_results, MOST))
        return self._deploy("GET", _path(name, "rollouts"), query, RolloutList).rollouts

    def get_deployment_events(
        self, name: str, after: int | None = None, wait_s: float = 0.0, max_results: int = 100
    ) -> DeploymentEventList:
        """What happened to a deployment, oldest first, even if it is deleted. Modelyard's own.

        Args:
            name: of the deployment.
            after: only what came after this event (`next_after` of the answer before); None: the newest events.
            wait_s: with `after`: wait so many seconds, 30 at most, for the next event if there is none.
            max_results: the most events.
        """
        from modelyard.wire.deployments import DeploymentEventList as Answer
        from modelyard.wire.deployments import DeploymentEventQuery

        query = DeploymentEventQuery(after=after, wait_s=wait_s, limit=min(max_results, MOST))
        return self._deploy("GET", _path(name, "events"), query, Answer, timeout_s=wait_s + 30.0)

    def watch_deployment(self, name: str, after: int | None = None) -> Iterator[DeploymentEvent]:
        """What happens to a deployment, from now on or from an event on, as it happens; never ends. Modelyard's own."""
        if after is None:
            after = self.get_deployment_events(name, max_results=1).next_after
        while True:
            told = self.get_deployment_events(name, after, WAIT_S)
            yield from told.events
            after = told.next_after

    def follow_deployment(self, name: str) -> FollowedDeployment:
        """The settings of a deployment's segments, at hand in this process and kept up to date. Modelyard's own.

        Raises:
            NotFound: there is none of this name.
        """
        from .followed import FollowedDeployment as Followed

        return Followed(self, name)

    def _say(self, name: str, word: str, reason: str) -> Deployment:
        from modelyard.wire.deployments import Deployment as Answer
        from modelyard.wire.deployments import Said

        return self._deploy("POST", _path(name, word), Said(reason=reason), Answer, again=False)

    def _deploy(
        self,
        method: str,
        path: str,
        message: Any,
        kind: type[T] | None,
        *,
        again: bool = True,
        timeout_s: float | None = None,
    ) -> T:
        self.tracking.native("Deployments")
        return self.tracking.call(method, f"{NATIVE}deployments{path}", message, kind, again=again, timeout_s=timeout_s)


def _path(name: str, *more: str) -> str:
    return "/".join(["", quote(name, safe=""), *more])
