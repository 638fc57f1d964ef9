"""A file above 400 lines needs a look; above 800 it needs a reason that is written down here."""

import pytest

from tests.architecture.source import ROOT, files

LOOK, LIMIT = 400, 800
EXCUSED: dict[str, str] = {}  # path → why this one may be longer


def lengths() -> dict[str, int]:
    return {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in files("src", "tests", "examples", "benchmarks")
    }


def test_no_file_is_above_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    long = sorted(((size, path) for path, size in lengths().items() if size > LOOK), reverse=True)
    with capsys.disabled():
        print(f"\n{len(long)} files above {LOOK} lines", *(f"{size:5} {path}" for size, path in long), sep="\n  ")
    assert [(size, path) for size, path in long if size > LIMIT and path not in EXCUSED] == []


def test_excuses_are_still_needed() -> None:
    assert [path for path in EXCUSED if lengths().get(path, 0) <= LIMIT] == []
