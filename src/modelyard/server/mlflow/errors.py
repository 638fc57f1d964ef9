"""Domain error → MLflow's (error_code, HTTP status). Source: MLflow's `exceptions.py`, as observed on 3.11.1."""

from __future__ import annotations

import msgspec

from modelyard.domain import errors

STATUS: dict[type[errors.ModelyardError], tuple[str, int]] = {
    errors.InvalidArgument: ("INVALID_PARAMETER_VALUE", 400),
    errors.NotFound: ("RESOURCE_DOES_NOT_EXIST", 404),
    errors.AlreadyExists: ("RESOURCE_ALREADY_EXISTS", 400),
    errors.InvalidState: ("INVALID_PARAMETER_VALUE", 400),
    errors.Conflict: ("RESOURCE_CONFLICT", 409),
    errors.PermissionDenied: ("PERMISSION_DENIED", 403),
    errors.Unauthenticated: ("UNAUTHENTICATED", 401),
    errors.NotSupported: ("NOT_IMPLEMENTED", 501),
    errors.TooLarge: ("BAD_REQUEST", 413),
    errors.Timeout: ("BAD_REQUEST", 408),
    errors.RangeNotSatisfiable: ("BAD_REQUEST", 416),
    errors.DataCorrupted: ("DATA_LOSS", 500),
    errors.Unavailable: ("TEMPORARILY_UNAVAILABLE", 503),
    errors.ModelyardError: ("INTERNAL_ERROR", 500),
}


def answer(error: errors.ModelyardError) -> tuple[int, bytes]:
    """Status and JSON body for an error."""
    code, status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    message = error.message
    if message.startswith("Invalid path: it "):
        message = "Invalid path"  # MLflow's clients may compare the whole text
    return status, msgspec.json.encode({"error_code": code, "message": message})
