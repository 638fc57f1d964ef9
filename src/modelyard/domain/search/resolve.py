"""From a token that names something to a checked field, with the words that MLflow's clients and tests look for."""

from __future__ import annotations

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.search.fields import DATASET_KEYS, Rules
from modelyard.domain.search.lexer import Token, short, unquote
from modelyard.domain.search.tree import Field, Kind, Op

# How MLflow's messages call a kind.
MLFLOW_KINDS: dict[Kind, str] = {
    "metric": "metric",
    "param": "parameter",
    "tag": "tag",
    "attribute": "attribute",
    "dataset": "dataset",
}


def is_name(token: Token) -> bool:
    """Say whether a token can stand for a field: `a.b`, `a`, a backticked or a double-quoted name."""
    return token.kind in ("path", "word", "ticked") or (token.kind == "string" and token.text[0] == '"')


def resolve(token: Token, rules: Rules, *, sorting: bool = False) -> Field:
    """Turn a name into a field.

    Args:
        token: A token for which `is_name` holds.
        rules: Entity and grammar.
        sorting: Whether the name stands in an order_by.

    Raises:
        InvalidArgument: An unknown prefix, or an attribute that the entity does not have or cannot be asked for.
    """
    if token.kind == "path":
        kind = rules.prefixes.get(token.prefix)
        if kind is None:
            raise _unknown_prefix(token.prefix, rules)
        key = unquote(token.key, rules.grammar)
    else:
        kind = "attribute"
        key = unquote(token.text, rules.grammar)
        if rules.grammar == "mlflow" and "." in key and token.kind == "ticked":
            raise _unknown_prefix("`" + key.partition(".")[0], rules)
    if kind == "attribute":
        names = rules.sortable if sorting else rules.attributes
        canonical = names.get(key)
        if canonical is None:
            if rules.grammar == "mlflow" and rules.entity == "registered_models" and sorting:
                raise InvalidArgument(f"Invalid order by key '{short(key)}' specified. Valid keys are {sorted(names)}")
            raise InvalidArgument(f"Invalid attribute key '{short(key)}' specified. Valid keys are {sorted(names)}")
        return Field("attribute", canonical)
    if kind == "dataset" and key not in DATASET_KEYS:
        raise InvalidArgument(f"Invalid dataset key '{short(key)}' specified. Valid keys are {sorted(DATASET_KEYS)}")
    return Field(kind, key)


def _unknown_prefix(prefix: str, rules: Rules) -> InvalidArgument:
    kinds = list(rules.prefixes)
    if rules.grammar == "mlflow":
        if rules.entity == "logged_models":
            return InvalidArgument(f"Invalid entity type: {short(prefix)!r}. Expected one of {kinds}.")
        if rules.entity != "runs":
            return InvalidArgument(f"Invalid entity type '{short(prefix)}'. Valid entity types are {tuple(kinds)}")
        kinds = list(MLFLOW_KINDS.values())
    return InvalidArgument(f"Invalid entity type '{short(prefix)}'. Valid values are {kinds}")


def check_operator(field: Field, written: str, rules: Rules) -> Op:
    """Turn a written operator into one that the field takes.

    Args:
        field: The left side.
        written: Upper case, one space between words.
        rules: Entity and grammar.

    Raises:
        InvalidArgument: No such operator, or not for this field.
    """
    op = _OPS.get(written)
    if op is not None and rules.allows(field, op):
        return op
    allowed = rules.operators(field)
    if rules.grammar == "modelyard":
        raise InvalidArgument(
            f"Invalid comparator '{short(written)}' for {field.kind} '{short(field.key)}'. Use one of {allowed}."
        )
    if rules.entity == "logged_models":
        name = f"{field.kind}s.{short(field.key)}"
        raise InvalidArgument(f"Invalid comparison operator for {name}: {short(written)!r}. Expected one of {allowed}.")
    nulls = op in (Op.IS_NULL, Op.IS_NOT_NULL)
    if nulls and rules.entity == "runs":
        raise InvalidArgument(
            "IS NULL / IS NOT NULL is only supported for tags and params, "
            f"not for '{MLFLOW_KINDS[field.kind]}' '{short(field.key)}'"
        )
    if nulls and rules.entity == "experiments":
        raise InvalidArgument(
            f"IS NULL / IS NOT NULL is only supported for tags, not for attribute '{short(field.key)}'"
        )
    if field.kind == "tag" and rules.entity != "runs":
        raise InvalidArgument(f"Invalid comparator for tag: {short(written)}. Use one of {allowed}.")
    if rules.entity in ("registered_models", "model_versions"):
        which = f" {field.key}" if rules.type_of(field) == "number" else ""
        raise InvalidArgument(f"Invalid comparator for attribute{which}: {short(written)}. Use one of {allowed}.")
    raise InvalidArgument(f"Invalid comparator '{short(written)}' not one of {allowed}")


_OPS: dict[str, Op] = {op.value: op for op in Op}
