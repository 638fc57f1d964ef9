"""In-memory columns for run searches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .engine import Database


class ColumnStore:
    """Stub."""

    def __init__(self, database: Database) -> None:
        self.database = database
