"""MLflow's `mlflow.exceptions`: one class catches everything that is raised on purpose; `error_code` says what it was.

The children are told apart by type, which is the better way to write new code.
"""

from modelyard.domain.errors import (
    AlreadyExists,
    Conflict,
    DataCorrupted,
    InvalidArgument,
    InvalidState,
    ModelyardError,
    NotFound,
    NotSupported,
    PermissionDenied,
    RangeNotSatisfiable,
    Timeout,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from modelyard.optional import MissingExtraError

MlflowException = ModelyardError
RestException = ModelyardError

__all__ = [
    "AlreadyExists",
    "Conflict",
    "DataCorrupted",
    "InvalidArgument",
    "InvalidState",
    "MissingExtraError",
    "MlflowException",
    "ModelyardError",
    "NotFound",
    "NotSupported",
    "PermissionDenied",
    "RangeNotSatisfiable",
    "RestException",
    "Timeout",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
]
