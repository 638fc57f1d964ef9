"""The texts of a context: what its templates leave open."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Final

from . import requirements

MODEL: Final = "model"
"""The model's directory in a context."""

_SYSTEM: Final = {"lightgbm": "libgomp1"}
"""Package → what it needs of Debian's that a slim image lacks; others bring their libraries in their wheels."""

_HEALTH: Final = (
    "import os,socket;"
    "s=socket.create_connection(('127.0.0.1',int(os.environ['MODELYARD_SERVE_PORT'])),4);"
    "s.sendall(b'GET /health HTTP/1.0\\r\\n\\r\\n');"
    "raise SystemExit(b' 200 ' not in s.recv(64))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What the texts say.

    Attributes:
        name: that the model is served under.
        uri: where it came from, without a password.
        tag: a name for the image.
        digest: of the model.
        version: of Modelyard.
        wheel: its file.
        base: the image to start from.
        python: such as `3.11`.
        platform: such as `linux/amd64`.
        port: that is listened on.
        user: numbers of user and group.
        lines: what to install: the lock, or what was asked for.
        locked: how many packages the lock pins; 0: there is none.
        torch_backend: for uv; empty: without.
        system: packages of Debian that were asked for.
        pickled: what of the model is a pickle; empty: nothing.
        allow_pickle: whether pickles may be loaded.
        trusted: types that a skops file may hold.
        variables: of the environment.
    """

    name: str
    uri: str
    tag: str
    digest: str
    version: str
    wheel: str
    base: str
    python: str
    platform: str
    port: int
    user: str
    lines: Sequence[str]
    locked: int
    torch_backend: str
    system: Sequence[str]
    pickled: str
    allow_pickle: bool
    trusted: Sequence[str]
    variables: Sequence[tuple[str, str]]

    def texts(self) -> dict[str, str]:
        """File → its text."""
        words = {
            **{name: str(getattr(self, name)) for name in ("version", "digest", "base", "python", "platform", "wheel")},
            **{name: str(getattr(self, name)) for name in ("port", "user", "tag", "uri")},
            "title": self.name,
            "name": quoted(self.name),
            "quoted_uri": quoted(self.uri),
            "health": json.dumps(_HEALTH)[1:-1],
            "installer": self._installer(),
            "requirements": self._requirements(),
            "system": self._system(),
            "allowed": self._allowed(),
            **self._told(),
        }
        return {file: _filled(file, words) for file in ("Dockerfile", "README.md")}

    def _installer(self) -> str:
        version = requirements.uv_version()
        named = [f"uv=={version}" if version else "uv"]
        source = ["--require-hashes", "-r", requirements.INSTALLER] if self.locked else named
        return "\n".join([
            *([f"COPY {requirements.INSTALLER} ./"] if self.locked else []),
            "RUN --mount=type=secret,id=pip,target=/etc/pip.conf \\",
            f"    {_run('python3', '-m', 'pip', 'install', '--no-cache-dir', '--no-deps', *source)}",
        ])  # fmt: skip

    def _requirements(self) -> str:
        source = requirements.LOCK if self.locked else requirements.SOURCE
        options = ["--require-hashes", "--no-deps"] if self.locked else []
        options += ["--torch-backend", self.torch_backend] if self.torch_backend else []
        lines = [] if self.locked else ["# NOT LOCKED: what these need is chosen when the image is built."]
        if not self.locked and any(f" {MODEL}/" in line for line in self.lines):  # constraints
            lines.append(f"COPY {MODEL} {MODEL}")
        lines += [
            f"COPY {source} ./",
            "RUN --mount=type=cache,target=/root/.cache/uv \\",
            "    --mount=type=secret,id=uv,target=/etc/uv/uv.toml \\",
            f"    {_run('uv', 'pip', 'install', '--python', '/app/bin/python', *options, '-r', source)}",
        ]
        return "\n".join(lines)

    def _system(self) -> str:
        text = "\n".join(self.lines)
        found = (needs for name, needs in _SYSTEM.items() if re.search(rf"^{name}\b", text, re.MULTILINE))
        wanted = {*self.system, *found}
        if not wanted:
            return ""
        return "\n".join([
            "RUN apt-get update \\",
            f"    && apt-get install --yes --no-install-recommends {' '.join(sorted(wanted))} \\",
            "    && rm -rf /var/lib/apt/lists/*",
        ])  # fmt: skip

    def _allowed(self) -> str:
        lines = []
        if self.allow_pickle:
            lines = [
                f"# Allowed on request: {self.pickled or 'a pickle'} runs code of its author when the model is loaded.",
                "ENV MODELYARD_SERVE_ALLOW_PICKLE=true",
            ]
        if self.trusted:
            lines.append(f"ENV MODELYARD_SERVE_TRUSTED_TYPES={quoted(','.join(self.trusted))}")
        return "\n".join([*lines, *(f"ENV {name}={quoted(value)}" for name, value in self.variables)])

    def _told(self) -> dict[str, str]:
        again = requirements.relock(self.python, self.platform, self.torch_backend)
        if self.locked:
            how = f"`{requirements.LOCK}` is made again, with newer packages, by `{again}`."
            what = f"{self.locked} packages, pinned with hashes"
        else:
            how = "Nothing is locked: make this context again where uv and a package index can be reached."
            what = "pinned as in the model, **not locked**: what those packages need is chosen when the image is built"
        pickle = f"| **pickle** | the image runs {self.pickled}, code of the model's author |\n" if self.pickled else ""
        return {"relock": how, "locked": what, "pickle": pickle}


def quoted(value: str) -> str:
    """A value in a Dockerfile, in which nothing is replaced."""
    return json.dumps(value, ensure_ascii=False).replace("$", "\\$")


def _run(*words: str) -> str:
    return json.dumps(words)


def _filled(file: str, words: Mapping[str, str]) -> str:
    text = resources.files(__package__).joinpath("templates", file).read_text(encoding="utf-8")
    text = Template(text).substitute(words)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"  # without the blank lines that empty parts leave
