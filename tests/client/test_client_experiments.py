"""`Client`: experiments, on both servers."""

import secrets

import pytest

from modelyard.client.client import Client
from modelyard.client.entities import Experiment, ViewType
from modelyard.domain.errors import AlreadyExists, NotFound


@pytest.fixture
def client(any_server) -> Client:
    return Client(any_server)


@pytest.fixture
def name() -> str:
    return f"experiment-{secrets.token_hex(4)}"


def test_an_experiment_is_made_and_read(client, name) -> None:
    number = client.create_experiment(name, tags={"team": "red", "size": 3})
    found = client.get_experiment(number)
    assert isinstance(found, Experiment)
    assert (found.name, found.lifecycle_stage) == (name, "active")
    assert {key: found.tags[key] for key in ("team", "size")} == {"team": "red", "size": "3"}
    assert found.artifact_location.endswith(number)
    assert found.creation_time
    assert client.get_experiment_by_name(name) == found
    assert client.find_experiment(name) == found == client.find_experiment(number)
    with pytest.raises(AlreadyExists, match=name):
        client.create_experiment(name)


def test_what_is_not_there(client, name) -> None:
    assert client.get_experiment_by_name(name) is None
    with pytest.raises(NotFound):
        client.get_experiment("99999999")
    for missing in (name, "99999999"):
        with pytest.raises(NotFound, match="neither by name nor by id"):
            client.find_experiment(missing)


def test_an_experiment_is_renamed_tagged_and_moved_to_the_trash(client, name) -> None:
    number = client.create_experiment(name)
    client.rename_experiment(number, f"{name}-2")
    client.set_experiment_tag(number, "k", 1)
    assert client.get_experiment(number).tags["k"] == "1"
    client.delete_experiment_tag(number, "k")
    client.delete_experiment(number)
    gone = client.get_experiment(number)
    assert (gone.name, gone.lifecycle_stage) == (f"{name}-2", "deleted")
    assert "k" not in gone.tags
    client.restore_experiment(number)
    assert client.get_experiment(number).lifecycle_stage == "active"


def test_a_search_finds_all_or_says_that_it_is_cut(client, name) -> None:
    for part in range(3):
        client.create_experiment(f"{name}-{part}")
    gone = client.create_experiment(f"{name}-gone")
    client.delete_experiment(gone)
    wanted = f"name LIKE '{name}%'"
    found = client.search_experiments(filter_string=wanted, order_by=["name DESC"])
    assert [each.name for each in found] == [f"{name}-{part}" for part in (2, 1, 0)]
    assert len(client.search_experiments(ViewType.ALL, filter_string=wanted)) == 4
    page = client.search_experiments(filter_string=wanted, max_results=2, order_by=["name"])
    assert [each.name for each in page] == [f"{name}-0", f"{name}-1"]
    assert page.cut
    rest = client.search_experiments(filter_string=wanted, order_by=["name"], page_token=page.token, max_results=2)
    assert [each.name for each in rest] == [f"{name}-2"]
    assert not rest.cut
