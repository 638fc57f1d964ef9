"""Python objects → the bytes of an artifact: texts, dicts, figures, images, tables.

What is drawn or laid out here has MLflow's form, so that its user interface and its clients understand it.
"""

from __future__ import annotations

import io
import json
import math
import numbers
import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Final

from modelyard.domain.errors import InvalidArgument

IMAGES_TAG: Final = "mlflow.loggedImages"
"""Says that a run has images that were logged by key."""

TABLES_TAG: Final = "mlflow.loggedArtifacts"
"""Lists a run's tables, as JSON."""

_THUMBNAIL: Final = 256  # px, the longer side at most
_IMAGE_KEY: Final = re.compile(r"[a-zA-Z0-9_\-./ ]+")
_DRAWN: Final = (".png", ".jpeg", ".jpg", ".webp", ".svg", ".pdf")


def dictionary(value: Any, path: str) -> bytes:
    """A dict as YAML, if the file's name says so, or as JSON; what JSON cannot hold becomes a text."""
    if _suffix(path) in (".yml", ".yaml"):
        import yaml

        plain = json.loads(json.dumps(value, default=_cell))  # no tags that only Python's YAML knows
        return yaml.safe_dump(plain, indent=2, default_flow_style=False, allow_unicode=True).encode()
    return json.dumps(value, indent=2, default=str).encode()


def figure(value: Any, path: str, options: Mapping[str, Any] | None = None) -> bytes:
    """A figure of Matplotlib or Plotly, in the format that the file's name says.

    Args:
        value: the figure.
        path: the file's name.
        options: passed on to `savefig`, `write_html` or `write_image`.

    Raises:
        InvalidArgument: it is neither, or has no such format.
    """
    said = dict(options or {})
    suffix = _suffix(path)
    target = io.BytesIO()
    if "matplotlib" in sys.modules and hasattr(value, "savefig"):
        value.savefig(target, **{"format": suffix.lstrip(".") or "png", **said})
        return target.getvalue()
    if "plotly" in sys.modules and hasattr(value, "to_html"):
        if suffix == ".html":
            said.pop("auto_open", None)
            return str(value.to_html(**{"include_plotlyjs": "cdn", **said})).encode()
        if suffix in _DRAWN:
            return bytes(value.to_image(**{"format": suffix.lstrip("."), **said}))
        raise InvalidArgument(
            f"{path!r} is no place for a Plotly figure; expected .html or one of {', '.join(_DRAWN)}."
        )
    raise InvalidArgument(f"A figure of Matplotlib or Plotly was expected, not {type(value).__name__}.")


# ------------------------------------------------------------------------------------ images


def image(value: Any, path: str) -> bytes:
    """An image in the format that the file's name says.

    Args:
        value: an image of Pillow, something with `to_pil()`, or an array of shape (height, width), optionally with 1, 3
            or 4 channels behind, of booleans, integers of 0 to 255, or floats of 0 to 1 (others are stretched to that).
        path: the file's name.

    Raises:
        InvalidArgument: it is none of these, or has no such format.
    """
    target = io.BytesIO()
    suffix = _suffix(path)
    drawn = pillow(value)
    try:
        drawn.save(target, _format(suffix))
    except (KeyError, OSError, ValueError) as error:
        raise InvalidArgument(f"The image cannot be written as {path!r}: {error}.") from error
    return target.getvalue()


def _format(suffix: str) -> str:
    from PIL import Image

    known = Image.registered_extensions()
    if suffix not in known:
        raise InvalidArgument(f"{suffix or 'No suffix'} is not an image's; expected one such as .png or .jpg.")
    return known[suffix]


def pillow(value: Any) -> Any:
    """An image as one of Pillow's; see `image`."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise InvalidArgument("Pillow is not installed. Run: pip install pillow to log images.") from None
    if isinstance(value, Image.Image):
        return value
    if hasattr(value, "to_pil"):
        return value.to_pil()
    if hasattr(value, "__array__"):
        return Image.fromarray(_pixels(value))
    raise InvalidArgument(f"An image of Pillow or an array was expected, not {type(value).__name__}.")


def _pixels(value: Any) -> Any:
    import numpy as np

    array = np.asarray(value)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in (3, 4)):
        raise InvalidArgument(
            f"The image has the shape {array.shape}; (height, width), perhaps with 1, 3 or 4 channels, was expected."
        )
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * 255
    kind = array.dtype.kind
    if kind not in "iuf":
        raise InvalidArgument(f"The image is of {array.dtype}; booleans, integers or floats were expected.")
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if kind == "f":
        if low < 0 or high > 1:  # stretched, as MLflow does
            array = (array - low) / ((high - low) or 1)
        return (array * 255).astype(np.uint8)
    if low < 0 or high > 255:
        raise InvalidArgument(f"The image's values reach from {low:g} to {high:g}; integers of 0 to 255 were expected.")
    return array.astype(np.uint8)


def keyed_image(value: Any, key: str, step: int, timestamp_ms: int) -> dict[str, bytes]:
    """An image that belongs to a series, and its thumbnail: path → bytes, as MLflow's user interface finds them.

    Raises:
        InvalidArgument: the key has other characters than letters, digits, space and `_-./`.
    """
    if not _IMAGE_KEY.fullmatch(key):
        raise InvalidArgument(f"The image's key {key!r} is not allowed; expected letters, digits, space and _-./ only.")
    drawn = pillow(value)
    stem = f"images/{key.replace('/', '~')}+step+{step}+timestamp+{timestamp_ms}+{uuid.uuid4()}"
    return {f"{stem}.png": image(drawn, ".png"), f"{stem}+compressed.webp": thumbnail(drawn)}


def thumbnail(value: Any) -> bytes:
    """A small copy of an image, as WebP."""
    small = pillow(value).copy()
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return image(small, ".webp")


# ------------------------------------------------------------------------------------ tables


def table(value: Any, path: str, before: bytes | None = None) -> dict[str, bytes]:
    """A table as files: the table itself, and the images that were in its cells.

    Args:
        value: a DataFrame, or a dict of columns; a dict of single values is one row.
        path: the table's file, `.json` or `.parquet` (which needs pandas and pyarrow).
        before: the file as it is now: rows are added to it.

    Returns:
        Path → bytes.

    Raises:
        InvalidArgument: the value is no table, or the file's name says something else.
    """
    suffix = _suffix(path)
    if suffix not in (".json", ".parquet"):
        raise InvalidArgument(f"{path!r} is no place for a table; expected a file ending in .json or .parquet.")
    files: dict[str, bytes] = {}
    columns, rows = _split(value)
    for place in range(len(columns)):
        cells = [row[place] for row in rows]
        pictures = [hasattr(cell, "save") and hasattr(cell, "resize") and hasattr(cell, "size") for cell in cells]
        if any(pictures) and not all(pictures):
            raise InvalidArgument(f"Column {columns[place]!r} holds images and other things; all or none was expected.")
        if any(pictures):
            for row in rows:
                row[place] = _table_image(row[place], path, files)
    if suffix == ".parquet":
        files[path] = _parquet(columns, rows, before)
        return files
    if before is not None:
        columns, rows = _joined(json.loads(before), columns, rows)
    told = {"columns": columns, "data": [[None if _missing(cell) else cell for cell in row] for row in rows]}
    files[path] = json.dumps(told, default=_cell).encode()
    return files


def _missing(cell: Any) -> bool:
    """Whether a cell is what JSON has no number or date for: NaN, an infinity, NaT, NA."""
    if isinstance(cell, numbers.Real):
        return not math.isfinite(cell)
    return type(cell).__name__ in ("NaTType", "NAType")


def _split(value: Any) -> tuple[list[Any], list[list[Any]]]:
    if hasattr(value, "columns") and hasattr(value, "itertuples"):
        return list(value.columns), [list(row) for row in value.itertuples(index=False, name=None)]
    if not isinstance(value, Mapping):
        raise InvalidArgument(f"A DataFrame or a dict of columns was expected, not {type(value).__name__}.")
    columns = list(value)
    cells = [_column(value[name]) for name in columns]
    if all(column is None for column in cells):
        return columns, [[value[name] for name in columns]]
    height = max(len(column) for column in cells if column is not None)
    full = [[value[name]] * height if column is None else column for name, column in zip(columns, cells, strict=True)]
    if any(len(column) != height for column in full):
        lengths = ", ".join(f"{name!r} {len(column)}" for name, column in zip(columns, full, strict=True))
        raise InvalidArgument(f"The columns have different lengths: {lengths}.")
    return columns, [list(row) for row in zip(*full, strict=True)]


def _column(value: Any) -> list[Any] | None:
    if hasattr(value, "tolist") and getattr(value, "ndim", 0) >= 1:
        return list(value.tolist())
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else None


def _table_image(value: Any, path: str, files: dict[str, bytes]) -> dict[str, str]:
    stem = f"table_images/{path.removesuffix(_suffix(path))}/{uuid.uuid4()}"
    files[f"{stem}.png"] = image(value, ".png")
    files[f"{stem}.webp"] = thumbnail(value)
    return {"type": "image", "filepath": f"{stem}.png", "compressed_filepath": f"{stem}.webp"}


def _joined(before: Mapping[str, Any], columns: list[Any], rows: list[list[Any]]) -> tuple[list[Any], list[list[Any]]]:
    """Rows behind those that are there; a column that only one of both has is empty in the other."""
    merged = [*before["columns"], *(name for name in columns if name not in before["columns"])]
    places = {name: place for place, name in enumerate(columns)}
    missing = [None] * (len(merged) - len(before["columns"]))
    added = [[row[places[name]] if name in places else None for name in merged] for row in rows]
    return merged, [[*row, *missing] for row in before["data"]] + added


def _cell(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


def _parquet(columns: list[Any], rows: list[list[Any]], before: bytes | None) -> bytes:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=columns)
    if before is not None:
        frame = pd.concat([pd.read_parquet(io.BytesIO(before)), frame], ignore_index=True)
    target = io.BytesIO()
    frame.to_parquet(target, index=False)
    return target.getvalue()


def read_table(data: bytes, path: str) -> Any:
    """The DataFrame that a table's file holds."""
    import pandas as pd

    if _suffix(path) == ".parquet":
        return pd.read_parquet(io.BytesIO(data))
    told = json.loads(data)
    return pd.DataFrame(told["data"], columns=told["columns"])


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower() or (path if path.startswith(".") else "")
