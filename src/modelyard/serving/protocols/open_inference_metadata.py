"""What the Open Inference Protocol says about a model before any tensor is sent: names, datatypes, shapes.

Without NumPy: the front process answers these from the signature. Sources: KServe's `open-inference-protocol`
(specification/protocol/inference_rest.md), Triton's model repository extension; columns are described as MLServer
describes those of MLflow models, `[-1, 1]` with a content type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from modelyard import __version__
from modelyard.packaging.manifest import Model
from modelyard.packaging.schema import DataType, Schema, TensorSpec

EXTENSIONS: Final = ("binary_tensor_data", "model_repository")
DATATYPES: Final = (
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64",
    "BYTES",
)  # fmt: skip

OF_COLUMN: Final[Mapping[DataType, str]] = {
    DataType.boolean: "BOOL",
    DataType.integer: "INT32",
    DataType.long: "INT64",
    DataType.float: "FP32",
    DataType.double: "FP64",
    DataType.string: "BYTES",
    DataType.binary: "BYTES",
    DataType.datetime: "BYTES",
}
OF_NUMPY: Final[Mapping[str, str]] = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8",
    "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP16", "float32": "FP32", "float64": "FP64",
}  # fmt: skip
"""NumPy's name → datatype; everything else travels as BYTES."""

TEXT, BASE64, DATETIME, NESTED = "str", "base64", "datetime", "pd_json"
"""MLServer's names for what the elements of a BYTES tensor are; NESTED is a JSON text for each row."""
_CONTENT: Final = {DataType.string: TEXT, DataType.binary: BASE64, DataType.datetime: DATETIME}


@dataclass(frozen=True, slots=True)
class Described:
    """A tensor as metadata describe it.

    Attributes:
        name: of the signature, or `input-0`, `output-0` where it has none.
        datatype: one of `DATATYPES`.
        shape: -1 stands for any length; the first is the number of rows.
        content_type: MLServer's name for what a BYTES tensor holds; "" for numbers.
        required: whether it has to be sent.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    content_type: str = ""
    required: bool = True

    def to_dict(self) -> dict[str, Any]:
        """As in the protocol's JSON."""
        told: dict[str, Any] = {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}
        if self.content_type:
            told["parameters"] = {"content_type": self.content_type}
        return told


def described(schema: Schema | None, prefix: str) -> list[Described]:
    """The tensors of a signature's side; none if it is unknown.

    Args:
        schema: inputs or outputs.
        prefix: of the names that it does not give, `input-` or `output-`.
    """
    found = []
    for at, spec in enumerate(schema or ()):
        name = f"{prefix}{at}" if spec.name is None else str(spec.name)
        if isinstance(spec, TensorSpec):
            datatype = OF_NUMPY.get(spec.type, "BYTES")
            content = TEXT if spec.type == "str" else ""
            found.append(Described(name, datatype, tuple(spec.shape), content))
        elif isinstance(spec.type, DataType):
            content = _CONTENT.get(spec.type, "")
            found.append(Described(name, OF_COLUMN[spec.type], (-1, 1), content, spec.required))
        else:
            found.append(Described(name, "BYTES", (-1, 1), NESTED, spec.required))
    return found


def server() -> bytes:
    """The answer to `GET /v2`."""
    return msgspec.json.encode({"name": "modelyard", "version": __version__, "extensions": EXTENSIONS})


def platform(manifest: Model) -> str:
    """What made the model, in the protocol's form `framework_format`."""
    flavor = next((name for name in manifest.flavors if name != "python_function"), "python_function")
    return f"{flavor}_mlflow"


def model(name: str, versions: Iterable[str], manifest: Model) -> bytes:
    """The answer to `GET /v2/models/{name}`.

    Args:
        name: as it is served.
        versions: those that can be asked for.
        manifest: of the version that answers.
    """
    signature = manifest.signature
    return msgspec.json.encode(
        {
            "name": name,
            "versions": [each for each in versions if each],
            "platform": platform(manifest),
            "inputs": [each.to_dict() for each in described(signature.inputs if signature else None, "input-")],
            "outputs": [each.to_dict() for each in described(signature.outputs if signature else None, "output-")],
        }
    )


def model_ready(name: str, *, ready: bool) -> bytes:
    """The body of `GET /v2/models/{name}/ready`; the status says it too, 200 or 503."""
    return msgspec.json.encode({"name": name, "ready": ready})


def index(models: Iterable[tuple[str, str, bool, str]], *, ready_only: bool = False) -> bytes:
    """The answer to `POST /v2/repository/index`.

    Args:
        models: name, version, whether it is ready, and why it is as it is.
        ready_only: leave out the others, as the request's field `ready` asks.
    """
    told = []
    for name, version, ready, reason in models:
        if ready or not ready_only:
            entry = {"name": name, "version": version, "state": "READY" if ready else "UNAVAILABLE", "reason": reason}
            told.append({key: value for key, value in entry.items() if key != "version" or value})
    return msgspec.json.encode(told)
