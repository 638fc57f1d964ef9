"""Domain error → MLflow's HTTP status and JSON. Source: MLflow's `exceptions.py`, as observed on 3.11.1."""

from __future__ import annotations

import msgspec

from modelyard.domain import errors

STATUS: dict[type[errors.ModelyardError], int] = {
    errors.InvalidArgument: 400,
    errors.NotFound: 404,
    errors.AlreadyExists: 400,
    errors.InvalidState: 400,
    errors.Conflict: 409,
    errors.PermissionDenied: 403,
    errors.Unauthenticated: 401,
    errors.NotSupported: 501,
    errors.TooLarge: 413,
    errors.Timeout: 408,
    errors.RangeNotSatisfiable: 416,
    errors.DataCorrupted: 500,
    errors.Unavailable: 503,
    errors.ModelyardError: 500,
}


def answer(error: errors.ModelyardError) -> tuple[int, bytes]:
    """Status and JSON body for an error."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    message = error.message
    if message.startswith("Invalid path: it "):
        message = "Invalid path"  # MLflow's clients may compare the whole text
    return status, msgspec.json.encode({"error_code": error.error_code, "message": message})
