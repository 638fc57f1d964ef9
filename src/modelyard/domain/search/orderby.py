"""The order-by language: NAME [ASC | DESC], one per item."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.search.fields import RULES, Rules
from modelyard.domain.search.lexer import short
from modelyard.domain.search.parser import Parser
from modelyard.domain.search.resolve import is_name, resolve
from modelyard.domain.search.tree import Entity, Field, Grammar, OrderKey

MAX_KEYS = 100

_DIRECTIONS = {"ASC": True, "DESC": False}


def parse_order_by(items: Iterable[str] | None, entity: Entity, grammar: Grammar) -> tuple[OrderKey, ...]:
    """Parse and check an ordering; the caller adds its own tie-breaks.

    Args:
        items: Such as `metrics.loss DESC`; ascending if unsaid. For MLflow's logged models, which send name and
            direction apart, put them together first.
        entity: What is searched for.
        grammar: As for filters.

    Raises:
        InvalidArgument: An item that cannot be read, a field that cannot be sorted by, the same field twice (MLflow's
            experiments and logged models forgive that; the first one counts), or more than 100 items.
    """
    rules = RULES[entity, grammar]
    written = list(items or ())
    if len(written) > MAX_KEYS:
        raise InvalidArgument(f"`order_by` has {len(written)} items; at most {MAX_KEYS} are allowed.")
    keys: dict[Field, OrderKey] = {}
    for item in written:
        key = _item(item, rules)
        if key.field not in keys:
            keys[key.field] = key
        elif grammar == "modelyard" or entity not in ("experiments", "logged_models"):
            raise InvalidArgument(f"`order_by` contains duplicate fields: {_shown(written)}")
    return tuple(keys.values())


def _item(text: str, rules: Rules) -> OrderKey:
    parser = Parser(text, rules)
    tokens = parser.tokens
    unreadable = InvalidArgument(f"Invalid order_by clause '{short(text)}'. Could not be parsed.")
    if rules.grammar == "mlflow" and text != text.strip():
        raise unreadable
    if not is_name(tokens[0]):
        raise unreadable
    field = None
    if rules.grammar == "modelyard" and tokens[1].text == "(":
        field = parser.aggregate(sorting=True)
    else:
        parser.at = 1
    rest = tokens[parser.at : -1]
    if len(rest) > 1 or (rest and rest[0].kind != "word"):
        raise unreadable
    ascending = _DIRECTIONS.get(rest[0].text.upper()) if rest else True
    if ascending is None:
        if rules.entity == "registered_models" and tokens[0].text == "timestamp":
            raise unreadable
        raise InvalidArgument(f"Invalid ordering key in order_by clause '{short(text)}'. Use ASC or DESC.")
    if field is None:
        field = resolve(tokens[0], rules, sorting=True)
    if rules.grammar == "mlflow":
        _check_mlflow(field, rules)
    elif field.kind == "dataset":
        raise InvalidArgument("A run can have several datasets, so it cannot be sorted by them.")
    return OrderKey(field, ascending)


def _check_mlflow(field: Field, rules: Rules) -> None:
    if field.kind == "attribute" or (rules.entity == "runs" and field.kind != "dataset"):
        return
    if rules.entity == "runs":
        raise InvalidArgument("Invalid identifier type 'dataset'")
    if rules.entity == "logged_models":
        if field.kind != "metric":
            raise InvalidArgument(
                f"Invalid order by field name: {field.kind}s.{short(field.key)}. Only metrics are supported."
            )
        return
    if rules.entity == "experiments":
        raise InvalidArgument(f"Invalid order_by entity: {field.kind}")
    raise InvalidArgument(
        f"Invalid order by key '{short(field.key)}' specified. Valid keys are {sorted(rules.sortable)}"
    )


def _shown(items: Sequence[str]) -> str:
    return str([short(item) for item in items[:10]])
