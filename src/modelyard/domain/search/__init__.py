"""The search language: filters and orderings, from text to a checked tree.

Two grammars, `mlflow` and `modelyard`, one tree. `matches` says what a tree means.
"""

from modelyard.domain.search.fields import RULES, Rules
from modelyard.domain.search.matching import like_to_regex, matches
from modelyard.domain.search.orderby import parse_order_by
from modelyard.domain.search.parser import parse_filter
from modelyard.domain.search.text import order_to_text, to_text
from modelyard.domain.search.tree import (
    Aggregate,
    And,
    Comparison,
    Entity,
    Field,
    Grammar,
    Kind,
    Node,
    Not,
    Op,
    Or,
    OrderKey,
    Scalar,
    Value,
    comparisons,
)

__all__ = [
    "RULES",
    "Aggregate",
    "And",
    "Comparison",
    "Entity",
    "Field",
    "Grammar",
    "Kind",
    "Node",
    "Not",
    "Op",
    "Or",
    "OrderKey",
    "Rules",
    "Scalar",
    "Value",
    "comparisons",
    "like_to_regex",
    "matches",
    "order_to_text",
    "parse_filter",
    "parse_order_by",
    "to_text",
]
