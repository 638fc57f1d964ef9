"""What a flavor is, and where each one lives.

A flavor turns the model of one library into files and back. It knows nothing of manifests, signatures, environments or
servers: `packaging.model` does that once for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from modelyard import optional
from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.trust import Trust

Predict = Callable[[Any, dict[str, Any] | None], Any]
"""`predict(data, params)`: how a model answers as a python function; `params` is None when none were given."""

FLAVORS: Final = {
    "keras": "modelyard.packaging.flavors.keras",
    "lightgbm": "modelyard.packaging.flavors.lightgbm",
    "onnx": "modelyard.packaging.flavors.onnx",
    "python_function": "modelyard.packaging.flavors.python_function",
    "pytorch": "modelyard.packaging.flavors.torch",
    "sklearn": "modelyard.packaging.flavors.sklearn",
    "xgboost": "modelyard.packaging.flavors.xgboost",
}
"""The key in `flavors` of an MLmodel file → the leaf whose `FLAVOR` reads and writes it."""

PYTHON_FUNCTION: Final = "python_function"
"""MLflow's common flavor: the entry that says how the model predicts, whatever library it is of."""

ENTRY_POINTS: Final = "modelyard.flavors"
"""Group of entry points by which other packages bring flavors; each names a `Flavor` object."""


@dataclass(slots=True)
class Saved:
    """What a flavor says about what it wrote.

    Attributes:
        config: The flavor's own entry in the MLmodel file, with MLflow's keys.
        function: The entry `python_function` (`loader_module`, `data` or `model_path`, ...), None if the model cannot
            predict. `env`, `code` and `python_version` are filled in by the caller.
        requires: Import names of the packages that loading the model needs, e.g. `["sklearn", "skops"]`.
    """

    config: dict[str, Any]
    function: dict[str, Any] | None
    requires: list[str] = field(default_factory=list)


class Flavor(Protocol):
    """One library's models. An implementation is stateless; a leaf offers it as `FLAVOR`."""

    name: str
    """The key in `flavors` of an MLmodel file."""

    def save(self, model: Any, folder: Path, **options: Any) -> Saved:
        """Write the model into the folder, which exists and may already hold `code/`.

        Raises:
            InvalidArgument: the model is not of this library, or cannot be kept in the format asked for.
        """

    def load(self, folder: Path, config: Mapping[str, Any], trust: Trust) -> Any:
        """The library's own object, from a folder that we or MLflow (2.9 and later) wrote.

        Args:
            folder: The model's directory.
            config: The flavor's own entry in the MLmodel file; not trusted.
            trust: What the caller allows.

        Raises:
            PermissionDenied: it is a pickle, or holds types that nobody vouched for.
            DataCorrupted: files are missing or do not decode.
        """

    def function(self, model: Any, config: Mapping[str, Any], entry: Mapping[str, Any]) -> Predict:
        """The model as a python function, predicting as stock MLflow's `mlflow.pyfunc` would.

        Args:
            model: What `load` gave, or what is being saved.
            config: The flavor's own entry in the MLmodel file.
            entry: The entry `python_function`.
        """


def find(name: str) -> Flavor:
    """The flavor of that name: ours, or another package's by entry point.

    Raises:
        InvalidArgument: nobody brings such a flavor.
        MissingExtraError: its library is not installed; the message says what to install.
    """
    if name in FLAVORS:
        found: Flavor = optional.load(FLAVORS[name], to=f"save and load {name} models").FLAVOR
        return found
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS, name=name):
        brought: Flavor = entry.load()
        return brought
    raise InvalidArgument(f"No flavor {name!r}. Known are {', '.join(sorted(FLAVORS))}; others come with packages.")


def known(name: str) -> bool:
    """Whether a flavor of that name can be asked for."""
    from importlib.metadata import entry_points

    return name in FLAVORS or bool(entry_points(group=ENTRY_POINTS, name=name))
