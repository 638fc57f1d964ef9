"""Called by Alembic, with the connection and the name of its table as `upgrade.py` gives them; there is no ini file."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

from modelyard.db.revisions import LOCK
from modelyard.db.tables import metadata

attributes = context.config.attributes
connection = attributes["connection"]
if connection.dialect.name == "postgresql":
    # Two servers that start together migrate one after the other.
    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS modelyard"))
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=attributes["version_table"],
    render_as_batch=False,
    include_name=lambda name, kind, _: not (kind == "table" and name == attributes["version_table"]),
)
with context.begin_transaction():
    context.run_migrations()
