"""What is found when a model is looked at: files, environment, loading, golden tests."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from modelyard.domain.errors import NotFound
from modelyard.packaging import digest, golden
from modelyard.packaging import model as packaging
from modelyard.packaging.verification import Finding, verify
from modelyard.pyfunc import PythonModel


class Repeat(PythonModel):
    def predict(self, data: Any) -> Any:
        return [each * 2 for each in data]


class Broken(PythonModel):
    def load(self, context: Any) -> None:
        raise RuntimeError(f"no luck with {sorted(context.model_config)}")

    def predict(self, data: Any) -> Any:
        return data


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    packaging.save(Repeat, tmp_path / "model", flavor="python_function", golden=["a"], requirements=["msgspec"])
    return tmp_path / "model"


def states(folder: Path, **options: Any) -> dict[str, str]:
    return {each.check: each.state for each in verify(folder, **options).findings}


def rewrite(file: Path, old: str, new: str, *, checksums: bool = True) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    if checksums:
        digest.write(file.parent if file.name == "requirements.txt" else file.parent.parent)


def test_all_is_well(saved: Path) -> None:
    found = verify(saved, digest=digest.compute(saved))
    assert found.passed
    assert found.failed == []
    assert found.findings == [
        Finding("files", "passed", found.digest),
        Finding("environment", "passed", "1 requirements are met"),
        Finding("loading", "passed", "python_function"),
        Finding("golden test", "passed", "golden"),
    ]
    told = json.loads(json.dumps(found.to_dict()))
    assert told["passed"] is True
    assert told["findings"][0] == {"check": "files", "state": "passed", "told": digest.compute(saved)}
    assert (told["path"], told["digest"]) == (str(saved), found.digest)
    digest.verify(saved)


def test_files_that_were_changed_are_not_run(saved: Path) -> None:
    (file,) = (saved / "code").rglob("test_verification.py")
    file.write_text(file.read_text() + "\nraise RuntimeError('was run')\n")
    found = verify(saved)
    assert not found.passed
    assert [each.check for each in found.failed] == ["files"]
    assert "changed: code/" in found.failed[0].told
    assert [each.state for each in found.findings] == ["failed", "passed", "skipped", "skipped"]


def test_another_digest_than_was_promised(saved: Path) -> None:
    found = verify(saved, digest="sha256:" + "0" * 64)
    assert "was expected" in found.failed[0].told


def test_an_environment_that_differs(saved: Path) -> None:
    rewrite(saved / "requirements.txt", "msgspec", "msgspec==0.1\nno-such-package-of-test==1\nclick")
    found = verify(saved)
    assert found.failed == [
        Finding("environment", "failed", f"msgspec==0.1 ({version('msgspec')} is installed)"),
        Finding("environment", "failed", "no-such-package-of-test==1 (missing)"),
    ]
    assert {each.state for each in found.findings if each.check != "environment"} == {"passed"}
    noted = verify(saved, any_environment=True)
    assert noted.passed
    assert [each.state for each in noted.findings if each.check == "environment"] == ["noted", "noted"]


def test_an_answer_that_is_another(saved: Path) -> None:
    rewrite(saved / golden.FILE, '"aa"', '"ab"')
    (failed,) = verify(saved).failed
    assert failed == Finding("golden test", "failed", "golden: [0]: expected 'ab', got 'aa'")


def test_golden_tests_that_do_not_decode(saved: Path) -> None:
    rewrite(saved / golden.FILE, "{", "[")
    (failed,) = verify(saved).failed
    assert failed.check == "golden test"
    assert "does not decode" in failed.told


def test_a_model_that_does_not_load(tmp_path: Path) -> None:
    packaging.save(Broken, tmp_path / "model", flavor="python_function", model_config={"a": 1})
    found = verify(tmp_path / "model")
    assert found.failed == [Finding("loading", "failed", "RuntimeError: no luck with ['a']")]
    assert found.findings[-1] == Finding("golden test", "skipped", "it did not load")


def test_a_pickle_needs_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaging.save(Repeat(), tmp_path / "model", flavor="python_function", serialization_format="pickle")
    (failed,) = verify(tmp_path / "model").failed
    assert "allow_pickle=True" in failed.told
    assert states(tmp_path / "model", allow_pickle=True)["loading"] == "passed"
    monkeypatch.setenv("MODELYARD_ALLOW_PICKLE", "1")
    assert states(tmp_path / "model")["loading"] == "passed"
    assert states(tmp_path / "model", allow_pickle=False)["loading"] == "failed"


def test_what_is_loaded_already_is_not_loaded_again(tmp_path: Path) -> None:
    packaging.save(Repeat, tmp_path / "model", flavor="python_function", golden=["a"])
    function = packaging.load_function(tmp_path / "model")
    (tmp_path / "model" / "modelyard" / "loader.json").write_text("damaged")
    digest.write(tmp_path / "model")
    assert verify(tmp_path / "model", function=function).passed
    assert not verify(tmp_path / "model").passed


def test_what_there_is_not_is_no_failure(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "bare_loader_of_test.py").write_text(
        "class It:\n    def predict(self, data):\n        return data\ndef _load_pyfunc(path):\n    return It()\n"
    )
    flavors = {"python_function": {"loader_module": "bare_loader_of_test", "code": "code"}}
    packaging.Model(flavors=flavors).write(folder)
    assert states(folder) == {"files": "none", "environment": "none", "loading": "passed", "golden test": "none"}
    assert verify(folder).passed
    packaging.Model(flavors={"spacy": {}}).write(folder)
    assert states(folder) == {"files": "none", "environment": "none", "loading": "none"}


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No directory"):
        verify(tmp_path / "nothing")
    (failed,) = verify(tmp_path).failed
    assert failed.check == "loading"
