"""What is logged as values: metrics, params, tags, inputs. The calls of MLflow's `mlflow` module, with its signatures.

What differs, on purpose: nothing that is logged is waited for. A call leaves its data in the journal on disk and
returns; a background sender delivers it (`recorder`). Values that cannot be logged are reported once on the logger
`modelyard` instead of being raised, and so is what the server refuses later. With `synchronous=True` a call waits until
its data is delivered, and raises what is wrong with it.
"""

# ruff: noqa: FBT001 - the signatures are MLflow's

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain import validation
from modelyard.domain.errors import InvalidArgument, ModelyardError

from . import reports
from .active import state
from .lifecycle import recorder_of, recorder_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .entities import LoggedModelOutput
    from .recorder import RunRecorder

_WAIT_S: Final = 300.0

_state = state
_now_ns = time.time_ns


class RunOperations:
    """What was logged with `synchronous=False`: `wait()` until it is delivered."""

    def __init__(self, recorder: RunRecorder, ticket: int | None = None) -> None:
        self._recorder = recorder
        self._ticket = ticket

    def wait(self, timeout_s: float = _WAIT_S) -> None:
        """Return when it is delivered.

        Raises:
            ModelyardError: it was refused, or not delivered in time.
        """
        self._recorder.wait(self._ticket, timeout_s)


# ------------------------------------------------------------------------------------ metrics


def log_metric(
    key: str,
    value: float,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> RunOperations | None:
    """Log one point of a metric to the active run, which is started if there is none. Takes about a microsecond.

    Args:
        key: letters, digits and `_ - . / : space`.
        value: a number, or what `float()` takes; NaN and infinities too.
        step: a whole number; 0 when left out.
        synchronous: True waits for the delivery; False returns something to wait for.
        timestamp: milliseconds since the epoch; now when left out.
        run_id: another run.
        model_id: the logged model that was measured.
        dataset: what it was measured on; becomes an input of the run.
    """
    run = _state.only or _state.current()
    if step is None:
        step = 0
    if (
        run is None
        or (value.__class__ is not float and not isinstance(value, (float, int)))  # type: ignore[redundant-expr]
        or key.__class__ is not str
        or step.__class__ is not int
        or (timestamp is not None and (timestamp.__class__ is not int or timestamp <= 0))
        or synchronous is not None
        or run_id is not None
        or model_id is not None
        or dataset is not None
    ):
        return _log_metrics([(key, value)], step, synchronous, timestamp, run_id, model_id, dataset)
    run.log(key, value, step, timestamp or _now_ns() // 1_000_000)  # which looks at the key, once
    return None


def log_metrics(
    metrics: Mapping[str, float],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> RunOperations | None:
    """Log one point each of several metrics; see `log_metric`."""
    return _log_metrics(metrics.items(), step, synchronous, timestamp, run_id, model_id, dataset)


def _log_metrics(
    metrics: Iterable[tuple[Any, Any]],
    step: Any,
    synchronous: bool | None,
    timestamp: Any,
    run_id: str | None,
    model_id: str | None,
    dataset: Any,
) -> RunOperations | None:
    recorder = recorder_of(run_id)
    now = _now_ns() // 1_000_000 if timestamp is None or (type(timestamp) is int and not timestamp) else timestamp
    points: list[tuple[str, float, int, int]] = []
    for key, value in metrics:
        try:
            points.append(_point(key, value, step, now))
        except InvalidArgument as error:
            _refuse("metric", key, recorder, error, synchronous)
    if dataset is not None:
        from .datasets import input_of

        recorder.log_inputs([input_of(dataset, None, None)])
    if model_id is None:
        for point in points:
            recorder.log_metric(*point)
        return _outcome(recorder, None, synchronous)
    return _outcome(recorder, recorder.log_model_metrics(_linked(points, model_id, dataset)), synchronous)


def _point(key: Any, value: Any, step: Any, timestamp: Any) -> tuple[str, float, int, int]:
    """A point that can be stored.

    Raises:
        InvalidArgument: it cannot.
    """
    if not isinstance(key, str):
        raise InvalidArgument(f"The key of a metric is a text, not {_shown(key)}.")
    validation.check_metric_key(key)
    try:
        item = getattr(value, "item", None)  # of an array or a tensor with one element
        number = float(item() if callable(item) else value)
    except Exception:  # noqa: BLE001 - a tensor of many elements, a text, None: each type has its own error
        raise InvalidArgument(f"{_shown(value)} is not a number, which a metric's value has to be.") from None
    try:
        whole = 0 if step is None else int(step)
        same = step is None or bool(whole == step)
    except Exception:  # noqa: BLE001 - likewise
        whole, same = 0, False
    if not same:
        raise InvalidArgument(f"{_shown(step)} is not a whole number, which a step has to be.")
    if not -(2**63) <= whole < 2**63:
        raise InvalidArgument(f"The step {whole} does not fit into 64 bits.")
    if not isinstance(timestamp, int) or not 0 <= timestamp < 2**63:
        raise InvalidArgument(f"{_shown(timestamp)} is not a time in milliseconds since the epoch.")
    return key, number, whole, timestamp


def _linked(points: list[tuple[str, float, int, int]], model_id: str, dataset: Any) -> list[dict[str, Any]]:
    """Points of a logged model as MLflow's JSON has them."""
    from .entities import Metric
    from .runs import spelled

    on = getattr(dataset, "name", None), getattr(dataset, "digest", None)
    return [spelled(Metric(key, value, stamp, step, model_id, *on)) for key, value, step, stamp in points]


# ------------------------------------------------------------------------------------ params and tags


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Log a param of the active run, which is started if there is none. A param keeps its first value.

    Returns:
        The value; with `synchronous=False` something to wait for.
    """
    operations = _log_params([(key, value)], synchronous, None)
    return value if operations is None else operations


def log_params(
    params: Mapping[str, Any],
    synchronous: bool | None = None,
    run_id: str | None = None,
) -> RunOperations | None:
    """Log params; see `log_param`."""
    return _log_params(params.items(), synchronous, run_id)


def _log_params(
    params: Iterable[tuple[Any, Any]], synchronous: bool | None, run_id: str | None
) -> RunOperations | None:
    recorder = recorder_of(run_id)
    texts = _texts(params, "param", validation.check_param, recorder, synchronous)
    return _outcome(recorder, recorder.log_params(texts) if texts else None, synchronous)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> RunOperations | None:
    """Set a tag of the active run, which is started if there is none."""
    return _set_tags([(key, value)], synchronous)


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> RunOperations | None:
    """Set tags of the active run, which is started if there is none."""
    return _set_tags(tags.items(), synchronous)


def _set_tags(tags: Iterable[tuple[Any, Any]], synchronous: bool | None) -> RunOperations | None:
    recorder = recorder_of(None)
    texts = _texts(tags, "tag", validation.check_tag, recorder, synchronous)
    return _outcome(recorder, recorder.set_tags(texts) if texts else None, synchronous)


def delete_tag(key: str) -> None:
    """Remove a tag of the active run."""
    recorder_of(None).delete_tag(key)


def _texts(
    values: Iterable[tuple[Any, Any]],
    what: str,
    check: Callable[[str, str], str],
    recorder: RunRecorder,
    synchronous: bool | None,
) -> dict[str, str]:
    """Keys and values as texts, without those that cannot be stored."""
    texts: dict[str, str] = {}
    for key, value in values:
        if not isinstance(key, str) or not key:
            error: ModelyardError = InvalidArgument(f"The key of a {what} is a text, and not empty.")
            _refuse(what, key, recorder, error, synchronous)
            continue
        try:
            text = str(value)
            check(key, text)
            texts[key] = text
        except InvalidArgument as wrong:
            _refuse(what, key, recorder, wrong, synchronous)
        except Exception as wrong:  # noqa: BLE001 - an object's own __str__ may do anything
            _refuse(what, key, recorder, InvalidArgument(f"Its value has no text: {wrong}"), synchronous)
    return texts


# ------------------------------------------------------------------------------------ inputs and outputs


def log_input(
    dataset: Any = None, context: str | None = None, tags: Mapping[str, Any] | None = None, model: Any = None
) -> None:
    """Log a dataset that the active run reads.

    Args:
        dataset: from `modelyard.data`.
        context: what it is used for, such as `training`.
        tags: of this use.
        model: a logged model that the run reads (`LoggedModelInput`).
    """
    log_inputs(
        [dataset] if dataset is not None else [], [context], [tags], models=[model] if model is not None else None
    )


def log_inputs(
    datasets: list[Any] | None = None,
    contexts: list[str | None] | None = None,
    tags_list: list[Mapping[str, Any] | None] | None = None,
    models: list[Any] | None = None,
) -> None:
    """Log datasets that the active run reads; each list has one entry per dataset. See `log_input`."""
    from .datasets import input_of

    recorder = recorder_of(None)
    datasets = datasets or []
    try:
        inputs = [
            input_of(dataset, context, tags)
            for dataset, context, tags in zip(
                datasets, contexts or [None] * len(datasets), tags_list or [None] * len(datasets), strict=False
            )
        ]
        if inputs:
            recorder.log_inputs(inputs)
        if models:
            from .client import Client

            recorder.wait()
            Client(recorder_uri(recorder)).log_inputs(recorder.run_id, models=models)
    except Exception as error:  # noqa: BLE001 - computing a digest runs other people's code
        reports.once(("input", recorder.run_id), "A dataset of run %s was not logged: %s", recorder.run_id, error)


def log_outputs(models: list[LoggedModelOutput] | None = None) -> None:
    """Log models that the active run made."""
    if models:
        recorder_of(None).log_outputs([{"model_id": model.model_id, "step": model.step} for model in models])


def _outcome(recorder: RunRecorder, ticket: int | None, synchronous: bool | None) -> RunOperations | None:
    if synchronous is None:
        return None
    if synchronous:
        recorder.wait(ticket)
        return None
    return RunOperations(recorder, ticket)


def _refuse(what: str, key: Any, recorder: RunRecorder, error: ModelyardError, synchronous: bool | None) -> None:
    """Say what was not logged: as an exception to a caller that waits, else once on the logger."""
    if synchronous:
        raise error
    key = key if isinstance(key, str) else _shown(key)
    reports.once(
        (what, key, recorder.run_id), "The %s %r of run %s was not logged: %s", what, key, recorder.run_id, error
    )


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - an object's own __repr__ may do anything
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else text[:77] + "..."
