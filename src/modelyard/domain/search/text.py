"""A tree written out again, in our own grammar."""

from __future__ import annotations

import math
import re

from modelyard.domain.search.tree import And, Comparison, Field, Node, Not, Or, OrderKey, Scalar

_PLAIN = re.compile(r"\w[\w.]*")


def to_text(node: Node | None) -> str:
    """Write a filter so that parsing it (`modelyard` grammar) gives the same tree; "" for None."""
    if node is None:
        return ""
    if isinstance(node, Comparison):
        return _clause(node)
    if isinstance(node, Not):
        return f"NOT {_inner(node.item)}"
    word = " AND " if isinstance(node, And) else " OR "
    return word.join(_inner(item) for item in node.items)


def order_to_text(key: OrderKey) -> str:
    """Write an order key, likewise."""
    return f"{field_to_text(key.field)} {'ASC' if key.ascending else 'DESC'}"


def field_to_text(field: Field) -> str:
    """Write a field: `metrics.loss`, `min(metrics."val loss")`."""
    key = field.key if _PLAIN.fullmatch(field.key) else _quoted(field.key, '"')
    name = f"{field.kind}s.{key}"
    return name if field.aggregate == "latest" else f"{field.aggregate}({name})"


def _inner(node: Node) -> str:
    text = to_text(node)
    return f"({text})" if isinstance(node, And | Or) else text


def _clause(clause: Comparison) -> str:
    left = f"{field_to_text(clause.field)} {clause.op}"
    if clause.value is None:
        return left
    if isinstance(clause.value, tuple):
        return f"{left} ({', '.join(map(_value, clause.value))})"
    return f"{left} {_value(clause.value)}"


def _value(value: Scalar) -> str:
    if isinstance(value, str):
        return _quoted(value, "'")
    if isinstance(value, float) and math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    return repr(value)


def _quoted(text: str, quote: str) -> str:
    return quote + text.replace(quote, quote * 2) + quote
