"""Requests that are not answered with a prediction: which status, and in which words of each protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from modelyard.domain import errors

from .calls import INVOCATIONS, NATURAL, Answered

if TYPE_CHECKING:
    from collections.abc import Sequence

PROBLEM: Final = b"application/problem+json"


class WrongContentType(errors.InvalidArgument):
    """The body is of a type that is not read here."""


class ModelFailed(errors.ModelyardError):
    """The model raised, or answered what no protocol has words for."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of refusal.

    Attributes:
        status: of HTTP.
        code: its name in the natural protocol.
        title: its name for people.
        error_code: MLflow's name.
    """

    status: int
    code: str
    title: str
    error_code: str


KINDS: Final[dict[int, Kind]] = {
    each.status: each
    for each in (
        Kind(400, "invalid_argument", "The request is not valid", "BAD_REQUEST"),
        Kind(404, "not_found", "Not found", "RESOURCE_DOES_NOT_EXIST"),
        Kind(405, "method_not_allowed", "Method not allowed", "BAD_REQUEST"),
        Kind(408, "timeout", "The request came too slowly", "BAD_REQUEST"),
        Kind(413, "too_large", "The body is too large", "BAD_REQUEST"),
        Kind(415, "unsupported_media_type", "Not the type that is read here", "BAD_REQUEST"),
        Kind(500, "model_failed", "The model failed", "INTERNAL_ERROR"),
        Kind(503, "unavailable", "Not available now", "TEMPORARILY_UNAVAILABLE"),
        Kind(504, "deadline_exceeded", "No answer in time", "DEADLINE_EXCEEDED"),
    )
}

_STATUS: Final[dict[type[errors.ModelyardError], int]] = {
    WrongContentType: 415,
    errors.InvalidArgument: 400,
    errors.NotFound: 404,
    errors.TooLarge: 413,
    errors.Timeout: 504,
    errors.Unavailable: 503,
    errors.ModelyardError: 500,
}


def status_of(error: errors.ModelyardError) -> int:
    """The status that an error is answered with, on every protocol."""
    return next(_STATUS[each] for each in type(error).__mro__ if each in _STATUS)


def refuse(protocol: int, status: int, message: str, places: Sequence[tuple[str, str]] = ()) -> Answered:
    """An error in a protocol's words.

    Args:
        protocol: one of those in `calls`.
        status: of HTTP.
        message: what was wrong, what was expected, and what to do.
        places: where in the body, as JSON pointers, and what is wrong there.
    """
    kind = KINDS.get(status) or Kind(status, "refused", "Refused", "INTERNAL_ERROR")
    content: dict[str, Any]
    if protocol == NATURAL:
        content = {
            "type": f"/docs#{kind.code}",
            "title": kind.title,
            "status": status,
            "code": kind.code,
            "detail": message,
            "errors": [{"pointer": pointer, "detail": what} for pointer, what in places],
        }
        return Answered(status, encode(content), PROBLEM)
    content = {"error_code": kind.error_code, "message": message} if protocol == INVOCATIONS else {"error": message}
    return Answered(status, encode(content))


def encode(content: dict[str, Any]) -> bytes:
    """JSON, also of texts that a request brought and that are not valid Unicode."""
    try:
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        import json

        return json.dumps(content).encode()
