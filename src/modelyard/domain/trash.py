"""What lies in the trash, and what emptying it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["run", "logged_model", "experiment"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of the trash is meant.

    Attributes:
        before_ms: only what was deleted at or before this time, milliseconds since the epoch.
        runs: only runs with these ids (uuids); None: no such limit.
        experiments: only these experiments with everything in them; None: no such limit.
    """

    before_ms: int
    runs: frozenset[str] | None = None
    experiments: frozenset[int] | None = None

    @property
    def limited(self) -> bool:
        """Whether it was named what is meant."""
        return self.runs is not None or self.experiments is not None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in the trash.

    Attributes:
        kind: what it is.
        key: its number; a logged model's id.
        name: the id that users know.
        experiment_id: where it belongs.
        uri: of its artifacts; empty: it has none of its own.
    """

    kind: Kind
    key: int | str
    name: str
    experiment_id: int
    uri: str

    @property
    def token(self) -> str:
        """The 32 hexadecimal digits that are in the id, and in the URI of every artifact that lies in its folder."""
        return self.name.removeprefix("m-")


@dataclass(slots=True)
class Emptied:
    """What emptying the trash did, or would do.

    Attributes:
        runs: runs deleted for good.
        logged_models: logged models likewise.
        experiments: experiments likewise.
        files: artifacts deleted.
        size: of these, in bytes.
        kept: what stays because a model version or logged model still needs its artifacts.
        left: URIs whose artifacts the server may not reach, so that somebody else must delete them.
        failed: what stays because its artifacts could not be deleted, with the reason; the next time tries again.
    """

    runs: int = 0
    logged_models: int = 0
    experiments: int = 0
    files: int = 0
    size: int = 0
    kept: list[Item] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    failed: list[tuple[Item, str]] = field(default_factory=list)
