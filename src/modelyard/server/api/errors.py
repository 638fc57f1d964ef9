"""Domain error → problem+json (RFC 9457)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from modelyard.domain import errors
from modelyard.wire.problems import Problem, ProblemPart

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTENT_TYPE: Final = (b"content-type", b"application/problem+json")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem.

    Attributes:
        status: of HTTP.
        code: its name for programs.
        title: its name for people.
        advice: what to do about it; shown by `/docs`.
    """

    status: int
    code: str
    title: str
    advice: str


STATUS: Final[dict[type[errors.ModelyardError], Kind]] = {
    errors.InvalidArgument: Kind(400, "invalid_argument", "The request is not valid", "Read `detail` and `errors`."),
    errors.Unauthenticated: Kind(401, "unauthenticated", "Nobody is signed in", "Sign in."),
    errors.PermissionDenied: Kind(403, "permission_denied", "Not allowed", "Ask somebody who may do it."),
    errors.NotFound: Kind(404, "not_found", "Not found", "Check the name or id; it may be misspelt or deleted."),
    errors.Timeout: Kind(408, "timeout", "The request came too slowly", "Send it again."),
    errors.AlreadyExists: Kind(
        409, "already_exists", "The name is taken", "Choose another name, or use what is there."
    ),
    errors.InvalidState: Kind(409, "invalid_state", "Not in this state", "Restore it from the trash, for instance."),
    errors.Conflict: Kind(409, "conflict", "Somebody else changed it", "Read it again, then retry."),
    errors.TooLarge: Kind(413, "too_large", "The body is too large", "Send it in several requests."),
    errors.RangeNotSatisfiable: Kind(416, "range_not_satisfiable", "No such range", "Ask for bytes that are there."),
    errors.DataCorrupted: Kind(500, "data_corrupted", "Stored data is damaged", "Restore a backup of the store."),
    errors.NotSupported: Kind(501, "not_supported", "Not offered", "Read `detail` for another way."),
    errors.Unavailable: Kind(
        503, "unavailable", "Not reachable now", "Retry later; `/health/ready` says what is missing."
    ),
    errors.ModelyardError: Kind(500, "internal", "The server failed", "The server's log has the details."),
}

NO_ENDPOINT: Final = Kind(404, "no_such_endpoint", "No such endpoint", "`/docs` lists what there is.")
NOT_ALLOWED: Final = Kind(405, "method_not_allowed", "Method not allowed", "The `Allow` header names those that are.")
NOT_ACCEPTABLE: Final = Kind(
    406, "not_acceptable", "Only JSON is answered", "Send `Accept: application/json`, or none."
)
WRONG_MEDIA: Final = Kind(
    415,
    "unsupported_media_type",
    "Not the type that is read here",
    "Send `Content-Type: application/json`, or what the endpoint's description names.",
)

KINDS: Final = (*STATUS.values(), NO_ENDPOINT, NOT_ALLOWED, NOT_ACCEPTABLE, WRONG_MEDIA)


class Refused(Exception):
    """A request that does not get as far as an endpoint.

    Args:
        kind: what kind of problem.
        detail: what was wrong.
    """

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


def kind_of(error: type[errors.ModelyardError]) -> Kind:
    """The kind of problem that an error is."""
    return next(STATUS[each] for each in error.__mro__ if each in STATUS)


def answer(error: errors.ModelyardError) -> tuple[int, bytes]:
    """Status and body for an error."""
    return problem(kind_of(type(error)), error.message, error.places)


def problem(kind: Kind, detail: str, places: Sequence[tuple[str, str]] = ()) -> tuple[int, bytes]:
    """Status and body for a kind of problem."""
    body = Problem(
        type=f"/docs#{kind.code}",
        title=kind.title,
        status=kind.status,
        code=kind.code,
        detail=detail,
        errors=[ProblemPart(pointer=pointer, detail=what) for pointer, what in places],
    )
    return kind.status, msgspec.json.encode(body)
