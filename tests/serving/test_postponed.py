"""A module that is imported when it is used."""

from __future__ import annotations

import builtins
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.serving.postponed import postponed

MODULE = """
import builtins
builtins.imported = getattr(builtins, "imported", 0) + 1

class Cup:
    size = 3

def double(value, *, plus=0):
    return 2 * value + plus

cup = Cup()
"""


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    package = tmp_path / "postponed_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "module.py").write_text(MODULE)
    (package / "user.py").write_text(
        "import postponed_package.module\nfrom postponed_package import module\n"
        "from postponed_package.module import Cup, cup, double\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(builtins, "imported", 0, raising=False)
    yield "postponed_package.module"
    for each in [each for each in sys.modules if each.startswith("postponed_package")]:
        del sys.modules[each]


def times() -> int:
    return builtins.imported  # type: ignore[attr-defined]


def test_what_was_imported_of_it_works_when_it_is_used(name):
    with postponed(name):
        user = importlib.import_module("postponed_package.user")
    assert name not in sys.modules
    assert times() == 0
    assert user.double(4, plus=1) == 9
    assert times() == 1
    real = importlib.import_module(name)
    assert times() == 1
    assert user.cup.size == 3
    assert isinstance(real.cup, user.Cup)
    assert user.module.double is real.double

    class Mug(user.Cup):
        pass

    assert Mug.__mro__[1] is real.Cup
    assert sys.modules["postponed_package"].module is real


def test_who_uses_it_inside_gets_it_at_once(name):
    with postponed(name):
        user = importlib.import_module("postponed_package.user")
        assert user.double(4) == 8
        assert sys.modules[name].double(1) == 2
    assert times() == 1
    with postponed(name):  # it is there already
        assert sys.modules[name].cup.size == 3


def test_what_it_does_not_have_is_said_when_it_is_used(name):
    with postponed(name):
        from postponed_package.module import spoon  # type: ignore[import-not-found]
    with pytest.raises(AttributeError, match="spoon"):
        spoon()
