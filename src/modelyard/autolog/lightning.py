"""Autologging of PyTorch Lightning: what `Trainer.fit` is given, measures, keeps and gives.

Metrics are read where Lightning has them ready anyway, at the end of an epoch, so that no step waits for the device.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from modelyard.client import fluent
from modelyard.domain.errors import InvalidArgument

from . import patching, recording
from .patching import Call, Observation, attempt, protected

if TYPE_CHECKING:
    from .registry import Options

LIBRARY: Final = "lightning"
CHECKPOINTS: Final = "checkpoints"
"""Folder of the checkpoints among the run's artifacts; names within as MLflow's `load_checkpoint` looks for them."""

_ROOTS: Final = ("lightning.pytorch", "pytorch_lightning")
_TRAINER_PARAMS: Final = ("max_steps", "precision", "accumulate_grad_batches", "gradient_clip_val", "num_devices")
_EARLY_STOPPING: Final = ("monitor", "mode", "patience", "min_delta", "stopped_epoch")

_EACH_STEP: Final = (
    "on_train_batch_start", "on_before_zero_grad", "on_before_backward", "on_after_backward",
    "on_before_optimizer_step", "on_train_batch_end", "on_validation_batch_start", "on_validation_batch_end",
    "on_test_batch_start", "on_test_batch_end", "on_predict_batch_start", "on_predict_batch_end",
)  # fmt: skip

_fitted: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
"""Trainer → the run that its `fit` logged to, where what it tests later belongs."""


def install(options: Options) -> None:
    """Watch the trainers of each Lightning that is imported: `lightning`, `pytorch_lightning` or both."""
    for root in _ROOTS:
        package = sys.modules.get(root)
        if package is not None and hasattr(package, "Trainer"):
            patching.patch(LIBRARY, package.Trainer, "fit", functools.partial(_fit, options, package))
            for name in ("test", "validate"):
                patching.patch(LIBRARY, package.Trainer, name, _evaluate)


def _fit(options: Options, package: Any, call: Call) -> Observation:
    trainer = call.instance
    if not recording.wanted(options) or not trainer.is_global_zero:  # one process of a distributed training logs
        return
    model = call.argument("model")
    with recording.run(options, tags={"Mode": "training"}) as run, tempfile.TemporaryDirectory() as scratch:
        _fitted[trainer] = run.info.run_id
        watch = _Watch(options, Path(scratch))
        watcher = _watcher(package, watch)
        trainer.callbacks = [*trainer.callbacks, watcher]
        forgotten = _capture_first_batch(model, watch) if options["log_models"] else contextlib.nullcontext()
        try:
            with forgotten:
                yield
        finally:
            trainer.callbacks = [each for each in trainer.callbacks if each is not watcher]
            with attempt(LIBRARY, "checkpoints"):
                _log_checkpoint(trainer, watch)
        _log_fitted(options, package, trainer, watch)


def _evaluate(call: Call) -> Observation:
    trainer = call.instance
    results = yield
    active = recording.active_run()
    run_id = active.info.run_id if active is not None else _fitted.get(trainer)
    if run_id is None or not trainer.is_global_zero:
        return
    metrics = {name: float(value) for result in results for name, value in result.items()}
    fluent.log_metrics({recording.metric_name(name): value for name, value in metrics.items()}, run_id=run_id)


# ------------------------------------------------------------------------------------ while it trains


@dataclass(slots=True)
class _Watch:
    """What is noted of one `fit`.

    Attributes:
        options: What was asked for.
        scratch: A folder that lasts until the run's end.
        by_step: Names of the metrics that were logged by step, and are not logged by epoch too.
        by_epoch: The others, that are known at the end of an epoch.
        seen: Each metric's last value: the very same tensor again means that nothing was measured since.
        best: The best value of the monitored metric.
        best_epoch: Where it was reached.
        checkpoint: The file with the best weights.
        inputs: The first rows that the model was called with.
        outputs: Its answer to them.
    """

    options: Options
    scratch: Path
    by_step: set[str] = field(default_factory=set)
    by_epoch: set[str] = field(default_factory=set)
    seen: dict[str, Any] = field(default_factory=dict)
    best: float | None = None
    best_epoch: int | None = None
    checkpoint: Path | None = None
    inputs: Any = None
    outputs: Any = None


class _Events:
    """Lightning's callback methods, without its base class: there are two, one for each name of the package."""

    watch: _Watch

    @protected(LIBRARY)
    def on_train_start(self, trainer: Any, module: Any) -> None:
        recording.log_params(_params(trainer, module))

    @protected(LIBRARY)
    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:  # noqa: ARG002 - Lightning's
        watch = self.watch
        epoch = int(trainer.current_epoch)
        values = dict(trainer.callback_metrics)
        watch.by_epoch.update(values.keys() - watch.by_step)
        if (epoch + 1) % (watch.options["log_every_n_epoch"] or 1) == 0:
            fresh = {
                name: value
                for name, value in values.items()
                if name not in watch.by_step and watch.seen.get(name) is not value
            }
            watch.seen.update(fresh)
            fluent.log_metrics(_numbers(fresh), step=epoch)
        if watch.options["checkpoint"] and watch.options["checkpoint_save_freq"] == "epoch":
            _keep_checkpoint(trainer, watch, values)


class _StepEvents(_Events):
    """With metrics by step; apart, so that who doesn't ask for them pays no call per step."""

    @protected(LIBRARY)
    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002 - Lightning's
        watch = self.watch
        optimizers = max(len(trainer.optimizers), 1)  # Lightning counts a step for each
        step = int(trainer.global_step)
        every = watch.options["log_every_n_step"]
        if every and (step // optimizers) % every == 0:
            metrics = trainer.callback_metrics
            values = {
                name: value
                for name, value in metrics.items()
                if name not in watch.by_epoch and f"{name}_step" not in metrics
            }
            watch.by_step.update(values)
            fluent.log_metrics(_numbers(values), step=step)
        frequency = watch.options["checkpoint_save_freq"]
        if watch.options["checkpoint"] and isinstance(frequency, int) and step % frequency == 0:
            _keep_checkpoint(trainer, watch, dict(trainer.callback_metrics))


def _watcher(package: Any, watch: _Watch) -> Any:
    by_step = watch.options["log_every_n_step"] or isinstance(watch.options["checkpoint_save_freq"], int)
    events = _StepEvents if by_step else _Events
    # Lightning times every method of a callback at every step, empty ones too, but passes over what cannot be called
    unused = dict.fromkeys((name for name in _EACH_STEP if not hasattr(events, name)), None)
    watcher = type("ModelyardCallback", (events, package.Callback), unused)()
    watcher.watch = watch
    return watcher


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Metrics as floats, with one wait for the device, not one for each."""
    names = [name for name, value in values.items() if isinstance(value, torch.Tensor) and value.numel() == 1]
    numbers = {name: float(value) for name, value in values.items() if isinstance(value, (int, float))}
    if names:
        both = torch.stack([values[name].detach().reshape(()).to(torch.float64) for name in names]).cpu()
        numbers.update(zip(names, both.tolist(), strict=True))
    return {recording.metric_name(name): number for name, number in numbers.items()}


def _params(trainer: Any, module: Any) -> dict[str, str]:
    params: dict[str, Any] = {"epochs": trainer.max_epochs}
    for name in _TRAINER_PARAMS:
        value = getattr(trainer, name, None)
        if value is not None and value != -1:
            params[name] = value
    params["strategy"] = type(trainer.strategy).__name__
    params["accelerator"] = type(trainer.accelerator).__name__
    for optimizer in trainer.optimizers[:1]:
        inner = getattr(optimizer, "_optimizer", optimizer)
        params["optimizer_name"] = type(inner).__name__
        params.update(getattr(inner, "defaults", {}))
    for callback in trainer.callbacks:
        if _is_a(callback, "EarlyStopping"):
            params.update({name: getattr(callback, name) for name in _EARLY_STOPPING if hasattr(callback, name)})
    sizes = [(p.numel(), p.requires_grad) for p in module.parameters()]
    params["total_parameters"] = sum(size for size, _ in sizes)
    params["trainable_parameters"] = sum(size for size, trained in sizes if trained)
    texts = {name: recording.text(value) for name, value in params.items()}
    for name, value in _flat(dict(getattr(module, "hparams", {}))):
        if texts.get(name, recording.text(value)) == recording.text(value):
            texts[name] = recording.text(value)
        else:  # the module's own word for something else
            texts[f"hparams.{name}"] = recording.text(value)
    return texts


def _flat(values: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{name}.")
        elif not isinstance(value, torch.nn.Module):
            yield f"{above}{name}", value


def _is_a(callback: Any, name: str) -> bool:
    return any(kind.__name__ == name and kind.__module__.startswith(_ROOTS) for kind in type(callback).__mro__)


@contextlib.contextmanager
def _capture_first_batch(model: Any, watch: _Watch) -> Iterator[None]:
    """Keep a few rows of what the model is first called with in training, for the signature; on their device."""

    def keep(module: Any, inputs: tuple[Any, ...], outputs: Any) -> None:
        if not module.training:
            return
        handle.remove()
        with attempt(LIBRARY, "taking an input example"):
            if len(inputs) == 1 and isinstance(inputs[0], torch.Tensor) and isinstance(outputs, torch.Tensor):
                rows = slice(0, recording.EXAMPLE_ROWS)
                watch.inputs, watch.outputs = inputs[0].detach()[rows].clone(), outputs.detach()[rows].clone()

    handle = model.register_forward_hook(keep)
    try:
        yield
    finally:
        handle.remove()


# ------------------------------------------------------------------------------------ checkpoints


def _keep_checkpoint(trainer: Any, watch: _Watch, values: Mapping[str, Any]) -> None:
    options = watch.options
    if options["checkpoint_save_best_only"]:
        if _monitoring(trainer) is not None or options["checkpoint_monitor"] not in values:
            return
        value = float(values[options["checkpoint_monitor"]])
        better = watch.best is None or (
            value < watch.best if options["checkpoint_mode"] == "min" else value > watch.best
        )
        if not better:
            return
        watch.best, watch.best_epoch = value, int(trainer.current_epoch)
        file = watch.scratch / "latest_checkpoint.pth"
        _dump(trainer, file, weights_only=options["checkpoint_save_weights_only"])
        watch.checkpoint = file
        text = json.dumps({**_numbers(values), "epoch": watch.best_epoch, "global_step": trainer.global_step})
        (watch.scratch / "latest_checkpoint_metrics.json").write_text(text, encoding="utf-8")
        return
    by_epoch = options["checkpoint_save_freq"] == "epoch"
    folder = f"epoch_{trainer.current_epoch}" if by_epoch else f"global_step_{trainer.global_step}"
    (watch.scratch / folder).mkdir(exist_ok=True)
    file = watch.scratch / folder / "checkpoint.pth"
    _dump(trainer, file, weights_only=options["checkpoint_save_weights_only"])
    fluent.log_artifact(file, f"{CHECKPOINTS}/{folder}")
    fluent.log_dict(
        {**_numbers(values), "epoch": int(trainer.current_epoch), "global_step": int(trainer.global_step)},
        f"{CHECKPOINTS}/{folder}/checkpoint_metrics.json",
    )
    file.unlink(missing_ok=True)


def _dump(trainer: Any, file: Path, *, weights_only: bool) -> None:
    # Trainer.save_checkpoint would wait for the other processes, which are not here
    content = trainer._checkpoint_connector.dump_checkpoint(weights_only)  # noqa: SLF001 - there is no public way
    partial = file.with_suffix(".partial")
    trainer.strategy.save_checkpoint(content, partial)
    partial.replace(file)


def _monitoring(trainer: Any) -> Any:
    """The user's own ModelCheckpoint that looks for the best, if there is one: nothing needs to be kept twice."""
    return next((each for each in trainer.checkpoint_callbacks if getattr(each, "monitor", None)), None)


def _log_checkpoint(trainer: Any, watch: _Watch) -> None:
    if not watch.options["checkpoint"]:
        return
    theirs = _monitoring(trainer)
    if theirs is not None and theirs.best_model_path and Path(theirs.best_model_path).is_file():
        watch.checkpoint = Path(theirs.best_model_path)
        if theirs.best_model_score is not None:
            fluent.log_metrics({"best_model_score": float(theirs.best_model_score)})
        fluent.set_tags({"checkpoint_monitor": theirs.monitor, "checkpoint_file": watch.checkpoint.name})
        file = watch.scratch / "latest_checkpoint.pth"
        file.unlink(missing_ok=True)
        file.symlink_to(watch.checkpoint.resolve())
        fluent.log_artifact(file, CHECKPOINTS)
    elif watch.checkpoint is not None:
        fluent.log_artifact(watch.checkpoint, CHECKPOINTS)
        fluent.log_artifact(watch.scratch / "latest_checkpoint_metrics.json", CHECKPOINTS)
        fluent.log_metrics({f"best_{recording.metric_name(watch.options['checkpoint_monitor'])}": watch.best or 0.0})


# ------------------------------------------------------------------------------------ afterwards


def _log_fitted(options: Options, package: Any, trainer: Any, watch: _Watch) -> None:
    module = trainer.lightning_module
    with attempt(LIBRARY, "early stopping"):
        _log_early_stopping(trainer)
    with attempt(LIBRARY, "model summary"):
        summary = package.utilities.model_summary.ModelSummary(module, max_depth=-1)
        fluent.log_text(str(summary), "model_summary.txt")
    if options["log_models"]:
        with attempt(LIBRARY, "model"), _best_weights(module, trainer, watch):
            _log_model(options, module, watch)


def _log_early_stopping(trainer: Any) -> None:
    for callback in trainer.callbacks:
        if not _is_a(callback, "EarlyStopping") or not callback.stopped_epoch:
            continue
        metrics = {
            "stopped_epoch": float(callback.stopped_epoch),
            "restored_epoch": float(callback.stopped_epoch - max(1, callback.patience)),
            "wait_count": float(callback.wait_count),
        }
        if callback.best_score is not None:
            metrics["best_score"] = float(callback.best_score)
        fluent.log_metrics(metrics)


@contextlib.contextmanager
def _best_weights(module: Any, trainer: Any, watch: _Watch) -> Iterator[None]:
    """Put the best weights into the module for the time of the block, if a checkpoint has them."""
    best = None
    if watch.checkpoint is not None and trainer.world_size == 1 and watch.best_epoch != trainer.current_epoch - 1:
        with attempt(LIBRARY, "reading the best checkpoint"):
            best = _weights(watch.checkpoint)
    if best is None:
        yield
        return
    last = {name: value.detach().clone() for name, value in module.state_dict().items()}
    module.load_state_dict(best)
    try:
        yield
    finally:
        module.load_state_dict(last)


def _weights(file: Path) -> dict[str, Any]:
    """The weights in a checkpoint that this training has just written."""
    homes = ("lightning.fabric.utilities.data", "lightning_fabric.utilities.data")
    safe: list[Any] = [sys.modules[name].AttributeDict for name in homes if name in sys.modules]  # of the hparams
    with torch.serialization.safe_globals(safe):
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    weights: dict[str, Any] = content["state_dict"]
    return weights


def _log_model(options: Options, module: Any, watch: _Watch) -> None:
    example = None if watch.inputs is None else watch.inputs.cpu().numpy()
    outputs = None if watch.outputs is None else watch.outputs.float().cpu().numpy()
    log = functools.partial(recording.log_model, options, "pytorch", module, example=example, predict=lambda _: outputs)
    try:
        log(serialization_format="safetensors")
    except InvalidArgument as refused:
        if example is None:
            raise
        try:  # what has no description may still be traced
            log(serialization_format="pt2", export_example=example)
        except InvalidArgument as error:
            raise refused from error
