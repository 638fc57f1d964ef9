"""ONNX's flavor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging import model as packaging
from modelyard.packaging.flavors.base import find
from tests.contracts.flavor import FlavorContract, rows


def graph(*names: str) -> Any:
    """`total = sum of all inputs`, each `float32[n, 4]`."""
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in names]
    output = helper.make_tensor_value_info("total", TensorProto.FLOAT, ["n", 4])
    node = helper.make_node("Sum", list(names), ["total"])
    made = helper.make_model(
        helper.make_graph([node], "sum", inputs, [output]), opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )
    onnx.checker.check_model(made)
    return made


class TestOnnx(FlavorContract):
    flavor = "onnx"
    file = "model.onnx"

    @pytest.fixture
    def model(self) -> Any:
        return graph("x")

    @pytest.fixture
    def data(self) -> Any:
        return rows(5).astype("float32")

    def answers(self, model: Any, data: Any) -> Any:
        return find("onnx").function(model, {}, {})(data, None)

    def test_several_inputs_come_as_a_dictionary(self, data: Any, tmp_path: Path) -> None:
        self.save(graph("x", "y"), tmp_path / "model", input_example={"x": data, "y": data}, golden=True)
        loaded = packaging.load_function(tmp_path / "model")
        assert np.array_equal(loaded.predict({"x": data, "y": data})["total"], data + data)
        with pytest.raises(InvalidArgument, match="'y'"):
            loaded.predict({"x": data})

    def test_the_path_of_a_graph_is_as_good_as_the_graph(self, model: Any, data: Any, tmp_path: Path) -> None:
        onnx.save_model(model, str(tmp_path / "given.onnx"))
        self.save(tmp_path / "given.onnx", tmp_path / "model", input_example=data, golden=True)
        loaded = packaging.load_function(tmp_path / "model")
        assert loaded.metadata.signature is not None
        assert np.array_equal(loaded.predict(data)["total"], data)

    def test_a_frame_answers_a_frame_and_doubles_are_narrowed(self, model: Any, tmp_path: Path) -> None:
        self.save(model, tmp_path / "model")
        frame = pd.DataFrame(rows(2))
        assert packaging.load_function(tmp_path / "model").predict(frame).to_dict("list") == {
            "total": frame.to_numpy().ravel().tolist()
        }
