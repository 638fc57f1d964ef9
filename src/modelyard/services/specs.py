"""What can be said of a deployment's spec before anything happens: against the registry and what is installed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

from modelyard.db import models, versions
from modelyard.domain.deployments import Spec
from modelyard.domain.reading import Troubles, meant, pointer, refuse
from modelyard.domain.specs import unknown_columns
from modelyard.serving.backends.base import BACKENDS, ENTRY_POINTS
from modelyard.settings import InvalidSetting, ServeSettings, load_serving

from . import environments

if TYPE_CHECKING:
    from modelyard.db.transaction import Transaction
    from modelyard.domain.versions import ModelVersion

OURS: Final = frozenset(
    {
        "host", "port", "allow_remote", "name", "default_model", "filter", "stage", "alias", "environment", "poll_s",
        "backend", "replicas", "min_replicas", "max_replicas", "target_in_flight", "cool_down_s", "start_timeout_s",
        "cpus_per_replica", "gpus_per_replica", "memory_per_replica_bytes",
    }
)  # fmt: skip
"""Settings of the model server that follow from the rest of a spec."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The input columns of a version.

    Attributes:
        names: as its signature says; None: nobody knows.
        why: nobody knows.
    """

    names: frozenset[str] | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found out about a spec.

    Attributes:
        wrong: what cannot be: JSON pointers, and what is wrong there.
        doubtful: what does not fit the model, but can be forced.
        notes: what is worth knowing, such as what could not be checked.
    """

    wrong: tuple[tuple[str, str], ...]
    doubtful: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def refuse(self, spec: Spec, *, force: bool, at: str = "") -> None:
        """Raise if anything forbids the spec.

        Args:
            spec: that was looked at.
            force: go past doubts.
            at: JSON pointer of the spec, if it is a part of something.

        Raises:
            InvalidArgument: so it is; `places` are all of it.
        """
        troubles = self.wrong + (() if force else self.doubtful)
        refuse([(at + place, what) for place, what in troubles], f"The deployment's spec {spec.name!r}")


def candidates(tx: Transaction, spec: Spec) -> list[ModelVersion]:
    """The versions of a spec's models that are in its environment now."""
    found = []
    environment = environments.find(tx, spec.environment)
    for name in spec.models if environment else ():
        model = models.bare(tx, name)
        pointers = environments.pointers(tx, name) if model else []
        for pointer_ in pointers:
            if environment and pointer_.environment == environment.name and model:
                version = versions.get(tx, model.id, pointer_.version)
                found += [version] if version else []
    return found


def check(tx: Transaction, spec: Spec, columns: Mapping[tuple[str, int], Columns], *, elsewhere: str = "") -> Findings:
    """Look at a spec beside what there is.

    Args:
        tx: the transaction.
        spec: well-formed.
        columns: of `candidates`, by model and version.
        elsewhere: URI of the registry that is followed, if it is not this server's.
    """
    wrong: Troubles = []
    doubtful: Troubles = []
    notes: list[str] = []
    _check_backend(spec, wrong)
    _check_settings(spec, wrong)
    if elsewhere:
        notes.append(f"The registry at {elsewhere} is followed; environment, models and inputs were not checked.")
        return Findings(tuple(wrong), (), tuple(notes))
    known = [each.name for each in environments.listing(tx)]
    if environments.find(tx, spec.environment) is None:
        hint = meant(spec.environment, known) or f"; there are {', '.join(known)}"
        wrong.append(("/environment", f"there is no environment {spec.environment!r}{hint}"))
    for index, name in enumerate(spec.models):
        if models.bare(tx, name) is None:
            place = "/model" if len(spec.models) == 1 else f"/models/{index}"
            wrong.append((place, f"there is no registered model {name!r}{_like(tx, name)}; register it first"))
    if not wrong:
        _check_columns(tx, spec, columns, doubtful, notes)
    return Findings(tuple(wrong), tuple(doubtful), tuple(notes))


def _like(tx: Transaction, name: str) -> str:
    found, _ = models.search(tx, None, (), limit=1000)
    return meant(name, [each.name for each in found])


def _check_columns(
    tx: Transaction,
    spec: Spec,
    columns: Mapping[tuple[str, int], Columns],
    doubtful: Troubles,
    notes: list[str],
) -> None:
    present = candidates(tx, spec)
    if spec.models and not present:
        named = " or ".join(repr(each) for each in spec.models)
        notes.append(f"No version of {named} is in {spec.environment} yet: nothing answers until one is.")
    renamed = any(each.inputs for each in (spec.defaults, *spec.segments.values()))
    for version in present:
        told = f"{version.model} version {version.number}"
        found = columns.get((version.model, version.number), Columns(None, "it was not looked at"))
        if found.names is None:
            if renamed:
                notes.append(f"The inputs of {told} were not checked: {found.why}.")
            continue
        doubtful += [each for each in unknown_columns(spec, found.names, told) if each not in doubtful]
        notes += _notes_on_fields(spec, found.names, told)


def _notes_on_fields(spec: Spec, names: Iterable[str], told: str) -> list[str]:
    """A field that is read from requests but is no input is nothing wrong, but often a slip."""
    renamed = {each for segment in (spec.defaults, *spec.segments.values()) for each in segment.inputs.values()}
    known = {*names, *renamed}
    return [
        f"{name}: {where.field!r} is no input column of {told}; callers have to send it besides"
        + (meant(where.field, known) or ".")
        for name, where in (("segment", spec.segment), ("sticky", spec.sticky), ("key", spec.key))
        if where.field and where.field not in known
    ]  # fmt: skip


def _check_backend(spec: Spec, wrong: Troubles) -> None:
    known = sorted({*BACKENDS, *(each.name for each in entry_points(group=ENTRY_POINTS))})
    if spec.backend not in known:
        hint = meant(spec.backend, known)
        wrong.append(("/backend", f"there is no backend {spec.backend!r}{hint}; known are {', '.join(known)}"))


def _check_settings(spec: Spec, wrong: Troubles) -> None:
    kinds = {each.name: str(each.type) for each in fields(ServeSettings) if each.name not in OURS}
    for name, value in spec.serve.items():
        place = pointer("serve", name)
        if name in OURS:
            wrong.append((place, f"{name!r} follows from the rest of the spec; remove it"))
        elif name not in kinds:
            hint = meant(name, kinds) or "; `modelyard serve --help` lists them"
            wrong.append((place, f"the model server has no setting {name!r}{hint}"))
        elif not _is_of(kinds[name], value):
            what = {"bool": "true or false", "int": "a whole number", "float": "a number"}.get(kinds[name], "a text")
            wrong.append((place, f"expected {what}, not {value!r}"))
        else:
            try:
                load_serving({name: value}, {})
            except InvalidSetting as error:
                wrong.append((place, str(error).removeprefix(f"{ServeSettings.PREFIX}{name.upper()}=")))


def _is_of(kind: str, value: object) -> bool:
    if kind == "bool" or isinstance(value, bool):
        return kind == "bool" and isinstance(value, bool)
    return isinstance(value, {"int": int, "float": int | float}.get(kind, str))


def told_of(troubles: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Troubles as a document."""
    return [{"place": place, "what": what} for place, what in troubles]
