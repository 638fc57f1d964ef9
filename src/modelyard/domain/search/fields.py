"""What may be asked about each entity: prefixes, attributes, operators.

The MLflow tables follow mlflow 3.11.1 (`utils/search_utils.py`, `utils/search_logged_model_utils.py` and the SQL
stores), observed and read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from modelyard.domain.search.tree import Entity, Field, Grammar, Kind, Op

FieldType = Literal["number", "text"]

NUMERIC = frozenset({Op.EQ, Op.NE, Op.GT, Op.GE, Op.LT, Op.LE})
TEXT = frozenset({Op.EQ, Op.NE, Op.LIKE, Op.ILIKE})
LISTS = frozenset({Op.IN, Op.NOT_IN})
NULLS = frozenset({Op.IS_NULL, Op.IS_NOT_NULL})

DATASET_KEYS = ("name", "digest", "context")


@dataclass(frozen=True, slots=True)
class Rules:
    """What one grammar allows for one entity.

    Args:
        entity: The noun searched for.
        grammar: The language.
        prefixes: Spelling of a prefix → kind.
        attributes: Spelling of an attribute that can be filtered on → canonical name.
        sortable: The same for orderings.
        numeric: Canonical names of the attributes that are numbers.
        extra: Operators of a kind beyond `NUMERIC` for numbers and `TEXT` for texts.
        extra_by_key: The same for single attributes.
    """

    entity: Entity
    grammar: Grammar
    prefixes: Mapping[str, Kind]
    attributes: Mapping[str, str]
    sortable: Mapping[str, str]
    numeric: frozenset[str]
    extra: Mapping[Kind, frozenset[Op]]
    extra_by_key: Mapping[str, frozenset[Op]]

    def type_of(self, field: Field) -> FieldType:
        """Say whether a field is compared as a number or as a text."""
        if field.kind == "metric" or field.aggregate == "number":
            return "number"
        if field.kind == "attribute" and field.key in self.numeric:
            return "number"
        return "text"

    def allows(self, field: Field, op: Op) -> bool:
        """Say whether a field takes an operator."""
        base = NUMERIC if self.type_of(field) == "number" else TEXT
        if op in base or op in self.extra.get(field.kind, ()):
            return True
        return field.kind == "attribute" and op in self.extra_by_key.get(field.key, ())

    def operators(self, field: Field) -> list[str]:
        """List the operators that a field takes, for an error message."""
        return [op.value for op in Op if self.allows(field, op)]


def _spelled(names: Iterable[str], aliases: Mapping[str, str] | None = None) -> dict[str, str]:
    known = dict.fromkeys(names, "")
    return {**{name: name for name in known}, **(aliases or {})}


_PREFIXES: dict[Kind, tuple[str, ...]] = {
    "attribute": ("attribute", "attributes", "attr", "run"),
    "metric": ("metric", "metrics"),
    "param": ("parameter", "parameters", "param", "params"),
    "tag": ("tag", "tags"),
    "dataset": ("dataset", "datasets"),
}


def _prefixes(*kinds: Kind) -> dict[str, Kind]:
    return {spelling: kind for kind in kinds for spelling in _PREFIXES[kind]}


_RUN_NAMES = ("run_id", "run_name", "user_id", "status", "artifact_uri", "start_time", "end_time")
_RUN_ALIASES = {
    "created": "start_time",
    "Created": "start_time",
    "run name": "run_name",
    "Run name": "run_name",
    "Run Name": "run_name",
}
_STAMPS = ("creation_timestamp", "last_updated_timestamp")
_LOGGED_MODEL_NAMES = ("name", "model_id", "model_type", "status", "source_run_id", *_STAMPS)
_LOGGED_MODEL_ALIASES = {
    "creation_time": "creation_timestamp",
    "creation_timestamp_ms": "creation_timestamp",
    "last_updated_time": "last_updated_timestamp",
    "last_updated_timestamp_ms": "last_updated_timestamp",
}
_NUMERIC: dict[Entity, frozenset[str]] = {
    "runs": frozenset({"start_time", "end_time", "duration"}),
    "experiments": frozenset({"experiment_id", "creation_time", "last_update_time"}),
    "registered_models": frozenset(_STAMPS),
    "model_versions": frozenset({"version_number", *_STAMPS}),
    "logged_models": frozenset(_STAMPS),
}
_REGISTRY_PREFIXES: dict[str, Kind] = {"attribute": "attribute", "tag": "tag", "tags": "tag"}


def _mlflow(
    entity: Entity,
    prefixes: Mapping[str, Kind],
    attributes: Mapping[str, str],
    sortable: Mapping[str, str],
    extra: Mapping[Kind, frozenset[Op]],
    by_key: Mapping[str, frozenset[Op]] | None = None,
) -> Rules:
    return Rules(entity, "mlflow", prefixes, attributes, sortable, _NUMERIC[entity], extra, by_key or {})


_MLFLOW = (
    _mlflow(
        "runs",
        _prefixes("attribute", "metric", "param", "tag", "dataset"),
        _spelled(_RUN_NAMES, _RUN_ALIASES),
        _spelled(_RUN_NAMES, {"created": "start_time", "Created": "start_time"}),
        {"param": NULLS, "tag": NULLS, "dataset": LISTS},
        {"run_id": LISTS},
    ),
    _mlflow(
        "experiments",
        _REGISTRY_PREFIXES,
        _spelled(("name", "experiment_id", "creation_time", "last_update_time")),
        _spelled(("name", "experiment_id", "creation_time", "last_update_time")),
        {"tag": NULLS},
        {"experiment_id": LISTS},
    ),
    _mlflow(
        "registered_models",
        _REGISTRY_PREFIXES,
        _spelled(("name",)),
        # MLflow's SQL store sorts by the time of the last update under both names.
        _spelled(("name", "last_updated_timestamp"), {"timestamp": "last_updated_timestamp"}),
        {},
        {"name": LISTS},
    ),
    _mlflow(
        "model_versions",
        _REGISTRY_PREFIXES,
        _spelled(("name", "version_number", "run_id", "source_path")),
        _spelled(("name", "version_number", *_STAMPS)),
        {},
        {"run_id": frozenset({Op.IN}), "name": LISTS},
    ),
    _mlflow(
        "logged_models",
        {"attributes": "attribute", "metrics": "metric", "params": "param", "tags": "tag"},
        _spelled(_LOGGED_MODEL_NAMES, _LOGGED_MODEL_ALIASES),
        _spelled(_LOGGED_MODEL_NAMES, _LOGGED_MODEL_ALIASES),
        {"param": LISTS, "tag": LISTS},
        dict.fromkeys(set(_LOGGED_MODEL_NAMES) - set(_STAMPS), LISTS),
    ),
)


def _own(mlflow: Rules) -> Rules:
    """Our own grammar: every operator that makes sense, and whatever can be sorted by can be filtered on."""
    kinds = {kind for kind in get_args(Kind) if kind in mlflow.prefixes.values()}
    attributes = {**mlflow.sortable, **mlflow.attributes}
    if mlflow.entity == "registered_models":
        attributes["creation_timestamp"] = "creation_timestamp"
    if mlflow.entity == "runs":
        attributes["duration"] = "duration"
    everywhere = LISTS | NULLS
    return Rules(
        entity=mlflow.entity,
        grammar="modelyard",
        prefixes=_prefixes(*kinds),
        attributes=attributes,
        sortable=attributes,
        numeric=mlflow.numeric,
        extra=dict.fromkeys(kinds, everywhere),
        extra_by_key={},
    )


RULES: dict[tuple[Entity, Grammar], Rules] = {
    **{(rules.entity, "mlflow"): rules for rules in _MLFLOW},
    **{(rules.entity, "modelyard"): _own(rules) for rules in _MLFLOW},
}
