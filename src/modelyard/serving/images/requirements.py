"""What an image installs: what the model was saved with, what serving needs, and the lock over both."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from modelyard.client.capture.secrets import without_credentials
from modelyard.client.reproduction.rebuild import uv
from modelyard.domain.errors import InvalidArgument, NotFound, Unavailable
from modelyard.packaging import environment
from modelyard.packaging.flavors.base import PYTHON_FUNCTION
from modelyard.packaging.manifest import Model

SOURCE: Final = "requirements.in"
LOCK: Final = "requirements.lock"
INSTALLER: Final = "uv.lock.txt"

PLATFORMS: Final = {
    "linux/amd64": ("x86_64", "x86_64-manylinux_2_28"),
    "linux/arm64": ("aarch64", "aarch64-manylinux_2_28"),
}
"""Platform as images name it → the machine, as Python names it, and uv's word for both."""

_EXTRAS: Final = {
    "keras": "keras",
    "lightgbm": "lightgbm",
    "onnx": "onnx",
    "pytorch": "torch",
    "sklearn": "sklearn",
    "xgboost": "xgboost",
}
"""Flavor → the extra of Modelyard that it needs."""

_SAME: Final = {"xgboost-cpu": "xgboost", "onnxruntime-gpu": "onnxruntime"}
"""Packages that bring the same modules as another one; only one of them may be installed."""

_TORCH: Final = frozenset(
    ("lightning", "pytorch-lightning", "sentence-transformers", "timm", "torch", "torchaudio", "torchvision")
)
_NUMBERS: Final = frozenset(("numpy",))
"""Packages that a model's library was built for: the model's version wins over what we ask for."""

_CLIENTS: Final = frozenset(("mlflow", "mlflow-skinny", "mlflow-tracing"))
_AWAY: Final = ("error sending request", "Failed to fetch", "Request failed", "dns error", "network was disabled")
_OPTIONS_WITH_PATH: Final = ("-c", "--constraint", "-r", "--requirement")


def wanted(
    folder: Path,
    manifest: Model,
    flavor: str,
    ours: Mapping[str, Sequence[str]],
    extra: Sequence[str],
    without: Sequence[str] = (),
) -> tuple[list[str], list[str]]:
    """The lines to install, before they are locked.

    Args:
        folder: the model's directory.
        manifest: its MLmodel file.
        flavor: the one that answers for it.
        ours: extra of Modelyard → what it requires.
        extra: requirements beside those, which win over the model's.
        without: names of packages that the model asks for and does not need.

    Returns:
        The lines, and what was left out of the model's own and why.

    Raises:
        InvalidArgument: a line holds a password, or cannot be installed in an image.
    """
    notes = []
    try:
        saved = environment.read(folder)
    except NotFound:
        saved = []
        notes.append("The model names no requirements; its library is installed in its newest version.")
    given = [_checked(line, folder) for line in extra]
    named = ({_name(line) for line in given} - {""}) | {canonicalize_name(each) for each in without}
    floors = {_name(line): line for part in ("serving", "") for line in ours.get(part, ())}
    lines = []
    for line in saved:
        name = _name(line)
        if name in named or name == "modelyard":
            continue
        if name in _CLIENTS and flavor != PYTHON_FUNCTION:
            notes.append(f"{line} is left out: Modelyard loads the model without it.")
            continue
        if name in floors and not _meets(line, floors[name]):
            if name not in _NUMBERS:
                notes.append(f"{line} of the model is left out: Modelyard needs {floors[name]}.")
                continue
            notes.append(f"{line}, the model's own, is not what Modelyard is tested with: {floors[name]}.")
            del floors[name]
        lines.append(_checked(line, folder))
    lines += given
    named = {_SAME.get(name, name) for name in map(_name, lines)}
    own = [line for line in ours.get(extra_of(flavor), ()) if _SAME.get(_name(line), _name(line)) not in named]
    lines += [line for line in dict.fromkeys([*own, *floors.values()]) if line not in lines]
    if manifest.takes_columns and "pandas" not in named:  # MLflow's own models may not say so
        lines.append("pandas")
    return lines, notes


def _meets(line: str, floor: str) -> bool:
    """Whether a version that the model pins is one that we take; what is no pin is left to the resolver."""
    try:
        pins = [
            each.version for each in Requirement(line).specifier if each.operator == "==" and "*" not in each.version
        ]
        return all(Requirement(floor).specifier.contains(each, prereleases=True) for each in pins)
    except (InvalidRequirement, InvalidVersion):
        return True


def extra_of(flavor: str) -> str:
    """The extra of Modelyard that a flavor needs; `serving` if it needs none of its own."""
    return _EXTRAS.get(flavor, "serving")


def markers(python: str, platform: str) -> dict[str, str]:
    """The markers of PEP 508 of the image, which need not be those of this machine."""
    here: dict[str, str] = dict(default_environment())  # type: ignore[arg-type] # all its values are texts
    return here | {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": PLATFORMS[platform][0],
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }


def _name(line: str) -> str:
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*(?=\s*(?:$|[\[<>=!~;@#]))", line)
    return canonicalize_name(found[0]) if found else ""


def _checked(line: str, folder: Path) -> str:
    """A line of a requirements file, fit for the context.

    Raises:
        InvalidArgument: it holds a password, or names what an image cannot install.
    """
    shown = without_credentials(line)
    if shown != line:
        raise InvalidArgument(
            f"The requirement {shown!r} holds a password or token, which would become a part of the image. Take it out "
            "of the line; when the image is built, give it as a build secret."
        )
    if line.startswith("-"):
        option, _, value = line.partition("=") if line.startswith("--") and "=" in line else line.partition(" ")
        if option in ("-e", "--editable"):
            raise InvalidArgument(f"The requirement {line!r} is a directory of a machine; an image cannot install it.")
        if option not in _OPTIONS_WITH_PATH:
            return line
        path = (folder / value.strip()).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            raise InvalidArgument(f"The requirement {line!r} names a file that is not in the model.")
        return f"{option} {folder.name}/{path.relative_to(folder.resolve()).as_posix()}"
    try:
        requirement = Requirement(line.partition(" #")[0].partition(" --hash")[0])
    except InvalidRequirement:
        raise InvalidArgument(
            f"The requirement {line!r} is not a package's name with a version; an image cannot install it. Put the "
            "package on an index, or name another one with --requirement."
        ) from None
    if requirement.url and not requirement.url.startswith(("https://", "http://")):
        raise InvalidArgument(
            f"The requirement {line!r} is neither a version nor a file to download; an image cannot install it. Name "
            f"another one with --requirement {requirement.name}==VERSION."
        )
    return line


# ------------------------------------------------------------------------------------ the lock


def lock(folder: Path, source: str, target: str, *, python: str, platform: str, torch_backend: str) -> None:
    """Pin everything that a file asks for, and all that this needs, with hashes, by `uv pip compile`.

    Args:
        folder: where the files are.
        source: what to read.
        target: what to write.
        python: such as `3.11`.
        platform: a key of `PLATFORMS`.
        torch_backend: of which of PyTorch's indexes its packages are; empty: of the ordinary one.

    Raises:
        Unavailable: uv is not installed, or no index can be reached.
        InvalidArgument: the requirements contradict each other, or nobody has them.
    """
    installer = uv()
    if not installer:
        raise Unavailable("uv is not installed (pip install uv)")
    arguments = ["pip", "compile", source, "--output-file", target, *options(python, platform, torch_backend)]
    kept = {name: text for name, text in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(  # noqa: S603 - our own arguments
        [*installer, *arguments, "--quiet", "--no-header"],
        cwd=folder,
        env={**kept, "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if not done.returncode:
        return
    said = without_credentials(done.stderr.strip())
    if any(each in said for each in _AWAY):
        cause = next((line.strip() for line in said.splitlines() if "Failed to fetch" in line), said.splitlines()[0])
        raise Unavailable(
            f"the package index cannot be reached ({cause.removeprefix('cause: ').removeprefix('error: ')})"
        )
    raise InvalidArgument(f"The requirements cannot be met for Python {python} on {platform}:\n{said}")


def locked(folder: Path) -> list[str]:
    """The packages that the lock pins; the model's own indexes, which uv leaves out of it, are put in."""
    file = folder / LOCK
    text = file.read_text(encoding="utf-8")
    lines = (folder / SOURCE).read_text(encoding="utf-8").splitlines()
    indexes = [line for line in lines if line.startswith("-") and line.partition(" ")[0] not in _OPTIONS_WITH_PATH]
    if indexes:
        file.write_text("\n".join([*indexes, text]), encoding="utf-8")
    return re.findall(r"^[A-Za-z0-9][^\s;\\]*", text, re.MULTILINE)


def uses_torch(lines: Sequence[str]) -> bool:
    """Whether PyTorch is among the requirements."""
    return any(_name(line) in _TORCH for line in lines)


def options(python: str, platform: str, torch_backend: str) -> list[str]:
    """Those of `uv pip compile` that make the lock."""
    backend = ["--torch-backend", torch_backend] if torch_backend else []
    return ["--generate-hashes", "--python-version", python, "--python-platform", PLATFORMS[platform][1], *backend]


def relock(python: str, platform: str, torch_backend: str) -> str:
    """The command that makes the lock again, for people."""
    return shlex.join(
        ["uv", "pip", "compile", SOURCE, "-o", LOCK, "--upgrade", *options(python, platform, torch_backend)]
    )


def uv_version() -> str:
    """The version of uv here; empty if it is not installed."""
    installer = uv()
    if not installer:
        return ""
    done = subprocess.run([*installer, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"\d+(?:\.\d+)+", done.stdout)
    return found[0] if found else ""
