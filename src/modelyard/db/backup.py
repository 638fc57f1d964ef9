"""Copies of a database, and whether one is sound."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from modelyard.domain.errors import AlreadyExists, DataCorrupted, InvalidArgument, Unavailable
from modelyard.settings import masked

from .revisions import newest_revision
from .schema import revision

if TYPE_CHECKING:
    from .engine import Database
    from .transaction import Transaction

ORPHANS: Final = {
    "params without their run": ("param", "run_id", "run", "id"),
    "tags without their run": ("run_tag", "run_id", "run", "id"),
    "metrics without their run": ("metric", "run_id", "run", "id"),
    "fresh metric records without their run": ("metric_fresh", "run_id", "run", "id"),
    "metric chunks without their run": ("metric_chunk", "run_id", "run", "id"),
    "documents without their run": ("run_document", "run_id", "run", "id"),
    "runs without their experiment": ("run", "experiment_id", "experiment", "id"),
    "inputs without their run": ("run_input", "run_id", "run", "id"),
    "inputs without their dataset": ("run_input", "dataset_id", "dataset", "id"),
    "logged models without their experiment": ("logged_model", "experiment_id", "experiment", "id"),
    "model versions without their model": ("model_version", "model_id", "registered_model", "id"),
    "aliases without their model": ("model_alias", "model_id", "registered_model", "id"),
}
"""What can lack its other half: table, its column, and the table and column that it points to."""


@dataclass(slots=True)
class Health:
    """What a check of a database found.

    Attributes:
        revision: of its schema; None if it has none.
        expected: this release's.
        damage: lines of SQLite's integrity check; empty if it is sound. PostgreSQL keeps its own checksums.
        orphans: how many rows lack their other half, by what they are; only kinds that occur.
    """

    revision: str | None
    expected: str
    damage: list[str] = field(default_factory=list)
    orphans: dict[str, int] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong; an older schema that the next start upgrades is not wrong."""
        return self.revision is not None and not self.damage and not self.orphans


def check(database: Database) -> Health:
    """Look the whole database over. Reads every page of it; servers go on meanwhile.

    Raises:
        Unavailable: it cannot be reached or read.
    """
    return database.read(_check)


def _check(tx: Transaction) -> Health:
    health = Health(revision(tx), newest_revision())
    if tx.dialect == "sqlite":
        health.damage = [str(row[0]) for row in tx.sql("PRAGMA integrity_check(20)") if row[0] != "ok"]
    if health.revision is None or health.damage:
        return health
    for what, (table, column, other, key) in ORPHANS.items():
        query = f"SELECT count(*) FROM {table} a WHERE NOT EXISTS (SELECT 1 FROM {other} b WHERE b.{key} = a.{column})"  # noqa: S608
        count = int(tx.sql(query)[0][0])
        if count:
            health.orphans[what] = count
    return health


def backup(database: Database, target: Path) -> Path:
    """Copy the database as it is at one moment; servers go on meanwhile. Artifacts are not part of it.

    Args:
        database: the one to copy.
        target: a file that does not exist yet, or a folder, which gets one with the time in its name.

    Returns:
        The file.

    Raises:
        AlreadyExists: there is such a file.
        DataCorrupted: the copy does not pass the check, so the original is damaged; the copy is removed.
        Unavailable: the original cannot be read, or the target not written.
    """
    ending = "db" if database.dialect == "sqlite" else "dump"
    if target.is_dir():
        target /= time.strftime(f"modelyard-%Y%m%d-%H%M%S.{ending}")
    if target.exists():
        raise AlreadyExists(f"{target} exists already; a backup overwrites nothing.")
    partial = target.with_name(f".{target.name}.partial")
    try:
        if database.dialect == "sqlite":
            _copy_sqlite(database, partial)
        else:
            _dump_postgresql(database.url, partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        os.link(partial, target)  # unlike a rename, it overwrites nothing
    except FileExistsError:
        raise AlreadyExists(f"{target} exists already; a backup overwrites nothing.") from None
    except OSError as error:
        raise Unavailable(f"The backup cannot be written to {target}: {error.strerror}.") from None
    finally:
        for name in (partial, Path(f"{partial}-wal"), Path(f"{partial}-shm"), Path(f"{partial}-journal")):
            with suppress(OSError):
                name.unlink()
    return target


def _copy_sqlite(database: Database, target: Path) -> None:
    if not target.parent.is_dir():
        raise Unavailable(f"The backup cannot be written: there is no directory {target.parent}.")
    try:
        with closing(database.connect(readonly=True)) as source, closing(sqlite3.connect(target)) as copy:
            # All pages in one step: one read transaction, so that writers neither wait nor make it begin anew.
            source.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode=DELETE")
            damage = [row[0] for row in copy.execute("PRAGMA quick_check(3)") if row[0] != "ok"]
    except sqlite3.Error as error:
        raise Unavailable(f"The backup failed: {error}.") from error
    if damage:
        raise DataCorrupted(f"The copy is damaged, and so is the database: {damage[0]}.")


def _dump_postgresql(url: str, target: Path) -> None:
    program = shutil.which("pg_dump")
    plain, password = _without_password(url)
    command = ["--format=custom", "--schema=modelyard", "--no-owner", f"--file={target}", f"--dbname={plain}"]
    if program is None:
        raise InvalidArgument(
            "PostgreSQL is backed up by its own pg_dump, which is not on this machine's path. Where it is, run:\n"
            f"  pg_dump {' '.join(command)}"
        )
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    done = subprocess.run(  # noqa: S603 - our own arguments, no shell
        [program, *command], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
        raise Unavailable(f"pg_dump failed: {masked(reason)}")


def _without_password(url: str) -> tuple[str, str]:
    """The URL without its password, which others could read in the list of processes, and the password."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name, colon, password = user.partition(":")
    if not colon:
        return url, ""
    return urlunsplit(parts._replace(netloc=f"{name}{at}{host}")), unquote(password)
