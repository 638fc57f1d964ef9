"""What a user can set, run or depend on is written down; what is written down is there."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from modelyard.settings import CLIENT, GatewaySettings, ServeSettings, Settings
from tests.architecture.settings_table import MARKS, page
from tests.architecture.source import ROOT, files

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")]


def package(requirement: str) -> str:
    return re.split(r"[\[<>=;~! ]", requirement, maxsplit=1)[0].lower()


@pytest.mark.parametrize("path", MARKS, ids=lambda path: path.stem)
def test_every_setting_is_documented(path: Path) -> None:
    assert path.read_text() == page(path), "run: make docs"


def test_the_client_reads_no_other_variable() -> None:
    texts = [path.read_text() for path in files("src") if "server" not in path.parts]
    named = {variable for text in texts for variable in re.findall(r"\bMODELYARD_[A-Z_]+\b", text)}
    kinds = (Settings, ServeSettings, GatewaySettings)
    servers = {f"{kind.PREFIX}{each.name.upper()}" for kind in kinds for each in fields(kind)}
    known = {*CLIENT, *servers, ServeSettings.PREFIX, GatewaySettings.PREFIX}
    assert "MODELYARD_SPOOL" in named
    assert named - known == set()


def test_every_dependency_has_its_reason() -> None:
    extras = PROJECT["project"]["optional-dependencies"].values()
    named = {package(line) for lines in [PROJECT["project"]["dependencies"], *extras] for line in lines}
    reasons = (ROOT / "docs" / "decisions" / "dependencies.md").read_text().lower()
    assert [name for name in sorted(named - {"modelyard"}) if not re.search(rf"\b{re.escape(name)}\b", reasons)] == []


def test_every_lint_rule_that_is_off_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^\[tool\.ruff\.lint\]$.*?^\[tool\.ruff\.lint\.flake8", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    codes = [line for line in block[0].splitlines() if re.match(r'  "[A-Z]+\d*",', line)]
    assert codes
    assert [line for line in codes if "#" not in line] == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    assert [
        page.name for page in folder.glob("*.md") if page.name != "README.md" and f"({page.name})" not in index
    ] == []


def test_no_decision_number_is_taken_twice() -> None:
    numbers = [page.name[:4] for page in (ROOT / "docs" / "decisions").glob("[0-9]*.md")]
    assert sorted(numbers) == sorted(set(numbers))


def test_links_between_pages_lead_somewhere() -> None:
    dead = [
        f"{source.relative_to(ROOT)}: {target}"
        for source in PAGES
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", source.read_text())
        if not (source.parent / target).exists()
    ]
    assert dead == []


def test_every_make_word_in_the_docs_exists() -> None:
    words = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {(page.name, word) for page in PAGES for word in re.findall(r"`make ([a-z-]+)", page.read_text())}
    assert named
    assert {(page, word) for page, word in named if word not in words} == set()
