"""All models that match a filter, on this disk: fetched in parallel, verified, complete or named.

::

    <destination>/<name>/<version>/             the model; it is there only when it is complete and verified
    <destination>/<name>/.<version>.json        what was fetched: files with sizes and digests, and from where
    <destination>/<name>/.<version>.incoming/   being fetched; the next pull goes on with it

A second pull reads what is there, compares it with what was fetched, and fetches only what is missing or damaged.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from modelyard.artifacts.paths import contained
from modelyard.domain.errors import InvalidArgument, ModelyardError
from modelyard.packaging import digest as digests

from . import model_files, references, uris
from .progress import Progress

if TYPE_CHECKING:
    from .client import Client
    from .entities import ModelVersion

AT_ONCE: Final = 8
"""Models in flight; a transport's pool has connections for as many."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """One model that matched.

    Attributes:
        name: of the registered model.
        version: its number; empty if there is none.
        state: `fetched`, `present` (it was here already), `missing` (nothing is in the stage, alias or environment that
            was asked for, or its files are gone), `broken` (its files are not what was saved), `unreachable`.
        path: where it is; empty unless it is here.
        digest: of its content; empty unless it is here.
        size: in bytes.
        reason: why it is not here.
    """

    name: str
    version: str
    state: str
    path: str = ""
    digest: str = ""
    size: int = 0
    reason: str = ""

    @property
    def here(self) -> bool:
        """Whether it is complete on this disk."""
        return self.state in ("fetched", "present")


@dataclass(frozen=True, slots=True)
class Pull:
    """What a pull came to.

    Attributes:
        destination: the directory.
        models: every match, by name and version.
    """

    destination: str
    models: list[Pulled] = field(default_factory=list)

    @property
    def failed(self) -> list[Pulled]:
        """The matches that are not here."""
        return [each for each in self.models if not each.here]

    def to_dict(self) -> dict[str, Any]:
        """It as JSON has it."""
        count = {state: sum(each.state == state for each in self.models) for state in ("fetched", "present")}
        return {
            "destination": self.destination,
            "matched": len(self.models),
            **count,
            "failed": len(self.failed),
            "models": [asdict(each) for each in self.models],
        }


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    uri: str
    found: ModelVersion | None


def pull(
    client: Client,
    filter_string: str | None,
    destination: str | Path,
    *,
    stage: str | None = None,
    alias: str | None = None,
    environment: str | None = None,
    versions: bool = False,
    report: Callable[[Progress], None] | None = None,
) -> Pull:
    """Fetch one version of every registered model that matches, or every version that matches.

    Args:
        client: for the registry.
        filter_string: which models, as `search_registered_models` takes it, such as `tags.model_type = 'x'`; with
            `versions` as `search_model_versions` does. None: all.
        destination: the directory, made if it is missing.
        stage: of each model the version in this stage.
        alias: of each model the version that this alias points to.
        environment: of each model the version in this environment. Only on a Modelyard server.
        versions: the filter is about versions, and all that match are fetched.
        report: told how far it is.

    Returns:
        What is here now, and what is not, with the reason. A model that fails stops no other one.

    Raises:
        InvalidArgument: the filter is not understood; more than one of stage, alias and environment is given; or the
            destination cannot be written.
        Unavailable: the registry cannot be searched.
    """
    chosen = [each for each in (stage, alias, environment) if each is not None]
    if len(chosen) > 1 or (chosen and versions):
        raise InvalidArgument("Give one of stage, alias, environment and versions, not several.")
    root = Path(destination)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidArgument(f"{root} cannot be made: {error.strerror}.") from error
    wanted = list(_wanted(client, filter_string, stage, alias, environment, versions=versions))
    counted = Progress(report)
    threads = max(1, AT_ONCE // max(1, len(wanted)))
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="modelyard-pull") as pool:
        try:
            done = list(pool.map(lambda each: _one(client, each, root, Progress(within=counted), threads), wanted))
        except BaseException:
            counted.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    counted.finish()
    done.sort(key=lambda each: (each.name, int(each.version or 0)))
    return Pull(str(root), done)


def _wanted(
    client: Client, wanted: str | None, stage: str | None, alias: str | None, environment: str | None, *, versions: bool
) -> Iterable[_Wanted]:
    if versions:
        for found in client.search_model_versions(wanted):
            yield _Wanted(found.name, f"models:/{found.name}/{found.version}", found)
        return
    for model in client.search_registered_models(wanted):
        reference = stage or environment
        if alias is not None:
            yield _Wanted(model.name, f"models:/{model.name}@{alias}", None)
        elif reference is not None:
            yield _Wanted(model.name, f"models:/{model.name}/{reference}", None)
        else:
            newest = max(model.latest_versions, key=lambda each: int(each.version), default=None)
            yield _Wanted(model.name, f"models:/{model.name}/latest", newest)


def _one(client: Client, wanted: _Wanted, root: Path, progress: Progress, threads: int) -> Pulled:
    found = wanted.found
    try:
        found = found or client.get_model_version_by_uri(wanted.uri)
        return _version(client, found, root, progress, threads)
    except ModelyardError as error:
        from modelyard.domain.errors import DataCorrupted, Unavailable

        state = "broken" if isinstance(error, DataCorrupted) else "missing"
        state = "unreachable" if isinstance(error, Unavailable) else state
        return Pulled(wanted.name, found.version if found else "", state, reason=error.message)
    except OSError as error:
        return Pulled(wanted.name, found.version if found else "", "unreachable", reason=str(error))


def _version(client: Client, found: ModelVersion, root: Path, progress: Progress, threads: int) -> Pulled:
    folder = root / folder_name(found.name)
    target, note, incoming = (
        folder / found.version, folder / f".{found.version}.json", folder / f".{found.version}.incoming",
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    origin = {
        "registry": uris.shown(client.registry_uri), "name": found.name, "version": found.version,
        "created": found.creation_timestamp, "source": found.source,
    }  # fmt: skip
    known = _read(note)
    if known is not None and known["origin"] == origin and target.is_dir():
        there = digests.files(target)
        if digests.combined(there) == known["digest"]:
            size = sum(size for size, _ in there.values())
            return Pulled(found.name, found.version, "present", str(target), known["digest"], size)
    reference = references.version(client, found)
    if target.exists():  # damaged, or somebody else's: what of it is right is not fetched again
        shutil.rmtree(incoming, ignore_errors=True)
        target.replace(incoming)
    note.unlink(missing_ok=True)
    try:
        files = model_files.fetch(reference, incoming, progress, threads=threads)
    except ModelyardError:
        with contextlib.suppress(OSError):  # an empty one says nothing
            incoming.rmdir()
        raise
    for file in list(incoming.rglob("*")):  # what lay there and is not the model's
        if file.is_file() and file.relative_to(incoming).as_posix() not in files:
            file.unlink()
    incoming.replace(target)
    digest = model_files.digest_of(files)
    part = note.with_suffix(".part")
    part.write_text(json.dumps({"origin": origin, "digest": digest}), encoding="utf-8")
    part.replace(note)
    return Pulled(found.name, found.version, "fetched", str(target), digest, sum(size for size, _ in files.values()))


def folder_name(name: str) -> str:
    """A registered model's name as that of a directory: itself, or percent-encoded if it could mean something else."""
    try:
        plain = contained(name) == name and "/" not in name and "\\" not in name and not name.startswith(".")
    except InvalidArgument:
        plain = False
    return name if plain else quote(name, safe="").replace(".", "%2E").replace("~", "%7E")


def _read(note: Path) -> dict[str, Any] | None:
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
        return {"origin": known["origin"], "digest": str(known["digest"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None
