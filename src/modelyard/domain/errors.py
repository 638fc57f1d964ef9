"""What can go wrong, by meaning. Each HTTP edge has one table from these to its own codes.

::

    ModelyardError
    ├── InvalidArgument        the request is malformed, or a value is not allowed
    ├── NotFound               the thing named does not exist
    ├── AlreadyExists          the name is taken
    ├── InvalidState           the thing exists, but its state forbids the call
    ├── Conflict               somebody else changed it meanwhile; read again and retry
    ├── PermissionDenied       the principal may not do this
    ├── Unauthenticated        nobody is signed in
    ├── NotSupported           understood, and deliberately not offered
    ├── TooLarge               the body is over the limit
    ├── Timeout                the client was too slow
    ├── RangeNotSatisfiable    the byte range lies outside the artifact
    ├── DataCorrupted          stored bytes do not decode
    └── Unavailable            the database or the artifact store cannot be reached now
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ModelyardError(Exception):
    """The root of every error that Modelyard raises on purpose.

    Args:
        message: What was wrong, what was expected, and what to do.
        places: Where in the request, for programs: a JSON pointer or a query parameter's name, and what is wrong there.

    Attributes:
        error_code: MLflow's name for the kind of error; a client says the one that the server sent.
    """

    error_code: str = "INTERNAL_ERROR"

    def __init__(self, message: str, places: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.places = tuple(places)


class InvalidArgument(ModelyardError):
    """The request is malformed, or a value in it is not allowed."""

    error_code = "INVALID_PARAMETER_VALUE"


class NotFound(ModelyardError):
    """The thing that the request names does not exist."""

    error_code = "RESOURCE_DOES_NOT_EXIST"


class AlreadyExists(ModelyardError):
    """The name is taken already."""

    error_code = "RESOURCE_ALREADY_EXISTS"


class InvalidState(ModelyardError):
    """The thing exists, but its state forbids the call."""

    error_code = "INVALID_PARAMETER_VALUE"


class Conflict(ModelyardError):
    """Somebody else changed the same thing meanwhile; read it again and retry."""

    error_code = "RESOURCE_CONFLICT"


class PermissionDenied(ModelyardError):
    """The principal may not do this."""

    error_code = "PERMISSION_DENIED"


class Unauthenticated(ModelyardError):
    """Nobody is signed in, and the call needs somebody."""

    error_code = "UNAUTHENTICATED"


class NotSupported(ModelyardError):
    """The call is understood and deliberately not offered."""

    error_code = "NOT_IMPLEMENTED"


class TooLarge(ModelyardError):
    """The body is over the limit that the server sets."""

    error_code = "BAD_REQUEST"


class Timeout(ModelyardError):
    """The client was too slow in sending."""

    error_code = "BAD_REQUEST"


class RangeNotSatisfiable(ModelyardError):
    """The byte range lies outside the artifact."""

    error_code = "BAD_REQUEST"


class DataCorrupted(ModelyardError):
    """Stored bytes do not decode; the store was damaged from outside."""

    error_code = "DATA_LOSS"


class Unavailable(ModelyardError):
    """The database or the artifact store cannot be reached now; the same call may succeed later."""

    error_code = "TEMPORARILY_UNAVAILABLE"
