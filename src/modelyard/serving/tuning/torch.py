"""PyTorch: its share of the threads."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import torch


def tune(model: Any, threads: int) -> list[str]:  # noqa: ARG001 - every tuner's
    """Put a module into `eval` mode: dropout and batch norm answer otherwise while they learn."""
    if isinstance(model, torch.nn.Module) and any(each.training for each in model.modules()):
        try:
            model.eval()
        except NotImplementedError:  # an exported program is what it was when it was exported
            return []
        return [f"{type(model).__name__}: eval mode"]
    return []


def share(threads: int) -> list[str]:
    """Give PyTorch so many threads: two processes with pools of their own are slower together than one alone."""
    # without it, MKL's sums depend on where in memory and at which place of a batch a row lies; read at its first sum
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    done = []
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
        done.append(f"PyTorch: {threads} threads")
    with contextlib.suppress(RuntimeError):  # too late: work has begun
        if torch.get_num_interop_threads() != 1:
            torch.set_num_interop_threads(1)
            done.append("PyTorch: operators one after the other")
    return done
