"""However a script ends, its runs end as it did; and a forked child leaves its parent's run alone."""

import os
import signal
import subprocess
import sys
import uuid

import pytest

PRELUDE = """
import os, signal, sys, threading, time
import modelyard as mlflow
run = mlflow.start_run(run_name=os.environ["NAME"])
mlflow.log_metric("loss", 1.0)
"""


def ended(ours, script: str, tmp_path) -> tuple[subprocess.CompletedProcess[str], dict]:
    """The process, and the runs that it made by name."""
    name = uuid.uuid4().hex
    environment = {**os.environ, "MODELYARD_TRACKING_URI": ours.get_tracking_uri(), "NAME": name}
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    found = ours.search_runs(filter_string=f"attributes.run_name LIKE '{name}%'", output_format="list")
    return done, {run.info.run_name.removeprefix(name): run for run in found}


@pytest.mark.parametrize(
    ("script", "code", "status"),
    [
        ("", 0, "FINISHED"),
        ("sys.exit(3)", 3, "FINISHED"),
        ("raise ValueError('of the user')", 1, "FAILED"),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)", -signal.SIGTERM, "KILLED"),
        ("with mlflow.start_run(nested=True): raise KeyError", 1, "FAILED"),
    ],
)
def test_a_run_ends_as_its_script(ours, tmp_path, script, code, status) -> None:
    done, runs = ended(ours, script, tmp_path)
    assert done.returncode == code, done.stderr
    assert (runs[""].info.status, runs[""].data.metrics) == (status, {"loss": 1.0})


def test_what_is_unfinished_at_the_end_is_written(ours, tmp_path) -> None:
    done, runs = ended(ours, "mlflow.stage('train').__enter__()", tmp_path)
    (row,) = ours.artifacts.load_dict(f"runs:/{runs[''].info.run_id}/modelyard/stages.json")["stages"]
    assert (row["name"], row["status"], row["seconds"]) == ("train", "RUNNING", None)
    assert done.stderr == ""


FORK = """
child = os.fork()
if not child:
    assert mlflow.active_run() is run
    mlflow.log_metric("from child", 2.0)
    with mlflow.start_run(run_name=os.environ["NAME"] + "/own"):
        mlflow.log_param("who", "child")
    mlflow.end_run()
    assert mlflow.active_run() is None
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
mlflow.log_metric("after", 3.0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_never_ends_what_it_inherits(ours, tmp_path) -> None:
    done, runs = ended(ours, FORK, tmp_path)
    assert done.returncode == 0, done.stderr
    assert runs[""].data.metrics == {"loss": 1.0, "from child": 2.0, "after": 3.0}
    assert runs[""].info.status == "FINISHED"
    assert runs["/own"].data.params == {"who": "child"}
    assert "mlflow.parentRunId" not in runs["/own"].data.tags
    assert runs["/own"].info.end_time <= runs[""].info.end_time


def test_a_subprocess_logs_to_the_same_experiment(ours, tmp_path) -> None:
    _, runs = ended(ours, "", tmp_path)
    assert runs[""].info.experiment_id == ours.search_runs(output_format="list")[0].info.experiment_id
