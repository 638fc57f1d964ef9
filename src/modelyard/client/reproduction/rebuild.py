"""Code and environment of a run, rebuilt in a fresh directory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from modelyard.domain.errors import InvalidState, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .recorded import Code, Recorded

    Say = Callable[[str], None]


# ------------------------------------------------------------------------------------ code


def code(recorded: Recorded, into: Path, say: Say) -> None:
    """Check out the commit and apply the patch.

    Args:
        recorded: the run.
        into: a directory that does not exist yet.
        say: told what happens.

    Raises:
        InvalidState: the commit cannot be found, or the patch does not apply.
    """
    told = recorded.environment.code
    if told.commit:
        _check_out(told, into, say)
    else:
        into.mkdir(parents=True)
        if not recorded.patch:
            raise InvalidState("The run's code was in no repository, and nothing of it was captured.")
    if not recorded.patch:
        return
    done = _git(into, "apply", "--whitespace=nowarn", "-", text=recorded.patch)
    if done.returncode:
        raise InvalidState(f"The run's patch does not apply: {_last(done)}")
    files = len(re.findall(rb"^diff --git ", recorded.patch, re.MULTILINE))
    say(f"Patch: {files} file{'s' if files != 1 else ''}" + (", cut for its size" if told.patch.cut else ""))


def _check_out(told: Code, into: Path, say: Say) -> None:
    if shutil.which("git") is None:
        raise InvalidState("git is not installed, and the run's code is in a repository. Install git.")
    refusals = []
    for source in (told.root, told.remote):
        if not source or source.startswith("-") or "::" in source:  # `ext::` and its like run programs
            continue
        if source == told.root and not Path(source, ".git").exists():
            refusals.append(f"{source} is not there")
            continue
        shutil.rmtree(into, ignore_errors=True)
        done = _git(None, "clone", "--quiet", "--no-checkout", "--", source, str(into))
        if not done.returncode and _git(into, "cat-file", "-e", f"{told.commit}^{{commit}}").returncode:
            # Not on a branch (any more); some servers give single commits.
            done = _git(into, "fetch", "--quiet", "origin", told.commit)
        if not done.returncode:
            done = _git(into, "checkout", "--quiet", "--detach", told.commit)
        if not done.returncode and (into / ".gitmodules").exists():
            done = _git(into, "submodule", "--quiet", "update", "--init", "--recursive")
        if not done.returncode:
            say(f"Code: commit {told.commit[:12]} from {source}")
            return
        refusals.append(f"{source}: {_last(done)}")
    shutil.rmtree(into, ignore_errors=True)
    raise InvalidState(
        f"The commit {told.commit} of the run cannot be found: {'; '.join(refusals) or 'nothing says where it is'}. "
        "Push it to the remote, or run this where the repository is."
    )


def link(recorded: Recorded, into: Path, names: Sequence[str]) -> None:
    """Let the fresh copy see data of the original one, which is in no commit.

    Args:
        recorded: the run.
        into: where its code is now.
        names: files and directories below the original root.

    Raises:
        InvalidState: one is not there, or is in the way.
    """
    for name in names:
        source, target = Path(recorded.environment.code.root, name), into / name
        if not source.exists():
            raise InvalidState(f"{source} does not exist, so it cannot be linked.")
        if target.exists() or target.is_symlink():
            raise InvalidState(f"{name} is a part of the code, so it cannot be linked.")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source.absolute())


def _git(directory: Path | None, *arguments: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name == "GIT_SSH_COMMAND"
    }
    return subprocess.run(  # noqa: S603 - our own arguments; what the run told was checked
        ["git", "-c", "advice.detachedHead=false", *arguments],  # noqa: S607 - the user's own
        cwd=directory,
        env={**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        input=text,
        capture_output=True,
        check=False,
    )


def _last(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else f"exit code {done.returncode}"


# ------------------------------------------------------------------------------------ environment


def environment(recorded: Recorded, into: Path, checkout: Path, say: Say) -> Path:
    """Install the run's Python and packages.

    Args:
        recorded: the run.
        into: a directory that does not exist yet.
        checkout: where its code is now: what was installed from there, is again.
        say: told what happens.

    Returns:
        The interpreter.

    Raises:
        Unavailable: the Python or a package cannot be had.
    """
    version = recorded.environment.python.version
    wanted = requirements(recorded, checkout)
    file = into.parent / "requirements.txt"
    file.write_text("".join(f"{line}\n" for line in wanted))
    python = into / "bin" / "python"
    installer = uv()
    if installer:
        _run([*installer, "venv", "--quiet", "--no-project", "--python", version, str(into)], f"Python {version}")
        # As it was, also where the requirements of two packages contradict each other.
        install = [*installer, "pip", "install", "--quiet", "--no-deps", "--python", str(python), *_torch(wanted)]
    else:
        _run([_interpreter(version), "-m", "venv", str(into)], f"Python {version}")
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    _run([*install, "-r", str(file)], "the run's packages")
    count = sum(not line.startswith("#") for line in wanted)
    say(f"Environment: Python {version} with {count} packages, by {'uv' if installer else 'pip'}")
    return python


def requirements(recorded: Recorded, checkout: Path) -> list[str]:
    """The run's packages; those that were installed from its own code come from the fresh copy of it."""
    told = recorded.environment.code
    lines = []
    for line in recorded.requirements:
        name, sign, path = line.partition(" ")
        if name == "-e" and sign and told.root and (path == told.root or path.startswith(f"{told.root}/")):
            line = f"-e {checkout}{path[len(told.root) :]}"  # noqa: PLW2901 - the same line, elsewhere
        elif name == "-e" and told.commit and f"@{told.commit}#" in path:
            below = re.search(r"subdirectory=([^&]+)", path)
            line = f"-e {checkout / below[1] if below else checkout}"  # noqa: PLW2901
        elif name == "-e" and "+" in path.partition("://")[0]:
            line = _fixed(path)  # noqa: PLW2901 - of another repository: uv knows no editable ones
        lines.append(line)
    return lines


def _fixed(editable: str) -> str:
    """`git+URL@COMMIT#egg=NAME&subdirectory=PART`, as `pip freeze` has it, as a requirement that is not editable."""
    url, _, fragment = editable.partition("#")
    about = parse_qs(fragment)
    (name,) = about.get("egg", [""])
    part = about.get("subdirectory")
    return f"{name} @ {url}" + (f"#subdirectory={part[0]}" if part else "") if name else url


def uv() -> list[str]:
    """The command that is uv; empty if it is not installed."""
    beside = Path(sys.executable).with_name("uv")
    if beside.is_file():
        return [str(beside)]
    found = shutil.which("uv")
    if found:
        return [found]
    return [sys.executable, "-m", "uv"] if find_spec("uv") else []


def _torch(wanted: Sequence[str]) -> list[str]:
    """PyTorch's builds for a processor (`+cpu`, `+cu126`) are in an index of their own, which uv knows."""
    build = next((found[1] for line in wanted if (found := re.fullmatch(r"torch==[^+]+\+(\w+)", line))), "")
    return ["--torch-backend", build] if build else []


def _interpreter(version: str) -> str:
    """A Python of this minor version, for a machine without uv."""
    minor = ".".join(version.split(".")[:2])
    if sys.version.startswith(f"{minor}."):
        return sys.executable
    found = shutil.which(f"python{minor}")
    if found is None:
        raise Unavailable(
            f"Python {minor} is not installed, which the run used. Install uv (pip install uv), which brings any "
            "Python, or give --no-environment to use this one."
        )
    return found


def _run(command: Sequence[str], what: str) -> None:
    # Variables of the environment that this runs in would lead the installer there.
    kept = {name: text for name, text in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(  # noqa: S603 - our own command
        command, env=kept, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        said = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-12:])
        raise Unavailable(
            f"Cannot install {what}:\n{said}\nGive --no-environment to use the packages that are installed here."
        )
