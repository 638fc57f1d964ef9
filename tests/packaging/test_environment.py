"""What a model needs to be loaded: found, written as MLflow reads it, and compared with what is here."""

from __future__ import annotations

import ast
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.packaging import environment

NUMPY = f"numpy=={version('numpy')}"


def write(folder: Path, requirements: str, python: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / environment.REQUIREMENTS).write_text(requirements)
    if python is not None:
        (folder / environment.PYTHON).write_text(python)
    return folder


def told(folder: Path) -> list[str]:
    return [str(each) for each in environment.check(folder)]


# ------------------------------------------------------------------------------------ written


def test_the_three_files(tmp_path: Path) -> None:
    lines = environment.write(tmp_path, ["numpy", "yaml", "msgspec"])
    assert lines == [f"PyYAML=={version('pyyaml')}", f"msgspec=={version('msgspec')}", NUMPY]
    assert environment.read(tmp_path) == lines
    conda = yaml.safe_load((tmp_path / "conda.yaml").read_text())
    assert conda["channels"] == ["conda-forge"]
    assert conda["dependencies"] == [f"python={platform.python_version()}", "pip", {"pip": lines}]
    python = yaml.safe_load((tmp_path / "python_env.yaml").read_text())
    assert python == {
        "python": platform.python_version(),
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": ["-r requirements.txt"],
    }
    assert told(tmp_path) == []


def test_a_package_by_the_name_of_its_module_or_another(tmp_path: Path) -> None:
    lines = environment.write(tmp_path, ["google", "sklearn", "_pytest", "local_module_of_test"])
    assert f"scikit-learn=={version('scikit-learn')}" in lines
    assert f"pytest=={version('pytest')}" in lines
    assert not any("local_module" in line for line in lines)


def test_what_the_code_imports(tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "mine").mkdir(parents=True)
    (code / "model.py").write_text("import json\nimport numpy as np\nfrom mine import steps\nimport modelyard\n")
    (code / "mine" / "steps.py").write_text("def load():\n    import msgspec.json\n")
    (code / "broken.py").write_text("import (")
    (code / "modelyard_loader_1.py").write_text("import yaml\n")
    assert environment.write(tmp_path, []) == [f"msgspec=={version('msgspec')}", NUMPY]


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import a.b, c", {"a", "c"}),
        ("from a.b import c\nfrom . import d\nfrom .e import f", {"a"}),
        ("class A:\n  def f(self):\n    import a", {"a"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  import a\nelse:\n  import b", {"typing", "b"}),
        ("try:\n  import a\nexcept ImportError:\n  import b", set()),
        ("try:\n  import a\nexcept ValueError:\n  pass", {"a"}),
        ("if 1:\n  import a", {"a"}),
    ],
)
def test_imports_that_cannot_be_done_without(code: str, names: set[str]) -> None:
    assert environment.names_imported(ast.parse(code)) == names


def test_requirements_of_the_callers_own(tmp_path: Path) -> None:
    assert environment.write(tmp_path, ["numpy"], ["a==1", " # a comment", "", "b>2"]) == ["a==1", "b>2"]
    (tmp_path / "mine.txt").write_text("c==3\n\n# comment\n--index-url https://example.com\n")
    assert environment.write(tmp_path, ["numpy"], str(tmp_path / "mine.txt")) == [
        "c==3", "--index-url https://example.com",
    ]  # fmt: skip
    with pytest.raises(InvalidArgument, match=r"nothing\.txt' does not read"):
        environment.write(tmp_path, [], str(tmp_path / "nothing.txt"))


def test_requirements_beside_those_found(tmp_path: Path) -> None:
    lines = environment.write(tmp_path, ["numpy", "msgspec"], extra=["Num.Py>=1", "extra==1", "NumPy>=1"])
    assert lines == [f"msgspec=={version('msgspec')}", "Num.Py>=1", "extra==1", "NumPy>=1"]


# ------------------------------------------------------------------------------------ compared


def test_what_is_missing_and_what_is_of_another_version(tmp_path: Path) -> None:
    write(tmp_path, f"{NUMPY}\nno-such-package-of-test==1.0\nmsgspec==0.0.1\nPyYAML>=3,<100\nclick\n")
    missing, other = environment.check(tmp_path)
    assert (missing.requirement, missing.installed) == ("no-such-package-of-test==1.0", None)
    assert (other.requirement, other.installed) == ("msgspec==0.0.1", version("msgspec"))
    assert told(tmp_path) == [
        "no-such-package-of-test==1.0 (missing)",
        f"msgspec==0.0.1 ({version('msgspec')} is installed)",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "# comment", "-r other.txt", "--index-url https://example.com", "git+https://example.com/a.git",
        "a @ https://example.com/a.whl", "./local.whl", "-e .", "not a requirement at all",
        "no-such-package-of-test==1; sys_platform == 'plan9'", "no-such-package-of-test==1; python_version < '3'",
        "no-such-package-of-test==1; extra == 'x'",
        NUMPY + "  # as trained", "NumPy >= 1", "numpy[extra]>=1", f"{NUMPY} ; python_version > '3'",
    ],
)  # fmt: skip
def test_what_cannot_be_compared_or_is_met(line: str, tmp_path: Path) -> None:
    assert told(write(tmp_path, f"{line}\n")) == []


def test_the_python(tmp_path: Path) -> None:
    here = ".".join(map(str, sys.version_info[:2]))
    for same in (platform.python_version(), f"{here}.99", here):
        assert told(write(tmp_path, NUMPY, f"python: '{same}'")) == []
    assert told(write(tmp_path, NUMPY, "python: 2.7.18")) == [
        f"python==2.7.18 ({platform.python_version()} is installed)"
    ]
    for unsaid in ("", "{}", "[]", "python:", "python: [", "python: elsewhere"):
        assert told(write(tmp_path, NUMPY, unsaid)) == []


def test_a_model_without_requirements(tmp_path: Path) -> None:
    for call in (environment.read, environment.check):
        with pytest.raises(NotFound, match=r"no requirements\.txt"):
            call(tmp_path)


def test_columns_need_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    import pandas as pd

    from modelyard.packaging import model as packaging

    frame = pd.DataFrame({"x": [1.0, 2.0]})
    for name, data in (("tensor", frame.to_numpy()), ("columns", frame)):
        fitted = linear.LinearRegression().fit(data, [1.0, 2.0])
        packaging.save(fitted, tmp_path / name, flavor="sklearn", input_example=data)
    pin = f"pandas=={pd.__version__}"
    assert pin not in environment.read(tmp_path / "tensor")
    assert pin in environment.read(tmp_path / "columns")
    monkeypatch.setitem(sys.modules, "pandas", None)
    packaging.load_function(tmp_path / "tensor")
    with pytest.raises(ModuleNotFoundError, match="pandas, in whose DataFrames columns reach a model"):
        packaging.load_function(tmp_path / "columns")
