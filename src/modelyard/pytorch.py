"""MLflow's `mlflow.pytorch`: PyTorch, and PyTorch Lightning's modules. See docs/pytorch.md."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelyard import optional
from modelyard.autolog import registry
from modelyard.client import fluent, models
from modelyard.client.client import Client
from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.packaging import mlflow_options, model
from modelyard.packaging.flavors import base
from modelyard.packaging.manifest import Model
from modelyard.packaging.trust import trust

FLAVOR_NAME = "pytorch"

_WITHOUT_EFFECT = ("pickle_module", "export_model")


def save_model(pytorch_model: Any, path: str | Path, **options: Any) -> Model:
    """Save a module into a new directory that stock MLflow reads too. Nothing is pickled unless that is asked for.

    Args:
        pytorch_model: A `torch.nn.Module`, a Lightning module or a scripted module.
        path: The directory; it must not exist, or be empty.
        options: `serialization_format` (`safetensors`, `pt2`, `pickle`; without it `pt2` if there is an example to
            export the model with, else `safetensors`) and those of `modelyard.packaging.model.save`, under our names
            or MLflow's: `signature`, `input_example`, `golden`, `pip_requirements`, `code_paths`, `metadata`, ...

    Raises:
        InvalidArgument: an attribute of the model cannot be kept; the message names it and what to do.
    """
    return model.save(pytorch_model, path, flavor=FLAVOR_NAME, **_translated(options))


def log_model(pytorch_model: Any, artifact_path: str | None = None, *, name: str | None = None, **options: Any) -> Any:
    """Save a module and log it to the active run.

    Args:
        pytorch_model: As for `save_model`.
        artifact_path: MLflow's older word for `name`.
        name: The model's name.
        options: Those of `save_model` and of `modelyard.client.models.log_model`: `registered_model_name`, ...
    """
    given = _translated({"name": name, "artifact_path": artifact_path, **options})
    return models.log_model(flavor=FLAVOR_NAME, model=pytorch_model, **given)


def _translated(options: dict[str, Any]) -> dict[str, Any]:
    found = mlflow_options.translated(options)
    if found.get("export_model"):
        found.setdefault("serialization_format", "pt2")
    return {key: value for key, value in found.items() if key not in _WITHOUT_EFFECT}


def load_model(
    model_uri: str,
    dst_path: str | None = None,
    *,
    map_location: Any = None,
    device: Any = None,
    allow_pickle: bool | None = None,
    trusted: Sequence[str] = (),
    **_for_torch_load: Any,
) -> Any:
    """The module, ready for predictions (`eval`).

    Args:
        model_uri: `models:/name/3`, `models:/name@alias`, `runs:/<id>/<path>`, a path, ...
        dst_path: Directory to download into; a cached copy otherwise.
        map_location: The device, as for `torch.load`; by default the one it was saved on, if that is here.
        device: The same, in MLflow's word.
        allow_pickle: Whether a pickle may be loaded, which runs code of its author; None asks `MODELYARD_ALLOW_PICKLE`.
        trusted: Packages, beyond our own list, whose classes the model may be made of.
        _for_torch_load: Arguments of `torch.load` in older scripts; without effect.
    """
    folder = models.download_model(model_uri, dst_path)
    config = Model.read(folder).flavors.get(FLAVOR_NAME)
    if config is None:
        raise NotFound(f"{model_uri} is not a PyTorch model; modelyard.pyfunc.load_model loads models of any kind.")
    leaf: Any = base.find(FLAVOR_NAME)
    allowed = trust(allow_pickle=allow_pickle, trusted=trusted)
    return leaf.load(Path(folder), config, allowed, map_location=map_location or device)


def log_state_dict(state_dict: dict[str, Any], artifact_path: str) -> None:
    """Log weights alone, as a run's artifact `<artifact_path>/state_dict.pth`; no model is made of them.

    Raises:
        InvalidArgument: it is not a dictionary.
    """
    if not isinstance(state_dict, dict):
        raise InvalidArgument(
            f"A state_dict is a dictionary, not a {type(state_dict).__name__}: give model.state_dict()."
        )
    with tempfile.TemporaryDirectory() as scratch:
        optional.load("torch", to="save PyTorch weights").save(state_dict, Path(scratch, "state_dict.pth"))
        fluent.log_artifact(Path(scratch, "state_dict.pth"), artifact_path)


def load_state_dict(state_dict_uri: str, map_location: Any = None, **_for_torch_load: Any) -> dict[str, Any]:
    """Weights that `log_state_dict`, ours or MLflow's, logged: `runs:/<id>/<artifact_path>`, or a directory.

    Raises:
        PermissionDenied: the file holds more than tensors.
    """
    leaf = optional.load("modelyard.packaging.flavors.torch", to="load PyTorch weights")
    found: dict[str, Any] = leaf.load_state_dict(
        Path(models.download_model(state_dict_uri), "state_dict.pth"), map_location
    )
    return found


def load_checkpoint(
    model_class: Any,
    run_id: str | None = None,
    epoch: int | None = None,
    global_step: int | None = None,
    kwargs: dict[str, Any] | None = None,
) -> Any:
    """A Lightning module from a checkpoint that autologging kept.

    Args:
        model_class: The module's class.
        run_id: The run; None: the active one.
        epoch: Of which epoch; None, and no `global_step`: the latest, or the best if only the best was kept.
        global_step: Of which step.
        kwargs: Arguments of the class's constructor, where the checkpoint does not have them.

    Raises:
        NotFound: there is no such checkpoint.
        InvalidArgument: no run, or both an epoch and a step.
    """
    run = fluent.active_run()
    run_id = run_id or (run.info.run_id if run else None)
    if run_id is None or (epoch is not None and global_step is not None):
        raise InvalidArgument("Give a run_id, and either an epoch or a global_step.")
    folder = f"epoch_{epoch}" if epoch is not None else f"global_step_{global_step}"
    file = "latest_checkpoint.pth" if epoch is None and global_step is None else f"{folder}/checkpoint.pth"
    path = Client().download_artifacts(run_id, f"checkpoints/{file}")
    return model_class.load_from_checkpoint(path, weights_only=True, **(kwargs or {}))


def autolog(**options: Any) -> None:
    """Record each training of PyTorch Lightning; `disable=True` ends it. See `modelyard.autolog.registry.autolog`."""
    registry.autolog("lightning", **options)
