"""Brings a database to this release's schema.

A new database is made from `tables.metadata` at once and stamped; Alembic, which takes longer to load than the rest of
a start, comes in only when a migration is due. A test proves that both ways end at the same schema.

Migrations only add (columns with a default or NULL, tables, indexes), so that servers of the previous release keep
running on a database that was upgraded under them. What a release no longer needs, the one after the next drops.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.schema import CreateIndex, CreateTable

from modelyard.domain.errors import InvalidState

from .revisions import LOCK, REVISION_TABLE, check_known, newest_revision
from .statement import DIALECTS
from .tables import environment, experiment, metadata

if TYPE_CHECKING:
    from .engine import Database
    from .transaction import Transaction

ENVIRONMENTS: Final = (("staging", 1, "Staging"), ("production", 2, "Production"))


def prepare(database: Database, run_root: str) -> None:
    """Make or upgrade the schema, and see that the default experiment and environments exist.

    Args:
        database: new, of this release, or of an older one.
        run_root: where experiments keep artifacts, for the default one.

    Raises:
        InvalidState: the database belongs to a newer release, or is not one of ours.
        Unavailable: it cannot be reached or written.
    """
    if not database.write(_make_or_check):
        from . import upgrade  # noqa: PLC0415 - loads Alembic

        upgrade.upgrade(database)
    database.write(_defaults, run_root)


def revision(tx: Transaction) -> str | None:
    """The revision that the database says it has; None if it has no schema of ours.

    Raises:
        InvalidState: it is MLflow's, or has our tables but no revision.
    """
    if tx.dialect == "sqlite":
        names = {row[0] for row in tx.sql("SELECT name FROM sqlite_master WHERE type = 'table'")}
    else:
        names = {row[0] for row in tx.sql("SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = 'modelyard'")}
    if REVISION_TABLE in names:
        rows = tx.sql(f"SELECT version_num FROM {REVISION_TABLE}")  # noqa: S608 - a constant
        return str(rows[0][0]) if rows else None
    if {"experiments", "runs", "alembic_version"} <= names:
        raise InvalidState(
            "The database is one that MLflow keeps its runs in, which is laid out otherwise. Give another one."
        )
    if names & set(metadata.tables):
        raise InvalidState(
            "The database has tables of the same names as Modelyard's, but was not made by a release of it. "
            "Give another database."
        )
    return None


def _make_or_check(tx: Transaction) -> bool:
    """Whether the schema is this release's now; if not, an older one is there to be upgraded."""
    if tx.dialect == "postgresql":
        tx.sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    found = revision(tx)
    if found is None:
        _make(tx)
        return True
    check_known(found)
    return found == newest_revision()


def _make(tx: Transaction) -> None:
    dialect = DIALECTS[tx.dialect]
    if tx.dialect == "postgresql":
        tx.sql("CREATE SCHEMA IF NOT EXISTS modelyard")
    for table in metadata.sorted_tables:
        tx.sql(str(CreateTable(table).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            tx.sql(str(CreateIndex(index).compile(dialect=dialect)))
    stamp(tx, newest_revision())


def stamp(tx: Transaction, number: str) -> None:
    """Write down the revision, in Alembic's own table."""
    tx.sql(
        f"CREATE TABLE IF NOT EXISTS {REVISION_TABLE} (\n"
        f"version_num VARCHAR(32) NOT NULL,\nCONSTRAINT {REVISION_TABLE}_pkc PRIMARY KEY (version_num)\n)"
    )
    tx.sql(f"INSERT INTO {REVISION_TABLE} (version_num) VALUES ('{number}')")  # noqa: S608 - from a file's name


def _defaults(tx: Transaction, run_root: str) -> None:
    if tx.row(select(experiment.c.id).limit(1)):
        return
    now = int(time.time() * 1000)
    tx.run(
        insert(experiment)
        .values(
            id=0,
            name="Default",
            artifact_location=f"{run_root}/0",
            lifecycle="active",
            created_ms=now,
            updated_ms=now,
            created_by="system",
        )
        .on_conflict_do_nothing()
    )
    for name, position, stage in ENVIRONMENTS:
        tx.run(insert(environment).values(name=name, position=position, stage=stage).on_conflict_do_nothing())
