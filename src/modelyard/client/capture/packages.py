"""The installed packages, as `pip freeze` lists them, in a fraction of its time: only what it shows is read."""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig
from pathlib import Path
from typing import Any, Final

from . import secrets
from .git import Question

_HEAD: Final = 4096
"""Of each file: where its name and version are."""

_NOT_SHOWN: Final = {"pip"} if sys.version_info >= (3, 12) else {"pip", "setuptools", "distribute", "wheel"}


def freeze() -> list[str]:
    """The list: a line per package, sorted by name; an editable one is preceded by a comment where pip does so."""
    found: dict[str, tuple[str, list[str]]] = {}
    for directory in places():
        for metadata in _metadata(directory):
            named = _named(metadata)
            if named is None:
                continue
            name, version = named
            key = canonical(name)
            if key not in found and key not in _NOT_SHOWN:
                found[key] = (name.lower(), _lines(metadata, name, version))
    return [line for _, lines in sorted(found.values()) for line in lines]


def places() -> list[Path]:
    """The directories that packages are installed in, in the order in which Python looks."""
    known = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    found = dict.fromkeys(
        entry for entry in sys.path if entry in known or Path(entry).name in ("site-packages", "dist-packages")
    )
    return [Path(entry) for entry in found]


def canonical(name: str) -> str:
    """A name as indexes compare it (PEP 503)."""
    name = name.lower().replace("_", "-").replace(".", "-")
    return re.sub("-{2,}", "-", name) if "--" in name else name


def _metadata(directory: Path) -> list[str]:
    """The directories and files that describe packages."""
    try:
        with os.scandir(directory) as entries:
            return [entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info"))]
    except OSError:
        return []


def _named(metadata: str) -> tuple[str, str] | None:
    """Name and version of a package; None if they cannot be read."""
    for file in (f"{metadata}/METADATA", f"{metadata}/PKG-INFO", metadata):
        try:
            with open(file, "rb", buffering=0) as text:  # noqa: PTH123 - hundreds of them: a Path costs more than the read
                head = b"\n" + text.read(_HEAD)
        except OSError:
            continue
        name, version = _field(head, b"\nName:"), _field(head, b"\nVersion:")
        if name and version:
            return name, version
    return None


def _field(head: bytes, key: bytes) -> str:
    start = head.find(key)
    if start < 0:
        return ""
    start += len(key)
    end = head.find(b"\n", start)
    return head[start : end if end >= 0 else len(head)].strip().decode(errors="replace")


def _lines(metadata: str, name: str, version: str) -> list[str]:
    """How pip writes a package: by its version, or by where it came from (PEP 610)."""
    if not os.access(f"{metadata}/direct_url.json", os.R_OK):  # most of them: an exception costs ten times as much
        return [f"{name}=={version}"]
    try:
        origin = json.loads(Path(metadata, "direct_url.json").read_bytes())
        if Path(metadata, "INSTALLER").is_file() and Path(metadata, "INSTALLER").read_text().strip() == "conda":
            return [f"{name}=={version}"]  # its files came from a directory of the machine that built the package
        return _direct(name, version, origin)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [f"{name}=={version}"]


def _direct(name: str, version: str, origin: dict[str, Any]) -> list[str]:
    url = secrets.without_credentials(origin["url"])
    if origin.get("dir_info", {}).get("editable"):
        return _editable(name, version, url)
    parts = []
    if "vcs_info" in origin:
        url = f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    elif "archive_info" in origin:
        digest = origin["archive_info"].get("hash")
        hashes = origin["archive_info"].get("hashes") or {}
        if not digest and hashes:
            digest = "=".join(next(iter(hashes.items())))
        if digest:
            parts.append(digest)
    if origin.get("subdirectory"):
        parts.append(f"subdirectory={origin['subdirectory']}")
    return [f"{name} @ {url}" + ("#" + "&".join(parts) if parts else "")]


def _editable(name: str, version: str, url: str) -> list[str]:
    """An editable install: its commit where it has a remote, else its directory."""
    from urllib.parse import unquote, urlsplit

    directory = Path(unquote(urlsplit(url).path))
    questions = [
        Question(directory, "rev-parse", "--show-toplevel", "HEAD"),
        Question(directory, "config", "--get", "remote.origin.url"),
    ]
    where, remote = (question.answer_or_nothing().strip() for question in questions)
    root, _, commit = where.partition("\n")
    if not commit:
        return [f"# Editable install with no version control ({name}=={version})", f"-e {directory}"]
    if not remote:
        return [f"# Editable Git install with no remote ({name}=={version})", f"-e {directory}"]
    inside = directory.resolve().relative_to(Path(root).resolve()).as_posix()
    below = "" if inside == "." else f"&subdirectory={inside}"
    egg = name.replace("-", "_")
    return [f"-e git+{_as_url(remote)}@{commit}#egg={egg}{below}"]


def _as_url(remote: str) -> str:
    """A remote as pip writes it: git's short form `user@host:path` as ssh://, a path as file://."""
    if "://" in remote:
        return secrets.without_credentials(remote)
    short = re.fullmatch(r"([\w.-]+@)?([\w.-]+):(?!//)(.*)", remote)
    return f"ssh://{short[1] or ''}{short[2]}/{short[3]}" if short else Path(remote).absolute().as_uri()
