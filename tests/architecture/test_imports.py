"""Who may import whom: the contracts of pyproject.toml hold, and each of them can be broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGE, ROOT, files, imports

# what a domain that only decides has no business with
CLOCKS_AND_DOORS = {
    "asyncio", "http", "io", "logging", "os", "pathlib", "random", "secrets", "shutil", "socket", "sqlite3", "ssl",
    "subprocess", "sys", "tempfile", "threading", "time", "urllib.request",
}  # fmt: skip

VIOLATIONS = [
    ("domain/runs.py", "import modelyard.db.engine", "Imports go down"),
    ("services/runs.py", "import modelyard.server.app", "Imports go down"),
    ("utils/__init__.py", "", "Imports go down"),
    ("server/mlflow/runs.py", "import modelyard.server.api.routes", "The two edges are strangers"),
    ("db/runs.py", "import modelyard.artifacts.base", "The database floor sees only domain and settings"),
    ("services/runs.py", "import modelyard.wire.runs", "Services never see wire"),
    ("domain/runs.py", "import modelyard.settings", "The domain knows no settings"),
    ("services/runs.py", "import sqlalchemy", "SQL lives in db"),
    ("cli/server.py", "import uvicorn", "HTTP serving lives in server, serving"),
    ("domain/errors.py", "import modelyard.domain.runs", "No two siblings form a circle"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package below `folder`."""
    program = (
        "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    command = [sys.executable, "-c", program, "--no-cache", "--no-logo", "--config", str(ROOT / "pyproject.toml")]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_every_contract_is_kept() -> None:
    result = lint(ROOT / "src")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("path", "line", "contract"), VIOLATIONS)
def test_a_violation_breaks_the_contract_meant_for_it(tmp_path: Path, path: str, line: str, contract: str) -> None:
    shutil.copytree(PACKAGE, tmp_path / "modelyard", ignore=shutil.ignore_patterns("__pycache__"))
    spoiled = tmp_path / "modelyard" / path
    spoiled.parent.mkdir(exist_ok=True)
    with spoiled.open("a") as file:
        file.write(f"\n{line}\n")

    result = lint(tmp_path)

    broken = [row for row in result.stdout.splitlines() if row.startswith(contract)]
    assert broken, result.stdout
    assert "BROKEN" in broken[0] or "exhaustive" in result.stdout.lower(), result.stdout
    assert result.returncode != 0


@pytest.mark.parametrize("path", files("src/modelyard/domain"), ids=lambda path: path.stem)
def test_the_domain_is_pure(path: Path) -> None:
    foreign = {
        name
        for name in imports(path)
        if not name.startswith("modelyard.domain")
        and (name.partition(".")[0] not in sys.stdlib_module_names or {name, name.partition(".")[0]} & CLOCKS_AND_DOORS)
    }
    assert not foreign
