"""The stock client's registry calls: older ones with stages, newer ones with aliases, URIs of both kinds."""

from __future__ import annotations

import warnings

import pytest

from modelyard.domain.principals import Principal
from modelyard.services import environments, versions

WHO = Principal("somebody")


@pytest.fixture
def client(mlflow_client, server, monkeypatch):
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", server.url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stages are deprecated in the client
        yield mlflow_client


@pytest.fixture
def wine(client):
    client.create_registered_model("wine", tags={"kind": "forest"}, description="predicts the cultivar")
    for index in range(3):
        client.create_model_version("wine", source=f"s3://bucket/{index}", tags={"index": str(index)})
    return client


def points_to(uri):
    """Where the client itself would load a model URI from."""
    from mlflow.store.artifact.models_artifact_repo import ModelsArtifactRepository

    return ModelsArtifactRepository.get_underlying_uri(uri)


def test_models_and_versions(wine):
    model = wine.get_registered_model("wine")
    assert (model.tags, model.description) == ({"kind": "forest"}, "predicts the cultivar")
    assert [version.version for version in model.latest_versions] == ["3"]
    assert [found.name for found in wine.search_registered_models("tags.kind = 'forest'")] == ["wine"]
    assert [found.version for found in wine.search_model_versions("name = 'wine'")] == ["3", "2", "1"]
    assert wine.get_model_version("wine", "2").tags == {"index": "1"}
    copy = wine.copy_model_version("models:/wine/2", "copy")
    assert copy.source == "models:/wine/2"
    assert wine.get_model_version_download_uri("copy", "1") == "s3://bucket/1"


def test_stages_then_aliases(wine):
    for version in ("1", "2"):
        wine.transition_model_version_stage("wine", version, "Staging")
        wine.transition_model_version_stage("wine", version, "Production", archive_existing_versions=True)
    assert wine.get_model_version("wine", "1").current_stage == "Archived"
    assert wine.get_model_version_by_alias("wine", "production").version == "2"
    assert points_to("models:/wine/Production") == points_to("models:/wine@production") == "s3://bucket/1"

    wine.set_registered_model_alias("wine", "production", "3")
    assert [found.version for found in wine.get_latest_versions("wine", ["Production"])] == ["3"]
    assert points_to("models:/wine/Production") == points_to("models:/wine@production") == "s3://bucket/2"
    assert wine.get_registered_model("wine").aliases == {"production": "3"}

    wine.delete_registered_model_alias("wine", "production")
    assert wine.get_latest_versions("wine", ["Production"]) == []


def test_labels_and_environments_of_ours_are_usable_in_the_clients_uris(wine, server):
    database = server.state.database
    database.write(versions.set_label, WHO, "wine", 1, "2.3.1")
    database.write(environments.create, WHO, "canary")
    database.write(environments.move, WHO, "wine", "canary", 2)
    assert points_to("models:/wine/2.3.1") == "s3://bucket/0"
    assert points_to("models:/wine/canary") == points_to("models:/wine@canary") == "s3://bucket/1"
    assert points_to("models:/wine/latest") == "s3://bucket/2"
