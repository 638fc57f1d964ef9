"""Models through the client: logged, registered, found by every kind of URI, loaded; on our server and on MLflow's."""

from __future__ import annotations

import logging
import uuid

import pytest

import modelyard
from modelyard.client import models, references
from modelyard.client.client import Client
from modelyard.domain.errors import AlreadyExists, DataCorrupted, InvalidArgument, NotFound, PermissionDenied
from modelyard.packaging import digest as digests
from modelyard.packaging.manifest import Model
from tests.cli.process import running

CODE = '''
class Doubler:
    """Answers with its input times a factor that comes as a file."""

    def load(self, context):
        with open(context.artifacts["factor"]) as file:
            self.factor = float(file.read())

    def predict(self, context, model_input, params=None):
        return [self.factor * each for each in model_input]
'''


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MODELYARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MODELYARD_CAPTURE", "false")
    monkeypatch.setenv("MODELYARD_SYSTEM_METRICS", "false")


def logging_to(url):
    """Log to a server, and leave nothing behind when it goes."""
    from modelyard.client import recorder

    modelyard.set_tracking_uri(url)
    yield url
    modelyard.end_run()
    for each in list(recorder._recorders.values()):
        each.close(10)


@pytest.fixture
def either(any_server):
    yield from logging_to(any_server)


@pytest.fixture
def ours(sqlite_server):
    yield from logging_to(sqlite_server.url)


@pytest.fixture
def trained():
    linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    import numpy as np

    inputs = np.arange(12.0).reshape(6, 2)
    return linear_model.LinearRegression().fit(inputs, inputs.sum(axis=1)), inputs


@pytest.fixture
def name():
    return f"model-{uuid.uuid4().hex[:12]}"


def log(trained, **options):
    model, inputs = trained
    return models.log_model("sklearn", model, input_example=inputs[:2], **options)


def loads(uri, trained, **options):
    model, inputs = trained
    native = models.load_model(uri, **options)
    function = models.load_function(uri, **options)
    assert native.predict(inputs).tolist() == function.predict(inputs).tolist() == model.predict(inputs).tolist()


def test_a_model_is_logged_registered_and_loaded_by_every_uri(either, trained, name, tmp_path):
    with modelyard.start_run() as run:
        modelyard.log_metric("loss", 0.5)
        modelyard.log_metric("later", 0.1, step=7)
        modelyard.log_param("depth", 3)
        info = log(trained, name="wine", registered_model_name=name, tags={"team": "red"}, params={"more": 1})
    client = Client(either)
    assert info.run_id == run.info.run_id
    assert info.registered_model_version == 1
    assert info.model_uri == f"models:/{info.model_id}"
    assert info.signature is not None
    assert info.digest.startswith("sha256:")
    made = client.get_logged_model(info.model_id)
    assert (made.name, made.source_run_id, str(made.status)) == ("wine", info.run_id, "READY")
    assert made.params == {"depth": "3", "more": "1"}
    assert made.tags["team"] == "red"
    assert made.tags["modelyard.digest"] == info.digest
    assert {metric.key for metric in made.metrics} == {"loss"}
    assert [output.model_id for output in client.get_run(info.run_id).outputs.model_outputs] == [info.model_id]
    version = client.get_model_version(name, "1")
    assert version.tags["modelyard.digest"] == info.digest
    assert version.run_id == info.run_id
    client.transition_model_version_stage(name, "1", "Production")
    client.set_registered_model_alias(name, "champion", "1")
    location = client.get_model_version_download_uri(name, "1")
    for uri in (
        info.model_uri, f"runs:/{info.run_id}/wine", f"models:/{name}/1", f"models:/{name}/latest",
        f"models:/{name}/Production", f"models:/{name}@champion", location,
    ):  # fmt: skip
        loads(uri, trained)
    kept = models.download_model(f"models:/{name}/1", tmp_path / "here")
    assert digests.compute(kept) == info.digest
    assert Model.read(kept).model_id == info.model_id
    loads(kept, trained)


def test_labels_and_environments_are_uris_too(ours, trained, name):
    info = log(trained)
    version = modelyard.register_model(info.model_uri, name, label="2.3.1")
    Client().set_model_environment(name, "Production", version.version)
    loads(f"models:/{name}/2.3.1", trained)
    loads(f"models:/{name}/production", trained)


def test_without_a_run_one_is_started(ours, trained):
    info = log(trained)
    assert modelyard.active_run().info.run_id == info.run_id
    loads(f"runs:/{info.run_id}/model", trained)


def test_of_several_models_of_a_name_the_one_of_the_greatest_step_counts(ours, trained):
    second = log(trained, name="m", step=2)
    log(trained, name="m", step=1)
    found = references.resolve(Client(), f"runs:/{second.run_id}/m")
    assert found.model_id == second.model_id


def test_a_model_that_cannot_be_saved_is_marked_failed(ours):
    with modelyard.start_run(), pytest.raises(InvalidArgument):
        models.log_model("sklearn", object())
    (made,) = Client().search_logged_models(["0"])
    assert str(made.status) == "FAILED"


def test_names_are_checked(ours, trained):
    with pytest.raises(InvalidArgument, match="give `name` alone"):
        log(trained, name="a", artifact_path="b")
    with pytest.raises(InvalidArgument, match="Invalid path"):
        log(trained, name="../a")


# ------------------------------------------------------------------------------------ registering


def test_register_from_every_uri(either, trained, name):
    info = log(trained)
    first = modelyard.register_model(info.model_uri, name, tags={"k": "v"})
    second = modelyard.register_model(f"runs:/{info.run_id}/model", name)
    third = modelyard.register_model(f"models:/{name}/1", f"{name}-copy")
    assert (first.version, second.version, third.version) == ("1", "2", "1")
    assert first.tags["k"] == "v"
    for uri in (f"models:/{name}/1", f"models:/{name}/2", f"models:/{name}-copy/1"):
        loads(uri, trained)
        assert references.resolve(Client(), uri).digest == info.digest
    with pytest.raises(NotFound):
        modelyard.register_model(f"runs:/{info.run_id}/nothing", name)


def test_register_files_among_a_runs_artifacts(either, trained, name, tmp_path):
    from modelyard.packaging import model as packaging

    packaging.save(trained[0], tmp_path / "model", flavor="sklearn")
    with modelyard.start_run() as run:
        modelyard.log_artifacts(tmp_path / "model", "kept/here")
    version = modelyard.register_model(f"runs:/{run.info.run_id}/kept/here", name)
    assert version.source.endswith(f"{run.info.run_id}/artifacts/kept/here")
    loads(f"models:/{name}/1", trained)
    loads(f"runs:/{run.info.run_id}/kept/here", trained)


def test_a_label_is_given_once(ours, trained, name):
    info = log(trained)
    modelyard.register_model(info.model_uri, name, label="1.0")
    with pytest.raises(AlreadyExists):
        modelyard.register_model(info.model_uri, name, label="1.0.0")


# ------------------------------------------------------------------------------------ damage


def test_damage_on_the_server_is_named(ours, trained, tmp_path, name):
    info = log(trained, registered_model_name=name)
    (stored,) = (tmp_path / "data").rglob("model.skops")
    stored.write_bytes(stored.read_bytes()[:-1] + b"?")
    for uri in (info.model_uri, f"models:/{name}/1", f"runs:/{info.run_id}/model"):
        with pytest.raises(DataCorrupted, match=r"model\.skops"):
            models.load_model(uri)
    stored.unlink()
    with pytest.raises(DataCorrupted, match=r"missing: model\.skops"):
        models.download_model(info.model_uri, tmp_path / "here")


def test_a_pickle_is_not_loaded_unless_it_is_allowed(ours, trained):
    info = log(trained, serialization_format="cloudpickle", metadata={"a": 1})
    with pytest.raises(PermissionDenied, match="allow_pickle"):
        models.load_model(info.model_uri)
    loads(info.model_uri, trained, allow_pickle=True)


def test_what_is_not_there(ours):
    for uri in ("models:/none/1", f"models:/m-{'0' * 32}", f"runs:/{'0' * 32}/model", "/no/such/directory"):
        with pytest.raises(NotFound):
            models.load_model(uri)


# ------------------------------------------------------------------------------------ outage


def test_an_outage_costs_nothing_but_time(tmp_path, trained, name, caplog):
    """The server dies before the model is logged, comes back, and has the model."""
    with running(tmp_path / "data") as server:
        modelyard.set_tracking_uri(server.url)
        run = modelyard.start_run()
        modelyard.log_metric("loss", 1.0)
        modelyard.flush_async_logging()
        port = server.port
    with caplog.at_level(logging.WARNING, "modelyard"):
        info = log(trained, name="wine", registered_model_name=name)
    assert info.model_uri == f"runs:/{run.info.run_id}/wine"
    assert info.registered_model_version is None
    assert f"modelyard.register_model('{info.model_uri}', '{name}')" in caplog.text
    with running(tmp_path / "data", port=port):
        modelyard.end_run()
        modelyard.flush_async_logging(30)
        loads(info.model_uri, trained)
        assert modelyard.register_model(info.model_uri, name).version == "1"
        loads(f"models:/{name}/1", trained)


def test_a_class_with_its_files(either, tmp_path):
    """Text of the user's own class goes with the model, and so do its files."""
    module = tmp_path / f"doubler_{uuid.uuid4().hex[:8]}.py"
    module.write_text(CODE)
    (tmp_path / "factor.txt").write_text("2")
    import importlib.util

    spec = importlib.util.spec_from_file_location(module.stem, module)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    info = models.log_model(
        "python_function", loaded.Doubler(), name="doubler", artifacts={"factor": str(tmp_path / "factor.txt")},
        code_paths=[module],
    )  # fmt: skip
    assert info.flavors["python_function"]
