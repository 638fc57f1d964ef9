"""The manifest of a model directory: MLflow's `MLmodel` file, read and written.

Source of the format: what MLflow 2.9 to 3.17 write, and https://mlflow.org/docs/latest/ml/model/. Keys that we do not
know are kept as they are.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from modelyard.domain.errors import DataCorrupted, NotFound
from modelyard.packaging.signature import ModelSignature

FILE: Final = "MLmodel"
_MAX_BYTES: Final = 10 * 2**20


def _now() -> str:
    return str(datetime.now(UTC).replace(tzinfo=None))


@dataclass(slots=True, kw_only=True)
class Model:
    """One MLmodel file.

    Attributes:
        flavors: Flavor name → that flavor's entry.
        signature: Inputs, outputs and params; None if unknown.
        artifact_path: Path within the run's artifacts, or the logged model's name.
        run_id: The run that made it.
        model_id: The logged model (`m-...`) on servers that have them.
        model_uuid: Unique to each save, 32 hex digits.
        utc_time_created: `YYYY-MM-DD hh:mm:ss.ffffff`, UTC without a zone, as MLflow writes it.
        mlflow_version: The MLflow that wrote it; None for ours.
        saved_input_example_info: Where the input example lies, and of what kind it is.
        metadata: The user's own, JSON-like.
        model_size_bytes: Size of the model's files.
        others: Keys of newer versions and of other tools, kept.
    """

    flavors: dict[str, dict[str, Any]] = field(default_factory=dict)
    signature: ModelSignature | None = None
    artifact_path: str | None = None
    run_id: str | None = None
    model_id: str | None = None
    model_uuid: str | None = field(default_factory=lambda: uuid.uuid4().hex)
    utc_time_created: str = field(default_factory=_now)
    mlflow_version: str | None = None
    saved_input_example_info: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    model_size_bytes: int | None = None
    others: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The file's content. Nulls are left out: old readers do not expect them."""
        found = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "others"}
        found["signature"] = None if self.signature is None else self.signature.to_dict()
        return self.others | {name: value for name, value in found.items() if value is not None}

    @classmethod
    def from_dict(cls, content: Any) -> Model:
        """The manifest from the file's content.

        Raises:
            DataCorrupted: it is not an MLmodel.
        """
        if not isinstance(content, Mapping) or not isinstance(content.get("flavors"), dict):
            raise DataCorrupted("This is not an MLmodel file: it has no 'flavors'.")
        own = {entry.name for entry in fields(cls)} - {"others"}
        values = {name: value for name, value in content.items() if name in own}
        signature = values.get("signature")
        values["signature"] = None if signature is None else ModelSignature.from_dict(signature)
        values["utc_time_created"] = str(values.get("utc_time_created") or "")
        values.setdefault("model_uuid", None)
        flavors = values["flavors"].items()
        values["flavors"] = {str(name): entry if isinstance(entry, dict) else {} for name, entry in flavors}
        return cls(**values, others={name: value for name, value in content.items() if name not in own})

    def to_yaml(self) -> str:
        """The file's text."""
        import yaml

        text: str = yaml.safe_dump(self.to_dict(), default_flow_style=False, allow_unicode=True)
        return text

    @classmethod
    def read(cls, path: str | Path) -> Model:
        """The manifest of a model directory, or of an MLmodel file itself.

        Raises:
            NotFound: there is no such file.
            DataCorrupted: it does not decode.
        """
        import yaml

        file = Path(path) / FILE if Path(path).is_dir() else Path(path)
        try:
            with file.open("rb") as source:
                text = source.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            raise NotFound(f"No model in '{path}': it has no file {FILE}.") from None
        if len(text) > _MAX_BYTES:
            raise DataCorrupted(f"'{file}' is larger than {_MAX_BYTES} bytes; that is not an MLmodel file.")
        try:
            return cls.from_dict(yaml.safe_load(text))
        except (yaml.YAMLError, UnicodeDecodeError, TypeError) as fault:
            raise DataCorrupted(f"'{file}' does not decode: {fault}") from None

    def write(self, path: str | Path) -> None:
        """Write the manifest into a model directory, or to a file of that name."""
        file = Path(path) / FILE if Path(path).is_dir() else Path(path)
        file.write_text(self.to_yaml(), encoding="utf-8")

    @property
    def takes_columns(self) -> bool:
        """Whether its signature has columns, which reach the model as a DataFrame."""
        inputs = self.signature.inputs if self.signature else None
        return inputs is not None and not inputs.is_tensor_spec()

    # MLflow's names, which scripts use

    def get_input_schema(self) -> Any:
        """The inputs' schema, None without a signature."""
        return self.signature.inputs if self.signature else None

    def get_output_schema(self) -> Any:
        """The outputs' schema, None without a signature."""
        return self.signature.outputs if self.signature else None

    def get_params_schema(self) -> Any:
        """The params' schema, None without a signature."""
        return self.signature.params if self.signature else None

    def get_model_info(self) -> Model:
        """This manifest: what MLflow keeps in an object of its own is here already."""
        return self
