"""How this process was started: script, module, notebook or prompt, with its arguments."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from . import packages, secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from . import Seen

Kind = Literal["script", "module", "program", "notebook", "console"]

VARIABLES: Final = (
    "CUBLAS_WORKSPACE_CONFIG", "CUDA_VISIBLE_DEVICES", "KERAS_BACKEND", "MKL_NUM_THREADS", "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED", "RANK", "TF_DETERMINISTIC_OPS",
    "TOKENIZERS_PARALLELISM", "WORLD_SIZE", "XLA_FLAGS",
)  # fmt: skip
"""Variables that change results and hold no secrets. Of all others, nothing is kept."""


@dataclass(frozen=True, slots=True)
class Command:
    """How to start the process again.

    Attributes:
        kind: `program` is an installed command, such as `torchrun`; `console` a prompt or `python -c`.
        entry: the file; for a module its dotted name, for a program its name.
        file: where the entry's code is; empty if there is no file.
        arguments: behind the entry, secrets starred out.
        masked: number (from 1) → name of the arguments that held them.
        options: Python's own, such as `-O`.
        directory: the working directory.
        variables: those of `VARIABLES` that are set.
        path: what `PYTHONPATH` adds to the places of modules.
    """

    kind: Kind
    entry: str
    file: str
    arguments: tuple[str, ...]
    masked: dict[int, str]
    options: tuple[str, ...]
    directory: str
    variables: dict[str, str]
    path: tuple[str, ...]

    def __str__(self) -> str:
        import shlex

        words = ["-m", self.entry] if self.kind == "module" else [Path(self.entry).name] if self.entry else []
        python = [] if self.kind == "program" else ["python", *self.options]
        return shlex.join([*python, *words, *self.arguments])


def command(seen: Seen) -> Command:
    """How a process was started, from what was seen of it when its first run began."""
    options, flag, entry, arguments = parts(seen.argv)
    file = seen.file
    if flag == "-c" and seen.spawned:  # a process of multiprocessing: as the one that started it
        flag, file, entry, arguments = "", seen.spawned, seen.script[0], list(seen.script[1:])
    file = os.path.join(seen.directory, file) if file else ""  # noqa: PTH118 - what it is called, not where a link leads
    kind: Kind
    if "ipykernel" in sys.modules:
        # The kernel's own arguments say nothing.
        kind, entry, file, arguments, options = "notebook", _notebook(), "", [], []
    elif flag == "-m":
        kind = "module"
    elif not flag and file and Path(file).is_file():
        kind = "program" if _is_program(Path(file)) else "script"
    else:
        kind, arguments = "console", []
    shown, masked = secrets.mask(arguments)
    directory = _directory(seen, entry if kind == "script" else "", file)
    return Command(
        kind=kind,
        entry={"script": file, "program": Path(file).name, "console": ""}.get(kind, entry),
        file="" if kind == "console" else file,
        arguments=tuple(shown),
        masked=masked,
        options=tuple(options),
        directory=directory,
        variables={name: os.environ[name] for name in VARIABLES if name in os.environ},
        path=tuple(
            os.path.join(directory, entry)  # noqa: PTH118 - a text is wanted
            for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep)
            if entry
        ),
    )


def parts(argv: Sequence[str]) -> tuple[list[str], str, str, list[str]]:
    """An interpreter's command line: its options, `-m` or `-c` if it has one, the entry, and the entry's arguments."""
    options: list[str] = []
    rest = list(argv[1:])
    while rest:
        word = rest.pop(0)
        if word in ("-m", "-c"):
            return options, word, rest[0] if rest else "", rest[1:]
        if not word.startswith("-") or word == "-":
            return options, "" if word != "-" else "-c", word, rest
        options.append(word)
        if word in ("-X", "-W", "--check-hash-based-pycs") and rest:
            options.append(rest.pop(0))
    return options, "", "", []


def _directory(seen: Seen, entry: str, file: str) -> str:
    """The working directory at the start: what stands before a relative entry in its file's path, else today's."""
    relative = os.path.normpath(entry) if entry else ""
    if relative and not os.path.isabs(relative) and not relative.startswith("..") and file.endswith(os.sep + relative):  # noqa: PTH117
        return file[: -len(relative) - 1] or os.sep
    return seen.directory


def _is_program(file: Path) -> bool:
    """Whether a file is what an installer puts beside the interpreter."""
    beside = Path(sys.executable).parent
    return file.parent in (beside, Path(sys.prefix, "bin")) or any(place in file.parents for place in packages.places())


def _notebook() -> str:
    """The notebook's file, where somebody says so."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    path = getattr(shell, "user_ns", {}).get("__vsc_ipynb_file__")
    return str(path or os.environ.get("JPY_SESSION_NAME") or os.environ.get("IPYNB_FILE") or "")
