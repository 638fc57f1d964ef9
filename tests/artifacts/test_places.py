"""Where artifact URIs lead, and where they must not."""

from __future__ import annotations

import pytest

from modelyard.artifacts.places import Place, Places
from modelyard.domain.errors import InvalidArgument, PermissionDenied


@pytest.fixture
def places(tmp_path) -> Places:
    return Places(str(tmp_path / "a b" / "artifacts"))


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("mlflow-artifacts:/0/run/artifacts", "0/run/artifacts"),
        ("mlflow-artifacts:0/run", "0/run"),
        ("mlflow-artifacts://host:5000/0/run", "0/run"),
        ("mlflow-artifacts:/", ""),
        ("http://host:5000/api/2.0/mlflow-artifacts/artifacts/0/run", "0/run"),
        ("https://host/api/2.0/mlflow-artifacts/artifacts/0/run%20x", "0/run x"),
        ("{root}/0/run", "0/run"),
        ("{root}", ""),
        ("file://{root}/0/run%20x", "0/run x"),
        ("file:{root}/0/", "0"),
    ],
)
def test_what_lies_in_the_servers_own_store(places, tmp_path, uri, path):
    root = tmp_path / "a b" / "artifacts"
    assert places.locate(uri.replace("{root}", str(root))) == Place(places.root, path)


@pytest.mark.parametrize(
    "uri",
    [
        "/etc",
        "file:///etc/passwd",
        "{root}-of-others",
        "{root}/..",
        "{root}/../x",
        "relative",
        "",
        "file:{root}/%2e%2e/x",
    ],
)
def test_other_local_files_are_not_opened(places, tmp_path, uri):
    with pytest.raises((PermissionDenied, InvalidArgument)):
        places.locate(uri.replace("{root}", str(tmp_path / "a b" / "artifacts")))


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts:/0/../../x",
        "mlflow-artifacts:/%2e%2e/x",
        "http://host/somewhere/else",
        "http://host/api/2.0/mlflow-artifacts/artifacts/../x",
        "ftp://host/x",
        "s3://bucket/../x",
        "s3:///x",
        "{root}/%2e%2e/x",
    ],
)
def test_nonsense_is_refused(places, tmp_path, uri):
    with pytest.raises(InvalidArgument):
        places.locate(uri.replace("{root}", str(tmp_path / "a b" / "artifacts")))


def test_another_bucket_is_reached_through_one_store(places):
    first = places.locate("s3://bucket/x")
    assert first.store.uri == "s3://bucket/x"
    assert places.locate("s3://bucket/x") == first
    assert places.locate("s3://bucket/y").store is not first.store


def test_what_lies_below_a_bucket_root_is_in_the_same_store():
    places = Places("s3://bucket/prefix")
    assert places.locate("s3://bucket/prefix/0/run") == Place(places.root, "0/run")
    assert places.locate("s3://bucket/prefix-of-others/0").store is not places.root


def test_below_a_place(places):
    run = places.locate("mlflow-artifacts:/0/run")
    assert run.below("model/MLmodel").path == "0/run/model/MLmodel"
    assert run.below("").path == "0/run"
    with pytest.raises(InvalidArgument):
        run.below("../other/x")
