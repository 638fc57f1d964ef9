"""What the loader's side allows. It is never read from the model: a model that vouches for itself vouches for nothing.

A pickle runs whatever its author wrote, at the moment it is loaded. So pickled models are refused unless the person or
the process that loads them says otherwise, and a skops file may only name types that are on our own list or on the
loader's. (MLflow read that list from the model's directory until mlflow/mlflow#25686.)
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from modelyard.domain.errors import PermissionDenied

ALLOW_PICKLE: Final = "MODELYARD_ALLOW_PICKLE"
"""Environment variable: `1` or `true` allows pickles wherever the call does not say."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What may be loaded.

    Attributes:
        pickle: Whether pickles may be loaded, which run code of whoever wrote them.
        types: Fully qualified names of further types that a skops file may hold, e.g. `my_package.steps.Clip`.
    """

    pickle: bool = False
    types: tuple[str, ...] = ()

    def require_pickle(self, file: str) -> None:
        """Allow a pickle to be loaded, or say why not.

        Args:
            file: What would be loaded, as the person knows it.

        Raises:
            PermissionDenied: pickles are not allowed.
        """
        if not self.pickle:
            raise PermissionDenied(
                f"{file} is a pickle: loading it runs code chosen by whoever wrote it. If you trust where this model "
                f"comes from, load it with allow_pickle=True, or set {ALLOW_PICKLE}=1. Otherwise ask its author to "
                "save it again in the default format, which needs no pickle."
            )


def trust(*, allow_pickle: bool | None, trusted: Sequence[str] = ()) -> Trust:
    """What a call allows; None leaves pickles to the environment variable `MODELYARD_ALLOW_PICKLE`."""
    if allow_pickle is None:
        allow_pickle = os.environ.get(ALLOW_PICKLE, "").lower() in ("1", "true", "yes")
    return Trust(allow_pickle, tuple(trusted))
