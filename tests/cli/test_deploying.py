"""The commands about deployments, against a real server without a controller: its part is played by the test."""

import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from modelyard.cli.main import main
from modelyard.client.client import Client
from modelyard.db import deployments as rows_db
from modelyard.db import rollouts as rollouts_db
from modelyard.domain import rollouts as rule
from modelyard.domain.checks import Sample
from modelyard.domain.deployments import Happened, Held, Revision, State, Target
from modelyard.domain.rollouts import Golden, Measurements, Status
from modelyard.services import deployments, rehearsals
from tests.cli.process import environment
from tests.cli.terminal import on_a_terminal
from tests.conftest import serve

FILE = """
name: reviews
environment: production
model: sentiment
replicas: 2
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    yield from serve(tmp_path_factory.mktemp("deploying"))


class Controller:
    """What the controller would do."""

    def __init__(self, database):
        self.database = database

    def roll_out(self, name, number, version, measured=None):
        """A revision, and its rollout up to what was measured."""
        row = self.database.read(deployments.get, name)
        target = Target("Sentiment", str(version), "s3://bucket")
        self.database.write(
            rows_db.add_revision, row.id, Revision(name, number, row.spec, target, 1000, "ann", "it is better")
        )
        rollout = rule.begin(row.state.stable, number, row.spec.steps, 1000)
        moved = rule.advance(rollout, measured, 2000) if measured else rollout
        rollout_id = self.database.write(rollouts_db.insert, row.id, moved)
        self.database.write(rollouts_db.set, rollout_id, moved, 3000)
        return rollout_id

    def promote(self, name, number, version):
        rollout_id = self.roll_out(name, number, version)
        row = self.database.read(deployments.get, name)
        rollout = rule.promote(self.database.read(rollouts_db.get, rollout_id), "Every step passed.")
        told = f"Revision {number} answers everything now."
        self.database.write(rollouts_db.note, row.id, rollout_id, Happened.ENDED, told, "system", 4000)
        self.database.write(rows_db.set_state, row.id, State(stable=number, previous=row.state.stable), 4000)
        self.database.write(rollouts_db.set, rollout_id, rollout, 4000)


@pytest.fixture
def world(server, tmp_path, monkeypatch):
    """A model with three versions, the first in production."""
    client = Client(server.url)
    client.create_registered_model("Sentiment")
    for _ in range(3):
        client.create_model_version("Sentiment", "s3://bucket/model")
    client.set_model_environment("Sentiment", "production", 1)
    monkeypatch.setenv("MODELYARD_TRACKING_URI", server.url)
    monkeypatch.setenv("TZ", "UTC")
    path = tmp_path / "spec.yaml"
    path.write_text(FILE.replace("sentiment", "Sentiment"))
    yield SimpleNamespace(client=client, controller=Controller(server.state.database), path=path, url=server.url)
    for each in client.list_deployments():
        client.delete_deployment(each.name)
    client.delete_registered_model("Sentiment")


def run(*arguments: object, typed: str = "") -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)), input=typed)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def said(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(*arguments: object) -> list[list[str]]:
    return [line.split("\t") for line in said(*arguments).splitlines()]


def refused(*arguments: object, code: int = 1) -> str:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stderr


# ------------------------------------------------------------------------------------ what is wanted


def test_a_model_is_deployed_with_a_word(world):
    assert said("deploy", "Sentiment") == "Deployment sentiment is made.\n"
    (found,) = world.client.list_deployments()
    assert found.spec == {"name": "sentiment", "environment": "production", "model": "Sentiment"}
    assert said("deploy", "Sentiment") == "Deployment sentiment is like that already.\n"


def test_flags_say_how_it_is_rolled_out_and_later_ones_change_only_what_they_say(world):
    said(
        "deploy", "Sentiment", "--name", "reviews", "--environment", "production", "--replicas", 2, "--shadow", "100%",
        "--canary", "1,10,50,100", "--every", "30s", "--bake", "10m", "--reason", "go",
    )  # fmt: skip
    steps = world.client.get_deployment("reviews").spec["steps"]
    assert steps == [
        "golden",
        {"shadow": "100%", "for": "30s"},
        {"weight": "1%", "for": "30s"},
        {"weight": "10%", "for": "30s"},
        {"weight": "50%", "for": "30s"},
        {"bake": "10m"},
    ]
    told = said("deploy", "Sentiment", "--name", "reviews", "--replicas", 3)
    assert told == "Deployment reviews is changed.\n  /replicas: 2 → 3\n"
    assert world.client.get_deployment("reviews").spec["steps"] == steps
    assert "--canary or --shadow" in refused("deploy", "Sentiment", "--every", "1m", code=2)
    assert "no registered model 'Sentimen'; did you mean 'Sentiment'?" in refused("deploy", "Sentimen")


def test_a_file_is_applied_and_what_would_change_is_told_before(world):
    assert said("apply", "-f", world.path, "--dry-run") == "Deployment reviews would be made.\n"
    assert world.client.list_deployments() == []
    assert "would be made" in run("diff", "-f", world.path).stdout
    assert said("apply", "-f", world.path, "--reason", "the first") == "Deployment reviews is made.\n"
    assert said("diff", "-f", world.path) == "Deployment reviews is like that already.\n"
    world.path.write_text(world.path.read_text().replace("replicas: 2", "replicas: 5\nrehearse: 14:30"))
    changed = run("diff", "--file", world.path)
    assert changed.exit_code == 1
    assert changed.stdout.splitlines()[1:] == ["  /replicas: 2 → 5", "  /rehearse: default → 14:30"]
    (found,) = json.loads(said("apply", "-f", world.path, "--json"))
    assert found["changes"][0] == {"place": "/replicas", "old": 2, "new": 5}
    typed = run("apply", "-f", "-", typed=world.path.read_text())
    assert typed.stdout == "Deployment reviews is like that already.\n"


def test_what_is_wrong_in_a_file_is_named_with_its_line_and_nothing_is_changed(world):
    text = world.path.read_text()
    world.path.write_text(
        f"{text}---\n{text.replace('reviews', 'second')}stepts: []\nsegments:\n  no:\n    threshold: 2\n"
    )
    told = refused("apply", "-f", world.path)
    assert f"{world.path}:12: /stepts: a spec knows no 'stepts'; did you mean 'steps'?" in told
    assert f"{world.path}:15: /segments/no/threshold: expected a number from 0 to 1, not 2" in told
    assert f"{world.path}:13: /segments: nothing says where" in told
    assert world.client.list_deployments() == []
    world.path.write_text("name: a\nname: b\n")
    assert f"{world.path}:2: 'name' stands here a second time." in refused("apply", "-f", world.path)
    assert "There is no file" in refused("apply", "-f", "/nowhere/spec.yaml")
    assert "expected a deployment's spec" in refused("diff", "-f", _written(world.path, "- a"))
    assert "holds no deployment" in refused("apply", "-f", _written(world.path, "# nothing"))
    assert "not YAML" in refused("apply", "-f", _written(world.path, "a: [1"))


def _written(path, text):
    path.write_text(text)
    return path


# ------------------------------------------------------------------------------------ how it stands


def test_status_says_what_is_wanted_what_answers_and_what_goes_on(world):
    said("apply", "-f", world.path)
    assert rows("status") == [
        [
            "reviews",
            "starting",
            "production",
            "",
            "Nothing answers yet. Sentiment version 1 is about to be rolled out.",
        ]
    ]
    world.controller.promote("reviews", 1, 1)
    assert rows("deployments", "list") == [
        ["reviews", "serving", "production", "Sentiment version 1", "Revision 1 (Sentiment version 1) answers."]
    ]
    spec = replace(_row(world).spec, steps=rule.default_steps()[1:])
    world.controller.database.write(rows_db.set_spec, _row(world).id, spec, 1)
    world.client.set_model_environment("Sentiment", "production", 2)
    sample = {"": Sample(requests=50), "fr": Sample(requests=30, errors=1)}
    measured = Measurements(canary_ready=True, canary=sample, golden=Golden(True, ""))
    world.controller.roll_out("reviews", 2, 2, measured)
    facts = [line for line in rows("status", "reviews") if len(line) == 2]
    told = dict(facts)
    assert (told["Phase"], told["Wanted"], told["Stable"], told["Canary"]) == (
        "rolling_out", "Sentiment version 2", "revision 1: Sentiment version 1, 0 of 2 replicas",
        "revision 2: Sentiment version 2, 0 of 2 replicas",
    )  # fmt: skip
    assert told["Steps"] == "[bake 300s]"
    tables = [line for line in rows("status", "reviews") if len(line) == 4]
    assert ["inconclusive", "error_rate", "fr"] in [line[:3] for line in tables]
    assert ["(all others)", "revision 2", "canary", "100%"] in tables
    assert json.loads(said("status", "reviews", "--json"))["rollout"]["checks"][0]["measure"] == "error_rate"
    shown = on_a_terminal("status", "reviews", MODELYARD_TRACKING_URI=world.url)
    assert "Traffic" in shown
    assert "in segment 'fr'" in shown
    assert "'reviews'" in refused("status", "review")
    assert "NAME" in refused("status", "--watch", code=2)


def _row(world):
    return world.controller.database.read(deployments.get, "reviews")


def test_history_and_events(world):
    said("apply", "-f", world.path)
    assert run("history", "reviews").stderr == "reviews has no revisions yet.\n"
    world.controller.promote("reviews", 1, 1)
    world.controller.promote("reviews", 2, 2)
    told = rows("history", "reviews")
    assert [line[0] for line in told] == ["2 (stable)", "1 (previous)"]
    assert told[0][1:3] == ["Sentiment version 2", "promoted"]
    assert told[0][4:] == ["ann", "it is better", "/target/version: 1 → 2"]
    assert len(rows("history", "reviews", "--limit", 1)) == 1
    assert json.loads(said("history", "reviews", "--json"))[1]["number"] == 1
    kinds = [line[1] for line in rows("deployments", "events", "reviews")]
    assert kinds == ["created", "rollout_ended", "rollout_ended"]
    assert len(rows("deployments", "events", "reviews", "--limit", 2)) == 2
    assert json.loads(said("deployments", "events", "reviews", "--json"))[0]["kind"] == "created"
    assert said("deployments", "delete", "reviews", "--reason", "enough") == "Deployment reviews is deleted.\n"
    assert rows("deployments", "events", "reviews")[-1][1] == "deleted"
    assert run("status").stderr == "There are no deployments.\n"


# ------------------------------------------------------------------------------------ what people say


def test_pause_resume_abort_rollback_approve(world):
    said("apply", "-f", world.path)
    world.controller.promote("reviews", 1, 1)
    world.controller.promote("reviews", 2, 2)
    world.client.set_model_environment("Sentiment", "production", 3)
    world.controller.roll_out("reviews", 3, 3)
    assert "is paused at its start" in said("pause", "reviews", "--reason", "lunch")
    assert "paused already" in refused("pause", "reviews")
    assert "is at its start" in said("resume", "reviews")
    assert "waits for nobody" in refused("approve", "reviews")
    assert "cannot have all traffic now" in refused("approve", "reviews", "--all")
    assert "is held back: anonymous aborted the rollout: no" in said("abort", "reviews", "--reason", "no")
    assert "is about to be rolled out" in said("resume", "reviews")
    assert "Revision 1 is at its start" in said("rollback", "reviews", "--reason", "complaints")
    assert "No rollout of 'reviews' runs" not in refused("approve", "reviews")


def test_waiting_follows_to_the_end(world):
    def play():
        while not world.client.list_deployments():
            pass
        world.controller.promote("reviews", 1, 1)

    player = threading.Thread(target=play)
    player.start()
    told = said("apply", "-f", world.path, "--wait")
    player.join()
    assert told.splitlines()[-2].endswith("Revision 1 answers everything now.")
    assert told.splitlines()[-1] == "Revision 1 (Sentiment version 1) answers."


def test_waiting_ends_badly_when_it_is_rolled_back_or_nothing_is_there(world):
    said("apply", "-f", world.path)
    world.controller.promote("reviews", 1, 1)
    world.client.set_model_environment("Sentiment", "production", 2)
    row = _row(world)
    held = Held(Target("Sentiment", "2"), row.spec, "constant output")
    world.controller.database.write(rows_db.set_state, row.id, replace(row.state, held=held), 1)
    assert "Sentiment version 2 is held back: constant output" in refused("apply", "-f", world.path, "--wait")
    world.client.clear_model_environment("Sentiment", "production")
    world.client.delete_deployment("reviews")
    assert "No version of 'Sentiment' is in production" in refused("deploy", "Sentiment", "--wait")


@pytest.mark.parametrize(("status", "code"), [(Status.PROMOTED, 0), (Status.ROLLED_BACK, 1)])
def test_a_rehearsal_is_waited_for(world, status, code):
    said("apply", "-f", world.path)
    database = world.controller.database

    def play():
        while "reviews-rehearsal" not in [each.name for each in world.client.list_deployments()]:
            pass
        rollout_id = world.controller.roll_out("reviews-rehearsal", 1, 1)
        rollout = replace(database.read(rollouts_db.get, rollout_id), status=status, reason="1 of 3 is wrong")
        database.write(rollouts_db.set, rollout_id, rollout, 5)
        database.write(rehearsals.tend, 10**13)

    player = threading.Thread(target=play)
    player.start()
    result = run("rehearse", "reviews")
    player.join()
    assert result.exit_code == code
    assert ("The rehearsal passed" if code == 0 else "The rehearsal failed") in result.output
    assert "has begun" in said("rehearse", "reviews", "--no-wait")


def test_a_deployment_is_watched_until_the_reader_has_enough(world):
    said("apply", "-f", world.path)
    watching = subprocess.Popen(
        [sys.executable, "-m", "modelyard.cli.main", "status", "reviews", "--watch"],
        env=environment(MODELYARD_TRACKING_URI=world.url, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        text=True,
    )
    with watching as process:
        assert process.stdout is not None
        while process.stdout.readline().split("\t")[0] != "Wanted":
            pass
        world.client.pause_deployment("reviews", "lunch")
        heard: list[str] = []
        while not heard or "lunch" not in heard[-1]:
            heard.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
    assert heard[-1].split("\t")[1:] == ["paused", "anonymous", "anonymous paused the deployment: lunch\n"]
    assert process.returncode == 0
