"""Brings a database to this release's schema."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy.schema import CreateIndex, CreateTable

from .statement import DIALECTS
from .tables import environment, experiment, metadata

if TYPE_CHECKING:
    from .engine import Database, Transaction

ENVIRONMENTS = (("staging", 1, "Staging"), ("production", 2, "Production"))


def prepare(database: Database, run_root: str) -> None:
    """Make or upgrade the schema, and see that the default experiment and environments exist."""
    database.write(_create)
    database.write(_defaults, run_root)


def _create(tx: Transaction) -> None:
    dialect = DIALECTS[tx.dialect]
    if tx.dialect == "postgresql":
        tx.sql("CREATE SCHEMA IF NOT EXISTS modelyard")
    for table in metadata.sorted_tables:
        tx.sql(str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            tx.sql(str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect)))


def _defaults(tx: Transaction, run_root: str) -> None:
    from sqlalchemy import select
    from sqlalchemy.dialects.postgresql import insert

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
