"""The checked tree that a filter or an ordering is parsed to.

Everything in a tree is known to be valid for its entity: the kinds, the operators, the types of the values; attribute
names are canonical. Who compiles it to SQL, or runs it in memory, need not check again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Entity = Literal["runs", "experiments", "registered_models", "model_versions", "logged_models"]
Grammar = Literal["mlflow", "modelyard"]
Kind = Literal["attribute", "metric", "param", "tag", "dataset"]
Aggregate = Literal["latest", "min", "max", "number"]

Scalar = str | int | float
Value = Scalar | tuple[Scalar, ...] | None


class Op(StrEnum):
    """An operator, in its canonical spelling."""

    EQ = "="
    NE = "!="
    GT = ">"
    GE = ">="
    LT = "<"
    LE = "<="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    IN = "IN"
    NOT_IN = "NOT IN"
    IS_NULL = "IS NULL"
    IS_NOT_NULL = "IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Field:
    """What is compared or sorted by.

    Args:
        kind: Where it lives.
        key: The canonical attribute name, or the metric's, param's or tag's key.
        aggregate: Which value of a metric's history; `number`: a param or tag read as a number, missing where it
            is none; `latest` for everything else.
    """

    kind: Kind
    key: str
    aggregate: Aggregate = "latest"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One clause. It is true or false, never unknown: a missing value satisfies IS NULL and nothing else.

    Args:
        field: The left side.
        op: The operator, allowed for that field.
        value: A float for metrics, an int or float for numeric attributes, else a str; a non-empty tuple of these for
            IN and NOT IN; None for IS NULL and IS NOT NULL. Ints fit 64 bits; a float is never NaN.
    """

    field: Field
    op: Op
    value: Value


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more; never directly holds another And."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of two or more; never directly holds another Or."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite, in two-valued logic: `NOT params.a = 'x'` holds for a run without that param."""

    item: Node


Node = Comparison | And | Or | Not


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One key of an ordering."""

    field: Field
    ascending: bool = True


def comparisons(node: Node | None) -> Iterator[Comparison]:
    """Yield every clause of a tree, from left to right."""
    if isinstance(node, Comparison):
        yield node
    elif isinstance(node, Not):
        yield from comparisons(node.item)
    elif node is not None:
        for item in node.items:
            yield from comparisons(item)
