"""The Modelyard that runs here, as a wheel: an image gets this very code, whether or not an index has it.

Packed from the installed files, without a build tool and without a network. What an image needs of it is pure Python;
the same files make the same wheel, to the byte.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import modelyard
from modelyard.domain.errors import InvalidArgument

NAME: Final = "modelyard"
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The time of every file in a wheel: the first that a zip file can say."""

_ABOUT: Final = "Wheel-Version: 1.0\nGenerator: modelyard\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True, slots=True)
class Packed:
    """A wheel of Modelyard.

    Attributes:
        file: its name.
        version: Modelyard's.
        requires: what it requires, with the markers of its extras, as in its METADATA.
    """

    file: str
    version: str
    requires: tuple[str, ...]


def pack(into: Path) -> Packed:
    """Write the running Modelyard as a wheel into a directory."""
    installed = metadata.distribution(NAME)
    package = Path(modelyard.__file__).parent
    about = f"{NAME}-{modelyard.__version__}.dist-info"
    told = _described(installed)
    contents = {
        f"{NAME}/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    contents[f"{about}/entry_points.txt"] = (installed.read_text("entry_points.txt") or "").encode()
    contents[f"{about}/METADATA"] = told.encode()
    contents[f"{about}/WHEEL"] = _ABOUT.encode()
    for file in installed.files or ():
        inner = file.as_posix().partition(".dist-info/")[2]
        if inner.startswith("licenses/"):
            contents[f"{about}/{inner}"] = Path(str(file.locate())).read_bytes()
    record = "".join(f"{name},sha256={_hash(data)},{len(data)}\n" for name, data in sorted(contents.items()))
    contents[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    name = f"{NAME}-{modelyard.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(into / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(contents.items()):
            entry = zipfile.ZipInfo(path, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return Packed(name, modelyard.__version__, _requires(told))


def take(wheel: Path, into: Path) -> Packed:
    """Copy a wheel of Modelyard that somebody else built.

    Raises:
        InvalidArgument: it is none, or not for every machine.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            found = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            text = archive.read(found).decode()
    except (OSError, ValueError, zipfile.BadZipFile, StopIteration):
        raise InvalidArgument(f"'{wheel}' is not a wheel.") from None
    told = HeaderParser().parsestr(text)
    if canonicalize_name(told["Name"] or "") != NAME or not wheel.name.endswith("-none-any.whl"):
        raise InvalidArgument(f"'{wheel}' is not a wheel of Modelyard; expected modelyard-VERSION-py3-none-any.whl.")
    shutil.copyfile(wheel, into / wheel.name)
    return Packed(wheel.name, told["Version"], _requires(text))


def required(packed: Packed, extras: Iterable[str], environment: Mapping[str, str]) -> dict[str, list[str]]:
    """What a Modelyard with these extras needs, for a machine of these markers.

    Args:
        packed: the wheel.
        extras: names of extras.
        environment: the markers of PEP 508, such as `python_version`.

    Returns:
        Extra (empty for the base) → requirements without markers; what several ask for is with the first.

    Raises:
        InvalidArgument: there is no such extra.
    """
    parsed = [Requirement(line) for line in packed.requires]
    found: dict[str, list[str]] = {}
    waiting = ["", *extras]
    while waiting:
        extra = waiting.pop(0)
        if extra in found:
            continue
        of_extra = [each for each in parsed if _asks(each, extra)]
        if extra and not of_extra:
            raise InvalidArgument(f"Modelyard {packed.version} has no extra {extra!r}.")
        met = [each for each in of_extra if not each.marker or each.marker.evaluate({**environment, "extra": extra})]
        waiting += [name for each in met if canonicalize_name(each.name) == NAME for name in sorted(each.extras)]
        found[extra] = [_bare(each) for each in met if canonicalize_name(each.name) != NAME]
    return found


def _asks(requirement: Requirement, extra: str) -> bool:
    """Whether a requirement is one of the extra's (or of the base), on whatever machine."""
    marker = str(requirement.marker or "")
    return f'extra == "{extra}"' in marker if extra else "extra ==" not in marker


def _bare(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


# ------------------------------------------------------------------------------------ what is installed


def _described(installed: metadata.Distribution) -> str:
    """Its METADATA; in a checkout that is installed editable, with what its pyproject.toml says by now."""
    text = installed.read_text("METADATA") or ""
    project = _project(installed)
    if not project:
        return text
    head, _, body = text.partition("\n\n")
    lines = [
        line for line in head.splitlines() if not line.startswith(("Version:", "Requires-Dist:", "Provides-Extra:"))
    ]
    lines.append(f"Version: {modelyard.__version__}")
    lines += [f"Requires-Dist: {each}" for each in project.get("dependencies", [])]
    for extra, requirements in sorted(project.get("optional-dependencies", {}).items()):
        lines.append(f"Provides-Extra: {extra}")
        for each in requirements:
            requirement, _, marker = each.partition(";")
            on = f"({marker.strip()}) and " if marker else ""
            lines.append(f'Requires-Dist: {requirement.strip()}; {on}extra == "{extra}"')
    return "\n".join(lines) + "\n\n" + body


def _requires(described: str) -> tuple[str, ...]:
    return tuple(HeaderParser().parsestr(described).get_all("Requires-Dist", []))


def _project(installed: metadata.Distribution) -> dict[str, Any]:
    """The table `project` of the checkout's pyproject.toml; empty if Modelyard is not installed editable."""
    try:
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
        if not origin.get("dir_info", {}).get("editable"):
            return {}
        file = Path(unquote(urlsplit(origin["url"]).path)) / "pyproject.toml"
        project: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    except (OSError, ValueError, KeyError):
        return {}
    return project
