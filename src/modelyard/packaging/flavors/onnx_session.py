"""How sessions of ONNX Runtime are set up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelyard import settings


def options(runtime: Any, given: Mapping[str, Any]) -> Any:
    """Session options of the package `onnxruntime`.

    Args:
        runtime: the package.
        given: MLflow's `onnx_session_options`; they win over the setting `MODEL_THREADS`.
    """
    chosen = runtime.SessionOptions()
    if threads := settings.MODEL_THREADS.get():
        chosen.intra_op_num_threads, chosen.inter_op_num_threads = threads, 1
        # waiting for the next request would take a core from the processes beside this one
        chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    for name in ("inter_op_num_threads", "intra_op_num_threads"):
        if given.get(name):
            setattr(chosen, name, int(given[name]))
    if mode := given.get("execution_mode"):
        chosen.execution_mode = getattr(runtime.ExecutionMode, f"ORT_{str(mode).upper()}")
    if level := given.get("graph_optimization_level"):
        chosen.graph_optimization_level = runtime.GraphOptimizationLevel(level)
    for name, value in (given.get("extra_session_config") or {}).items():
        chosen.add_session_config_entry(name, value)
    return chosen
