"""What git knows about the code: commit, branch, remote, and what is not committed, as a patch.

Nothing in the repository is touched: git is told to take no locks, and what it must write to include new files in the
patch goes to a temporary directory.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from . import secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE_S: Final = 20.0
MOST_NEW_FILES: Final = 500
LARGEST_NEW_FILE: Final = 256 * 1024
_SOURCES: Final = frozenset((
    ".py", ".pyi", ".pyx", ".ipynb", ".toml", ".yaml", ".yml", ".json", ".cfg", ".ini", ".conf", ".txt", ".in", ".lock",
    ".sh", ".sql", ".md", ".rst", ".r", ".jl", ".c", ".cc", ".cpp", ".h", ".hpp", ".cu", ".cuh", ".proto", ".j2",
    ".gin",
))  # fmt: skip
_PRIVATE: Final = ("secret", "credential", "password", "token", ".env", "id_rsa", "id_ed25519", "netrc", "kaggle.json")
_PLAIN_DIFF: Final = (
    "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--src-prefix=a/",
    "--dst-prefix=b/", "--ignore-submodules=dirty",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Patch:
    """What is not committed.

    Attributes:
        text: as `git apply` takes it.
        cut: whether files are missing because of the size.
        left_out: new files that were not taken (data, large ones, those with secrets in their names), the first fifty.
    """

    text: bytes = b""
    cut: bool = False
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Repository:
    """A working copy.

    Attributes:
        root: its directory.
        commit: what is checked out; empty before the first commit.
        branch: empty if none is checked out.
        remote: the URL that it was cloned from, without credentials; empty if there is none.
        dirty: whether code is not committed; new files of other kinds do not count.
        patch: that.
    """

    root: Path
    commit: str
    branch: str
    remote: str
    dirty: bool
    patch: Patch


class _Failed(Exception):
    """Git is not installed, took too long, or refused."""


def repository(directory: Path, entry: Path | None = None, most_bytes: int = 10 * 2**20) -> Repository | None:
    """The working copy that a directory belongs to; None outside of one, or without git.

    Args:
        directory: somewhere in it.
        entry: the file that was started: it is taken whatever its kind and size.
        most_bytes: of the patch.
    """
    return Asked(directory).repository(entry, most_bytes)


class Asked:
    """What git is asked of a working copy, all at once: it answers while the caller does something else.

    Args:
        directory: somewhere in the working copy.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._questions = [
            Question(directory, "rev-parse", "--show-toplevel", "--git-path", "index", "--git-path", "objects"),
            Question(directory, "status", "--porcelain=v2", "--branch", "-z", "--no-renames", "--untracked-files=all"),
            Question(directory, "config", "--get-regexp", r"^(remote\..*\.url|branch\..*\.remote)$"),
        ]

    def repository(self, entry: Path | None = None, most_bytes: int = 10 * 2**20) -> Repository | None:
        """See `repository`."""
        where, said, remotes = [question.answer_or_nothing() for question in self._questions]
        if not where:
            return None
        top, index, objects = where.removesuffix("\n").split("\n")
        root, files = Path(top), (self._directory / index, self._directory / objects)
        status = _Status(said)
        commit, changes = status.commit, None
        if said:
            with contextlib.suppress(_Failed, OSError):
                changes = _changes(root, status, files, entry, most_bytes)
        else:  # such as: it takes too long
            commit = Question(root, "rev-parse", "--quiet", "--verify", "HEAD").answer_or_nothing().strip()
        dirty, patch = changes or (True, Patch(cut=True))
        return Repository(root, commit, status.branch, _remote(remotes, status.branch), dirty, patch)


class Question:
    """A call of git that is under way."""

    def __init__(self, directory: Path, *arguments: str, **variables: str) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):
            self._child = subprocess.Popen(  # noqa: S603 - our own arguments
                ["git", "-C", os.fspath(directory), *arguments],  # noqa: S607 - the user's own
                env=_environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )

    def answer(self) -> str:
        """What git says.

        Raises:
            _Failed: it is not there, fails, or takes too long.
        """
        if self._child is None:
            raise _Failed
        with self._child as child:
            try:
                said, _ = child.communicate(timeout=PATIENCE_S)
            except (OSError, subprocess.SubprocessError) as error:
                child.kill()
                raise _Failed from error
        if child.returncode:
            raise _Failed
        return said.decode(errors="surrogateescape")

    def answer_or_nothing(self) -> str:
        """What git says; nothing if it fails."""
        try:
            return self.answer()
        except _Failed:
            return ""


def _environment(**variables: str) -> dict[str, str]:
    # A hook that runs training sets GIT_DIR for its own repository, which may be another one.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **variables}


def _remote(said: str, branch: str) -> str:
    """The URL of the branch's remote, else of `origin`, else of the only one; by what git says of its settings."""
    found: dict[str, str] = {}
    upstream = ""
    for line in said.splitlines():
        key, _, value = line.partition(" ")
        if key.startswith("remote."):
            found.setdefault(key[len("remote.") : -len(".url")], value)
        elif key == f"branch.{branch}.remote":
            upstream = value
    url = found.get(upstream) or found.get("origin") or (next(iter(found.values())) if len(found) == 1 else "")
    return secrets.without_credentials(url)


class _Status:
    """What `git status --porcelain=v2 --branch -z` says.

    Attributes:
        commit: empty before the first.
        branch: empty if none is checked out.
        changed: whether files that git knows are changed.
        new: the files that it does not know.
    """

    def __init__(self, said: str) -> None:
        self.commit = self.branch = ""
        self.changed = False
        self.new: list[str] = []
        for entry in said.split("\0"):
            kind, _, rest = entry.partition(" ")
            if kind == "?":
                self.new.append(rest)
            elif kind == "#":
                key, _, value = rest.partition(" ")
                if key == "branch.oid" and value != "(initial)":
                    self.commit = value
                elif key == "branch.head" and value != "(detached)":
                    self.branch = value
            elif kind:
                self.changed = True


def _changes(
    root: Path, status: _Status, files: tuple[Path, Path], entry: Path | None, most_bytes: int
) -> tuple[bool, Patch]:
    """Whether code is not committed, and what."""
    taken: list[str] = []
    left_out: list[str] = []
    for name in status.new:
        (taken if len(taken) < MOST_NEW_FILES and _wanted(root / name, entry) else left_out).append(name)
    dirty = status.changed or bool(taken)
    text, cut = _diff(root, status.commit, taken, files, most_bytes) if dirty else (b"", False)
    return dirty, Patch(text, cut, tuple(left_out[:50]))


def _diff(
    root: Path, commit: str, taken: Sequence[str], files: tuple[Path, Path], most_bytes: int
) -> tuple[bytes, bool]:
    """What changed since the commit and in these new files, and whether some of it is left out for its size."""
    with tempfile.TemporaryDirectory(prefix="modelyard-git-") as scratch:
        variables: dict[str, str] = {}
        if taken:
            # A copy of the index with the new files announced in it, so that one diff shows everything.
            index, objects = files
            copy = Path(scratch, "index")
            if index.exists():
                shutil.copyfile(index, copy)
            variables = {
                "GIT_INDEX_FILE": str(copy),
                "GIT_OBJECT_DIRECTORY": scratch,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects.resolve()),
            }
            Question(root, "add", "--intent-to-add", "--force", "--", *taken, **variables).answer()
        against = commit or Question(root, "hash-object", "-t", "tree", os.devnull).answer().strip()
        return _bounded(root, ["diff", *_PLAIN_DIFF, against], variables, most_bytes)


def _bounded(root: Path, arguments: list[str], variables: dict[str, str], most_bytes: int) -> tuple[bytes, bool]:
    """What git says, up to a size: then whole files, and True."""
    with subprocess.Popen(  # noqa: S603 - our own arguments
        ["git", "-C", os.fspath(root), *arguments],  # noqa: S607 - the user's own
        env=_environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as child:
        assert child.stdout is not None  # noqa: S101 - it was asked for
        text = child.stdout.read(most_bytes + 1)
        if len(text) > most_bytes:
            child.kill()
            return text[: text.rfind(b"\ndiff --git ", 0, most_bytes) + 1], True
        if child.wait(PATIENCE_S):
            raise _Failed
    return text, False


def _wanted(path: Path, entry: Path | None) -> bool:
    """Whether a new file belongs in the patch: source, small, and not where people keep secrets."""
    if path == entry:
        return True
    name = path.name.lower()
    if path.suffix.lower() not in _SOURCES or any(word in name for word in _PRIVATE):
        return False
    try:
        return path.stat().st_size <= LARGEST_NEW_FILE
    except OSError:
        return False


def as_new_files(root: Path, files: Sequence[Path], most_bytes: int = 10 * 2**20) -> Patch:
    """Text files as a patch that makes them, in git's format: for code that is in no repository.

    Args:
        root: what the paths in the patch begin at.
        files: below it.
        most_bytes: of the patch.
    """
    pieces: list[bytes] = []
    left_out: list[str] = []
    size = 0
    for path in files:
        name = path.relative_to(root).as_posix()
        try:
            content = path.read_bytes()
        except OSError:
            left_out.append(name)
            continue
        if b"\0" in content or size + len(content) > most_bytes or any(mark in name for mark in '"\n\t\\'):
            left_out.append(name)
            continue
        size += len(content)
        lines = content.split(b"\n")
        ended = lines[-1] == b""
        if ended:
            lines.pop()
        label = name.encode()
        piece = b"diff --git a/%b b/%b\nnew file mode 100644\n" % (label, label)
        if lines:
            piece += b"--- /dev/null\n+++ b/%b\n@@ -0,0 +1,%d @@\n" % (label, len(lines))
            piece += b"".join(b"+" + line + b"\n" for line in lines)
            piece += b"" if ended else b"\\ No newline at end of file\n"
        pieces.append(piece)
    return Patch(b"".join(pieces), cut=bool(left_out), left_out=tuple(left_out[:50]))
