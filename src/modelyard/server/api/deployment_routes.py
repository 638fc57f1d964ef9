"""The endpoints of deployments."""

from __future__ import annotations

from typing import Final

from modelyard.domain.errors import InvalidState, NotFound, Unavailable
from modelyard.wire import deployments as wire
from modelyard.wire import trials as trial_wire
from modelyard.wire.versions import WithReason

from . import deployments, trials
from .edge import Route

_GONE: Final = (NotFound,)
_STATE: Final = (NotFound, InvalidState)
_GROUP: Final = "Deployments"


def _said(word: str, endpoint: object, summary: str, takes: type = wire.Said) -> Route:
    """Something that a person says to a deployment."""
    return Route(
        "POST",
        f"/deployments/{{name}}/{word}",
        endpoint,  # type: ignore[arg-type]
        summary,
        _GROUP,
        takes=takes,
        gives=wire.Deployment,
        errors=_STATE,
    )


DEPLOYMENTS: Final = [
    Route(
        "GET",
        "/deployments",
        deployments.listing,
        "List deployments, and how each stands.",
        _GROUP,
        gives=wire.DeploymentList,
    ),
    Route(
        "POST",
        "/deployments/check",
        deployments.check,
        "Look at a spec: what is wrong with it, what it would change.",
        _GROUP,
        takes=wire.SpecToCheck,
        gives=wire.SpecFindings,
    ),
    Route(
        "GET",
        "/deployments/{name}",
        deployments.get,
        "Read what is wanted of a deployment, what answers, and what goes on.",
        _GROUP,
        gives=wire.Deployment,
        errors=_GONE,
    ),
    Route(
        "PUT",
        "/deployments/{name}",
        deployments.apply,
        "Make a deployment, or change what is wanted of it.",
        _GROUP,
        takes=wire.WantedDeployment,
        gives=wire.SpecFindings,
    ),
    Route(
        "DELETE",
        "/deployments/{name}",
        deployments.delete,
        "Delete a deployment; its replicas stop, its past stays.",
        _GROUP,
        takes=WithReason,
        errors=_GONE,
    ),
    Route(
        "GET",
        "/deployments/{name}/revisions",
        deployments.revisions,
        "List revisions, the newest first: who, when, why, what changed, what came of it.",
        _GROUP,
        takes=wire.PastQuery,
        gives=wire.DeploymentRevisionList,
        errors=_GONE,
    ),
    Route(
        "GET",
        "/deployments/{name}/rollouts",
        deployments.rollouts,
        "List rollouts, the newest first, with their last checks.",
        _GROUP,
        takes=wire.PastQuery,
        gives=wire.RolloutList,
        errors=_GONE,
    ),
    Route(
        "GET",
        "/deployments/{name}/events",
        deployments.events,
        "Read what happened, in order; waits for the next, if you like.",
        _GROUP,
        takes=wire.DeploymentEventQuery,
        gives=wire.DeploymentEventList,
        errors=_GONE,
    ),
    _said("pause", deployments.pause, "Stay at the current step; begin nothing new."),
    _said("resume", deployments.resume, "Go on; or try again what is held back."),
    _said("approve", deployments.approve, "Agree that a rollout goes on, or skip all that is left.", wire.Approval),
    _said("abort", deployments.abort, "Stop a rollout: stable gets all traffic."),
    _said("rollback", deployments.rollback, "Go back: abort the rollout, or return to the revision before."),
    Route(
        "POST",
        "/deployments/{name}/rehearse",
        deployments.rehearse,
        "Deploy a copy, test it, and remove it.",
        _GROUP,
        takes=wire.Said,
        gives=wire.Rehearsal,
        errors=_STATE,
    ),
    Route(
        "GET",
        "/deployments/{name}/try",
        trials.form,
        "Read what one may ask a deployment: columns, params, an example.",
        _GROUP,
        gives=trial_wire.TrialForm,
        errors=_GONE,
    ),
    Route(
        "POST",
        "/deployments/{name}/try",
        trials.ask,
        "Ask a deployment through this server, as a page does, which may ask no other.",
        _GROUP,
        takes=trial_wire.Trial,
        gives=trial_wire.TrialAnswer,
        errors=(NotFound, Unavailable),
    ),
]
