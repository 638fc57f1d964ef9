"""What a server answers when it refuses → domain errors: MLflow's JSON, our problem+json, a proxy's HTML."""

from __future__ import annotations

import re
from typing import Final

from modelyard.domain import errors
from modelyard.domain.errors import ModelyardError

CODES: Final[dict[str, type[ModelyardError]]] = {
    "RESOURCE_DOES_NOT_EXIST": errors.NotFound,
    "NOT_FOUND": errors.NotFound,
    "ENDPOINT_NOT_FOUND": errors.NotSupported,
    "INVALID_PARAMETER_VALUE": errors.InvalidArgument,
    "BAD_REQUEST": errors.InvalidArgument,
    "MALFORMED_REQUEST": errors.InvalidArgument,
    "RESOURCE_ALREADY_EXISTS": errors.AlreadyExists,
    "INVALID_STATE": errors.InvalidState,
    "RESOURCE_CONFLICT": errors.Conflict,
    "ABORTED": errors.Conflict,
    "PERMISSION_DENIED": errors.PermissionDenied,
    "UNAUTHENTICATED": errors.Unauthenticated,
    "CUSTOMER_UNAUTHORIZED": errors.Unauthenticated,
    "NOT_IMPLEMENTED": errors.NotSupported,
    "FEATURE_DISABLED": errors.NotSupported,
    "DATA_LOSS": errors.DataCorrupted,
    "TEMPORARILY_UNAVAILABLE": errors.Unavailable,
    "REQUEST_LIMIT_EXCEEDED": errors.Unavailable,
    "RESOURCE_LIMIT_EXCEEDED": errors.Unavailable,
    "DEADLINE_EXCEEDED": errors.Unavailable,
    # our native API's
    "not_found": errors.NotFound,
    "no_such_endpoint": errors.NotSupported,
    "method_not_allowed": errors.NotSupported,
    "invalid_argument": errors.InvalidArgument,
    "already_exists": errors.AlreadyExists,
    "invalid_state": errors.InvalidState,
    "conflict": errors.Conflict,
    "permission_denied": errors.PermissionDenied,
    "unauthenticated": errors.Unauthenticated,
    "not_supported": errors.NotSupported,
    "too_large": errors.TooLarge,
    "timeout": errors.Timeout,
    "range_not_satisfiable": errors.RangeNotSatisfiable,
    "data_corrupted": errors.DataCorrupted,
    "unavailable": errors.Unavailable,
}
"""Error code of an answer → what it means. Source: MLflow's `databricks.proto` and our `server.api.errors`."""

STATUSES: Final[dict[int, type[ModelyardError]]] = {
    400: errors.InvalidArgument,
    401: errors.Unauthenticated,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    405: errors.NotSupported,
    408: errors.Unavailable,
    409: errors.Conflict,
    413: errors.TooLarge,
    416: errors.RangeNotSatisfiable,
    422: errors.InvalidArgument,
    425: errors.Unavailable,
    429: errors.Unavailable,
    501: errors.NotSupported,
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.Unavailable,
}
"""HTTP status → what it means, where the body does not say."""

_PASSING: Final = (errors.Unavailable, errors.Timeout, errors.Unauthenticated, errors.PermissionDenied)
_TAGS: Final = re.compile(rb"<(?:script|style|title).*?</(?:script|style|title)>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_SHOWN: Final = 500


def read(status: int, body: bytes, asked: str) -> ModelyardError:
    """The error that an answer with a status of 400 or more stands for.

    Args:
        status: of HTTP.
        body: of the answer.
        asked: method and URL, for answers that do not explain themselves.
    """
    import msgspec

    try:
        told = msgspec.json.decode(body) if body else None
    except msgspec.DecodeError:
        told = None
    told = told if isinstance(told, dict) else {}
    code = told.get("error_code") or told.get("code")
    message = told.get("message") or told.get("detail")
    if not isinstance(code, str):
        code = ""
    kind = CODES.get(code) or STATUSES.get(status, ModelyardError)
    if status in (408, 425, 429):
        kind = errors.Unavailable  # whatever the body calls it, a later request may succeed
    if not code and status == 404:
        kind = errors.NotSupported  # an endpoint explains what is missing; this is the absence of one
    if not isinstance(message, str) or not message:
        text = " ".join(_TAGS.sub(b" ", body[:20_000]).decode(errors="replace").split())[:_SHOWN].rstrip(".")
        message = f"{asked} was answered with HTTP status {status}{': ' + text if text else ''}."
    error = kind(message, _places(told.get("errors")))
    if code.isupper():  # MLflow's; ours are in lower case, and the kind's own name says the same
        error.error_code = code
    return error


def _places(told: object) -> list[tuple[str, str]]:
    """Where in the request something is wrong, as our problem+json says it."""
    parts = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    return [(str(each.get("pointer", "")), str(each.get("detail", ""))) for each in parts]


def may_pass(error: ModelyardError) -> bool:
    """Whether the same request may succeed later, without a change of what it sends.

    So it is when the server cannot be reached, is overloaded, failed, or does not let us in just now. Everything else
    is about what was asked.
    """
    return isinstance(error, _PASSING) or type(error) is ModelyardError
