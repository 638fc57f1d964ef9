"""Evaluating versions of a model on one fixed dataset, so that they can be compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from modelyard import optional
from modelyard.domain.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from .client import Client

_CLASSES: Final = ("accuracy", "balanced_accuracy", "f1", "precision", "recall")
_NUMBERS: Final = ("rmse", "mae", "r2")
METRICS: Final = (*_CLASSES, *_NUMBERS)
"""What can be measured; of classes with weights by their size unless there are two, the greater being positive."""
_READERS: Final = {".csv": "read_csv", ".parquet": "read_parquet", ".json": "read_json", ".jsonl": "read_json"}


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table to evaluate on.

    Attributes:
        name: what people call it.
        inputs: what goes into the model.
        target: what should come out.
        digest: of inputs and target.
    """

    name: str
    inputs: pd.DataFrame
    target: pd.Series
    digest: str


def read(path: str | Path, target: str, name: str = "") -> Dataset:
    """A dataset from a file: .csv, .parquet, .json (a list of objects) or .jsonl.

    Args:
        path: of the file.
        target: the column with what should come out.
        name: what people call it; the file's name by default.

    Raises:
        InvalidArgument: it is no such file, or has no such column.
    """
    from .dataset_digests import frame_digest

    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InvalidArgument(f"{path} is no table that is understood: expected {', '.join(_READERS)}.")
    pandas = optional.load("pandas", to="read tables")
    options = {"lines": True} if path.suffix.lower() == ".jsonl" else {}
    try:
        frame = getattr(pandas, reader)(path, **options)
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, pandas.errors.ParserError) as error:
        raise InvalidArgument(f"{path} is no table: {error}.") from None
    if target not in frame.columns:
        raise InvalidArgument(f"{path} has no column {target!r}; it has {', '.join(map(str, frame.columns))}.")
    if frame.empty:
        raise InvalidArgument(f"{path} has no rows.")
    return Dataset(name or path.name, frame.drop(columns=[target]), frame[target], frame_digest(frame))


def evaluate(
    client: Client,
    name: str,
    version: str,
    dataset: Dataset,
    metrics: Sequence[str] = (),
    *,
    label: str = "",
    allow_pickle: bool | None = None,
) -> dict[str, float]:
    """Score a version on a dataset, and store the metrics on it.

    Args:
        client: of the registry.
        name: the registered model's.
        version: its number, or whatever else names it.
        dataset: what to score on.
        metrics: of `METRICS`; none: those that fit the target.
        label: the column of the answer, where it has several; empty: `label`, `prediction`, or the first one.
        allow_pickle: whether pickles may be loaded, which run code of their author.

    Raises:
        InvalidArgument: a metric is not known, or the model does not take the data.
        NotFound: there is no such version.
    """
    unknown = sorted(set(metrics) - set(METRICS))
    if unknown:
        raise InvalidArgument(f"Unknown metric {unknown[0]!r}; known are {', '.join(METRICS)}.")
    from .models import load_function

    number = client.get_model_version(name, version).version if version.isdigit() else _resolved(client, name, version)
    model = load_function(f"models:/{name}/{number}", client=client, allow_pickle=allow_pickle)
    predicted = _labels(model.predict(dataset.inputs), label)
    found = score(dataset.target, predicted, metrics)
    client.log_evaluation(name, number, found, dataset.digest, dataset.name)
    return found


def _resolved(client: Client, name: str, reference: str) -> str:
    from . import references

    uri = f"models:/{name}{reference}" if reference.startswith("@") else f"models:/{name}/{reference}"
    return str(references.resolve(client, uri).version)


def _labels(answer: Any, column: str) -> Any:
    """One value a row, of whatever a model answers."""
    if hasattr(answer, "columns"):
        names = [str(each) for each in answer.columns]
        wanted = column or next((each for each in ("label", "prediction", "predictions") if each in names), names[0])
        if wanted not in names:
            raise InvalidArgument(f"The answer has no column {wanted!r}; it has {', '.join(names)}.")
        return answer.iloc[:, names.index(wanted)]
    if isinstance(answer, dict):
        wanted = column or next((each for each in ("label", "prediction") if each in answer), next(iter(answer)))
        return answer[wanted]
    if isinstance(answer, list) and answer and isinstance(answer[0], dict):
        wanted = column or next((each for each in ("label", "prediction") if each in answer[0]), next(iter(answer[0])))
        return [each[wanted] for each in answer]
    return answer


def score(target: Any, predicted: Any, metrics: Sequence[str] = ()) -> dict[str, float]:
    """Measure predictions; of floats the metrics of regressions, of everything else those of classes.

    Args:
        target: what should have come out.
        predicted: what did.
        metrics: of `METRICS`; none: those that fit.

    Raises:
        InvalidArgument: there are not as many answers as rows.
    """
    numpy = optional.load("numpy", to="evaluate models")
    measures = optional.load("sklearn.metrics", to="evaluate models")
    true, found = numpy.asarray(target), numpy.asarray(predicted).reshape(-1)
    if len(true) != len(found):
        raise InvalidArgument(f"The model gave {len(found)} answers to {len(true)} rows.")
    if true.dtype.kind in "OUS" or found.dtype.kind in "OUS":
        true, found = true.astype(str), found.astype(str)
    continuous = true.dtype.kind == "f" and not numpy.all(true == numpy.round(true))
    classes = [] if continuous else list(numpy.unique(numpy.concatenate([true, found])))
    average = {"average": "binary", "pos_label": classes[-1]} if len(classes) == 2 else {"average": "weighted"}
    how: dict[str, Callable[[], float]] = {
        "accuracy": lambda: measures.accuracy_score(true, found),
        "balanced_accuracy": lambda: measures.balanced_accuracy_score(true, found),
        "f1": lambda: measures.f1_score(true, found, zero_division=0, **average),
        "precision": lambda: measures.precision_score(true, found, zero_division=0, **average),
        "recall": lambda: measures.recall_score(true, found, zero_division=0, **average),
        "rmse": lambda: float(numpy.sqrt(measures.mean_squared_error(true, found))),
        "mae": lambda: measures.mean_absolute_error(true, found),
        "r2": lambda: measures.r2_score(true, found),
    }
    wanted = metrics or (_NUMBERS if continuous else _CLASSES)
    try:
        return {name: float(how[name]()) for name in wanted}
    except (ValueError, TypeError) as error:
        raise InvalidArgument(f"The answers cannot be compared with the target: {error}") from None
