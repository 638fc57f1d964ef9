"""A missing optional package is one sentence; anything else that is missing is a fault and stays one."""

import sys
import tomllib
from pathlib import Path

import pytest

from modelyard import optional

PROJECT = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())["project"]


def test_a_package_that_is_there_is_loaded() -> None:
    assert optional.load("msgspec.json", to="read JSON") is sys.modules["msgspec.json"]


def test_a_missing_package_says_what_to_install_and_what_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "psycopg.rows", raising=False)
    with pytest.raises(optional.MissingExtraError) as caught:
        optional.load("psycopg.rows", to="keep runs in PostgreSQL")
    assert str(caught.value) == (
        "'psycopg' is not installed. Run: pip install 'modelyard[postgres]' to keep runs in PostgreSQL."
    )
    assert caught.value.extra == "postgres"
    with pytest.raises(optional.MissingExtraError, match=r"modelyard\[all\]' to see"):
        optional.load("psycopg.rows", to="see", extra="all")


def test_what_another_process_will_need_is_missed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    optional.require("msgspec", "click", to="run", extra="all")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(optional.MissingExtraError, match=r"'uvicorn' is not installed.*modelyard\[serving\]"):
        optional.require("msgspec", "uvicorn", to="serve models", extra="serving")


def test_a_module_of_ours_that_is_missing_is_a_fault() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"modelyard\.nowhere") as caught:
        optional.load("modelyard.nowhere", to="get lost")
    assert not isinstance(caught.value, optional.MissingExtraError)


@pytest.mark.parametrize(("package", "extra"), optional.EXTRAS.items())
def test_the_extra_named_brings_the_package(package: str, extra: str) -> None:
    distribution = {"sklearn": "scikit-learn", "prometheus_client": "prometheus-client"}.get(package, package)
    assert any(line.startswith(distribution) for line in PROJECT["optional-dependencies"][extra])
