from __future__ import annotations

import os

import numpy as np
import pytest

import modelyard
from modelyard.client import Client

pytest.importorskip("torch", reason="PyTorch, Keras's backend in these tests, is not installed")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="Keras is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its torch backend

X = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def tracking(sqlite_server, tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "MODELYARD_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MODELYARD_SPOOL", str(tmp_path / "spool"))
    modelyard.set_tracking_uri(sqlite_server.url)
    modelyard.set_experiment("keras")
    yield
    modelyard.keras.autolog(disable=True)
    modelyard.flush_async_logging()
    modelyard.set_tracking_uri(None)


def compiled():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), loss="mse", metrics=["mae"])
    return model


def the_run():
    (run,) = modelyard.search_runs(output_format="list")
    return Client().get_run(run.info.run_id)


def steps(run, key):
    return [point.step for point in Client().get_metric_history(run.info.run_id, key)]


def test_a_fit_is_a_run(tmp_path):
    modelyard.keras.autolog(registered_model_name="net")
    model = compiled()
    history = model.fit(X, Y, validation_split=0.25, epochs=3, batch_size=16, verbose=0)
    run = the_run()
    assert run.info.status == "FINISHED"
    params = run.data.params
    assert (params["epochs"], params["batch_size"], params["validation_split"]) == ("3", "16", "0.25")
    assert (params["optimizer_name"], params["loss"], params["total_parameters"]) == ("adam", "mse", "19")
    assert float(params["learning_rate"]) == pytest.approx(0.01)
    for key in ("loss", "mae", "val_loss", "val_mae"):
        assert steps(run, key) == [0, 1, 2]
        assert run.data.metrics[key] == pytest.approx(history.history[key][-1])
    assert "Dense" in modelyard.artifacts.load_text(f"runs:/{run.info.run_id}/model_summary.txt")
    loaded = modelyard.keras.load_model("models:/net/1")
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6)
    function = modelyard.pyfunc.load_model("models:/net/1")
    assert function.metadata.signature.inputs.inputs[0].shape == (-1, 4)
    assert run.inputs.dataset_inputs


def test_by_step_every_other_epoch_and_early_stopping():
    modelyard.autolog("keras", log_models=False, log_every_n_steps=2, every_n_iter=2)
    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=1e9)
    callbacks = [stop]
    with modelyard.start_run():
        compiled().fit(X, Y, epochs=9, batch_size=16, verbose=0, callbacks=callbacks)
        assert modelyard.active_run() is not None
    run = the_run()
    assert callbacks == [stop]
    assert steps(run, "loss_step") == [2, 4, 6, 8]
    assert steps(run, "loss") == [1]
    assert run.data.params["patience"] == "1"
    assert run.data.metrics["stopped_epoch"] == stop.stopped_epoch == 1


def test_a_failure_in_us_does_not_reach_the_training(monkeypatch, caplog):
    from modelyard.autolog import keras as leaf

    def broken(*_):
        raise RuntimeError("no numbers today")

    monkeypatch.setattr(leaf, "_numbers", broken)
    modelyard.keras.autolog(log_models=False)
    assert len(compiled().fit(X, Y, epochs=2, verbose=0).history["loss"]) == 2
    assert caplog.text.count("no numbers today") == 1
    assert the_run().info.status == "FINISHED"


def test_switched_off_nothing_is_logged():
    modelyard.keras.autolog()
    modelyard.keras.autolog(disable=True)
    compiled().fit(X, Y, verbose=0)
    assert modelyard.search_runs(output_format="list") == []
