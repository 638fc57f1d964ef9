"""What a filter means: the reference against which every faster implementation is tested."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

from modelyard.domain.search.tree import And, Comparison, Field, Node, Not, Op, Or, Scalar, Value

Found = Scalar | tuple[Scalar, ...] | None


def like_to_regex(pattern: str, ignore_case: bool) -> re.Pattern[str]:  # noqa: FBT001 - the two words of SQL
    """Translate a LIKE pattern for `match`: % is any text, _ any one character, nothing is an escape.

    Each stretch between two % is matched at its first occurrence and never again (atomic groups), so that no pattern
    takes exponential time.
    """
    first, *rest = ["".join("." if c == "_" else re.escape(c) for c in part) for part in pattern.split("%")]
    regex = first
    if rest:
        *middle, last = rest
        regex += "".join(f"(?>.*?{part})" for part in middle if part)
        regex += f".*{last}"
    return re.compile(rf"\A{regex}\Z", re.DOTALL | (re.IGNORECASE if ignore_case else re.NOFLAG))


def matches(node: Node, lookup: Callable[[Field], Found]) -> bool:
    """Say whether something satisfies a filter.

    A clause is true or false, never unknown. A missing value satisfies IS NULL and no other clause, `!=` and NOT IN
    included. Of several values (a run's datasets) one must satisfy the clause. NaN satisfies `!=` and NOT IN only.

    Args:
        node: From `parse_filter`.
        lookup: The value of a field; None or () if it is missing, a tuple if there can be several.
    """
    if isinstance(node, And):
        return all(matches(item, lookup) for item in node.items)
    if isinstance(node, Or):
        return any(matches(item, lookup) for item in node.items)
    if isinstance(node, Not):
        return not matches(node.item, lookup)
    found = lookup(node.field)
    values = found if isinstance(found, tuple) else () if found is None else (found,)
    if node.op is Op.IS_NULL:
        return not values
    if node.op is Op.IS_NOT_NULL:
        return bool(values)
    holds = _test(node)
    return any(holds(value) for value in values)


def _test(clause: Comparison) -> Callable[[Scalar], bool]:
    wanted: Value = clause.value
    if clause.op in (Op.LIKE, Op.ILIKE):
        regex = like_to_regex(str(wanted), ignore_case=clause.op is Op.ILIKE)
        return lambda value: regex.match(str(value)) is not None
    compare = _COMPARE[clause.op]
    return lambda value: compare(value, wanted)


_COMPARE: dict[Op, Callable[[Any, Any], bool]] = {
    Op.EQ: operator.eq,
    Op.NE: operator.ne,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.IN: lambda value, wanted: value in wanted,
    Op.NOT_IN: lambda value, wanted: value not in wanted,
}
