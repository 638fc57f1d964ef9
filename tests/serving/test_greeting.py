"""What is printed: what will be served, what is missing, and a command that works."""

from __future__ import annotations

import shlex

import pytest

from modelyard import __version__
from modelyard.serving import greeting
from modelyard.serving.rounds import Found, Missing, Round


def found(name, **facts):
    return Found(
        **{"name": name, "source": f"models:/{name}/latest", "uri": f"models:/{name}/3", "identity": "i", **facts}
    )


def test_what_will_be_served_is_named_with_where_it_is_from():
    models = [
        found("wine", registered_model="wine", version="3", label="2.3.1", source="models:/wine@champion"),
        found("red", registered_model="wine", version="1", source="models:/wine/1", uri="models:/wine/1"),
        found("local", uri="/models/local", source="./local"),
        found("team", registered_model="team", version="7", source="filter \"tags.team = 'x'\""),
    ]
    missing = {"lost": Missing("lost", "s", "No version of the model is in Production.")}
    told = greeting.starting(Round({model.name: model for model in models}, missing, "It is away."))
    assert told.splitlines() == [
        f"Modelyard {__version__} is getting 4 models ready:",
        "  wine   version 3 (2.3.1), which is models:/wine@champion",
        "  red    version 1 of wine",
        "  local  /models/local",
        "  team   version 7",
        "It is away. These are the models that were served last.",
        "Missing: lost: No version of the model is in Production.",
    ]


def test_of_many_some_are_named():
    every = {f"m{number:03}": found(f"m{number:03}") for number in range(250)}
    missing = {f"x{number}": Missing(f"x{number}", "s", "gone") for number in range(11)}
    told = greeting.starting(Round(every, missing))
    assert "is getting 250 models ready:" in told
    assert "  and 240 more\n" in told
    assert told.endswith("Missing: 1 more")
    assert len(told.splitlines()) == 1 + 10 + 1 + 10 + 1


@pytest.mark.parametrize(
    ("names", "default", "path"),
    [
        (["wine"], "", "/predict"),
        (["a", "wine"], "wine", "/predict"),
        (["it's $5", "b"], "", "/models/it%27s%20%245/predict"),
    ],
)
def test_the_command_asks_the_model_that_is_meant(names, default, path):
    body = b'{"text":"it\'s `good` $HOME"}'
    told = greeting.ready("http://127.0.0.1:8000", names, default=default, example=body, seconds=1.23)
    first, second, command = told.splitlines()
    assert first == f"Modelyard {__version__} is ready at http://127.0.0.1:8000"
    assert "after 1.2 s" in second
    assert second.endswith("http://127.0.0.1:8000/docs")
    assert shlex.split(command) == [
        "curl", f"http://127.0.0.1:8000{path}", "-H", "content-type: application/json", "-d", body.decode(),
    ]  # fmt: skip


def test_without_an_example_or_with_a_huge_one_nothing_floods_the_terminal():
    assert "curl" not in greeting.ready("http://h", ["wine"])
    assert greeting.ready("http://h", ["wine"], example=b"[" + b"1," * 5000 + b"1]").endswith("-d @example.json")
