"""Everything that repeats a run, gathered once: tags that people search, and files that `modelyard reproduce` reads."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from modelyard import __version__, settings

from . import command, git, machine, packages

if TYPE_CHECKING:
    from . import Seen

FOLDER: Final = "modelyard"
"""Where the files are, among a run's artifacts."""

ENVIRONMENT: Final = f"{FOLDER}/environment.json"
REQUIREMENTS: Final = f"{FOLDER}/requirements.txt"
PATCH: Final = f"{FOLDER}/changes.patch"

FORMAT: Final = 1
_LONGEST_TAG: Final = 2000
_MOST_MODULES: Final = 500
# Of the services that run training, the variable that holds the job's page, or what it is made of.
_JOBS: Final = (
    ("GITHUB_RUN_ID", "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}"),
    ("CI_JOB_URL", "{CI_JOB_URL}"),
    ("BUILD_URL", "{BUILD_URL}"),
    ("CIRCLE_BUILD_URL", "{CIRCLE_BUILD_URL}"),
    ("BUILDKITE_BUILD_URL", "{BUILDKITE_BUILD_URL}"),
    ("SLURM_JOB_ID", "slurm:{SLURM_JOB_ID}"),
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was gathered.

    Attributes:
        tags: short facts.
        files: path among the artifacts → content.
    """

    tags: dict[str, str]
    files: dict[str, bytes]


_kept: list[Snapshot] = []


def snapshot(seen: Seen, *, again: bool = False) -> Snapshot:
    """What repeats this process: gathered at its first run. For one thread at a time.

    Args:
        seen: of its start.
        again: gather anew, where code may change between two runs (a notebook).
    """
    if not _kept or again:
        _kept[:] = [_gathered(command.command(seen))]
    return _kept[0]


def _gathered(started: command.Command) -> Snapshot:
    import msgspec

    directory = Path(started.directory or "/")
    entry = Path(started.file) if started.file else None
    home = entry.parent if entry is not None and started.kind != "program" else directory
    most = settings.CAPTURE_PATCH_BYTES.get()
    asked = git.Asked(home)  # it answers while the packages are listed
    installed, host = packages.freeze(), machine.machine()
    code = asked.repository(entry, most)
    if code is None:
        root = _root(home, entry, started)
        files = _modules(root, entry) if started.kind in ("script", "module") else []
        patch = git.as_new_files(root, files, most)
    else:
        root, patch = code.root, code.patch
    python = machine.python(str(root))
    described = {
        "format": FORMAT,
        "modelyard": __version__,
        "captured_ms": time.time_ns() // 1_000_000,
        "code": {
            "root": str(root),
            "commit": code.commit if code else "",
            "branch": code.branch if code else "",
            "remote": code.remote if code else "",
            "dirty": code.dirty if code else None,
            "patch": {"bytes": len(patch.text), "cut": patch.cut, "left_out": patch.left_out},
        },
        "command": _described(started, root),
        "python": python,
        "machine": host,
        "job": _job(),
    }
    made = {
        ENVIRONMENT: msgspec.json.format(msgspec.json.encode(described), indent=1),
        REQUIREMENTS: "".join(f"{line}\n" for line in installed).encode(),
    }
    if patch.text:
        made[PATCH] = patch.text
    return Snapshot(_tags(described, started, code), made)


def _described(started: command.Command, root: Path) -> dict[str, Any]:
    return {
        "kind": started.kind,
        "entry": below(root, started.entry) if started.kind == "script" else started.entry,
        "arguments": started.arguments,
        "masked": started.masked,
        "options": started.options,
        "directory": below(root, started.directory),
        "variables": started.variables,
        "path": [below(root, entry) for entry in started.path],
    }


def below(root: Path, path: str) -> str:
    """A path relative to the root, if it lies in it; else as it is."""
    try:
        return Path(path).resolve().relative_to(root.resolve()).as_posix()
    except (ValueError, OSError):
        return path


def _tags(described: dict[str, Any], started: command.Command, code: git.Repository | None) -> dict[str, str]:
    told, patch = described["command"], described["code"]["patch"]
    tags = {
        "modelyard.command": str(started),
        "modelyard.entry": f"-m {told['entry']}" if told["kind"] == "module" else told["entry"],
        "modelyard.directory": told["directory"],
        "modelyard.python": described["python"]["version"],
        "modelyard.job": described["job"],
        "modelyard.patch": f"cut at {patch['bytes']} bytes" if patch["cut"] else "",
    }
    if code is not None:
        tags["mlflow.source.git.commit"] = code.commit
        tags["mlflow.source.git.branch"] = code.branch
        tags["mlflow.source.git.repoURL"] = code.remote
        tags["mlflow.source.git.dirty"] = str(code.dirty).lower()
    return {key: value[:_LONGEST_TAG] for key, value in tags.items() if value}


def _job() -> str:
    """The page, or the number, of the job that runs this, where a scheduler says so."""
    for variable, form in _JOBS:
        if os.environ.get(variable):
            return form.format_map(_Environment())
    return ""


class _Environment(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return os.environ.get(key, "")


def _root(home: Path, entry: Path | None, started: command.Command) -> Path:
    """Outside of git: the working directory if the entry is below it, else where the entry's modules are found."""
    directory = Path(started.directory)
    if entry is not None and started.directory and directory in entry.parents and directory != Path("/"):
        return directory
    if entry is None or started.kind != "module":
        return home
    parents = started.entry.count(".") + (entry.name == "__main__.py")
    return entry.parents[min(parents, len(entry.parents) - 1)]


def _modules(root: Path, entry: Path | None) -> list[Path]:
    """Outside of git: the entry's file and those below its directory that are imported by now."""
    installed = [Path(sys.prefix), Path(sys.base_prefix), *packages.places()]
    found = {entry} if entry is not None else set()
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith(".py"):
            continue
        path = Path(os.path.abspath(file))  # noqa: PTH100 - what it is called, not where a link leads
        if root in path.parents and not any(place in path.parents for place in installed):
            found.add(path)
    return sorted(found)[:_MOST_MODULES]
