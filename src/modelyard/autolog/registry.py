"""Which libraries can be autologged, with which options, and switching that on and off.

`autolog("sklearn", log_models=False)` says what is wanted. The leaf of that library is loaded, and its `install`
called, once somebody has imported the library itself: now, if it is there already. Nothing is imported for it.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from modelyard import optional
from modelyard.autolog import imports, patching
from modelyard.domain.errors import InvalidArgument

_log = logging.getLogger("modelyard")

COMMON: Final[Mapping[str, Any]] = {
    "log_models": True,
    "log_model_signatures": True,
    "log_input_examples": False,
    "log_datasets": True,
    "disable": False,
    "exclusive": False,
    "silent": False,
    "disable_for_unsupported_versions": False,
    "registered_model_name": None,
    "extra_tags": None,
}
"""Options that every library understands, with their defaults; MLflow's names and meanings."""

_CHECKPOINTS: Final = {
    "checkpoint": True,
    "checkpoint_monitor": "val_loss",
    "checkpoint_mode": "min",
    "checkpoint_save_best_only": True,
    "checkpoint_save_weights_only": False,
    "checkpoint_save_freq": "epoch",
}


@dataclass(frozen=True, slots=True)
class Library:
    """A library that can be autologged.

    Attributes:
        packages: Its import names; the first that is imported switches autologging on.
        distribution: What to ask for its version.
        least: The oldest version that is tested.
        options: What it understands beside `COMMON`, with defaults.
    """

    packages: tuple[str, ...]
    distribution: str
    least: str
    options: Mapping[str, Any] = field(default_factory=dict)


LIBRARIES: Final[Mapping[str, Library]] = {
    "sklearn": Library(
        ("sklearn",),
        "scikit-learn",
        "1.6",
        {
            "max_tuning_runs": 5,
            "log_post_training_metrics": True,
            "serialization_format": None,
            "pos_label": None,
        },
    ),
    "xgboost": Library(("xgboost",), "xgboost", "2.1", {"importance_types": None, "model_format": "ubj"}),
    "lightgbm": Library(("lightgbm",), "lightgbm", "4.5"),
    "optuna": Library(("optuna",), "optuna", "4", {"log_trials": True}),
    "lightning": Library(
        ("lightning", "pytorch_lightning"),
        "lightning",
        "2.4",
        {"log_every_n_epoch": 1, "log_every_n_step": None, **_CHECKPOINTS},
    ),
    "keras": Library(
        ("keras",),
        "keras",
        "3.6",
        {"log_every_epoch": True, "log_every_n_steps": None, "every_n_iter": 1},
    ),
}
"""Name → what is known of it. The leaf is `modelyard.autolog.<name>`, with a function `install(options)`, which is
called once for each of its packages that is imported."""

NOT_HERE: Final = frozenset({"log_traces", "log_evals", "log_compiles", "log_traces_from_compile"})
"""Options of MLflow's `autolog` that are about tracing calls of language models: accepted, and without effect."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for, for one library, with the defaults filled in: `options["log_models"]`."""

    library: str
    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        """The option's value.

        Raises:
            KeyError: the library has no such option.
        """
        return self.values[name]

    @property
    def tags(self) -> dict[str, str]:
        """Tags for each run that autologging starts or fills."""
        return {"mlflow.autologging": self.library, **{k: str(v) for k, v in (self["extra_tags"] or {}).items()}}


@dataclass(slots=True)
class _Asked:
    options: Options
    named: bool  # asked for by name; a later call for all libraries leaves it alone
    actions: list[tuple[str, Callable[[], None]]] = field(default_factory=list)


_lock = threading.RLock()
_asked: dict[str, _Asked] = {}


def autolog(library: str | None = None, *, exclude_flavors: Sequence[str] | None = None, **options: Any) -> None:
    """Switch autologging on, or off with `disable=True`, for one library or for all.

    Args:
        library: A name in `LIBRARIES`; None for all, save those that were configured by name before.
        exclude_flavors: Libraries to leave out, when `library` is None.
        options: `COMMON` and the library's own. For all libraries each takes the options that it knows.

    Raises:
        InvalidArgument: there is no such library or option.
    """
    for name in [] if library is None else [library]:
        if name not in LIBRARIES:
            raise InvalidArgument(f"{name!r} cannot be autologged. These can: {', '.join(sorted(LIBRARIES))}.")
    excluded = set(exclude_flavors or ())
    names = [library] if library is not None else [name for name in LIBRARIES if name not in excluded]
    known = set(COMMON) | NOT_HERE | {key for name in names for key in LIBRARIES[name].options}
    unknown = sorted(set(options) - known)
    if unknown:
        raise InvalidArgument(
            f"autolog has no option {', '.join(unknown)}. It takes: {', '.join(sorted(known - NOT_HERE))}."
        )
    _check(options)
    actions: list[tuple[str, Callable[[], None]]] = []
    with _lock:
        for name in names:
            before = _asked.get(name)
            if library is None and before is not None and before.named:
                continue
            actions += _switch(name, options, named=library is not None)
    # Without the lock: a package that another thread imports just now is waited for, and its actions take the lock.
    for package, action in actions:
        imports.when_imported(package, action)


def _check(options: Mapping[str, Any]) -> None:
    runs = options.get("max_tuning_runs")
    if runs is not None and (not isinstance(runs, int) or runs < 0):
        raise InvalidArgument(f"max_tuning_runs is {runs!r}; expected a whole number of 0 or more, or None for all.")
    tags = options.get("extra_tags")
    if tags is not None and not isinstance(tags, Mapping):
        raise InvalidArgument(f"extra_tags is a {type(tags).__name__}; expected a mapping of names to texts.")


def _switch(name: str, options: Mapping[str, Any], *, named: bool) -> list[tuple[str, Callable[[], None]]]:
    _off(name)
    entry = LIBRARIES[name]
    values = {**COMMON, **entry.options}
    values.update({key: value for key, value in options.items() if key in values})
    asked = _asked[name] = _Asked(Options(name, values), named)
    if not values["disable"]:
        asked.actions = [(package, functools.partial(_install, name, asked)) for package in entry.packages]
    return asked.actions


def _off(name: str) -> None:
    asked = _asked.pop(name, None)
    if asked is not None:
        for package, action in asked.actions:
            imports.forget(package, action)
    patching.restore(name)


def _install(name: str, asked: _Asked) -> None:
    with _lock:
        if _asked.get(name) is not asked or not _supported(name, asked.options):
            return
        if asked.options["silent"]:
            patching.silence(name)
        leaf = optional.load(f"modelyard.autolog.{name}", to=f"autolog {name}")
        try:
            leaf.install(asked.options)
        except BaseException:
            patching.restore(name)  # all of it or nothing
            raise


def _supported(name: str, options: Options) -> bool:
    from importlib import metadata

    from packaging.version import InvalidVersion, Version

    entry = LIBRARIES[name]
    try:
        version = metadata.version(entry.distribution)
        if Version(version) >= Version(entry.least):
            return True
    except (metadata.PackageNotFoundError, InvalidVersion):
        return True  # installed under another name, e.g. a build for one processor only
    if not options["silent"]:
        off = options["disable_for_unsupported_versions"]
        _log.warning(
            "%s %s is older than %s, the oldest version that autologging is tested with%s.",
            entry.distribution,
            version,
            entry.least,
            "; it stays off" if off else "",
        )
    return not options["disable_for_unsupported_versions"]


def options_of(library: str) -> Options | None:
    """The options in force for the library; None if it is off or was never asked for."""
    asked = _asked.get(library)
    return None if asked is None or asked.options["disable"] else asked.options
