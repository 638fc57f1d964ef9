"""An error that an edge forgot would become a 500: both edges know every error of the domain."""

import pytest

from modelyard.domain import errors
from modelyard.domain.errors import ModelyardError
from modelyard.server.api import errors as native
from modelyard.server.mlflow import errors as mlflow


def descendants(kind: type[ModelyardError]) -> set[type[ModelyardError]]:
    return {kind, *(deeper for child in kind.__subclasses__() for deeper in descendants(child))}


KINDS = {kind for kind in descendants(ModelyardError) if kind.__module__ == errors.__name__} - {ModelyardError}


@pytest.mark.parametrize("edge", [mlflow, native], ids=["mlflow", "native"])
def test_every_error_has_a_status(edge: object) -> None:
    assert {kind.__name__ for kind in KINDS - set(edge.STATUS)} == set()  # type: ignore[attr-defined]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    drawn = {line.split("──")[1].split()[0] for line in errors.__doc__.splitlines() if "──" in line}
    assert drawn == {kind.__name__ for kind in KINDS}
