"""`modelyard doctor`: everything that a server needs, tried out, with advice where something is wrong."""

from __future__ import annotations

import asyncio
import http.client
import importlib.metadata
import os
import platform
import secrets
import shutil
import socket
import sys
import time
from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import unquote

import click

from modelyard import __version__
from modelyard.domain.errors import ModelyardError
from modelyard.optional import MissingExtraError
from modelyard.settings import PREFIX, Settings, masked

from .opening import open_database
from .options import setting_options, settings_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from modelyard.artifacts.base import ArtifactStore
    from modelyard.db.engine import Database
    from modelyard.db.transaction import Transaction

LEAST_BYTES: Final = 200 * 2**20
SCARCE_BYTES: Final = 2 * 2**30
SLOW_MS: Final = 50.0
OLDEST_SQLITE: Final = (3, 35)  # RETURNING
FEW_FILES: Final = 1024
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: how it is, what it is about, what was found, and what to do about it."""

    state: Literal["ok", "note", "bad"]
    what: str
    text: str
    advice: str = ""


@click.command("doctor")
@setting_options("host", "port", "data", "database", "artifacts")
def command(**values: Any) -> None:
    """Try out everything that a server with these settings needs. Exit code 1 if something is broken."""
    settings = settings_from(values)
    broken = 0
    for examine in (_versions, _settings, _data, _disk, _database, _artifacts, _port, _files):
        for finding in _safely(examine, settings):
            broken += finding.state == "bad"
            click.echo(f"{finding.state:<5} {finding.what:<10} {masked(finding.text)}")
            if finding.advice:
                click.echo(f"{'':<17}-> {masked(finding.advice)}")
    if broken:
        click.echo(f"{broken} broken.")
        raise SystemExit(1)
    click.echo("Nothing is broken.")


def _safely(examine: Callable[[Settings], Iterator[Finding]], settings: Settings) -> Iterator[Finding]:
    what = examine.__name__.lstrip("_")
    try:
        yield from examine(settings)
    except ModelyardError as error:
        yield Finding("bad", what, error.message)
    except MissingExtraError as error:
        yield Finding("bad", what, f"{error.package} is missing", str(error))


def _versions(settings: Settings) -> Iterator[Finding]:
    del settings
    found = [f"modelyard {__version__}", f"Python {platform.python_version()}", platform.platform(terse=True)]
    for package in ("sqlalchemy", "alembic", "uvicorn", "uvloop", "httptools", "numpy", "obstore", "psycopg"):
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"no {package}")
    yield Finding("ok", "versions", ", ".join(found))


def _settings(settings: Settings) -> Iterator[Finding]:
    given = [
        f"{entry.name}={getattr(settings, entry.name)}"
        for entry in fields(settings)
        if getattr(settings, entry.name) != entry.default
    ]
    yield Finding("ok", "settings", ", ".join(given) or "all as they come")
    known = {PREFIX + entry.name.upper() for entry in fields(settings)}
    for name in sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known):
        yield Finding("note", "settings", f"{name} is not a setting", "Look for a misspelling: docs/settings.md.")


def _data(settings: Settings) -> Iterator[Finding]:
    directory = Path(settings.data).absolute()
    if settings.database and settings.artifacts:
        yield Finding("ok", "data", f"{directory} is not used: database and artifacts are elsewhere")
        return
    if not directory.exists():
        parent = next(folder for folder in directory.parents if folder.exists())
        if os.access(parent, os.W_OK):
            yield Finding("ok", "data", f"{directory} does not exist yet; the first start makes it")
        else:
            yield Finding("bad", "data", f"{directory} cannot be made in {parent}", "Choose another with --data.")
        return
    probe = directory / f".doctor-{secrets.token_hex(4)}"
    try:
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        yield Finding(
            "bad", "data", f"{directory} cannot be written: {error.strerror}", "Mend its permissions, or its disk."
        )
    else:
        yield Finding("ok", "data", f"{directory} can be written")


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = Path(settings.data).absolute()
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    text = f"{_gigabytes(usage.free)} of {_gigabytes(usage.total)} free at {folder}"
    if usage.free < LEAST_BYTES:
        yield Finding("bad", "disk", text, "Free some space now: a full disk refuses all writes. `modelyard gc` helps.")
    elif usage.free < SCARCE_BYTES:
        yield Finding("note", "disk", text, "Free some space soon; `modelyard gc` empties the trash.")
    else:
        yield Finding("ok", "disk", text)


def _database(settings: Settings) -> Iterator[Finding]:
    from modelyard.db.schema import revision

    sqlite = settings.database_url.startswith("sqlite:///")
    if sqlite and not Path(unquote(settings.database_url.removeprefix("sqlite:///"))).exists():
        yield Finding("ok", "database", f"{settings.database_url} does not exist yet; the first start makes it")
        return
    with closing(open_database(settings)) as database:
        reading = _milliseconds(lambda: database.read(_nothing))
        writing = _milliseconds(lambda: database.write(_nothing))
        slow = max(reading, writing) > SLOW_MS
        yield Finding(
            "note" if slow else "ok",
            "database",
            f"{settings.database_url} answers: {reading:.1f} ms to read, {writing:.1f} ms to write",
            "That is slow: is it on a network disk, far away, or under heavy load?" if slow else "",
        )
        if sqlite:
            yield from _sqlite(database)
        found = database.read(revision)
        yield _schema(found)
        if found is not None:
            yield _clock(database)


def _schema(found: str | None) -> Finding:
    from modelyard.db.revisions import check_known, newest_revision

    if found is None:
        return Finding("note", "schema", "there is none yet; the first start makes it")
    check_known(found)
    behind = "" if found == newest_revision() else f"; the next start upgrades it to {newest_revision()}"
    return Finding("ok", "schema", f"revision {found}{behind}")


def _sqlite(database: Database) -> Iterator[Finding]:
    from modelyard.db.lock import held

    version = str(database.read(lambda tx: tx.sql("SELECT sqlite_version()"))[0][0])
    if tuple(map(int, version.split(".")[:2])) < OLDEST_SQLITE:
        yield Finding("bad", "sqlite", f"SQLite {version} is too old", "Use a Python with SQLite 3.35 or newer.")
    log = Path(f"{database.path}-wal")
    size = log.stat().st_size if log.exists() else 0
    holder = held(database.path)
    user = f"in use by {holder}" if holder else "no server runs on it"
    yield Finding("ok", "sqlite", f"SQLite {version}, log of {size / 2**20:.1f} MiB, {user}")


def _clock(database: Database) -> Finding:
    if database.dialect == "sqlite":
        written = database.read(lambda tx: tx.sql("SELECT max(updated_ms) FROM experiment"))[0][0] or 0
        ahead = written / 1000 - time.time()
        if ahead > 1:
            return Finding("note", "clock", f"something was written {ahead:.0f} s in the future", "Is the clock right?")
        return Finding("ok", "clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))
    theirs = float(database.read(lambda tx: tx.sql("SELECT extract(epoch FROM clock_timestamp())"))[0][0])
    apart = abs(theirs - time.time())
    if apart > 2:
        return Finding(
            "note", "clock", f"{apart:.1f} s apart from the database's", "Let both machines keep time by NTP."
        )
    return Finding("ok", "clock", f"{apart * 1000:.0f} ms apart from the database's")


def _nothing(tx: Transaction) -> None:
    tx.sql("SELECT 1")


def _milliseconds(work: Callable[[], None]) -> float:
    """The median of a few."""
    work()  # the first one connects
    times = []
    for _ in range(_TRIES):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)[_TRIES // 2]


def _artifacts(settings: Settings) -> Iterator[Finding]:
    from modelyard.artifacts.places import Places

    root = settings.artifact_root
    if "://" not in root and not Path(root).exists():
        yield Finding("ok", "artifacts", f"{root} does not exist yet; the first start makes it")
        return
    began = time.perf_counter()
    store = Places(root).root
    try:
        asyncio.run(_try_store(store))
    except ModelyardError as error:
        yield Finding(
            "bad", "artifacts", f"{store.uri}: {error.message}", "Servers answer 503 for artifacts until then."
        )
        return
    spent = (time.perf_counter() - began) * 1000
    yield Finding("ok", "artifacts", f"{store.uri}: written, read and deleted in {spent:.0f} ms")


async def _try_store(store: ArtifactStore) -> None:
    name, content = f"doctor-{secrets.token_hex(8)}", secrets.token_bytes(1024)

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    await store.write(name, chunks())
    try:
        download = await store.open(name)
        read = b"".join([chunk async for chunk in download.chunks])
        await download.chunks.aclose()
        if read != content:
            raise ModelyardError("what was read is not what was written")
    finally:
        await store.delete(name)


def _port(settings: Settings) -> Iterator[Finding]:
    where = f"{settings.host} port {settings.port}"
    if settings.port == 0:
        yield Finding("ok", "port", "0: each start takes a free one")
        return
    try:
        with socket.create_server((settings.host, settings.port), reuse_port=False):
            yield Finding("ok", "port", f"{where} is free")
            return
    except OSError as error:
        reason = error.strerror
    running = _server_at(settings)
    if running:
        yield Finding("ok", "port", f"{where}: a server answers, version {running}")
    else:
        yield Finding("bad", "port", f"{where}: {reason}", "Another program has it? Choose another with --port.")


def _server_at(settings: Settings) -> str:
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=3)
    try:
        connection.request("GET", "/version")
        answer = connection.getresponse()
        return answer.read(100).decode(errors="replace").strip() if answer.status == http.client.OK else ""
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def _files(settings: Settings) -> Iterator[Finding]:
    del settings
    if sys.platform == "win32":
        return
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit <= FEW_FILES:
        yield Finding("note", "files", f"{limit} open files allowed", "For many clients at once: ulimit -n 65536.")
    else:
        yield Finding("ok", "files", f"{limit} open files allowed")


def _gigabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
