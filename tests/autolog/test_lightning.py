from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

import modelyard
from modelyard.client import Client

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("lightning", reason="Lightning is not installed")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own dependencies
    import lightning.pytorch
    import pytorch_lightning

from tests.autolog.lightning_module import Net, Odd, OldNet, loader  # noqa: E402  after the skips

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning advises about loaders, loggers and folders


@pytest.fixture(autouse=True)
def tracking(sqlite_server, tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("MLFLOW_", "MODELYARD_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MODELYARD_SPOOL", str(tmp_path / "spool"))
    torch.manual_seed(0)
    modelyard.set_tracking_uri(sqlite_server.url)
    modelyard.set_experiment("lightning")
    yield
    modelyard.pytorch.autolog(disable=True)
    while modelyard.active_run():
        modelyard.end_run()
    modelyard.flush_async_logging()
    modelyard.set_tracking_uri(None)


def trainer(tmp_path, epochs=3, package=lightning.pytorch, **options):
    return package.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        **options,
    )


def the_run():
    (run,) = modelyard.search_runs(output_format="list")
    return Client().get_run(run.info.run_id)


def history(run, key):
    return [(point.step, point.value) for point in Client().get_metric_history(run.info.run_id, key)]


def files(run, folder=""):
    return {each.path for each in Client().list_artifacts(run.info.run_id, folder)}


@pytest.mark.parametrize(("package", "kind"), [(lightning.pytorch, Net), (pytorch_lightning, OldNet)])
def test_a_fit_is_a_run(package, kind, tmp_path):
    modelyard.pytorch.autolog()
    fit = trainer(tmp_path, package=package)
    net = kind(width=6)
    fit.fit(net, loader(), loader())
    assert modelyard.active_run() is None
    run = the_run()
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.autologging"] == "lightning"
    params = run.data.params
    assert (params["epochs"], params["optimizer_name"], params["lr"]) == ("3", "Adam", "0.001")
    assert (params["width"], params["hparams.lr"]) == ("6", "0.05")
    assert params["total_parameters"] == str(sum(p.numel() for p in net.parameters()))
    assert [step for step, _ in history(run, "val_loss")] == [0, 1, 2]
    assert [step for step, _ in history(run, "train_loss")] == [0, 1, 2]
    assert run.data.metrics["train_loss"] == pytest.approx(float(fit.callback_metrics["train_loss"]))
    assert "model_summary.txt" in files(run)
    assert "checkpoints/latest_checkpoint.pth" in files(run, "checkpoints")
    assert not [each for each in fit.callbacks if "Modelyard" in type(each).__name__]


def test_the_best_model_is_logged(tmp_path):
    modelyard.pytorch.autolog(registered_model_name="best")
    net = Net(worse_after=0)
    with modelyard.start_run():
        fit = trainer(tmp_path)
        fit.fit(net, loader(), loader())
        last = {name: value.clone() for name, value in net.state_dict().items()}
        assert modelyard.active_run() is not None
    loaded = modelyard.pytorch.load_model("models:/best/1")
    assert type(loaded).__name__ == type(net).__name__
    run = the_run()
    losses = dict(history(run, "val_loss"))
    assert min(losses, key=losses.get) == 0
    assert not torch.equal(loaded.layer.weight, net.layer.weight)
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in last.items())
    x = torch.randn(2, 4)
    checkpoint = Client().download_artifacts(run.info.run_id, "checkpoints/latest_checkpoint.pth", str(tmp_path))
    net.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    assert torch.equal(loaded(x), net.eval()(x))
    function = modelyard.pyfunc.load_model("models:/best/1")
    assert function.metadata.signature.inputs.inputs[0].shape == (-1, 4)


def test_by_step_and_every_other_epoch(tmp_path):
    modelyard.pytorch.autolog(log_every_n_step=2, log_every_n_epoch=2, log_models=False, checkpoint=False)
    trainer(tmp_path, epochs=4).fit(Net(), loader(), loader())
    run = the_run()
    assert [step for step, _ in history(run, "val_loss")] == [1, 3]
    assert [step for step, _ in history(run, "train_loss")] == [2, 4, 6, 8, 10, 12, 14, 16]
    assert "checkpoints" not in files(run)


def test_validation_that_did_not_happen_is_not_logged_again(tmp_path):
    modelyard.pytorch.autolog(log_models=False)
    trainer(tmp_path, epochs=4, check_val_every_n_epoch=2).fit(Net(), loader(), loader())
    assert [step for step, _ in history(the_run(), "val_loss")] == [1, 3]


def test_early_stopping_and_the_users_own_checkpoints(tmp_path):
    modelyard.autolog("lightning", log_models=False)
    stop = lightning.pytorch.callbacks.EarlyStopping("val_loss", patience=2)
    keep = lightning.pytorch.callbacks.ModelCheckpoint(tmp_path / "kept", monitor="val_loss", filename="mine")
    net = Net(worse_after=1)
    trainer(tmp_path, epochs=9, callbacks=[stop, keep]).fit(net, loader(), loader())
    run = the_run()
    assert (run.data.params["patience"], run.data.params["monitor"]) == ("2", "val_loss")
    assert run.data.metrics["stopped_epoch"] == stop.stopped_epoch > 0
    assert run.data.metrics["best_score"] == pytest.approx(float(stop.best_score))
    assert run.data.metrics["best_model_score"] == pytest.approx(float(keep.best_model_score))
    assert run.data.tags["checkpoint_file"] == "mine.ckpt"
    path = Client().download_artifacts(run.info.run_id, "checkpoints/latest_checkpoint.pth", str(tmp_path))
    assert Path(path).stat().st_size == Path(keep.best_model_path).stat().st_size


def test_every_checkpoint_when_asked(tmp_path):
    modelyard.pytorch.autolog(checkpoint_save_best_only=False, log_models=False)
    trainer(tmp_path, epochs=2).fit(Net(), loader(), loader())
    run = the_run()
    assert files(run, "checkpoints") == {"checkpoints/epoch_0", "checkpoints/epoch_1"}
    again = modelyard.pytorch.load_checkpoint(Net, run.info.run_id, epoch=1)
    assert again.hparams.width == 5


def test_later_tests_belong_to_the_fit(tmp_path):
    modelyard.pytorch.autolog(log_models=False)
    fit = trainer(tmp_path, epochs=1)
    net = Net()
    fit.fit(net, loader(), loader())
    (result,) = fit.test(net, loader(), verbose=False)
    assert the_run().data.metrics["test_loss"] == pytest.approx(result["test_loss"])


def test_a_failed_training_is_a_failed_run(tmp_path):
    modelyard.pytorch.autolog()
    net = Net(fails_in=1)
    with pytest.raises(ArithmeticError, match="diverged"):
        trainer(tmp_path).fit(net, loader(), loader())
    run = the_run()
    assert run.info.status == "FAILED"
    assert [step for step, _ in history(run, "val_loss")] == [0]


def test_a_failure_in_us_does_not_reach_the_training(tmp_path, monkeypatch, caplog):
    from modelyard.autolog import lightning as leaf

    modelyard.pytorch.autolog(log_models=False)

    def broken(*_):
        raise RuntimeError("no numbers today")

    monkeypatch.setattr(leaf, "_numbers", broken)
    net = Net()
    before = net.layer.weight.clone()
    trainer(tmp_path).fit(net, loader(), loader())
    assert not torch.equal(before, net.layer.weight)
    assert caplog.text.count("no numbers today") == 1


def test_what_cannot_be_described_is_exported(tmp_path):
    modelyard.pytorch.autolog(registered_model_name="odd")
    net = Odd()
    trainer(tmp_path, epochs=1).fit(net, loader(), loader())
    x = torch.randn(2, 4)
    assert torch.allclose(modelyard.pytorch.load_model("models:/odd/1")(x), net.eval()(x))


def test_switched_off_nothing_is_logged(tmp_path):
    modelyard.pytorch.autolog()
    modelyard.pytorch.autolog(disable=True)
    trainer(tmp_path, epochs=1).fit(Net(), loader(), loader())
    assert modelyard.search_runs(output_format="list") == []
    assert "watched" not in lightning.pytorch.Trainer.fit.__code__.co_name
