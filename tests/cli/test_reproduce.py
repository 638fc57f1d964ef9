"""`modelyard reproduce`: a run once more in a fresh directory, with the same metrics, or with the differences named."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.client.client import Client
from modelyard.client.reproduction import recorded
from modelyard.domain.errors import ModelyardError
from tests.cli.process import environment, modelyard

TRAIN = """
import random, sys
import modelyard as mlflow
from model import score

seed, token = int(sys.argv[1]), sys.argv[3] if len(sys.argv) > 3 else ""
random.seed(seed)
with mlflow.start_run(run_name="wine") as run:
    mlflow.log_param("seed", seed)
    for step in range(3):
        mlflow.log_metric("loss", score(random.random()), step=step)
    mlflow.log_metric("fit_time", random.SystemRandom().random())
    if token:
        mlflow.log_metric("token", float(len(token)))
    with mlflow.start_run(nested=True):
        mlflow.log_metric("inner", random.random())
print("RUN", run.info.run_id)
"""


class Project:
    """Code in a directory, and a server that its runs go to."""

    def __init__(self, root: Path, url: str, spool: Path) -> None:
        self.root = root
        self.client = Client(url)
        self.variables = {"MODELYARD_TRACKING_URI": url, "MODELYARD_SPOOL": str(spool)}
        (root / "src").mkdir(parents=True)
        self.write("src/train.py", TRAIN)
        self.write("src/model.py", "def score(x): return x * 2\n")

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def git(self, *arguments: str, cwd: Path | None = None) -> None:
        named = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *named, *arguments], cwd=cwd or self.root, check=True, capture_output=True)

    def commit(self) -> None:
        if not (self.root / ".git").exists():
            self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a commit")

    def train(self, *arguments: str, entry: str = "src/train.py", **variables: str) -> str:
        done = subprocess.run(
            [sys.executable, entry, *arguments],
            cwd=self.root,
            env=environment(**self.variables, **variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.rpartition("RUN ")[2].strip()

    def reproduce(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return modelyard("reproduce", "--no-environment", *arguments, **self.variables)

    def again(self, *arguments: object) -> dict:
        done = self.reproduce("--json", *arguments)
        assert done.returncode in (0, 1), done.stderr
        found = json.loads(done.stdout)
        assert found["same"] == (done.returncode == 0)
        assert "Kept" not in done.stderr
        return found


@pytest.fixture
def project(sqlite_server, tmp_path) -> Project:
    return Project(tmp_path / "a project", sqlite_server.url, tmp_path / "spool")


def test_a_clean_run_in_another_directory(project) -> None:
    project.commit()
    run = project.train("7")
    project.write("src/model.py", "def score(x): raise SystemExit('this came later')\n")
    project.commit()
    done = project.reproduce(run)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [(row[0], row[-1]) for row in rows] == [("loss", "same"), ("fit_time", "not compared")]
    assert rows[0][1] == rows[0][2]
    assert "src/train.py 7\n" in done.stderr
    assert "All 1 metrics are the same" in done.stderr
    (again,) = project.client.search_runs(["0"], f"tags.`modelyard.reproduces` = '{run}' AND params.seed = '7'")
    assert again.info.run_id in done.stderr
    assert again.info.run_id != run
    before = project.client.get_run(run)
    assert again.data.metrics["loss"] == before.data.metrics["loss"]
    assert again.data.tags["mlflow.source.git.commit"] == before.data.tags["mlflow.source.git.commit"]
    assert again.data.tags["mlflow.source.git.dirty"] == "false"


def test_a_dirty_run_from_its_patch(project) -> None:
    project.commit()
    project.write("src/model.py", "from helper import factor\ndef score(x): return x * factor\n")
    project.write("src/helper.py", "factor = 3\n")
    run = project.train("7")
    project.git("reset", "-q", "--hard")
    project.git("clean", "-qfd")
    assert project.again(run)["same"]
    assert (
        project.client.get_run(run).data.metrics["loss"]
        != project.client.get_run(project.train("7")).data.metrics["loss"]
    )


def test_code_that_is_in_no_repository(project) -> None:
    run = project.train("7")
    shutil.rmtree(project.root)
    assert project.again(run)["same"]


def test_a_repository_that_has_gone_comes_from_its_remote(project, tmp_path) -> None:
    project.commit()
    project.git("clone", "-q", "--bare", str(project.root), str(tmp_path / "remote.git"))
    project.git("remote", "add", "origin", f"file://{tmp_path}/remote.git")
    run = project.train("7")
    shutil.rmtree(project.root)
    assert project.again(run)["same"]
    shutil.rmtree(tmp_path / "remote.git")
    done = project.reproduce(run)
    assert done.returncode == 2
    assert "cannot be found" in done.stderr
    assert "Push it to the remote" in done.stderr


def test_metrics_that_differ_are_shown_with_what_else_does(project) -> None:
    project.write("src/train.py", TRAIN.replace("random.seed(seed)", "seed = random.SystemRandom().random()"))
    project.commit()
    run = project.train("7")
    done = project.reproduce(run)
    assert done.returncode == 1
    assert done.stdout.split("\t")[0] == "loss"
    assert "\tdiffers\n" in done.stdout
    assert "1 of 1 metrics differ" in done.stderr
    assert "Params: seed " in done.stderr
    assert project.again(run, "--ignore", "lo*")["same"]


def test_masked_secrets_must_be_given_again(project) -> None:
    project.commit()
    run = project.train("7", "--api-key", "hunter2")
    done = project.reproduce(run)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "Error: These arguments hold secrets, which are not recorded: api-key. Give each as --secret NAME=TEXT.\n"
    )
    done = project.reproduce(run, "--secret", "api-key=hunter2")
    assert done.returncode == 0
    assert "hunter2" not in done.stderr + done.stdout
    assert project.client.get_run(run).data.metrics["token"] == 7.0


def test_a_nested_run_from_its_parents_code(project) -> None:
    project.commit()
    run = project.train("7")
    (inner,) = project.client.search_runs(["0"], f"tags.`mlflow.parentRunId` = '{run}'")
    found = project.again(inner.info.run_id)
    assert [each["metric"] for each in found["metrics"]] == ["inner"]
    assert found["same"]


def test_the_run_of_a_model_version(project) -> None:
    project.commit()
    run = project.train("7")
    project.client.create_registered_model("wine")
    version = project.client.create_model_version("wine", f"runs:/{run}/model", run_id=run)
    found = project.again(f"models:/wine/{version.version}")
    assert (found["run"], found["same"]) == (run, True)


def test_data_that_is_in_no_commit_can_be_linked(project) -> None:
    project.write("src/model.py", "factor = float(open('data/factor.csv').read())\ndef score(x): return x * factor\n")
    project.commit()
    (project.root / "data").mkdir()
    project.write("data/factor.csv", "4\n")
    run = project.train("7")
    done = project.reproduce(run)
    assert done.returncode == 2
    assert "failed with exit code 1" in done.stderr
    assert "data/factor.csv; --link NAME adds them" in done.stderr
    place = Path(next(line for line in done.stderr.splitlines() if line.startswith("Kept: ")).removeprefix("Kept: "))
    assert (place / "code" / "src" / "train.py").is_file()
    shutil.rmtree(place)
    assert project.again(run, "--link", "data")["same"]


def test_a_directory_of_ones_own_is_kept(project, tmp_path) -> None:
    run = project.train("7")
    project.again(run, "--into", tmp_path / "here")
    assert (tmp_path / "here" / "code" / "src" / "model.py").is_file() or (tmp_path / "here/code/model.py").is_file()
    done = project.reproduce(run, "--into", tmp_path / "here")
    assert done.returncode == 2
    assert "is not empty" in done.stderr


def test_what_cannot_be_run_again(project) -> None:
    uncaptured = project.train("7", MODELYARD_CAPTURE="0")
    for name, why in (
        (uncaptured, "has no modelyard/environment.json"),
        ("0" * 32, "not found"),
        ("models:/none/1", "not found"),
    ):
        done = project.reproduce(name)
        assert (done.returncode, done.stdout) == (2, "")
        assert why in done.stderr
    code = "import modelyard; print('RUN', modelyard.start_run().info.run_id)"
    prompt = project.train(code, entry="-c")
    assert "so there is no file to run" in project.reproduce(prompt).stderr


def test_what_a_server_could_have_changed_is_not_believed(project) -> None:
    run = project.client.get_run(project.train("7"))
    run_id = run.info.run_id
    text = Path(project.client.download_artifacts(run_id, "modelyard/environment.json")).read_text()
    for field, value, why in (
        (("code", "commit"), "--upload-pack=touch /tmp/x", "is none"),
        (("command", "entry"), "../../etc/passwd", "'..'"),
        (("command", "directory"), "a/../../b", "'..'"),
        (("command", "masked"), {"9": "x"}, "masked arguments"),
        (("python", "version"), "--help", "is none"),
        (("format",), 99, "newer release"),
        (("format",), "x", "cannot be read"),
    ):
        told = json.loads(text)
        inner = told
        for name in field[:-1]:
            inner = inner[name]
        inner[field[-1]] = value
        project.client.log_text(run_id, json.dumps(told), "modelyard/environment.json")
        with pytest.raises(ModelyardError, match=re.escape(why)):
            recorded.read(project.client, run)
