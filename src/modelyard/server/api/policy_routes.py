"""The endpoints of policies, promotions and evaluations."""

from __future__ import annotations

from typing import Final

from modelyard.domain.errors import InvalidState, NotFound
from modelyard.wire import policies as wire
from modelyard.wire import versions as version_wire

from . import policies
from .edge import Route

_GONE: Final = (NotFound,)


def _of(path: str, of: str, suffix: str) -> list[Route]:
    return [
        Route(
            "GET",
            path,
            getattr(policies, f"get{suffix}"),
            f"Read the policy of {of}.",
            "Policies",
            gives=wire.PolicyEntry,
            errors=_GONE,
        ),
        Route(
            "PUT",
            path,
            getattr(policies, f"put{suffix}"),
            f"Replace the policy of {of}.",
            "Policies",
            takes=wire.PolicyChange,
            gives=wire.PolicyEntry,
            errors=_GONE,
        ),
        Route(
            "DELETE",
            path,
            getattr(policies, f"delete{suffix}"),
            f"Remove the policy of {of}.",
            "Policies",
            takes=version_wire.WithReason,
            status=204,
            errors=_GONE,
        ),
    ]


POLICIES: Final = [
    Route("GET", "/policies", policies.listing, "List all policies.", "Policies", gives=wire.PolicyList),
    *_of("/environments/{environment}/policy", "an environment, which all its slots inherit", ""),
    *_of("/environments/{environment}/slots/{slot}/policy", "a slot: a model, or models that compete", "_of_slot"),
    Route(
        "POST",
        "/environments/{environment}/slots/{slot}/explain",
        policies.explain,
        "Say which version a slot stands for, and why the others do not; with a policy to try, if you like.",
        "Policies",
        takes=wire.ExplainQuery,
        gives=wire.Explanation,
        errors=_GONE,
    ),
    Route(
        "POST",
        "/models/{name}/environments/{environment}/promote",
        policies.promote,
        "Point an environment to a version and raise the allowance with it: both or neither.",
        "Policies",
        takes=wire.Promotion,
        gives=wire.Explanation,
        errors=_GONE,
    ),
    Route(
        "GET",
        "/models/{name}/environments/{environment}/promote",
        policies.last_promotion,
        "Read the last promotion, and whether it can be undone.",
        "Policies",
        gives=wire.LastPromotion,
        errors=_GONE,
    ),
    Route(
        "DELETE",
        "/models/{name}/environments/{environment}/promote",
        policies.undo,
        "Take back the last promotion: pointer and allowance together.",
        "Policies",
        takes=version_wire.WithReason,
        gives=wire.Undone,
        errors=(NotFound, InvalidState),
    ),
    Route(
        "GET",
        "/models/{name}/evaluations",
        policies.evaluations,
        "List the metrics of a model's versions on fixed datasets.",
        "Policies",
        gives=wire.EvaluationList,
        errors=_GONE,
    ),
    Route(
        "POST",
        "/models/{name}/versions/{version}/evaluations",
        policies.evaluate,
        "Store metrics of a version, measured on one dataset.",
        "Policies",
        takes=wire.NewEvaluation,
        gives=wire.EvaluationList,
        status=201,
        errors=_GONE,
    ),
]
