"""`Client`: logged models, on both servers."""

import secrets

import pytest

from modelyard.client.client import Client
from modelyard.client.entities import LoggedModelStatus
from modelyard.domain.errors import InvalidArgument, NotFound, NotSupported
from tests.client.door import open_door


@pytest.fixture
def client(any_server) -> Client:
    return Client(any_server)


@pytest.fixture
def experiment(client) -> str:
    return client.create_experiment(f"models-{secrets.token_hex(4)}")


def test_a_logged_model_is_made_filled_and_finalized(client, experiment, tmp_path) -> None:
    run = client.create_run(experiment).info.run_id
    params = {f"p{number}": number for number in range(150)}
    made = client.create_logged_model(experiment, "forest", run, {"a": 1}, params, "classifier")
    assert (made.name, made.status, made.model_type, made.source_run_id) == (
        "forest", LoggedModelStatus.PENDING, "classifier", run,
    )  # fmt: skip
    assert made.params == {key: str(value) for key, value in params.items()}
    assert made.tags["a"] == "1"
    assert made.model_uri == f"models:/{made.model_id}"
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "MLmodel").write_text("{}")
    (source / "sub" / "weights").write_text("1234")
    client.log_model_artifacts(made.model_id, source)
    client.log_model_artifact(made.model_id, source / "MLmodel", "extra")
    files = {each.path: each.file_size for each in client.list_logged_model_artifacts(made.model_id)}
    assert files == {"MLmodel": 2, "sub": None, "extra": None}
    assert [each.path for each in client.list_logged_model_artifacts(made.model_id, "sub")] == ["sub/weights"]
    assert client.finalize_logged_model(made.model_id, "READY").status == "READY"
    client.log_metric(run, "accuracy", 0.9, model_id=made.model_id, dataset_name="wine", dataset_digest="abc")
    [point] = client.get_logged_model(made.model_id).metrics
    assert (point.key, point.value, point.dataset_name, point.run_id) == ("accuracy", 0.9, "wine", run)


def test_tags_params_and_the_trash(client, experiment) -> None:
    model = client.create_logged_model(experiment).model_id
    client.set_logged_model_tags(model, {"a": 1, "b": 2})
    client.delete_logged_model_tag(model, "a")
    client.log_model_params(model, {"p": 1})
    found = client.get_logged_model(model)
    assert (found.tags["b"], "a" in found.tags, found.params) == ("2", False, {"p": "1"})
    client.delete_logged_model(model)
    with pytest.raises(NotFound):
        client.get_logged_model(model)
    with pytest.raises(InvalidArgument, match="READY"):
        client.finalize_logged_model(model, "DONE")


def test_a_search_finds_all_or_says_that_it_is_cut(client, experiment) -> None:
    made = [client.create_logged_model(experiment, f"m{number}", params={"n": number}) for number in range(3)]
    found = client.search_logged_models([experiment], order_by=[{"field_name": "name", "ascending": True}])
    assert [each.model_id for each in found] == [each.model_id for each in made]
    assert [each.name for each in client.search_logged_models([experiment], "params.n = '1'")] == ["m1"]
    page = client.search_logged_models([experiment], max_results=2)
    assert len(page) == 2
    assert len(client.search_logged_models([experiment], page_token=page.token)) == 1


def test_a_server_without_logged_models_says_so() -> None:
    page = (404, {"content-type": "text/html"}, b"<title>404 Not Found</title>")
    with open_door(lambda *_: page) as door, pytest.raises(NotSupported, match=r"from 3\.0 on"):
        Client(door.url).create_logged_model("0")
