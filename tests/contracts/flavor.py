"""What every flavor must do. A subclass names the flavor and gives a model, data, and the model's own answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from modelyard.domain.errors import AlreadyExists, DataCorrupted, InvalidArgument, ModelyardError
from modelyard.packaging import digest, golden
from modelyard.packaging import model as packaging
from modelyard.packaging.example import plain
from modelyard.packaging.flavors.base import find


class FlavorContract:
    """Subclasses set `flavor`, `file` (what holds the model) and define the fixtures `model` and `data`."""

    flavor: str
    file: str
    options: dict[str, Any] = {}  # noqa: RUF012

    def answers(self, model: Any, data: Any) -> Any:
        """The library's own predictions."""
        return model.predict(data)

    @pytest.fixture
    def model(self) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def data(self) -> Any:
        raise NotImplementedError

    def save(self, model: Any, path: Path, **options: Any) -> packaging.Model:
        return packaging.save(model, path, flavor=self.flavor, **{**self.options, **options})

    def test_what_is_loaded_answers_as_what_was_saved(self, model: Any, data: Any, tmp_path: Path) -> None:
        expected = plain(self.answers(model, data))
        self.save(model, tmp_path / "model")
        assert plain(packaging.load_function(tmp_path / "model").predict(data)) == expected
        loaded = packaging.load(tmp_path / "model")
        assert plain(self.answers(loaded, data)) == expected

    def test_the_directory_is_an_mlflow_model(self, model: Any, data: Any, tmp_path: Path) -> None:
        made = self.save(
            model, tmp_path / "model", run_id="r" * 32, model_id="m-1", artifact_path="it", metadata={"a": 1}
        )
        content = yaml.safe_load((tmp_path / "model" / "MLmodel").read_text())
        assert {self.flavor, "python_function"} <= content["flavors"].keys()
        assert content["flavors"]["python_function"]["loader_module"]
        assert (content["run_id"], content["model_id"], content["artifact_path"], content["metadata"]) == (
            "r" * 32, "m-1", "it", {"a": 1},
        )  # fmt: skip
        assert packaging.Model.read(tmp_path / "model") == made
        requirements = (tmp_path / "model" / "requirements.txt").read_text().splitlines()
        assert all("==" in line and "+" not in line for line in requirements)
        conda = yaml.safe_load((tmp_path / "model" / "conda.yaml").read_text())
        assert conda["dependencies"][-1] == {"pip": requirements}
        assert yaml.safe_load((tmp_path / "model" / "python_env.yaml").read_text())["dependencies"] == [
            "-r requirements.txt"
        ]

    def test_no_pickle_is_written_unless_asked_for(self, model: Any, tmp_path: Path) -> None:
        self.save(model, tmp_path / "model")
        files = [file for file in (tmp_path / "model").rglob("*") if file.is_file()]
        assert (tmp_path / "model" / self.file) in files
        # a pickle of protocol 2 or later begins so; every version of Python since 2.3 writes no other by default
        assert [file.name for file in files if file.read_bytes()[:1] == b"\x80"] == []

    def test_the_example_gives_signature_and_golden_tests(self, model: Any, data: Any, tmp_path: Path) -> None:
        made = self.save(model, tmp_path / "model", input_example=data, golden=True)
        assert made.signature is not None
        assert made.signature.inputs is not None
        assert made.signature.outputs is not None
        loaded = packaging.load_function(tmp_path / "model")
        assert plain(loaded.input_example) == plain(data)
        report = golden.run(loaded)
        assert report.passed, str(report)

    def test_the_digest_is_of_the_content(self, model: Any, data: Any, tmp_path: Path) -> None:
        self.save(model, tmp_path / "model", input_example=data)
        assert digest.recorded(tmp_path / "model") == digest.compute(tmp_path / "model")
        digest.verify(tmp_path / "model")
        with (tmp_path / "model" / self.file).open("ab") as file:
            file.write(b"x")
        with pytest.raises(DataCorrupted, match=f"changed: {self.file}"):
            digest.verify(tmp_path / "model")

    def test_a_directory_in_use_is_left_alone(self, model: Any, tmp_path: Path) -> None:
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "notes.txt").write_text("mine")
        with pytest.raises(AlreadyExists, match="not empty"):
            self.save(model, tmp_path / "model")
        assert [path.name for path in tmp_path.rglob("*")] == ["model", "notes.txt"]

    def test_a_failed_save_leaves_nothing(self, model: Any, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgument, match="no_such_option"):
            self.save(model, tmp_path / "model", no_such_option=1)
        with pytest.raises(InvalidArgument, match="cannot be kept as JSON"):
            self.save(model, tmp_path / "model", input_example=object())
        assert list(tmp_path.iterdir()) == []

    def test_an_empty_directory_may_be_filled(self, model: Any, tmp_path: Path) -> None:
        (tmp_path / "model").mkdir()
        self.save(model, tmp_path / "model")
        assert [path.name for path in tmp_path.iterdir()] == ["model"]

    def test_what_is_not_of_this_library_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgument):
            self.save(object(), tmp_path / "model")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x04K\x01."])
    def test_a_damaged_file_is_an_error_with_words(self, model: Any, content: bytes, tmp_path: Path) -> None:
        self.save(model, tmp_path / "model")
        (tmp_path / "model" / self.file).write_bytes(content)
        with pytest.raises(ModelyardError):
            packaging.load(tmp_path / "model")

    def test_a_manifest_cannot_lead_out_of_the_model(self, model: Any, tmp_path: Path) -> None:
        self.save(model, tmp_path / "model")
        manifest = packaging.Model.read(tmp_path / "model")
        entry = manifest.flavors[self.flavor]
        for key in ("data", "model_data", "pickled_model"):
            if key in entry:
                entry[key] = f"../elsewhere/{self.file}"
        manifest.write(tmp_path / "model")
        (tmp_path / "elsewhere" / self.file).parent.mkdir(parents=True)
        (tmp_path / "model" / self.file).rename(tmp_path / "elsewhere" / self.file)
        with pytest.raises(DataCorrupted):
            packaging.load(tmp_path / "model")

    def test_it_is_found_by_name(self) -> None:
        assert find(self.flavor).name == self.flavor


def rows(count: int = 20, columns: int = 4) -> np.ndarray:
    """Made-up inputs, the same each time, within what 32 bits keep."""
    return np.random.default_rng(7).integers(0, 1000, (count, columns)) / 8
