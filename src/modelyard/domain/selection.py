"""Which parts of a run a reader wants, so that nothing else is read or sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL: Final = None
"""Every key of a kind."""

_KEYED: Final = ("metrics", "params", "tags")
PARTS: Final = ("info", *_KEYED, "datasets", "models", "versions")


@dataclass(frozen=True, slots=True)
class Selection:
    """Parts of a run.

    Attributes:
        info, datasets, models: whether they are wanted.
        metrics, params, tags: the keys that are wanted; None: all of them.
        versions: whether the registered versions that come from the run are wanted; only if asked for.
    """

    info: bool = True
    metrics: frozenset[str] | None = ALL
    params: frozenset[str] | None = ALL
    tags: frozenset[str] | None = ALL
    datasets: bool = True
    models: bool = True
    versions: bool = False

    def wants(self, part: str) -> bool:
        """Whether anything of a part is wanted."""
        found = getattr(self, part)
        return found is None or bool(found)


EVERYTHING: Final = Selection()


def parse_selection(fields: Iterable[str]) -> Selection:
    """A selection from its spelling: `info`, `params`, `params.*`, `metrics.val/loss`; nothing at all is everything.

    Raises:
        InvalidArgument: a field is none of these.
    """
    wanted = list(fields)
    if not wanted:
        return EVERYTHING
    keys: dict[str, set[str] | None] = {kind: set() for kind in _KEYED}
    flags = dict.fromkeys(("info", "datasets", "models", "versions"), False)
    for field in wanted:
        part, dot, key = field.partition(".")
        if part in flags and not dot:
            flags[part] = True
        elif part in keys and (not dot or key == "*"):
            keys[part] = ALL
        elif part in keys and key:
            chosen = keys[part]
            if chosen is not None:
                chosen.add(key)
        else:
            raise InvalidArgument(
                f"Unknown field {field[:100]!r}. Use {', '.join(PARTS)}, or one key of a kind as in 'metrics.loss'."
            )
    some = {part: ALL if chosen is None else frozenset(chosen) for part, chosen in keys.items()}
    return Selection(
        flags["info"],
        some["metrics"],
        some["params"],
        some["tags"],
        flags["datasets"],
        flags["models"],
        flags["versions"],
    )
