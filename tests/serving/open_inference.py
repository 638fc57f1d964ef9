"""Models without models: the Open Inference Protocol's reading and writing for a signature."""

from __future__ import annotations

import json

import numpy as np
import pytest

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging.manifest import Model
from modelyard.packaging.signature import (
    ColSpec,
    DataType,
    ModelSignature,
    ParamSchema,
    ParamSpec,
    Schema,
    TensorSpec,
)
from modelyard.serving.calls import Asked
from modelyard.serving.protocols.open_inference import OpenInference


def wire(inputs=None, outputs=None, params=None, **options) -> OpenInference:
    sides = [Schema(each) if each else None for each in (inputs, outputs)]
    signature = ModelSignature(*sides, params) if inputs or outputs or params else None
    return OpenInference(Model(signature=signature), name="wine", version="3", **options)


def tensor(name, shape, datatype, data, **parameters) -> dict:
    told = {"name": name, "shape": shape, "datatype": datatype, "data": data}
    return told | ({"parameters": parameters} if parameters else {})


def asked(*inputs, **fields) -> Asked:
    return Asked(2, json.dumps({"inputs": list(inputs), **fields}).encode())


def columns(wire: OpenInference, asked: Asked):
    """The call, rows as columns."""
    call = wire.read(asked)
    if type(call.data) is list:
        names = list(wire._fit._keys.values())
        call.data = {name: [row[at] for row in call.data] for at, name in enumerate(names)}
    return call


def read(wire: OpenInference, *inputs, **fields):
    return columns(wire, asked(*inputs, **fields))


def refused(wire: OpenInference, *inputs, **fields) -> str:
    with pytest.raises(InvalidArgument) as caught:
        wire.read(asked(*inputs, **fields))
    return caught.value.message


def plain(data) -> dict:
    return {name: np.asarray(column).tolist() for name, column in data.items()}


WINE = (ColSpec("double", "alcohol"), ColSpec("long", "year"))
ONE_TENSOR = (TensorSpec("float32", (-1, 4)),)


PARAMS = ParamSchema([ParamSpec("top", DataType.long, 3), ParamSpec("warm", DataType.double, 1.0)])
