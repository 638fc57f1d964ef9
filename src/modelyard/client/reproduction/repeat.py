"""A run's command once more, as a new run that is linked to the first."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from modelyard import settings
from modelyard.client.capture import NUMBER_TAG
from modelyard.client.capture.command import VARIABLES
from modelyard.client.capture.secrets import STARS
from modelyard.domain.errors import InvalidArgument, InvalidState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelyard.client.client import Client
    from modelyard.client.entities import Run

    from .recorded import Recorded

REPRODUCES: Final = "modelyard.reproduces"
"""Tag of a run: the id of the one that it repeats."""

ATTEMPT: Final = "modelyard.reproduction"
"""Tag that all runs of one attempt share."""

_CONTEXT: Final = "MLFLOW_RUN_CONTEXT"
_WHY_NOT: Final = {
    "notebook": "it was started in a notebook, cell by cell; log it from a script to have it repeatable",
    "console": "it was started at a prompt, or with python -c, so there is no file to run",
}


def check(recorded: Recorded) -> None:
    """See that there is something to run.

    Raises:
        InvalidState: there is not.
    """
    why = _WHY_NOT.get(recorded.environment.command.kind)
    if why:
        raise InvalidState(f"The run {recorded.run.info.run_id} cannot be run again: {why}.")


def missing(recorded: Recorded, secrets: Mapping[str, str]) -> list[str]:
    """Names of the arguments that were masked and are not given."""
    masked = recorded.environment.command.masked
    return list(dict.fromkeys(name for name in masked.values() if name not in secrets))


def check_secrets(recorded: Recorded, secrets: Mapping[str, str]) -> None:
    """See that all arguments that were masked are given.

    Raises:
        InvalidArgument: they are not.
    """
    absent = missing(recorded, secrets)
    if absent:
        raise InvalidArgument(
            f"These arguments hold secrets, which are not recorded: {', '.join(absent)}. "
            "Give each as --secret NAME=TEXT."
        )


def command(recorded: Recorded, checkout: Path, python: Path, secrets: Mapping[str, str]) -> list[str]:
    """The command as it was, in the fresh directory.

    Args:
        recorded: the run.
        checkout: where its code is now.
        python: which interpreter.
        secrets: name → text of the arguments that were masked.

    Raises:
        InvalidState: the entry does not exist.
    """
    told = recorded.environment.command
    arguments = list(told.arguments)
    for number, name in told.masked.items():
        at = int(number) - 1
        arguments[at] = arguments[at].replace(STARS, secrets[name])
    if told.kind == "module":
        return [str(python), *told.options, "-m", told.entry, *arguments]
    if told.kind == "program":
        program = python.with_name(told.entry)
        if not program.is_file():
            raise InvalidState(f"The program {told.entry} is not in the environment of {python}.")
        return [str(program), *arguments]
    entry = checkout / told.entry
    if not entry.is_file():
        raise InvalidState(f"The run's script {told.entry} is neither in its commit nor in its patch.")
    return [str(python), *told.options, os.path.relpath(entry, directory(recorded, checkout)), *arguments]


def directory(recorded: Recorded, checkout: Path) -> Path:
    """Where the command runs: the place in the fresh copy that stands for the one in the original."""
    return checkout / recorded.environment.command.directory


def run(
    client: Client,
    recorded: Recorded,
    words: list[str],
    checkout: Path,
    say: Callable[[str], None],
) -> Run:
    """Run the command to its end; what it prints goes to stderr.

    Args:
        client: of the server that the new run goes to.
        recorded: the run.
        words: the command.
        checkout: where its code is now.
        say: told what happens.

    Returns:
        The run that it made, which stands for the first one.

    Raises:
        InvalidState: it failed, or made no run.
    """
    attempt = uuid4().hex
    place = directory(recorded, checkout)
    if not place.is_dir():
        raise InvalidState(f"The run's working directory {recorded.environment.command.directory} is not in its code.")
    told = recorded.environment.command
    shown = [*words[: len(words) - len(told.arguments)], *told.arguments]  # with the stars
    say(f"$ {shlex.join(shown)}")
    done = subprocess.run(  # noqa: S603 - what the user asked for
        words,
        cwd=place,
        env=_variables(client, recorded, checkout, Path(words[0]), attempt),
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,  # what this command prints itself is the comparison
        check=False,
    )
    if done.returncode:
        how = f"exit code {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        left = recorded.environment.code.patch.left_out
        hint = f" In no commit, and not captured: {', '.join(left)}; --link NAME adds them." if left else ""
        raise InvalidState(f"The command failed with {how}.{hint}")
    return _made(client, recorded, attempt)


def _variables(client: Client, recorded: Recorded, checkout: Path, program: Path, attempt: str) -> dict[str, str]:
    told = recorded.environment.command
    dropped = {*settings.RUN_ID.also, settings.RUN_ID.variable, *settings.CAPTURE.also, settings.CAPTURE.variable}
    dropped |= {settings.EXPERIMENT_NAME.variable, *settings.EXPERIMENT_NAME.also, "PYTHONPATH", "PYTHONHOME"}
    kept = {name: text for name, text in os.environ.items() if name not in dropped}
    tags = {REPRODUCES: recorded.run.info.run_id, ATTEMPT: attempt}
    with contextlib.suppress(ValueError, TypeError):
        tags = {**json.loads(kept.get(_CONTEXT, "{}")), **tags}
    made = {
        **kept,
        **{name: text for name, text in told.variables.items() if name in VARIABLES},
        "PWD": str(directory(recorded, checkout)),
        settings.TRACKING_URI.variable: client.tracking_uri,
        settings.EXPERIMENT_ID.variable: recorded.run.info.experiment_id,
        _CONTEXT: json.dumps(tags),
    }
    if told.path:
        made["PYTHONPATH"] = os.pathsep.join(str(checkout / entry) for entry in told.path)
    if program.parent != Path(sys.executable).parent:
        made["VIRTUAL_ENV"] = str(program.parent.parent)
        made["PATH"] = f"{program.parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    return made


def _made(client: Client, recorded: Recorded, attempt: str) -> Run:
    """The run of an attempt that stands for the recorded one: started as the same one of its process."""
    homes = [each.experiment_id for each in client.search_experiments()]
    found = list(client.search_runs(homes, f"tags.`{ATTEMPT}` = '{attempt}'", order_by=["start_time ASC"]))
    if not found:
        raise InvalidState(
            "The command ended well, but made no run here: it may set a tracking URI of its own, or log with another "
            "client."
        )
    number = recorded.run.data.tags.get(NUMBER_TAG, "0")
    same = [each for each in found if each.data.tags.get(NUMBER_TAG) == number]
    if not same:
        raise InvalidState(
            f"The command made {len(found)} runs, none of which stands for number {number} of the first."
        )
    return client.get_run(same[0].info.run_id)
