"""The right side of a comparison: a number, a quoted text, or a list of one of them."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.search.fields import LISTS, Rules
from modelyard.domain.search.lexer import Token, short, unquote
from modelyard.domain.search.resolve import MLFLOW_KINDS
from modelyard.domain.search.tree import Field, Scalar

_INT64 = 2**63
_QUOTED_NUMBERS = ("version_number", "experiment_id")  # texts in MLflow
_LIST = "While parsing a list in the query, expected"


def number(text: str) -> int | float:
    """Read a number: an int if it is written as one and fits 64 bits, so that every database can take it."""
    if len(text) <= 20 and text.lstrip("+-").isdigit():
        value = int(text)
        if -_INT64 <= value < _INT64:
            return value
    return float(text)


def scalar(field: Field, token: Token, rules: Rules) -> Scalar:
    """Read one value for a field.

    Raises:
        InvalidArgument: A text where a number is needed, or the reverse, or a text without quotes.
    """
    if rules.type_of(field) == "number":
        if token.kind == "number":
            return float(token.text) if field.kind == "metric" else number(token.text)
        if field.key in _QUOTED_NUMBERS and token.kind == "string" and rules.grammar == "mlflow":
            digits = unquote(token.text, rules.grammar)
            if digits.isascii() and digits.isdigit():
                return number(digits)
        raise refusal(field, short(token.text), rules)
    if token.kind == "string":
        return unquote(token.text, rules.grammar)
    if rules.grammar == "mlflow":
        if rules.entity == "logged_models" and token.kind in ("number", "word"):
            return token.text
        if token.kind in ("word", "ticked", "path"):
            raise InvalidArgument(
                "Parameter value is either not quoted or unidentified quote types used for string value "
                f"{short(token.text)}. Use either single or double quotes."
            )
    raise refusal(field, short(token.text), rules)


def listed(field: Field, tokens: Sequence[Token], written: str, rules: Rules) -> tuple[Scalar, ...]:
    """Read the values of a list.

    Args:
        field: The left side.
        tokens: What stands between the parentheses.
        written: The list as written, for messages.
        rules: Entity and grammar.

    Raises:
        InvalidArgument: The field takes no lists, the list is empty or malformed, or a value has the wrong type.
    """
    if not any(rules.allows(field, op) for op in LISTS):
        raise refusal(field, written, rules, plural=True)
    kind = "numeric" if rules.type_of(field) == "number" else "string"
    values, commas = tokens[::2], tokens[1::2]
    if not values:
        raise InvalidArgument(f"{_LIST} a non-empty list of {kind} values, but got empty list")
    if any(comma.text != "," for comma in commas) or any(value.kind not in ("string", "number") for value in values):
        raise InvalidArgument(f"{_LIST} a non-empty list of {kind} values, but got ill-formed list {written}")
    if kind == "string" and any(value.kind == "number" for value in values):
        raise InvalidArgument(
            f"{_LIST} string value, punctuation, or whitespace, but got different type in list: {written}"
        )
    return tuple(scalar(field, value, rules) for value in values)


def refusal(field: Field, found: str, rules: Rules, *, plural: bool = False) -> InvalidArgument:
    """Say what kind of value a field needs."""
    if field.kind == "metric":
        return InvalidArgument(f"Expected numeric value type for metric. Found {found}")
    if rules.type_of(field) == "number":
        return InvalidArgument(f"Expected numeric value type for numeric attribute: {field.key}. Found {found}")
    if field.kind == "attribute":
        if plural:
            return InvalidArgument(
                "Only the 'run_id' attribute supports comparison with a list of quoted string values. "
                f"Got '{field.key}' with {found}"
            )
        return InvalidArgument(f"Expected a quoted string value for attributes. Got value {found}")
    if field.kind == "dataset":
        return InvalidArgument(f"Expected a quoted string value for dataset attributes. Got value {found}")
    return InvalidArgument(
        f"Expected a quoted string value for {MLFLOW_KINDS[field.kind]} (e.g. 'my-value'). Got value {found}"
    )
