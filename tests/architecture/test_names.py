"""Names that say nothing are refused, and tests stand where their subject stands."""

import ast

from tests.architecture.source import PACKAGE, ROOT, files

DRAWERS = {"utils", "util", "helpers", "helper", "common", "manager", "handlers", "core", "misc"}
OUTSIDE_THE_MIRROR = {
    "browser",
    "architecture",
    "contracts",
    "e2e",
    "reliability",
    "upgrade",
}  # tests with no floor of their own


def test_no_module_is_a_drawer() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in files("src", "tests", "examples", "benchmarks")
        if DRAWERS & set(path.relative_to(ROOT).with_suffix("").parts)
    ]
    assert found == []


def test_base_is_kept_for_protocols() -> None:
    def declares_a_protocol(text: str) -> bool:
        classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
        return any("Protocol" in ast.unparse(base) for node in classes for base in node.bases)

    bases = [path for path in files("src") if path.stem == "base"]
    assert [str(path) for path in bases if not declares_a_protocol(path.read_text())] == []


def test_tests_mirror_the_floors() -> None:
    floors = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert folders <= floors | OUTSIDE_THE_MIRROR
