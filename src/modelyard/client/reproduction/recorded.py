"""What a run recorded for its repetition, read back and checked: a server has it, so nothing in it is believed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import msgspec

from modelyard.artifacts.paths import contained
from modelyard.client import uris
from modelyard.client.capture.snapshot import ENVIRONMENT, FOLDER, FORMAT, PATCH, REQUIREMENTS
from modelyard.domain.errors import DataCorrupted, InvalidArgument, NotFound

if TYPE_CHECKING:
    from modelyard.client.client import Client
    from modelyard.client.entities import Run

_PARENT = "mlflow.parentRunId"
_MOST_PARENTS = 20


class PatchNote(msgspec.Struct):
    """What is known of the patch."""

    bytes: int = 0
    cut: bool = False
    left_out: list[str] = []


class Code(msgspec.Struct):
    """Where the code was. See `capture.git.Repository`."""

    root: str
    commit: str = ""
    branch: str = ""
    remote: str = ""
    dirty: bool | None = None
    patch: PatchNote = msgspec.field(default_factory=PatchNote)


class Command(msgspec.Struct):
    """How it was started. See `capture.command.Command`; paths below the root are relative to it."""

    kind: Literal["script", "module", "program", "notebook", "console"]
    entry: str
    arguments: list[str] = []
    masked: dict[str, str] = {}
    options: list[str] = []
    directory: str = "."
    variables: dict[str, str] = {}
    path: list[str] = []


class Python(msgspec.Struct):
    """The interpreter."""

    version: str
    environment: str = ""


class Machine(msgspec.Struct):
    """The machine, as far as results may depend on it."""

    architecture: str = ""
    cpu: str = ""
    gpus: list[dict[str, str | int]] = []


class Environment(msgspec.Struct):
    """`environment.json`."""

    format: int
    code: Code
    command: Command
    python: Python
    machine: Machine = msgspec.field(default_factory=Machine)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run and what repeats it.

    Attributes:
        run: it.
        environment: what `environment.json` says.
        requirements: lines of `requirements.txt`.
        patch: what was not committed.
    """

    run: Run
    environment: Environment
    requirements: list[str]
    patch: bytes


def run_of(client: Client, name: str) -> Run:
    """The run that is meant.

    Args:
        client: of the server.
        name: a run's id, `runs:/ID`, or `models:/...`: the run that made that version or logged model.

    Raises:
        NotFound: there is no such run, version or model.
        InvalidArgument: the model names no run.
    """
    if not name.startswith("models:"):
        return client.get_run(uris.parse_run(name).run_id if name.startswith("runs:") else name)
    wanted = uris.parse_model(name)
    if wanted.model_id:
        run_id = client.get_logged_model(wanted.model_id).source_run_id
    else:
        run_id = client.get_model_version_by_uri(name).run_id
    if not run_id:
        raise InvalidArgument(f"{name} names no run that made it, so there is nothing to run again.")
    return client.get_run(run_id)


def read(client: Client, run: Run) -> Recorded:
    """What a run recorded; a nested one's parent has it.

    Raises:
        NotFound: nothing was captured.
        DataCorrupted: it cannot be read, or a newer release wrote it.
    """
    keeper = run
    for _ in range(_MOST_PARENTS):
        if any(file.path == ENVIRONMENT for file in client.list_artifacts(keeper.info.run_id, FOLDER)):
            return _read(client, run, keeper.info.run_id)
        parent = keeper.data.tags.get(_PARENT)
        if not parent:
            break
        keeper = client.get_run(parent)
    raise NotFound(
        f"The run {run.info.run_id} has no {ENVIRONMENT}: it was logged by another client, or with "
        "MODELYARD_CAPTURE=0. Only what was captured can be run again."
    )


def _read(client: Client, run: Run, keeper: str) -> Recorded:
    with TemporaryDirectory(prefix="modelyard-") as scratch:
        place = Path(client.download_artifacts(keeper, FOLDER, scratch))
        files = {f"{FOLDER}/{file.name}": file.read_bytes() for file in place.iterdir() if file.is_file()}
    try:
        environment = msgspec.json.decode(files[ENVIRONMENT], type=Environment)
        requirements = files.get(REQUIREMENTS, b"").decode().splitlines()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataCorrupted(f"{ENVIRONMENT} of the run {keeper} cannot be read: {error}.") from None
    if environment.format > FORMAT:
        raise DataCorrupted(
            f"{ENVIRONMENT} of the run {keeper} has format {environment.format}, which a newer release wrote; this one "
            f"reads up to {FORMAT}. Upgrade modelyard."
        )
    _check(environment)
    return Recorded(run, environment, requirements, files.get(PATCH, b""))


def _check(environment: Environment) -> None:
    """Raise InvalidArgument for what no capture writes, and what could lead a program astray."""
    code, command = environment.code, environment.command
    if code.commit and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", code.commit) is None:
        raise InvalidArgument(f"The run's commit {code.commit[:100]!r} is none.")
    if command.kind == "module" and re.fullmatch(r"\w[\w.]*", command.entry) is None:
        raise InvalidArgument(f"The run's module {command.entry[:100]!r} is none.")
    if re.fullmatch(r"\d+\.\d+\.\d+\w*", environment.python.version) is None:
        raise InvalidArgument(f"The run's Python version {environment.python.version[:100]!r} is none.")
    if command.kind == "program" and re.fullmatch(r"\w[\w.-]*", command.entry) is None:
        raise InvalidArgument(f"The run's program {command.entry[:100]!r} is none.")
    if any(not number.isdigit() or not 0 < int(number) <= len(command.arguments) for number in command.masked):
        raise InvalidArgument("The run's masked arguments are none.")
    for path in (command.directory, *command.path, *([command.entry] if command.kind == "script" else [])):
        if not Path(path).is_absolute() and path not in ("", "."):
            contained(path)
