"""Scripts as people have them: nothing but the imports changed, on our server and on a stock MLflow server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "scripts"
NEEDS = {"reviews": "torch", "lightning_autolog": "lightning"}


def with_our_imports(source: str) -> str:
    """The script as somebody who moves over would write it."""
    source = re.sub(r"^import mlflow$", "import modelyard as mlflow", source, flags=re.MULTILINE)
    return re.sub(r"^(import|from) mlflow\.", r"\1 modelyard.", source, flags=re.MULTILINE)


def run(source: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "train.py"
    script.write_text(source)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "MODELYARD_"))}
    return subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        cwd=folder,
        env=environment
        | {
            "MLFLOW_TRACKING_URI": url,
            "MODELYARD_SPOOL": str(folder / "spool"),
            "MODELYARD_CACHE": str(folder / "cache"),
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("name", ["wine", "release_day", "reviews", "lightning_autolog"])
@pytest.mark.parametrize("where", ["modelyard", "mlflow"])
def test_a_script_needs_only_another_import(request, tmp_path, name, where):
    if (package := NEEDS.get(name)) and find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    url = request.getfixturevalue("sqlite_server" if where == "modelyard" else "stock_mlflow")
    url = getattr(url, "url", url)
    source = (SCRIPTS / f"{name}.py").read_text()
    done = run(with_our_imports(source), url, tmp_path)
    assert done.stdout.endswith("done\n"), done.stdout + done.stderr
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
