"""MLflow's names for the options of saving a model, in ours. For the modules that have MLflow's names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from modelyard.domain.errors import InvalidArgument, NotSupported

_RENAMED: Final = {
    "code_path": "code_paths",
    "extra_pip_requirements": "extra_requirements",
    "onnx_execution_providers": "providers",
    "onnx_session_options": "session_options",
    "pip_requirements": "requirements",
    "pyfunc_predict_fn": "predict_fn",
    "skops_trusted_types": "trusted",
}
_WITHOUT_EFFECT: Final = frozenset({"infer_code_paths", "mlflow_model", "save_as_external_data", "streamable"})
"""What we do anyway, or what is about parts of MLflow that are not here."""

_REFUSED: Final = {
    "auth_policy": "models on Databricks",
    "data_path": "give files as artifacts",
    "extra_files": "give files as artifacts of a python_function",
    "loader_module": "give a class with load and predict as python_model",
    "prompts": "prompts are not offered",
    "resources": "models on Databricks",
    "uv_extras": "give requirements",
    "uv_groups": "give requirements",
    "uv_project_path": "give requirements",
}


def translated(given: Mapping[str, Any]) -> dict[str, Any]:
    """Options under our names. None means: not given.

    Raises:
        NotSupported: an option of MLflow's is not offered; the message says what to do instead.
        InvalidArgument: `conda_env` does not read.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or name in _WITHOUT_EFFECT:
            continue
        if name in _REFUSED:
            raise NotSupported(f"The option {name!r} is not offered: {_REFUSED[name]}.")
        if name == "conda_env":
            found.setdefault("requirements", _pip(value))
        else:
            found[_RENAMED.get(name, name)] = value
    return found


def _pip(conda_env: Any) -> list[str]:
    """The requirements for pip in a Conda environment; Conda's own packages have no place in `requirements.txt`."""
    import yaml

    try:
        content = conda_env if isinstance(conda_env, Mapping) else yaml.safe_load(Path(conda_env).read_text("utf-8"))
        parts = content.get("dependencies", [])
        return [str(line) for part in parts if isinstance(part, Mapping) for line in part.get("pip", [])]
    except (OSError, TypeError, AttributeError, yaml.YAMLError) as fault:
        raise InvalidArgument(f"conda_env is a dictionary or the path of a YAML file: {fault}") from None
