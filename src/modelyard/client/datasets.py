"""Datasets: what a run was trained on: name, digest, schema, profile and source, in MLflow's forms.

The digest covers the whole content. It equals MLflow's wherever MLflow's covers the content too: frames of text and
numbers, and arrays, of up to 10,000 rows or elements. MLflow looks no further; ours goes on, so that two datasets that
differ in row 10,001 or in a date are two datasets (`dataset_digests`).

Sources: MLflow's `data/pandas_dataset.py`, `data/numpy_dataset.py`, `data/schema.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from modelyard.domain.errors import InvalidArgument, NotSupported

from .dataset_digests import DIGITS, arrays_digest, frame_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


# ------------------------------------------------------------------------------------ where it comes from


class DatasetSource:
    """Where a dataset comes from.

    Args:
        source_type: `local`, `http`, `code`, or the scheme of a URI such as `s3`.
        content: as MLflow stores it: `{"uri": ...}`, `{"url": ...}` for http, `{"tags": {...}}` for code.
    """

    def __init__(self, source_type: str, content: Mapping[str, Any]) -> None:
        self.source_type = source_type
        self._content = dict(content)

    def __repr__(self) -> str:
        return f"DatasetSource({self.source_type!r}, {self._content!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DatasetSource):
            return NotImplemented
        return self.source_type == other.source_type and self._content == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.source_type, self.to_json()))

    def _get_source_type(self) -> str:  # the name that MLflow's own code asks for
        return self.source_type

    @property
    def uri(self) -> str:
        """The URI or path; empty for code."""
        return str(self._content.get("uri") or self._content.get("url") or "")

    url = uri

    def to_dict(self) -> dict[str, Any]:
        """As MLflow stores it."""
        return dict(self._content)

    def to_json(self) -> str:
        """The same as JSON text."""
        return json.dumps(self._content)

    def load(self, dst_path: str | os.PathLike[str] | None = None) -> str:
        """The path of the data on this machine; of http, fetched into `dst_path` or a new directory.

        Raises:
            NotSupported: the data is in a place that this does not read.
        """
        if self.source_type == "local":
            parts = urlsplit(self.uri)
            return unquote(parts.path) if parts.scheme == "file" else self.uri
        if self.source_type != "http":
            raise NotSupported(f"Data from {self.source_type!r} is not fetched; read {self.uri or 'it'!r} yourself.")
        import shutil
        import tempfile

        import urllib3

        folder = Path(dst_path or tempfile.mkdtemp(prefix="modelyard-dataset-"))
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / (os.path.basename(unquote(urlsplit(self.uri).path)) or "dataset")  # noqa: PTH119
        with urllib3.PoolManager() as pool, target.open("wb") as file:
            answer = pool.request("GET", self.uri, preload_content=False)
            if answer.status != 200:
                raise NotSupported(f"{self.uri!r} was answered with HTTP status {answer.status}.")
            shutil.copyfileobj(answer, file)
            answer.release_conn()
        return str(target)


def source_of(given: Any) -> Any:
    """The source that a path, a URI or nothing stands for; a source object (ours or MLflow's) is itself.

    Args:
        given: nothing stands for the code that is running.

    Raises:
        InvalidArgument: it is something else.
    """
    if given is None:
        from .context import tags

        return DatasetSource("code", {"tags": tags()})
    if isinstance(given, (str, Path)):
        uri = str(given)
        scheme = urlsplit(uri).scheme.lower() if ":" in uri else ""
        if scheme in ("http", "https"):
            return DatasetSource("http", {"url": uri})
        if len(scheme) < 2 or scheme == "file":  # one letter is a drive
            return DatasetSource("local", {"uri": uri})
        return DatasetSource(scheme, {"uri": uri})
    if hasattr(given, "to_json") and hasattr(given, "_get_source_type"):
        return given
    raise InvalidArgument(f"The source of a dataset is a path, a URI or a source, not {type(given).__name__}.")


# ------------------------------------------------------------------------------------ datasets


class Dataset:
    """A dataset as a run remembers it. Its kinds say what schema, profile and digest are."""

    def __init__(self, source: Any, name: str | None, digest: str | None) -> None:
        self.source = source
        self.name = name or "dataset"
        self._given_digest = digest

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, digest={self.digest!r})"

    @cached_property
    def digest(self) -> str:
        """Eight hexadecimal digits that change with the content, or what the caller gave."""
        return self._given_digest or self._compute_digest()

    def _compute_digest(self) -> str:
        raise NotImplementedError

    @property
    def profile(self) -> dict[str, Any] | None:
        """Sizes."""
        return None

    def _schema_document(self) -> dict[str, Any] | None:
        return None

    def to_dict(self) -> dict[str, str]:
        """Name, digest, source, source type, schema and profile, the way MLflow stores them: all are text."""
        document = {
            "name": self.name,
            "digest": self.digest,
            "source": self.source.to_json(),
            "source_type": self.source._get_source_type(),  # noqa: SLF001 - MLflow's name
        }
        if (schema := self._schema_document()) is not None:
            document["schema"] = json.dumps(schema)
        if (profile := self.profile) is not None:
            document["profile"] = json.dumps(profile)
        return document

    def to_json(self) -> str:
        """The same as JSON text."""
        return json.dumps(self.to_dict())


class PandasDataset(Dataset):
    """A pandas DataFrame, perhaps with a column of targets and one of predictions."""

    def __init__(
        self, df: pd.DataFrame, source: Any, name: str | None, digest: str | None, targets: str | None,
        predictions: str | None,
    ) -> None:  # fmt: skip
        for what, column in (("targets", targets), ("predictions", predictions)):
            if column is not None and column not in df.columns:
                raise InvalidArgument(f"The frame has no column {column!r} for {what}; it has {list(df.columns)}.")
        super().__init__(source, name, digest)
        self.df = df
        self.targets = targets
        self.predictions = predictions

    def _compute_digest(self) -> str:
        return frame_digest(self.df)

    @cached_property
    def schema(self) -> Any:
        """The columns and their types; None where they cannot be told."""
        return _schema(self.df)

    @property
    def profile(self) -> dict[str, Any]:
        """Rows and cells."""
        return {"num_rows": len(self.df), "num_elements": int(self.df.size)}

    def _schema_document(self) -> dict[str, Any] | None:
        return None if self.schema is None else {"mlflow_colspec": _columns(self.schema)}


class NumpyDataset(Dataset):
    """NumPy arrays of features, and perhaps of targets; each one array or a dict of them."""

    def __init__(self, features: Any, source: Any, targets: Any, name: str | None, digest: str | None) -> None:
        super().__init__(source, name, digest)
        self.features = features
        self.targets = targets

    def _compute_digest(self) -> str:
        return arrays_digest(self.features, self.targets)

    @cached_property
    def schema(self) -> dict[str, Any] | None:
        """The schemas of features and targets; None where they cannot be told."""
        features = _schema(self.features)
        targets = None if self.targets is None else _schema(self.targets)
        return None if features is None else {"features": features, "targets": targets}

    @property
    def profile(self) -> dict[str, Any]:
        """Shapes, elements and bytes."""
        found: dict[str, Any] = {}
        for what, data in (("features", self.features), ("targets", self.targets)):
            if data is None:
                continue
            for attribute in ("shape", "size", "nbytes"):
                found[f"{what}_{attribute}"] = (
                    {key: getattr(array, attribute) for key, array in data.items()}
                    if isinstance(data, dict)
                    else getattr(data, attribute)
                )
        return found

    def _schema_document(self) -> dict[str, Any] | None:
        if self.schema is None:
            return None
        texts = {what: None if schema is None else schema.to_json() for what, schema in self.schema.items()}
        return {"mlflow_tensorspec": texts}


class MetaDataset(Dataset):
    """A dataset of which only the description is known: where it is, and perhaps its schema.

    Args:
        source: a path, a URI or a source.
        name: of the dataset.
        digest: of its content, if known; else of the description.
        schema: a `Schema` of columns or tensors.
    """

    def __init__(self, source: Any, name: str | None = None, digest: str | None = None, schema: Any = None) -> None:
        super().__init__(source_of(source), name, digest)
        self.schema = schema

    def _compute_digest(self) -> str:
        description = {
            "name": self.name,
            "source": self.source.to_json(),
            "source_type": self.source._get_source_type(),  # noqa: SLF001 - MLflow's name
            "schema": self.schema.to_dict() if self.schema is not None else "",
        }
        return hashlib.sha256(json.dumps(description).encode()).hexdigest()[:DIGITS]

    def _schema_document(self) -> dict[str, Any] | None:
        if self.schema is None:
            return None
        return {"mlflow_colspec": _columns(self.schema)}


def from_pandas(
    df: pd.DataFrame,
    source: Any = None,
    targets: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    predictions: str | None = None,
) -> PandasDataset:
    """Describe a DataFrame as a dataset.

    Args:
        df: the data.
        source: the path or URI that it was read from; None: the code that is running.
        targets: the column to be predicted.
        name: of the dataset; None: "dataset".
        digest: instead of the computed one, at most 36 characters.
        predictions: the column of predictions.

    Raises:
        InvalidArgument: there is no such column.
    """
    return PandasDataset(df, source_of(source), name, digest, targets, predictions)


def from_numpy(
    features: Any, source: Any = None, targets: Any = None, name: str | None = None, digest: str | None = None
) -> NumpyDataset:
    """Describe NumPy arrays as a dataset.

    Args:
        features: an array, or a dict of arrays.
        source: the path or URI that they were read from; None: the code that is running.
        targets: an array, or a dict of arrays.
        name: of the dataset; None: "dataset".
        digest: instead of the computed one, at most 36 characters.
    """
    return NumpyDataset(features, source_of(source), targets, name, digest)


def get_source(dataset: Any) -> Any:
    """The source of a dataset, of a run's dataset (`run.inputs.dataset_inputs[0].dataset`), or of that input.

    Raises:
        InvalidArgument: it is none of these.
    """
    dataset = getattr(dataset, "dataset", dataset)
    source = getattr(dataset, "source", None)
    if isinstance(source, str):
        return DatasetSource(dataset.source_type, json.loads(source))
    if source is None:
        raise InvalidArgument(f"A dataset or a run's dataset input was expected, not {type(dataset).__name__}.")
    return source


def input_of(dataset: Any, context: str | None, tags: Mapping[str, Any] | None) -> dict[str, Any]:
    """A dataset as a run's input, in MLflow's JSON (`DatasetInput`).

    Args:
        dataset: ours, MLflow's, or the `Dataset` entity of another run.
        context: what it was used for, such as `training`; becomes the tag `mlflow.data.context`.
        tags: of this input.
    """
    if hasattr(dataset, "to_dict"):
        described = dataset.to_dict()
    else:
        described = {
            key: getattr(dataset, key) for key in ("name", "digest", "source_type", "source", "schema", "profile")
        }
    labels = [{"key": key, "value": str(value)} for key, value in (tags or {}).items()]
    if context:
        labels.append({"key": "mlflow.data.context", "value": context})
    return {"dataset": {key: value for key, value in described.items() if value is not None}, "tags": labels}


def _columns(schema: Any) -> list[dict[str, Any]]:
    """The columns of a schema, each with `required`, which a model's signature leaves out when it is true."""
    return [
        {**described, "required": column.required} for described, column in zip(schema.to_dict(), schema, strict=True)
    ]


def _schema(data: Any) -> Any:
    import warnings

    from modelyard.packaging.signature import infer_schema

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hints about models that may see missing values; this is no model
        try:
            return infer_schema(data)
        except Exception:  # noqa: BLE001 - a dataset without a schema is still a dataset
            return None
