"""Runs the migrations. Loaded only when one is due, or by `modelyard db upgrade`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

from . import revisions

if TYPE_CHECKING:
    from collections.abc import Callable

    from .engine import Database


def config() -> Config:
    """Alembic's configuration; no ini file is needed."""
    found = Config()
    found.set_main_option("script_location", str(revisions.MIGRATIONS))
    found.set_main_option("path_separator", "os")
    found.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return found


def upgrade(database: Database, to: str = "head") -> None:
    """Apply the migrations that the database lacks, all in one transaction.

    Raises:
        Unavailable: the database cannot be reached or written; it is as it was before.
    """
    _run(database, lambda settings: command.upgrade(settings, to))


def autogenerate(database: Database, folder: str, number: str, message: str) -> None:
    """Write a migration from the database's schema to `tables.metadata` into the folder. For developers."""
    _run(
        database,
        lambda settings: command.revision(
            settings, message=message, rev_id=number, autogenerate=True, version_path=folder
        ),
    )


def _run(database: Database, action: Callable[[Config], Any]) -> None:
    engine = create_engine(
        "sqlite://" if database.dialect == "sqlite" else "postgresql+psycopg://",
        creator=database.connect,
        poolclass=NullPool,
    )
    if database.dialect == "sqlite":
        # The driver's own idea of transactions leaves DDL out; ours begins them itself.
        event.listen(engine, "begin", _begin)
    settings = config()
    settings.attributes["version_table"] = revisions.REVISION_TABLE
    try:
        with engine.begin() as connection:
            settings.attributes["connection"] = connection
            action(settings)
    except Exception as error:
        raise database.translate(getattr(error, "orig", None) or error) from error
    finally:
        engine.dispose()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
