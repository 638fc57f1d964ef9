"""Which parts of a run a reader wants."""

from dataclasses import replace

import pytest

from modelyard.domain.errors import InvalidArgument
from modelyard.domain.selection import EVERYTHING, PARTS, Selection, parse_selection

NOTHING = {"info": False, "datasets": False, "models": False}
NO_KEYS = {"metrics": frozenset(), "params": frozenset(), "tags": frozenset()}


def only(**parts) -> Selection:
    return Selection(**{**NOTHING, **NO_KEYS, **parts})


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ([], EVERYTHING),
        (["info"], only(info=True)),
        (["params.lr", "params.a.b"], only(params=frozenset({"lr", "a.b"}))),
        (["metrics.val/loss", "metrics"], only(metrics=None)),
        (["metrics.*", "metrics.loss"], only(metrics=None)),
        (["tags.*", "models"], only(tags=None, models=True)),
        ([part for part in PARTS if part != "versions"], EVERYTHING),
        (list(PARTS), replace(EVERYTHING, versions=True)),
    ],
)
def test_a_spelling_and_its_meaning(fields, wanted) -> None:
    assert parse_selection(fields) == wanted


@pytest.mark.parametrize("field", ["", "x", "info.name", "param.lr", "params.", "*", "datasets.*", "Info"])
def test_what_is_no_field(field) -> None:
    with pytest.raises(InvalidArgument, match="Unknown field"):
        parse_selection([field])


def test_what_is_wanted() -> None:
    assert [part for part in PARTS if parse_selection(["info", "tags.a", "metrics"]).wants(part)] == [
        "info",
        "metrics",
        "tags",
    ]
