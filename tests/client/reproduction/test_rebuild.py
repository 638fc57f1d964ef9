"""A run's environment in a fresh directory."""

import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.client.reproduction import rebuild
from modelyard.client.reproduction.recorded import Code, Command, Environment, Python, Recorded
from modelyard.domain.errors import Unavailable

VERSION = ".".join(map(str, sys.version_info[:3]))


def recorded(requirements, root="/old/root", commit="", version=VERSION) -> Recorded:
    code, command = Code(root=root, commit=commit), Command(kind="script", entry="train.py")
    return Recorded(None, Environment(1, code, command, Python(version)), requirements, b"")  # type: ignore[arg-type]


def test_what_was_installed_from_the_runs_code_comes_from_the_fresh_copy() -> None:
    commit = "ab" * 20
    lines = [
        "numpy==2.0",
        "# Editable Git install with no remote (wine==1)",
        "-e /old/root",
        "-e /old/root/libs/grape",
        "-e /old/rootless",
        f"-e git+https://h/wine@{commit}#egg=wine",
        f"-e git+https://h/wine@{commit}#egg=wine&subdirectory=libs/grape",
        f"-e git+https://h/other@{'cd' * 20}#egg=other",
        f"-e git+file:///other@{'cd' * 20}#egg=other&subdirectory=part",
    ]
    assert rebuild.requirements(recorded(lines, commit=commit), Path("/new")) == [
        "numpy==2.0",
        "# Editable Git install with no remote (wine==1)",
        "-e /new",
        "-e /new/libs/grape",
        "-e /old/rootless",
        "-e /new",
        "-e /new/libs/grape",
        f"other @ git+https://h/other@{'cd' * 20}",
        f"other @ git+file:///other@{'cd' * 20}#subdirectory=part",
    ]


@pytest.mark.parametrize("with_uv", [True, pytest.param(False, marks=pytest.mark.soak)])  # venv takes ten seconds
def test_an_environment_of_its_own(tmp_path, monkeypatch, with_uv) -> None:
    if with_uv:
        pytest.importorskip("uv", reason="uv is not installed")
    else:
        monkeypatch.setattr(rebuild, "uv", list)
    said: list[str] = []
    python = rebuild.environment(recorded(["# nothing"]), tmp_path / "environment", tmp_path / "code", said.append)
    asked = "import sys; print(sys.prefix, sys.version.split()[0])"
    told = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert told == f"{tmp_path / 'environment'} {VERSION}\n"
    assert said == [f"Environment: Python {VERSION} with 0 packages, by {'uv' if with_uv else 'pip'}"]


def test_a_package_that_cannot_be_had_is_said_in_the_installers_words(tmp_path) -> None:
    pytest.importorskip("uv", reason="uv is not installed")
    wanted = recorded([f"nothing @ file://{tmp_path}/nothing-1.0-py3-none-any.whl"])
    with pytest.raises(Unavailable, match=r"(?s)Cannot install the run's packages.*nothing.*--no-environment"):
        rebuild.environment(wanted, tmp_path / "environment", tmp_path / "code", lambda _: None)


def test_pytorchs_builds_come_from_their_own_index() -> None:
    assert rebuild._torch(["numpy==2", "torch==2.9.0+cpu"]) == ["--torch-backend", "cpu"]
    assert rebuild._torch(["torch==2.9.0"]) == []
