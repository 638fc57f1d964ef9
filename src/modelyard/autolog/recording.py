"""What the leaves have in common: whose run it is, and params, data sets, models and signatures in it.

Every function logs to the active run. They may raise: `patching` sees to it that nobody notices.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from modelyard.client import fluent, lifecycle
from modelyard.domain import run_names

from .patching import attempt, paused

if TYPE_CHECKING:
    from modelyard.client.active import ActiveRun
    from modelyard.client.run_recorder import RunRecorder

    from .registry import Options

EXAMPLE_ROWS: Final = 5
"""Rows of the training data that become the input example, and that a signature is inferred from; as in MLflow."""

MOST_CELLS: Final = 1_000_000
"""A data set with more values than this is described by an even sample of its rows."""

_MOST_ITEMS: Final = 200

_started: dict[RunRecorder, int] = {}
"""Runs that autologging started and has not ended → thread. Their ids may change, once the server knows them."""


def active_run() -> ActiveRun | None:
    """The run to log to: the user's, or one that autologging started on this thread; not another thread's of ours."""
    run = fluent.active_run()
    if run is not None and _started.get(run.recorder, threading.get_ident()) != threading.get_ident():
        return None
    return run


def wanted(options: Options) -> bool:
    """Whether to log at all: not into a run of the user's when autologging is to be `exclusive`."""
    run = active_run() if options["exclusive"] else None
    return run is None or run.recorder in _started


@contextmanager
def run(options: Options, *, tags: Mapping[str, Any] | None = None, child: bool = False) -> Iterator[ActiveRun]:
    """The active run; if there is none, one that starts here and ends here, FAILED when an exception passes.

    Args:
        options: What was asked for; the run gets its tags.
        tags: More tags.
        child: Start a run of its own in any case, below the active one.
    """
    texts = {**options.tags, **{key: str(value) for key, value in (tags or {}).items()}}
    current = active_run()
    if current is not None and not child:
        with attempt(options.library, "tags"):
            fluent.set_tags({key: value for key, value in texts.items() if key != "mlflow.autologging"})
        yield current
        return
    with lifecycle.start_run_soon(nested=current is not None, tags=texts) as started:
        _started[started.recorder] = threading.get_ident()
        try:
            yield started
        finally:
            _started.pop(started.recorder, None)


def start_aside(
    options: Options, tags: Mapping[str, str], *, parent: RunRecorder | None = None, start_ms: int | None = None
) -> RunRecorder:
    """Begin a run that does not become active; whoever begins it ends it.

    Args:
        options: What was asked for; the run gets its tags.
        tags: More tags.
        parent: The run that it is below.
        start_ms: When it began, in ms since the epoch; None: now.
    """
    from modelyard.client import context, uris
    from modelyard.client.current_experiment import chosen
    from modelyard.client.recorder import recorder_for

    uri = uris.tracking_uri() if parent is None else parent.recorder.uri
    number, experiment = chosen(uri, None if parent is None else parent.experiment_id or None)
    name = run_names.make(int.from_bytes(os.urandom(8)))
    every = {**context.tags(), **options.tags, **tags, "mlflow.runName": name}
    if parent is not None:
        every["mlflow.parentRunId"] = parent.run_id
    return recorder_for(uri).start_run(
        experiment_id=number,
        experiment_name=experiment,
        run_name=name,
        start_time_ms=int(time.time() * 1000) if start_ms is None else start_ms,
        tags=every,
        user_id=every["mlflow.user"],
        wait_s=0.0,
    )


def log_params(params: Mapping[Any, Any], run_id: str | None = None) -> None:
    """Log params as texts. A long list is cut while it is turned into one, and not only afterwards."""
    if params:
        fluent.log_params({str(key): text(value) for key, value in params.items()}, run_id=run_id)


def text(value: Any) -> str:
    """The value as it is logged: `str(value)`, of the first 200 elements only of lists and the like."""
    if isinstance(value, (list, tuple, set, frozenset)) and len(value) > _MOST_ITEMS:
        return f"{list(islice(value, _MOST_ITEMS))} and {len(value) - _MOST_ITEMS} more"
    if isinstance(value, dict) and len(value) > _MOST_ITEMS:
        return f"{dict(islice(value.items(), _MOST_ITEMS))} and {len(value) - _MOST_ITEMS} more"
    return str(value)


def metric_name(name: str) -> str:
    """A name that MLflow's protocol takes: `ndcg@3` becomes `ndcg_at_3`, as MLflow has it."""
    name = str(name).replace("@", "_at_")
    return "".join(letter if letter.isalnum() or letter in "/_-. :" else "_" for letter in name)


# ------------------------------------------------------------------------------------ data


def rows_of(data: Any) -> int:
    """How many rows the data has; -1 if it does not tell."""
    shape = getattr(data, "shape", None)
    if shape is not None and len(shape) > 0:
        return int(shape[0])
    try:
        return len(data)
    except TypeError:
        return -1


def rows(data: Any, which: slice) -> Any:
    """Some rows of a data frame, an array, a sparse matrix or a list."""
    located = getattr(data, "iloc", None)
    if located is not None:
        return located[which]
    compressed = getattr(data, "tocsr", None)  # not every sparse format can be sliced
    return data[which] if compressed is None or hasattr(data, "indptr") else compressed()[which]


def example_of(data: Any) -> Any:
    """A copy of the first rows, taken before training can change them; None if there is no such thing."""
    if data is None or rows_of(data) < 1:
        return None
    head = rows(data, slice(0, EXAMPLE_ROWS))
    toarray = getattr(head, "toarray", None)
    if toarray is not None:
        return toarray()
    copy = getattr(head, "copy", None)
    return head if copy is None else copy()


def thinned(data: Any, most: int) -> Any:
    """At most about `most` rows, evenly spaced, of the data; the data itself if it has no more."""
    count = rows_of(data)
    return data if data is None or count <= most else rows(data, slice(None, None, -(-count // max(most, 1))))


def log_dataset(data: Any, targets: Any = None, *, context: str = "train", name: str | None = None) -> None:
    """Log a data frame or an array as an input of the run: name, digest, schema and sizes, not the data.

    Beyond `MOST_CELLS` values the digest is that of an even sample of the rows. What is neither a frame, an array nor
    a sparse matrix is left out.
    """
    dataset = dataset_of(data, targets, name)
    if dataset is not None:
        fluent.log_input(dataset, context=context)


def dataset_of(data: Any, targets: Any = None, name: str | None = None) -> Any:
    """The description of training data, or None: see `log_dataset`."""
    from modelyard.client import datasets

    shape = getattr(data, "shape", None)
    if shape is None or not shape:
        return None
    cells = 1
    for length in shape:
        cells *= int(length)
    if cells > MOST_CELLS:
        most = max(1, int(shape[0] * MOST_CELLS / cells))
        data, targets = thinned(data, most), thinned(targets, most)
    if hasattr(data, "toarray"):
        data = data.toarray()
    if hasattr(data, "iloc"):
        return datasets.from_pandas(data, name=name)
    if hasattr(data, "dtype"):
        targets = targets if hasattr(targets, "dtype") and hasattr(targets, "flatten") else None
        return datasets.from_numpy(data, targets=targets, name=name)
    return None


# ------------------------------------------------------------------------------------ models


def log_model(
    options: Options,
    flavor: str,
    model: Any,
    *,
    example: Any = None,
    predict: Any = None,
    name: str = "model",
    **more: Any,
) -> Any:
    """Log the trained model to the active run, as the options ask for.

    Args:
        options: What was asked for.
        flavor: See `modelyard.packaging`.
        model: The library's own object.
        example: A few rows of what it was trained on; see `example_of`.
        predict: Gives its answer to the example, for the signature.
        name: Of the model in the run.
        more: For the flavor.

    Returns:
        What `modelyard.client.models.log_model` returns; None if models are not wanted.
    """
    if not options["log_models"]:
        return None
    from modelyard.client import models

    signature: Any = False
    if options["log_model_signatures"] and example is not None and predict is not None:
        with attempt(options.library, "inferring the model's signature"):
            signature = _signature(example, predict)
    with paused():
        return models.log_model(
            flavor,
            model,
            name=name,
            signature=signature,
            input_example=example if options["log_input_examples"] else None,
            registered_model_name=options["registered_model_name"] if name == "model" else None,
            **more,
        )


def _signature(example: Any, predict: Any) -> Any:
    from modelyard.packaging.signature import infer_signature

    return infer_signature(example, predict(example))


@contextmanager
def random_state_kept() -> Iterator[None]:
    """The global random generators are afterwards as they were: scoring a model must not change what comes next."""
    ours = random.getstate()
    numpy = sys.modules.get("numpy")
    theirs = None if numpy is None else numpy.random.get_state()
    try:
        yield
    finally:
        if random.getstate() != ours:
            random.setstate(ours)
        if numpy is not None:
            numpy.random.set_state(theirs)
