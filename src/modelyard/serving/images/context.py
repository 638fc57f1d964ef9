"""A directory from which any tool builds an image that serves one model: written whole, or not at all.

::

    <output>/
        Dockerfile            layers: system, requirements, Modelyard, model
        .dockerignore         lets in what is listed here, and nothing else
        README.md             the two commands, and hints for Kubernetes
        requirements.in       what was asked for
        requirements.lock     all of it, pinned with hashes; absent without a lock
        uv.lock.txt           the installer, likewise
        modelyard-*.whl       the Modelyard that runs here
        model/                the model, verified

The same input makes the same bytes. Nothing of this machine's environment is written: no variable, no URL with a
password, no configuration of package indexes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from modelyard.client.capture import secrets
from modelyard.domain.errors import AlreadyExists, InvalidArgument, PermissionDenied, Unavailable
from modelyard.packaging import digest as digests
from modelyard.packaging.flavors.base import PYTHON_FUNCTION
from modelyard.packaging.manifest import Model
from modelyard.packaging.model import maker
from modelyard.packaging.pickles import needs_leave
from modelyard.serving.wanted import servable

from . import distribution, requirements
from .dockerfile import MODEL, Image
from .model import bring, likely_name, origin
from .model import python as python_of

if TYPE_CHECKING:
    from modelyard.client.client import Client
    from modelyard.client.entities import ModelVersion

_EPOCH: Final = 315_532_800  # 1980-01-01, as in the wheel: the same files make the same layers
_META: Final = "registered_model_meta"
"""MLflow's file in a downloaded model that tells its name and version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What image to make.

    Attributes:
        name: that the model is served under; empty: its registered model's, or its directory's.
        python: such as `3.11`; empty: the one that the model was saved with.
        base: the image to start from; empty: the official slim one of that Python.
        platform: `linux/amd64`, `linux/arm64`; empty: this machine's.
        extra: requirements beside those found; they win over the model's.
        without: names of packages that the model asks for and does not need.
        system: packages of Debian to install.
        lock: whether to lock the requirements; None: if that is possible here.
        torch_backend: which of PyTorch's indexes its packages come from, as for uv; empty: the ordinary index.
        port: that is listened on.
        user: number of the user, or of user and group, `10001:10001`.
        allow_pickle: whether the image loads pickles.
        trusted: further types that a skops file may hold.
        variables: further environment of the image.
        wheel: a wheel of Modelyard to use instead of the one that runs here.
    """

    name: str = ""
    python: str = ""
    base: str = ""
    platform: str = ""
    extra: Sequence[str] = ()
    without: Sequence[str] = ()
    system: Sequence[str] = ()
    lock: bool | None = None
    torch_backend: str = "cpu"
    port: int = 8000
    user: str = "10001"
    allow_pickle: bool = False
    trusted: Sequence[str] = ()
    variables: Sequence[tuple[str, str]] = ()
    wheel: Path | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What was made.

    Attributes:
        path: the directory.
        name: that the model will be served under.
        version: of the registered model; empty if it is none's.
        digest: of the model.
        tag: a name for the image.
        platform: that it is for.
        port: that it listens on.
        locked: how many packages are pinned with hashes; 0: none.
        notes: what a person should know.
    """

    path: str
    name: str
    version: str
    digest: str
    tag: str
    platform: str
    port: int
    locked: int
    notes: tuple[str, ...]


def write(uri: str, output: Path, wanted: Wanted, connect: Callable[[], Client]) -> Context:
    """Make a context.

    Args:
        uri: the model's directory, or anything that `client.references.resolve` understands.
        output: the directory to make; it must not exist, or be empty.
        wanted: what image to make.
        connect: gives the client, if one is needed.

    Raises:
        AlreadyExists: the directory exists and is not empty.
        NotFound: there is no such model.
        DataCorrupted: it is not what was saved.
        PermissionDenied: it is a pickle, and `allow_pickle` is not set.
        InvalidArgument: something wanted is not possible, or a secret would get into the context.
        Unavailable: a lock was asked for, and uv or the index is missing.
    """
    target = output.expanduser().absolute()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise AlreadyExists(f"'{output}' exists and is not empty. Give another --output, or remove it first.")
    _check(wanted)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = target.parent / f".{target.name[:100]}.{uuid.uuid4().hex}"
    folder.mkdir()
    try:
        made = _fill(uri, folder, target, wanted, connect)
        folder.replace(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return made


def _check(wanted: Wanted) -> None:
    def must(pattern: str, value: str, expected: str) -> None:
        if value and not re.fullmatch(pattern, value):
            raise InvalidArgument(f"{value!r} is not {expected}.")

    must(r"[1-9]\d{0,8}(:\d{1,9})?", wanted.user, "the number of a user above 0, such as 10001 or 10001:10001")
    must(r"3\.\d+", wanted.python, "a version of Python, such as 3.11")
    must(r"[\w./:@-]+", wanted.base, "the name of an image")
    must("|".join(requirements.PLATFORMS), wanted.platform, f"one of {', '.join(requirements.PLATFORMS)}")
    must(r"[\w.-]+", wanted.torch_backend, "one of uv's words for a PyTorch index, such as cpu or cu126")
    for package in wanted.system:
        must(r"[a-z0-9][a-z0-9+.-]+(=[\w.+:~-]+)?", package, "the name of a Debian package")
    for each in wanted.trusted:
        must(r"[\w.]+", each, "the name of a type, such as my_steps.Clip")
    for name, value in wanted.variables:
        must(r"[A-Za-z_]\w*", name, "the name of a variable")
        must(r"[^\x00-\x1f]*", value, "a value on one line")
        if secrets.is_secret(name) or secrets.holds_key(value) or secrets.without_credentials(value) != value:
            raise InvalidArgument(
                f"{name} looks like a secret, and everybody who has an image can read its variables. Give it to the "
                "container when it runs."
            )


def _fill(uri: str, folder: Path, target: Path, wanted: Wanted, connect: Callable[[], Client]) -> Context:
    notes: list[str] = []
    model = folder / MODEL
    registered = bring(uri, model, connect)
    manifest = Model.read(model)
    pickled = needs_leave(model)
    if pickled and not wanted.allow_pickle:
        raise PermissionDenied(
            f"Loading the model runs {pickled}, code chosen by whoever wrote it. If you trust where the model comes "
            "from, give --allow-pickle: the image then loads pickles."
        )
    digest = digests.compute(model)
    name = wanted.name or (registered.name if registered else likely_name(uri, manifest))
    if not servable(name):
        raise InvalidArgument(f"The name {name!r} cannot stand in a URL; give another one with --name.")
    version = _note_version(model, registered)
    python, remark = (wanted.python, "") if wanted.python else python_of(manifest)
    platform = wanted.platform or _platform()

    packed = distribution.take(wanted.wheel, folder) if wanted.wheel else distribution.pack(folder)
    flavor = maker(manifest, manifest.flavors[PYTHON_FUNCTION])
    extras = dict.fromkeys(("serving", requirements.extra_of(flavor)))
    ours = distribution.required(packed, extras, requirements.markers(python, platform))
    lines, left_out = requirements.wanted(model, manifest, flavor, ours, wanted.extra, wanted.without)
    (folder / requirements.SOURCE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    torch = wanted.torch_backend if requirements.uses_torch(lines) else ""
    locked: list[str] = []
    unlocked = "The requirements are not locked, as asked for."
    if wanted.lock is not False:
        locked, unlocked = _lock(folder, python, platform, torch, must=bool(wanted.lock))
    notes += [each for each in (remark, *left_out, unlocked) if each]

    image = Image(
        name=name, uri=origin(uri), tag=_tag(name, version), digest=digest, version=packed.version,
        wheel=packed.file, base=wanted.base or f"docker.io/library/python:{python}-slim", python=python,
        platform=platform, port=wanted.port, lines=locked or lines, locked=len(locked), torch_backend=torch,
        user=wanted.user if ":" in wanted.user else f"{wanted.user}:{wanted.user}", system=wanted.system,
        pickled=pickled, allow_pickle=wanted.allow_pickle, trusted=wanted.trusted, variables=wanted.variables,
    )  # fmt: skip
    files = sorted(each.name for each in folder.iterdir())
    (folder / ".dockerignore").write_text("".join(["*\n", *(f"!{each}\n" for each in files)]), encoding="utf-8")
    for file, text in image.texts().items():
        (folder / file).write_text(text, encoding="utf-8")
    _normalise(folder)
    return Context(str(target), name, version, digest, image.tag, platform, wanted.port, len(locked), tuple(notes))


def _note_version(model: Path, registered: ModelVersion | None) -> str:
    """Say in the model which version it is, as MLflow does; the digest does not count that file."""
    if registered is None:
        return ""
    version = str(registered.version)
    told = {"model_name": registered.name, "model_version": version}
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in told.items())
    (model / _META).write_text(text, encoding="utf-8")
    return version


def _lock(folder: Path, python: str, platform: str, torch: str, *, must: bool) -> tuple[list[str], str]:
    """Write the two locks.

    Returns:
        The packages of the image's own; none, and why, where that is not possible.
    """
    installer = folder / "uv.in"
    try:
        requirements.lock(
            folder, requirements.SOURCE, requirements.LOCK, python=python, platform=platform, torch_backend=torch
        )
        installer.write_text(f"uv=={requirements.uv_version()}\n")
        requirements.lock(
            folder, installer.name, requirements.INSTALLER, python=python, platform=platform, torch_backend=""
        )
    except Unavailable as reason:
        if must:
            raise Unavailable(f"The requirements cannot be locked: {reason.message}.") from None
        for name in (requirements.LOCK, requirements.INSTALLER):
            (folder / name).unlink(missing_ok=True)
        return [], (
            f"The requirements are NOT locked: {reason.message}. They are pinned as in the model; what those packages "
            "need is chosen when the image is built."
        )
    finally:
        installer.unlink(missing_ok=True)
    return requirements.locked(folder), ""


def _platform() -> str:
    machine = os.uname().machine
    return next((name for name, (known, _) in requirements.PLATFORMS.items() if known == machine), "linux/amd64")


def _tag(name: str, version: str) -> str:
    clean = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or MODEL
    return f"{clean}:{version or 'latest'}"


def _normalise(folder: Path) -> None:
    """One time and one set of rights for all: the numeric user has to read them, and layers stay the same."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (_EPOCH, _EPOCH))
