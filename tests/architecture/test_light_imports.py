"""What is light stays light: each import runs in a fresh interpreter, and we look at what it brought along."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "alembic", "fsspec", "h11", "httptools", "mlflow", "numpy", "obstore", "pandas", "psycopg", "scipy", "sklearn",
    "sqlalchemy", "starlette", "torch", "tsdownsample", "uvicorn", "uvloop", "zstandard",
}  # fmt: skip


def loaded_by(module: str) -> set[str]:
    """Top-level packages, ours and the standard library's left out, that importing `module` loads."""
    program = (
        f"import json, sys; before = set(sys.modules); import {module}; print(json.dumps([*set(sys.modules) - before]))"
    )
    output = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True).stdout
    packages = {name.partition(".")[0] for name in json.loads(output)}
    return packages - set(sys.stdlib_module_names) - {"modelyard"}


@pytest.mark.parametrize("module", ["modelyard", "modelyard.domain.errors", "modelyard.optional", "modelyard.settings"])
def test_the_ground_floor_loads_nothing_foreign(module: str) -> None:
    assert loaded_by(module) == set()


def test_naming_what_a_script_uses_loads_no_transport_and_no_numbers() -> None:
    """Not before something is logged: a script may be imported by others that never log."""
    heavy = loaded_by("modelyard; modelyard.log_metric, modelyard.start_run, modelyard.stage, modelyard.set_experiment")
    assert heavy <= {"msgspec", "typing_extensions"}


def test_the_command_line_loads_nothing_heavy() -> None:
    assert loaded_by("modelyard.cli.main") & HEAVY == set()


def test_the_server_leaves_the_leaves_alone() -> None:
    """A server on SQLite and files needs neither PostgreSQL's driver, nor object stores, nor MLflow."""
    assert loaded_by("modelyard.server.app") & {"psycopg", "obstore", "mlflow", "pandas", "sklearn"} == set()


def test_the_front_of_a_model_server_stays_small() -> None:
    """It moves bytes: numbers, models and registries are the workers' and the sources'."""
    loaded = loaded_by("modelyard.serving.front")
    assert loaded & (HEAVY - {"h11", "httptools", "uvicorn", "uvloop"}) == set()
    assert loaded & {"prometheus_client", "opentelemetry", "ray", "urllib3"} == set()


def test_a_gateway_stays_small() -> None:
    loaded = loaded_by("modelyard.serving.gateway.front, modelyard.serving.gateway.keeping")
    assert loaded & (HEAVY - {"h11", "httptools", "uvicorn", "uvloop"}) == set()
    assert loaded & {"prometheus_client", "opentelemetry", "ray", "urllib3"} == set()
