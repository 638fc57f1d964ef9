"""`Client` has MLflow's names and arguments, and says what each of its methods does."""

import inspect
import re
import warnings
from typing import Any

import pytest

from modelyard.client.client import Client
from tests.architecture.source import ROOT

NOT_OURS = {
    "trace", "span", "prompt", "webhook", "workspace", "mcp", "dataset",  # not classic machine learning
}  # fmt: skip
"""Words in the names of MLflow's methods that we have no counterpart of."""


def methods(kind: type) -> dict[str, Any]:
    return {name: value for name, value in inspect.getmembers(kind) if not name.startswith("_") and callable(value)}


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
        return {
            name: method
            for name, method in methods(mlflow.MlflowClient).items()
            if not any(word in name for word in NOT_OURS)
        }


def test_every_method_of_classic_machine_learning_is_there(theirs) -> None:
    assert len(theirs) > 60
    assert [name for name in theirs if not hasattr(Client, name)] == []


def test_arguments_have_the_same_names_and_places(theirs) -> None:
    """Ours may have more, at the end, with defaults; `max_results` alone has another default, none."""
    different = {}
    for name, method in theirs.items():
        wanted = list(inspect.signature(method).parameters.values())
        given = list(inspect.signature(getattr(Client, name)).parameters.values())
        same = [each.name for each in given[: len(wanted)]] == [each.name for each in wanted]
        extra = all(each.default is not inspect.Parameter.empty for each in given[len(wanted) :])
        required = [each.name for each in wanted if each.default is inspect.Parameter.empty]
        ours_required = [each.name for each in given if each.default is inspect.Parameter.empty]
        if not (same and extra and required == ours_required):
            different[name] = (str(inspect.signature(method)), str(inspect.signature(getattr(Client, name))))
    assert different == {}


def test_every_method_says_what_it_does() -> None:
    silent = [name for name, method in methods(Client).items() if not (method.__doc__ or "").strip()]
    assert silent == []
    properties = [name for name, value in inspect.getmembers(Client) if isinstance(value, property)]
    assert [name for name in properties if not getattr(Client, name).__doc__] == []


def test_a_client_shows_where_it_speaks_to() -> None:
    assert repr(Client("http://me:secret@host:1")) == "Client('http://***@host:1')"
    assert repr(Client("http://a:1", "http://b:1")) == "Client('http://a:1', 'http://b:1')"


def test_every_method_is_in_the_reference() -> None:
    page = (ROOT / "docs" / "client-reference.md").read_text()
    named = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b|(?<=`)[a-z]+(?=`)", page))
    assert [name for name in methods(Client) if name not in named] == []
