"""`modelyard models verify`, on directories and on what a server has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from modelyard.cli.main import main
from modelyard.client.client import Client
from modelyard.packaging import model as packaging
from modelyard.pyfunc import PythonModel


class Repeat(PythonModel):
    def predict(self, data: Any) -> Any:
        return [each * 2 for each in data]


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELYARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MODELYARD_TRACKING_URI", raising=False)
    packaging.save(Repeat, tmp_path / "model", flavor="python_function", golden=["a"])
    return tmp_path / "model"


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["models", "verify", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_directory_needs_no_server(saved: Path) -> None:
    result = run(saved)
    assert result.exit_code == 0, result.output
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[:2] for row in rows] == [
        ["files", "passed"], ["environment", "passed"], ["loading", "passed"], ["golden test", "passed"],
    ]  # fmt: skip
    assert rows[0][2].startswith("sha256:")
    assert result.stderr == ""


def test_what_fails_is_told_and_is_the_exit_code(saved: Path) -> None:
    (saved / "requirements.txt").write_text("no-such-package-of-test==1")
    result = run(saved)
    assert result.exit_code == 1
    assert "files: The model in" in result.stderr
    assert "changed: requirements.txt" in result.stderr
    assert "environment: no-such-package-of-test==1 (missing)" in result.stderr
    (saved / "modelyard" / "checksums.json").unlink()
    assert run(saved).exit_code == 1
    assert run(saved, "--any-environment").exit_code == 0


def test_as_json(saved: Path) -> None:
    told = json.loads(run(saved, "--json").stdout)
    assert (told["model"], told["passed"]) == (str(saved), True)
    assert told["findings"][-1] == {"check": "golden test", "state": "passed", "told": "golden"}
    (saved / "added.txt").touch()
    result = run(saved, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["passed"] is False


def test_pickles_and_types_need_leave(tmp_path: Path, saved: Path) -> None:
    packaging.save(Repeat(), tmp_path / "pickled", flavor="python_function", serialization_format="pickle")
    assert "allow_pickle" in run(tmp_path / "pickled").stderr
    assert run(tmp_path / "pickled", "--allow-pickle").exit_code == 0
    assert run(saved, "--trusted", "my.Type", "--trusted", "my.Other").exit_code == 0


def test_what_a_server_has(sqlite_server: Any, saved: Path) -> None:
    client = Client(sqlite_server.url)
    run_id = client.create_run("0").info.run_id
    client.log_artifacts(run_id, str(saved), "it")
    client.create_registered_model("repeat")
    client.create_model_version("repeat", f"runs:/{run_id}/it")
    for uri in ("models:/repeat/1", f"runs:/{run_id}/it"):
        result = run(uri, "--tracking-uri", sqlite_server.url)
        assert result.exit_code == 0, result.output
        assert "golden test\tpassed" in result.stdout
    (stored,) = (saved.parent / "data").rglob("golden.json")
    stored.write_text(stored.read_text().replace('"aa"', '"ab"'))
    result = run(f"runs:/{run_id}/it", "--tracking-uri", sqlite_server.url)
    assert result.exit_code == 1
    assert "golden.json" in result.stderr
    result = run("models:/nothing/1", "--tracking-uri", sqlite_server.url)
    assert result.exit_code == 1
    assert "nothing" in result.stderr


def test_neither_a_directory_nor_a_store(saved: Path) -> None:
    result = run("models:/repeat/1")
    assert result.exit_code == 1
    assert "--tracking-uri" in result.stderr
