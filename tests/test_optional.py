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


def test_a_module_of_ours_that_is_missing_is_a_fault() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"modelyard\.nowhere") as caught:
        optional.load("modelyard.nowhere", to="get lost")
    assert not isinstance(caught.value, optional.MissingExtraError)


@pytest.mark.parametrize(("package", "extra"), optional.EXTRAS.items())
def test_the_extra_named_brings_the_package(package: str, extra: str) -> None:
    distribution = {"sklearn": "scikit-learn"}.get(package, package)
    assert any(line.startswith(distribution) for line in PROJECT["optional-dependencies"][extra])
