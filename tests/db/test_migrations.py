"""A database made at once and one that was migrated are the same; what this release cannot read it refuses."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from alembic.script import ScriptDirectory

from modelyard.db import revisions, upgrade
from modelyard.db.engine import Database
from modelyard.db.revisions import known_revisions, newest_revision
from modelyard.db.schema import prepare, revision, stamp
from modelyard.db.transaction import Transaction
from modelyard.domain.errors import InvalidState
from modelyard.domain.principals import ANONYMOUS
from modelyard.services import experiments


@pytest.fixture
def empty(database_url) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


def schema(tx: Transaction) -> dict[str, object]:
    if tx.dialect == "sqlite":
        rows = tx.sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: sorted(re.sub(r"\s+", " ", line).strip(" ,") for line in sql.splitlines()) for name, sql in rows}
    return {
        "columns": sorted(
            tx.sql(
                "SELECT table_name, ordinal_position, column_name, data_type, is_nullable, column_default "
                "FROM information_schema.columns WHERE table_schema = 'modelyard'"
            )
        ),
        "indexes": sorted(tx.sql("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'modelyard'")),
        "constraints": sorted(
            tx.sql(
                "SELECT conname, pg_get_constraintdef(c.oid) FROM pg_constraint c "
                "JOIN pg_namespace n ON n.oid = c.connamespace WHERE n.nspname = 'modelyard'"
            )
        ),
    }


def test_migrations_and_metadata_make_the_same_schema(empty):
    """After a change of tables.py: `python -m modelyard.db.migrations WHAT IT ADDS`."""
    upgrade.upgrade(empty)
    migrated = empty.read(schema)
    empty.write(drop_everything)

    prepare(empty, "mlflow-artifacts:")

    assert empty.read(schema) == migrated


def drop_everything(tx: Transaction) -> None:
    if tx.dialect == "postgresql":
        tx.sql("DROP SCHEMA modelyard CASCADE")
        return
    for (name,) in tx.sql("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
        tx.sql(f"DROP TABLE {name}")


def test_the_files_revisions_are_alembics():
    scripts = ScriptDirectory.from_config(upgrade.config())
    assert [script.revision for script in reversed(list(scripts.walk_revisions()))] == list(known_revisions())
    assert scripts.get_heads() == [newest_revision()]


def test_a_migrated_database_is_taken_as_it_is(empty):
    upgrade.upgrade(empty)
    prepare(empty, "mlflow-artifacts:")
    prepare(empty, "elsewhere:")
    assert empty.read(revision) == newest_revision()
    assert empty.read(lambda tx: tx.sql("SELECT id, artifact_location FROM experiment")) == [(0, "mlflow-artifacts:/0")]


def test_a_newer_releases_database_is_refused_and_left_alone(empty):
    prepare(empty, "mlflow-artifacts:")
    empty.write(lambda tx: tx.sql("UPDATE schema_revision SET version_num = '9999'"))
    before = empty.read(schema)
    with pytest.raises(InvalidState, match=r"9999, which a newer Modelyard made; .* Upgrade Modelyard"):
        prepare(empty, "mlflow-artifacts:")
    assert empty.read(schema) == before


@pytest.fixture
def next_release(tmp_path, monkeypatch):
    """A release that has one migration more; its body is the argument."""

    def release(*lines: str) -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(revisions.MIGRATIONS, folder)
        number = f"{len(known_revisions()) + 1:04}"
        body = "".join(f"    {line}\n" for line in lines)
        (folder / "versions" / f"{number}_more.py").write_text(
            f"from alembic import op\nimport sqlalchemy as sa\nrevision = {number!r}\n"
            f"down_revision = {newest_revision()!r}\ndef upgrade():\n{body}"
        )
        monkeypatch.setattr(revisions, "MIGRATIONS", folder)

    return release


def test_an_older_database_is_upgraded_and_its_release_goes_on_with_it(empty, next_release):
    prepare(empty, "mlflow-artifacts:")
    before = newest_revision()
    next_release('op.add_column("run", sa.Column("colour", sa.Text()))')
    prepare(empty, "mlflow-artifacts:")
    assert empty.read(revision) == newest_revision() != before
    assert empty.read(lambda tx: tx.sql("SELECT colour FROM run")) == []
    assert empty.read(lambda tx: tx.sql("SELECT name FROM experiment")) == [("Default",)]
    empty.write(lambda tx: experiments.create(tx, ANONYMOUS, name="old code", location="", root="mlflow-artifacts:"))


def test_a_migration_that_fails_leaves_the_database_as_it_was(empty, next_release):
    prepare(empty, "mlflow-artifacts:")
    before, number = empty.read(schema), newest_revision()
    next_release('op.add_column("run", sa.Column("colour", sa.Text()))', 'op.drop_table("no_such_table")')
    with pytest.raises(Exception, match="no_such_table"):
        prepare(empty, "mlflow-artifacts:")
    assert (empty.read(schema), empty.read(revision)) == (before, number)


def test_somebody_elses_tables_are_refused(empty):
    def foreign(tx: Transaction) -> None:
        if tx.dialect == "postgresql":
            tx.sql("CREATE SCHEMA modelyard")
        tx.sql("CREATE TABLE experiment (anything INTEGER)")

    empty.write(foreign)
    with pytest.raises(InvalidState, match="was not made by a release of it"):
        prepare(empty, "mlflow-artifacts:")
    assert empty.read(lambda tx: tx.sql("SELECT * FROM experiment")) == []


def test_a_failed_start_leaves_nothing_half_made(empty):
    def spoil(tx: Transaction) -> None:
        if tx.dialect == "postgresql":
            tx.sql("CREATE SCHEMA modelyard")
        # an index of ours has its name taken: making the schema fails somewhere in the middle
        tx.sql("CREATE TABLE ix_run_experiment_id_start_ms (anything INTEGER)")

    empty.write(spoil)
    before = empty.read(schema)
    with pytest.raises(Exception, match="ix_run_experiment_id_start_ms"):
        prepare(empty, "mlflow-artifacts:")
    assert empty.read(schema) == before


def test_a_stamp_is_written_once(empty):
    prepare(empty, "mlflow-artifacts:")
    with pytest.raises(Exception, match=r"(?i)unique"):
        empty.write(lambda tx: stamp(tx, newest_revision()))
