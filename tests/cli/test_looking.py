"""The commands for people, against a real server: what they say to programs, to terminals, and when it goes wrong."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from modelyard.cli.main import main
from modelyard.client.client import Client
from modelyard.client.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput
from tests.cli.process import environment, modelyard
from tests.cli.terminal import on_a_terminal


@pytest.fixture
def world(sqlite_server, tmp_path, monkeypatch) -> SimpleNamespace:
    """An experiment with two runs, files, a registered model with two versions, and a way to ask about them."""
    client = Client(sqlite_server.url)
    experiment = client.create_experiment("wine", tags={"team": "red"})
    runs = []
    for number, name in enumerate(("first", "second")):
        run = client.create_run(experiment, run_name=name, start_time=1_700_000_000_000 + number).info.run_id
        client.log_param(run, "depth", number)
        client.log_param(run, "kind", "forest")
        client.log_metric(run, "loss", 0.5 / (number + 1), step=3)
        client.log_metric(run, "same", 1)
        client.set_terminated(run, end_time=1_700_000_090_000)
        runs.append(run)
    client.log_text(runs[0], "x" * 1500, "model/weights.txt")
    client.log_text(runs[0], "hello", "notes.txt")
    client.create_registered_model("winetest", {"kind": "tree"})
    for _ in range(2):
        client.create_model_version("winetest", f"runs:/{runs[0]}/model")
    monkeypatch.setenv("MODELYARD_TRACKING_URI", sqlite_server.url)
    monkeypatch.setenv("TZ", "UTC")
    return SimpleNamespace(client=client, experiment=experiment, runs=runs, url=sqlite_server.url, folder=tmp_path)


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, list(map(str, arguments)))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def said(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(*arguments: object) -> list[list[str]]:
    return [line.split("\t") for line in said(*arguments).splitlines()]


def refused(*arguments: object) -> str:
    result = run(*arguments)
    assert result.exit_code in (1, 2), result.output
    assert "Traceback" not in result.output
    return result.stderr


# ------------------------------------------------------------------------------------ experiments


def test_experiments(world) -> None:
    assert [row[:2] for row in rows("experiments", "list")] == [[world.experiment, "wine"], ["0", "Default"]]
    assert [row[1] for row in rows("experiments", "search", "tags.team = 'red'", "--order-by", "name")] == ["wine"]
    assert rows("experiments", "show", "wine")[:2] == [["Name", "wine"], ["ID", world.experiment]]
    assert json.loads(said("experiments", "show", world.experiment, "--json"))["name"] == "wine"
    said("experiments", "tag", "wine", "a=b=c", "--remove", "team")
    assert world.client.get_experiment(world.experiment).tags == {"a": "b=c"}
    world.client.delete_experiment(world.experiment)
    assert [row[1] for row in rows("experiments", "list", "--view", "deleted")] == ["wine"]
    assert "neither by name nor by id" in refused("experiments", "show", "nope")


# ------------------------------------------------------------------------------------ runs


def test_runs_in_a_pipe(world) -> None:
    first, second = world.runs
    found = rows("runs", "list", "-c", "metrics.loss", "-c", "params.depth")
    assert [[row[0], row[1], row[2], row[4], row[5], row[6]] for row in found] == [
        [second, "second", "FINISHED", "1m 30s", "0.25", "1"], [first, "first", "FINISHED", "1m 30s", "0.5", "0"],
    ]  # fmt: skip
    assert [row[0] for row in rows("runs", "search", "metrics.loss < 0.3")] == [second]
    assert [row[0] for row in rows("runs", "search", "metrics.loss > 0", "--order-by", "metrics.loss DESC")] == [
        first, second,
    ]  # fmt: skip
    assert run("runs", "list", "-e", "Default").stderr == "No runs found.\n"
    assert "no column" in refused("runs", "list", "-c", "loss")
    assert "Invalid" in refused("runs", "search", "metrics.loss >>> 0.3")


def test_a_cut_list_says_so(world) -> None:
    result = run("runs", "list", "-e", "wine", "--limit", 1)
    assert result.stdout.count("\n") == 1
    assert result.stderr == "There are more than these 1.\n"
    assert run("runs", "list", "-e", "wine", "--limit", 2).stderr == ""


def test_runs_as_json(world) -> None:
    found = json.loads(said("runs", "list", "--json"))
    assert [each["info"]["run_id"] for each in found] == world.runs[::-1]
    assert found[0]["data"]["metrics"]["loss"] == 0.25
    assert json.loads(said("runs", "list", "-e", "Default", "--json")) == []
    assert json.loads(said("runs", "show", world.runs[0], "--json"))["data"]["params"]["kind"] == "forest"


def test_a_run_is_shown(world) -> None:
    client, number = world.client, world.runs[0]
    dataset = Dataset("measurements", "abc", "local", "wine.csv")
    client.log_inputs(number, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    model = client.create_logged_model(world.experiment).model_id
    client.log_outputs(number, [LoggedModelOutput(model, 3)])
    told = rows("runs", "show", number)
    for row in (
        ["Name", "first"], ["Status", "FINISHED"], ["Took", "1m 30s"], ["depth", "0"],
        ["loss", "0.5", "3"], ["measurements", "abc", "training", "wine.csv"], [model, "3"],
    ):  # fmt: skip
        assert row in [each[: len(row)] for each in told]
    assert "not found" in refused("runs", "show", "0" * 32)


def test_runs_are_compared(world) -> None:
    assert rows("runs", "compare", *world.runs)[4:] == [["params.depth", "0", "1"], ["metrics.loss", "0.5", "0.25"]]
    whole = json.loads(said("runs", "compare", *world.runs, "--all", "--json"))
    first, second = world.runs
    assert {each["key"] for each in whole} == {"params.depth", "params.kind", "metrics.loss", "metrics.same"}
    assert whole[0] == {"key": "params.depth", "values": {first: "0", second: "1"}}
    assert "two runs" in refused("runs", "compare", first)
    assert "the same" in run("runs", "compare", first, first).stderr


def test_a_run_is_tagged(world) -> None:
    said("runs", "tag", world.runs[0], "team=red", "empty=")
    said("runs", "tag", world.runs[0], "--remove", "team")
    tags = world.client.get_run(world.runs[0]).data.tags
    assert tags["empty"] == ""
    assert "team" not in tags
    assert "KEY=VALUE" in refused("runs", "tag", world.runs[0], "team")
    assert "Nothing to do" in refused("runs", "tag", world.runs[0])


# ------------------------------------------------------------------------------------ models


def test_models_are_found(world) -> None:
    assert [row[:2] for row in rows("models", "list")] == [["winetest", "2"]]
    assert [row[0] for row in rows("models", "search", "tags.kind = 'tree'")] == ["winetest"]
    assert run("models", "search", "tags.kind = 'x'").stderr == "No registered models found.\n"
    assert [row[:2] for row in rows("models", "versions", "--model", "winetest")] == [
        ["winetest", "2"], ["winetest", "1"],
    ]  # fmt: skip
    assert len(rows("models", "versions")) == 2
    assert len(rows("models", "versions", "version_number = 1")) == 1
    assert rows("models", "show", "winetest")[0] == ["Name", "winetest"]
    assert ["Version", "1"] in rows("models", "show", "models:/winetest/1")
    shown = json.loads(said("models", "show", "winetest", "--json"))
    assert [each["version"] for each in shown["versions"]] == ["2", "1"]


def test_all_250_models_are_listed(world) -> None:
    for number in range(250):
        world.client.create_registered_model(f"model-{number:03}")
    assert len(rows("models", "list")) == 251


def test_versions_are_named_and_moved(world) -> None:
    client = world.client
    said("models", "alias", "winetest", "champion", "1")
    said("models", "label", "winetest", "@champion", "2.3.1", "--reason", "release")
    assert client.get_model_version("winetest", 1).label == "2.3.1"
    assert said("models", "stage", "winetest", "2.3.1", "staging") == "Version 1 of winetest is in Staging.\n"
    said("models", "stage", "winetest", "2", "Staging", "--archive")
    assert client.get_model_version("winetest", 1).current_stage == "Archived"
    said("models", "environment", "winetest", "production", "latest", "--reason", "tested")
    assert [row[:2] for row in rows("models", "environment", "winetest")] == [["staging", "2"], ["production", "2"]]
    history = rows("models", "history", "winetest", "--limit", 1)
    assert (history[0][2], history[0][-1]) == ("environment.moved", "tested")
    said("models", "environment", "winetest", "production", "--remove")
    said("models", "alias", "winetest", "champion", "--remove")
    said("models", "label", "winetest", "1", "--remove")
    version = client.get_model_version("winetest", 1)
    assert (version.label, version.aliases) == (None, [])
    for wrong in (
        ("alias", "winetest", "champion"), ("label", "winetest", "1"), ("environment", "winetest", "production"),
    ):  # fmt: skip
        assert "--remove" in refused("models", *wrong)


def test_models_and_versions_are_tagged(world) -> None:
    said("models", "tag", "winetest", "a=1", "--remove", "kind")
    said("models", "tag", "models:/winetest/latest", "b=2")
    said("models", "tag", "models:/winetest/2", "--remove", "b")
    assert world.client.get_registered_model("winetest").tags == {"a": "1"}
    assert world.client.get_model_version("winetest", 2).tags == {}


def test_models_are_pulled(world) -> None:
    target = world.folder / "models"
    world.client.create_registered_model("empty", {"kind": "tree"})
    result = run("models", "pull", "--filter", "tags.kind = 'tree'", "--to", target)
    assert result.exit_code == 1
    assert (target / "winetest" / "2" / "weights.txt").read_text() == "x" * 1500
    assert "missing: empty: " in result.stderr
    assert "2 matched: 1 fetched" in result.stdout
    told = json.loads(said("models", "pull", "--filter", "name = 'winetest'", "--to", target, "--json"))
    assert (told["matched"], told["present"]) == (1, 1)


# ------------------------------------------------------------------------------------ artifacts


def test_artifacts_are_listed_and_fetched(world, monkeypatch) -> None:
    number = world.runs[0]
    assert rows("artifacts", "list", number) == [["model/", ""], ["notes.txt", "5"]]
    assert rows("artifacts", "list", number, "model") == [["model/weights.txt", "1500"]]
    assert rows("artifacts", "list", number, "notes.txt") == [["notes.txt", "5"]]
    assert [row[0] for row in rows("artifacts", "list", number, "-r")] == ["notes.txt", "model/weights.txt"]
    assert rows("artifacts", "list", "models:/winetest/1") == [["weights.txt", "1500"]]
    monkeypatch.chdir(world.folder)
    assert said("artifacts", "download", number, "notes.txt") == "notes.txt\n"
    assert Path("notes.txt").read_text() == "hello"
    said("artifacts", "download", f"runs:/{number}/model", "--to", "there")
    assert Path("there/model/weights.txt").stat().st_size == 1500
    said("artifacts", "download", "models:/winetest/latest", "--to", "m")
    assert Path("m/weights.txt").exists()
    proxied = world.client.get_run(number).info.artifact_uri
    assert len(rows("artifacts", "list", proxied)) == 2
    assert "no artifact" in refused("artifacts", "download", number, "nope")


def test_artifacts_are_sent(world) -> None:
    source = world.folder / "source"
    source.mkdir()
    (source / "a.txt").write_text("a")
    number = world.runs[1]
    said("artifacts", "upload", number, source, source / "a.txt", "--path", "in/here")
    assert [row[0] for row in rows("artifacts", "list", number, "-r")] == ["in/here/a.txt", "in/here/source/a.txt"]
    said("artifacts", "upload", f"runs:/{number}/x", source / "a.txt", "--path", "y")
    assert rows("artifacts", "list", f"runs:/{number}/x/y") == [["x/y/a.txt", "1"]]
    model = world.client.create_logged_model(world.experiment)
    said("artifacts", "upload", model.model_uri, source / "a.txt")
    assert rows("artifacts", "list", model.model_uri) == [["a.txt", "1"]]
    assert "never change" in refused("artifacts", "upload", "models:/winetest/1", source)
    assert "does not exist" in refused("artifacts", "upload", number, source / "b.txt")


# ------------------------------------------------------------------------------------ processes and terminals


def test_a_terminal_gets_a_table_that_fits(world) -> None:
    shown = on_a_terminal("runs", "list", width=80, MODELYARD_TRACKING_URI=world.url).splitlines()
    assert shown[0].split() == ["RUN", "ID", "NAME", "STATUS", "STARTED", "TOOK"]
    assert shown[1].startswith(world.runs[1])
    assert shown[-1].startswith("No room for: loss, same.")
    assert max(map(len, shown[:3])) <= 80
    wide = on_a_terminal("runs", "list", width=140, MODELYARD_TRACKING_URI=world.url).splitlines()
    assert wide[0].split()[-2:] == ["loss", "same"]
    assert wide[1].split()[-2:] == ["0.25", "1"]


def test_a_long_transfer_shows_how_far_it_is(world, tmp_path) -> None:
    program = (
        "import time\n"
        "from modelyard.cli.transfer_bar import transfer_bar\n"
        "from modelyard.client.progress import Progress\n"
        "with transfer_bar('Downloading') as report:\n"
        "    progress = Progress(report); progress.expect(2, 3000); time.sleep(0.6)\n"
        "    progress.advance(1500, 'a'); progress.finish_file(); time.sleep(0.15); progress.advance(1500, 'b')\n"
        "    progress.finish()\n"
    )
    ours, its = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", program], stderr=its, env=environment(TERM="xterm"))
    os.close(its)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:
        pass
    assert process.wait(60) == 0
    os.close(ours)
    assert "Downloading" in shown.decode()
    assert "100%" in shown.decode()
    assert "3.0 kB of 3.0 kB, 1 of 2 files" in shown.decode()


def test_the_option_wins_over_the_environment(world) -> None:
    answer = modelyard("experiments", "list", "--tracking-uri", world.url, MODELYARD_TRACKING_URI="http://127.0.0.1:9")
    assert answer.stdout.splitlines()[0].split("\t")[1] == "wine"
    assert answer.stderr == ""


def test_no_server_is_one_line_and_no_success() -> None:
    answer = modelyard("runs", "list", MLFLOW_TRACKING_URI="http://127.0.0.1:9", MODELYARD_HTTP_RETRIES="0")
    assert answer.returncode == 1
    assert answer.stderr == "Error: The tracking server at http://127.0.0.1:9 cannot be reached: Connection refused.\n"


def test_looking_makes_no_store(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MODELYARD_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert f"There is no {tmp_path}/modelyard-data. Say where the runs are" in refused("runs", "list")
    assert list(tmp_path.iterdir()) == []


def test_a_stock_server_is_looked_at_too(stock_mlflow, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stock_mlflow.url)
    assert "Default" in [row[1] for row in rows("experiments", "list")]
    assert "stock MLflow server" in refused("models", "history")
