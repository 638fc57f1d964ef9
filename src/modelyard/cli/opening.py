"""A command's own way to the database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from modelyard.domain.errors import NotFound

if TYPE_CHECKING:
    from modelyard.db.engine import Database
    from modelyard.settings import Settings


def open_database(settings: Settings, *, create: bool = False) -> Database:
    """The database of these settings, beside any server that uses it.

    Args:
        settings: which one.
        create: whether a SQLite file may come into being.

    Raises:
        NotFound: there is no such SQLite file.
        InvalidArgument: the URL names another kind of database.
        Unavailable: it cannot be reached.
    """
    from modelyard import optional

    url = settings.database_url
    if url.startswith("sqlite:///"):
        path = Path(unquote(url.removeprefix("sqlite:///")))
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.is_file():
            raise NotFound(f"There is no database {path}. Say where it is with --data or --database.")
    engine = optional.load("modelyard.db.engine", to="open a database")
    opened: Database = engine.Database(url, full_sync=settings.full_sync)
    return opened
