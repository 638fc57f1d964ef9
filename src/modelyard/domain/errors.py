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


class ModelyardError(Exception):
    """The root of every error that Modelyard raises on purpose.

    Args:
        message: What was wrong, what was expected, and what to do.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidArgument(ModelyardError):
    """The request is malformed, or a value in it is not allowed."""


class NotFound(ModelyardError):
    """The thing that the request names does not exist."""


class AlreadyExists(ModelyardError):
    """The name is taken already."""


class InvalidState(ModelyardError):
    """The thing exists, but its state forbids the call."""


class Conflict(ModelyardError):
    """Somebody else changed the same thing meanwhile; read it again and retry."""


class PermissionDenied(ModelyardError):
    """The principal may not do this."""


class Unauthenticated(ModelyardError):
    """Nobody is signed in, and the call needs somebody."""


class NotSupported(ModelyardError):
    """The call is understood and deliberately not offered."""


class TooLarge(ModelyardError):
    """The body is over the limit that the server sets."""


class Timeout(ModelyardError):
    """The client was too slow in sending."""


class RangeNotSatisfiable(ModelyardError):
    """The byte range lies outside the artifact."""


class DataCorrupted(ModelyardError):
    """Stored bytes do not decode; the store was damaged from outside."""


class Unavailable(ModelyardError):
    """The database or the artifact store cannot be reached now; the same call may succeed later."""
