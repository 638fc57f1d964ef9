"""What a run that begins leaves behind for its repetition, from real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelyard.client.capture import command
from modelyard.client.client import Client
from tests.cli.process import environment

TRAIN = """
import sys, time
import modelyard
from modelyard.client import capture
begun = time.perf_counter()
run = modelyard.start_run(run_name=sys.argv[1])
modelyard.log_metric("loss", 1.0)
modelyard.end_run()
print(run.info.run_id)
"""


class Runner:
    """Runs scripts in processes of their own, logging to a server."""

    def __init__(self, url: str, spool: Path) -> None:
        self.client = Client(url)
        self._variables = {"MODELYARD_TRACKING_URI": url, "MODELYARD_SPOOL": str(spool)}

    def __call__(self, *command: object, cwd: Path, **variables: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=cwd,
            env={**environment(**self._variables), **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.split()

    def tags(self, run_id: str) -> dict[str, str]:
        return self.client.get_run(run_id).data.tags

    def files(self, run_id: str, into: Path) -> dict[str, bytes]:
        place = Path(self.client.download_artifacts(run_id, "modelyard", str(into)))
        return {path.name: path.read_bytes() for path in place.iterdir()}

    def described(self, run_id: str, into: Path) -> dict[str, Any]:
        return json.loads(self.files(run_id, into)["environment.json"])


@pytest.fixture
def run(sqlite_server, tmp_path) -> Runner:
    return Runner(sqlite_server.url, tmp_path / "spool")


def test_a_script_in_a_repository(run, repo, tmp_path) -> None:
    repo.write("jobs/train.py", TRAIN)
    commit = repo.commit()
    repo("remote", "add", "origin", "https://ann:secret@example.org/wine.git")
    repo.write("jobs/helper.py", "x = 1\n")
    variables = {"PYTHONHASHSEED": "1", "PYTHONPATH": "jobs:/elsewhere", "SOME_TOKEN": "unmentioned"}
    (run_id,) = run("-O", "jobs/train.py", "first", "--token", "abc", "--lr=0.1", cwd=repo.root, **variables)
    tags = run.tags(run_id)
    assert tags["mlflow.source.git.commit"] == commit
    assert tags["mlflow.source.git.branch"] == "main"
    assert tags["mlflow.source.git.dirty"] == "true"
    assert tags["mlflow.source.git.repoURL"] == "https://example.org/wine.git"
    assert tags["modelyard.command"] == "python -O train.py first --token '***' --lr=0.1"
    assert tags["modelyard.entry"] == "jobs/train.py"
    files = run.files(run_id, tmp_path)
    assert b"jobs/helper.py" in files["changes.patch"]
    assert f"msgspec=={__import__('msgspec').__version__}\n".encode() in files["requirements.txt"]
    found = json.loads(files["environment.json"])
    assert found["code"]["root"] == str(repo.root)
    assert found["command"] == {
        "kind": "script",
        "entry": "jobs/train.py",
        "arguments": ["first", "--token", "***", "--lr=0.1"],
        "masked": {"3": "token"},
        "options": ["-O"],
        "directory": ".",
        "variables": {"PYTHONHASHSEED": "1"},
        "path": ["jobs", "/elsewhere"],
    }
    assert found["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert found["machine"]["cpu_count"] == os.cpu_count()
    assert found["machine"]["memory_bytes"] > 2**28
    assert b"unmentioned" not in b"".join(files.values())
    assert "secret" not in b"".join(files.values()).decode()
    assert "abc" not in json.dumps(found)


def test_a_module_of_a_package_from_its_directory(run, repo, tmp_path) -> None:
    repo.write("src/pkg/__init__.py", "")
    repo.write("src/pkg/train.py", TRAIN)
    repo.commit()
    (run_id,) = run("-m", "pkg.train", "x", cwd=repo.root / "src")
    found = run.described(run_id, tmp_path)["command"]
    assert (found["kind"], found["entry"], found["directory"]) == ("module", "pkg.train", "src")
    assert run.tags(run_id)["modelyard.entry"] == "-m pkg.train"
    assert run.tags(run_id)["mlflow.source.git.dirty"] == "false"


def test_the_directory_that_a_script_left_before(run, repo, tmp_path) -> None:
    repo.write("train.py", f"import os; os.chdir({str(tmp_path)!r})\n" + TRAIN)
    repo.commit()
    (run_id,) = run("train.py", "x", cwd=repo.root)
    found = run.described(run_id, tmp_path / "files")
    assert (found["command"]["directory"], found["code"]["root"]) == (".", str(repo.root))


def test_outside_of_git_the_imported_files_are_kept(run, tmp_path) -> None:
    (tmp_path / "code" / "pkg").mkdir(parents=True)
    (tmp_path / "code" / "train.py").write_text("import pkg.model\n" + TRAIN)
    (tmp_path / "code" / "pkg" / "model.py").write_text("x = 1\n")
    (tmp_path / "code" / "unused.py").write_text("x = 1\n")
    (run_id,) = run("train.py", "x", cwd=tmp_path / "code", PATH="/nowhere")  # git is not installed either
    files = run.files(run_id, tmp_path)
    assert json.loads(files["environment.json"])["code"]["commit"] == ""
    for name, kept in (("train.py", True), ("pkg/model.py", True), ("unused.py", False)):
        assert (f"+++ b/{name}\n".encode() in files["changes.patch"]) == kept
    assert "mlflow.source.git.commit" not in run.tags(run_id)


def test_every_run_of_a_process_and_nested_ones_without_files(run, repo, tmp_path) -> None:
    script = """
    import modelyard
    for name in "ab":
        with modelyard.start_run(run_name=name) as run:
            print(run.info.run_id)
            with modelyard.start_run(nested=True) as inner:
                print(inner.info.run_id)
    """
    repo.write("train.py", "\n".join(line[4:] for line in script.splitlines()))
    repo.commit()
    ids = run("train.py", cwd=repo.root)
    assert [run.tags(each)["modelyard.number"] for each in ids] == ["0", "1", "2", "3"]
    assert [len(run.client.list_artifacts(each)) for each in ids] == [1, 0, 1, 0]


def test_it_can_be_switched_off(run, repo) -> None:
    repo.write("train.py", TRAIN)
    (run_id,) = run("train.py", "x", cwd=repo.root, MODELYARD_CAPTURE="0")
    assert "modelyard.command" not in run.tags(run_id)
    assert len(run.client.list_artifacts(run_id)) == 0


def test_the_caller_hardly_waits(run, repo) -> None:
    repo.write(
        "train.py",
        """
import time
from modelyard.client import capture, exits

class Run:
    def set_tags(self, tags): self.tags = tags
    def log_artifact(self, path, source): pass

run = Run()
began = time.perf_counter()
capture.start(run)
print(time.perf_counter() - began)
assert capture.wait()
assert run.tags
""",
    )
    took = min(float(run("train.py", cwd=repo.root)[0]) for _ in range(3))
    assert took < 0.01  # some tenths of a millisecond on a quiet machine


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("python train.py -O x", ([], "", "train.py", ["-O", "x"])),
        ("python -O -X dev -W error train.py", (["-O", "-X", "dev", "-W", "error"], "", "train.py", [])),
        ("python -u -m pkg.train --m x", (["-u"], "-m", "pkg.train", ["--m", "x"])),
        ("python -c pass x", ([], "-c", "pass", ["x"])),
        ("python -", ([], "-c", "-", [])),
        ("python", ([], "", "", [])),
        ("python -i", (["-i"], "", "", [])),
    ],
)
def test_the_parts_of_a_command_line(argv, expected) -> None:
    assert command.parts(argv.split()) == expected


def test_code_that_has_no_file(run, tmp_path) -> None:
    code = "import modelyard; print(modelyard.start_run().info.run_id)"
    (run_id,) = run("-c", code, cwd=tmp_path)
    found = run.described(run_id, tmp_path / "files")["command"]
    assert (found["kind"], found["entry"], found["arguments"]) == ("console", "", [])
