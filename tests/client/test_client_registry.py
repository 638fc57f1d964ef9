"""`Client`: registered models and their versions, on both servers; what only ours has."""

import secrets

import pytest

from modelyard.client.client import Client
from modelyard.client.entities import ModelVersion
from modelyard.domain.errors import AlreadyExists, InvalidArgument, ModelyardError, NotFound, NotSupported


@pytest.fixture
def client(any_server) -> Client:
    return Client(any_server)


@pytest.fixture
def ours(sqlite_server) -> Client:
    return Client(sqlite_server.url)


def some_model(client: Client, versions: int = 1) -> str:
    """A registered model with versions whose files belong to one run."""
    name = f"model-{secrets.token_hex(4)}"
    run = client.create_run("0").info.run_id
    client.log_text(run, "weights", "model/weights.txt")
    client.create_registered_model(name)
    for _ in range(versions):
        client.create_model_version(name, f"runs:/{run}/model")
    return name


def test_a_name_is_registered_changed_and_deleted(client) -> None:
    name = f"model-{secrets.token_hex(4)}"
    made = client.create_registered_model(name, {"team": "red"}, "about wine")
    assert (made.name, made.tags, made.description) == (name, {"team": "red"}, "about wine")
    with pytest.raises(AlreadyExists, match=name):
        client.create_registered_model(name)
    assert client.update_registered_model(name, "better").description == "better"
    client.set_registered_model_tag(name, "k", 1)
    client.delete_registered_model_tag(name, "team")
    assert client.get_registered_model(name).tags == {"k": "1"}
    assert client.rename_registered_model(name, f"{name}-2").name == f"{name}-2"
    client.delete_registered_model(f"{name}-2")
    with pytest.raises(NotFound, match=name):
        client.get_registered_model(f"{name}-2")


def test_a_version_is_made_from_a_run(client) -> None:
    name = f"model-{secrets.token_hex(4)}"
    run = client.create_run("0").info
    client.create_registered_model(name)
    made = client.create_model_version(name, f"runs:/{run.run_id}/model", tags={"a": 1}, description="first")
    assert isinstance(made, ModelVersion)
    assert (made.version, made.run_id, made.status, made.tags) == ("1", run.run_id, "READY", {"a": "1"})
    assert made.source == f"{run.artifact_uri}/model"
    assert client.get_model_version_download_uri(name, "1") == made.source
    assert client.get_model_version(name, 1).description == "first"
    assert client.update_model_version(name, 1, "changed").description == "changed"
    client.delete_model_version(name, "1")
    with pytest.raises(NotFound):
        client.get_model_version(name, "1")


def test_a_version_is_found_by_whatever_names_it(client) -> None:
    name = some_model(client, versions=3)
    client.transition_model_version_stage(name, 1, "production")
    client.set_registered_model_alias(name, "champion", 2)
    found = {
        reference: client.get_model_version_by_uri(f"models:/{name}{reference}").version
        for reference in ("/1", "/latest", "/Production", "/production", "@champion")
    }
    assert found == {"/1": "1", "/latest": "3", "/Production": "1", "/production": "1", "@champion": "2"}
    with pytest.raises(NotFound, match="Staging"):
        client.get_model_version_by_uri(f"models:/{name}/Staging")
    with pytest.raises(ModelyardError, match="nobody"):
        client.get_model_version_by_uri(f"models:/{name}@nobody")
    with pytest.raises(NotFound, match="no versions"):
        client.get_model_version_by_uri("models:/no-such-model/latest")
    with pytest.raises(InvalidArgument, match="logged model"):
        client.get_model_version_by_uri("models:/m-" + "0" * 32)


def test_stages(client) -> None:
    name = some_model(client, versions=2)
    assert client.transition_model_version_stage(name, 1, "staging").current_stage == "Staging"
    client.transition_model_version_stage(name, 2, "Staging", archive_existing_versions=True)
    assert client.get_model_version(name, 1).current_stage == "Archived"
    assert [each.version for each in client.get_latest_versions(name, ["Staging"])] == ["2"]
    assert {each.current_stage for each in client.get_latest_versions(name)} == {"Staging", "Archived"}
    assert client.get_model_version_stages(name, 1) == ["None", "Staging", "Production", "Archived"]
    with pytest.raises(InvalidArgument, match="stage"):
        client.transition_model_version_stage(name, 1, "Somewhere")


def test_tags_of_versions(client) -> None:
    name = some_model(client)
    client.transition_model_version_stage(name, 1, "Staging")
    client.set_model_version_tag(name, "1", "a", 1)
    client.set_model_version_tag(name, key="b", value=2, stage="staging")
    client.delete_model_version_tag(name, 1, "a")
    assert client.get_model_version(name, 1).tags == {"b": "2"}
    for wrong in ({"version": 1, "stage": "Staging"}, {}):
        with pytest.raises(InvalidArgument, match="Either"):
            client.set_model_version_tag(name, key="a", value=1, **wrong)
    with pytest.raises(InvalidArgument, match="no key"):
        client.set_model_version_tag(name, 1)


def test_aliases(client) -> None:
    name = some_model(client, versions=2)
    client.set_registered_model_alias(name, "champion", "1")
    client.set_registered_model_alias(name, "champion", 2)
    assert client.get_model_version_by_alias(name, "champion").version == "2"
    assert client.get_model_version(name, 2).aliases == ["champion"]
    assert client.get_registered_model(name).aliases == {"champion": "2"}
    client.delete_registered_model_alias(name, "champion")
    assert client.get_registered_model(name).aliases == {}


def test_a_version_is_copied_to_another_name(client) -> None:
    name = some_model(client)
    client.set_model_version_tag(name, 1, "a", "b")
    client.set_registered_model_alias(name, "champion", 1)
    copied = client.copy_model_version(f"models:/{name}@champion", f"{name}-copy")
    assert (copied.name, copied.version, copied.tags) == (f"{name}-copy", "1", {"a": "b"})
    original = client.get_model_version_download_uri(name, 1)
    assert client.get_model_version_download_uri(f"{name}-copy", 1) == original
    assert client.copy_model_version(f"models:/{name}/1", f"{name}-copy").version == "2"


def test_a_search_finds_all_or_says_that_it_is_cut(client) -> None:
    name = some_model(client, versions=3)
    other = client.copy_model_version(f"models:/{name}/1", f"{name}-copy").name
    assert [each.name for each in client.search_registered_models(f"name LIKE '{name}%'")] == [name, other]
    assert client.search_registered_models(f"name LIKE '{name}%'", max_results=1).cut
    versions = client.search_model_versions(f"name = '{name}'", order_by=["version_number DESC"])
    assert [each.version for each in versions] == ["3", "2", "1"]
    page = client.search_model_versions(f"name = '{name}'", max_results=2, order_by=["version_number ASC"])
    assert [each.version for each in page] == ["1", "2"]
    assert page.cut


def test_250_models_are_250_models(ours) -> None:
    """A plain search is not cut at a page, whatever the server's default is."""
    for number in range(250):
        ours.create_registered_model(f"model-{number:03}", {"number": number})
    assert len(ours.search_registered_models()) == 250
    assert [each.name for each in ours.search_registered_models()][-1] == "model-249"
    assert len(list(ours.search_registered_models("name LIKE 'model-1%'"))) == 100
    page = ours.search_registered_models(max_results=100)
    assert len(page) == 100
    assert "cut" in repr(page)
    assert len(ours.search_registered_models(max_results=5000)) == 250


# ------------------------------------------------------------------------------------ only ours


def test_a_version_has_a_label(ours) -> None:
    name = some_model(ours, versions=2)
    assert ours.set_model_version_label(name, 1, "2.3.1", reason="release").label == "2.3.1"
    assert ours.get_model_version(name, 1).label == "2.3.1"
    assert ours.get_model_version_by_label(name, "2.3.1").version == "1"
    assert ours.get_model_version_by_uri(f"models:/{name}/2.3.1").version == "1"
    made = ours.create_model_version(name, ours.get_model_version(name, 1).source, label="2.4", tags={"a": 1})
    assert (made.version, made.label, made.tags) == ("3", "2.4", {"a": "1"})
    with pytest.raises(AlreadyExists, match=r"2\.3\.1"):
        ours.set_model_version_label(name, 2, "2.3.1")
    with pytest.raises(InvalidArgument, match="PEP 440"):
        ours.set_model_version_label(name, 2, "not a version")
    assert ours.set_model_version_label(name, 1, None).label is None
    with pytest.raises(NotFound):
        ours.get_model_version_by_uri(f"models:/{name}/2.3.1")


def test_environments_and_history(ours) -> None:
    name = some_model(ours, versions=2)
    assert [each.name for each in ours.list_environments()] == ["staging", "production"]
    assert ours.set_model_environment(name, "production", "1", reason="good").current_stage == "Production"
    ours.set_model_environment(name, "production", 2)
    assert ours.get_model_version_by_environment(name, "production").version == "2"
    assert ours.get_model_version_by_uri(f"models:/{name}/production").version == "2"
    [moved, before] = [each for each in ours.get_history(name) if each.change == "environment.moved"]
    assert (before.reason, before.new, moved.old, moved.new) == ("good", "1", "1", "2")
    assert ours.get_model_environment_at(name, "production", before.at_ms).version in (1, 2)
    assert ours.get_model_environment_at(name, "production", before.at_ms - 1000).version is None
    ours.clear_model_environment(name, "production", reason="bad")
    assert {each.environment: each.version for each in ours.list_model_environments(name)} == {
        "staging": None, "production": None,
    }  # fmt: skip
    assert ours.get_history(max_results=1).cut
    assert len(ours.get_history(name)) == len({each.id for each in ours.get_history(name)})
    assert {each.version for each in ours.get_history(name, 2)} == {2}


def test_a_stock_server_says_that_it_has_none_of_it(stock_mlflow) -> None:
    client = Client(stock_mlflow.url)
    for asks in (
        lambda: client.set_model_version_label("m", 1, "1.0"),
        lambda: client.get_model_version_by_uri("models:/m/2.3.1"),
        lambda: client.create_model_version("m", "models:/m/1", label="1.0"),
        client.list_environments,
        lambda: client.set_model_environment("m", "production", 1),
        lambda: client.get_history("m", max_results=1),
    ):
        with pytest.raises(NotSupported, match="stock MLflow server 3"):
            asks()
