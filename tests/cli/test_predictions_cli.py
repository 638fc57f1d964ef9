"""`modelyard predictions`, `statistics`, `feedback`, and the client's methods below them, against a real server."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from modelyard.client.client import Client
from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.optional import MissingExtraError
from modelyard.wire.predictions import Feedback
from tests.cli.test_looking import rows, run, said
from tests.server.api.native import Native
from tests.server.api.test_predictions import hexes, prediction, send


@pytest.fixture
def world(sqlite_server, tmp_path, monkeypatch) -> SimpleNamespace:
    """Two versions with ten answers each, of which feedback knows four."""
    native = Native(sqlite_server.url)
    old = [prediction(key=f"k{at}", at_ms=1_790_000_000_000 + at, segment="de") for at in range(10)]
    new = [prediction(version="4", at_ms=1_790_000_001_000 + at, label="white", positive=False) for at in range(10)]
    shadow = prediction(role="shadow", version="4", parent=old[0]["id"], at_ms=1_790_000_002_000)
    send(native, *old, *new, shadow)
    monkeypatch.setenv("MODELYARD_TRACKING_URI", sqlite_server.url)
    monkeypatch.setenv("TZ", "UTC")
    client = Client(sqlite_server.url)
    client.give_feedback_many(Feedback(prediction=id, truth="red") for id in hexes(*old[:2], *new[:2]))
    return SimpleNamespace(client=client, old=hexes(*old), new=hexes(*new), shadow=shadow["id"].hex(), folder=tmp_path)


def ids(*arguments: object) -> list[str]:
    return [row[0] for row in rows("predictions", "list", *arguments)]


def test_lists_by_what_is_asked_newest_first(world) -> None:
    assert ids("wine") == [world.shadow, *world.new[::-1], *world.old[::-1]]
    assert ids("wine", "--version", "3", "--limit", 2) == world.old[:7:-1]
    assert ids("--key", "k3") == [world.old[3]]
    assert ids("--right") == [world.shadow, *world.old[1::-1]]
    assert ids("--wrong") == world.new[1::-1]
    assert ids("--role", "shadow") == [world.shadow]
    assert ids("wine", "--until", "2026-09-21T14:13:21+00:00") == world.old[::-1]
    assert run("predictions", "list", "wine", "--since", "1s").stderr == "No predictions found.\n"
    assert "There are more than these 2." in run("predictions", "list", "--limit", 2).stderr
    (first,) = rows("predictions", "list", "--key", "k0")
    assert first[1:] == ["2026-09-21 14:13:20", "wine", "wine 3", "stable", "200", "red", "yes", "1.5", "de", "k0"]


def test_shows_one_with_its_feedback_and_shadows(world) -> None:
    text = said("predictions", "show", world.old[0])
    for line in ('Input\t{"text":"dry"}', 'Output\t"red"', "Truth\tred", "Right\tyes", "Answered by\twine 3"):
        assert line in text.splitlines()
    assert world.shadow in text
    told = json.loads(said("predictions", "show", world.old[0], "--json"))
    assert (told["input"], told["output"], told["feedback"][0]["truth"]) == ({"text": "dry"}, "red", "red")
    assert run("predictions", "show", "0" * 32).exit_code == 1


def test_exports_json_lines_and_parquet(world) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    lines = [json.loads(line) for line in said("predictions", "export", "wine").splitlines()]
    assert [line["id"] for line in lines] == ids("wine")
    for name in ("all.jsonl", "all.parquet"):
        assert "21 predictions in" in run("predictions", "export", "wine", "--to", world.folder / name).stderr
    assert [json.loads(line) for line in (world.folder / "all.jsonl").read_text().splitlines()] == lines
    table = parquet.read_table(world.folder / "all.parquet")
    assert table["id"].to_pylist() == [line["id"] for line in lines]
    assert table["input"].to_pylist()[0] == '{"text": "dry"}'
    assert table["at_ms"].cast("int64").to_pylist() == [line["at_ms"] for line in lines]
    assert table["right"].to_pylist() == [line["right"] for line in lines]
    assert world.client.export_predictions(world.folder / "none.parquet", "wine", version="9") == 0
    assert parquet.read_table(world.folder / "none.parquet").num_rows == 0
    assert run("predictions", "export", "--format", "parquet").exit_code == 2
    with pytest.raises(InvalidArgument, match=r"Unknown format 'csv'"):
        world.client.export_predictions(world.folder / "all.csv")
    assert sorted(path.name for path in world.folder.glob("*.*") if "all" in path.name) == ["all.jsonl", "all.parquet"]


def test_parquet_says_what_it_needs(world, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'modelyard\[parquet\]'"):
        world.client.export_predictions(world.folder / "x.parquet")


def test_statistics_in_a_table_and_in_a_sentence(world) -> None:
    table = {row[0]: row for row in rows("statistics", "wine", "--window", "day")}
    assert table["everything"][1:6] == ["20", "0", "50.0 %", "15.0 % to 85.0 %", "4"]
    assert table["wine 3"][1:4] == ["10", "0", "100.0 %"]
    assert table["segment de"][1] == "10"
    assert table["2026-09-21 00:00:00"][1] == "20"
    assert table["shadow wine 4"][1] == "1"
    assert table["shadow wine 4"][-1] == "100.0 %"
    told = said("statistics", "wine", "--compare", 3, 4)
    assert told == "version 3 is better by 100.0 points, 95 % interval 7.0 to 100.0, 4 answers\n"
    assert json.loads(said("statistics", "wine", "--json"))["total"]["calls"] == 20
    assert run("statistics", "wine", "--compare", 3, 4, "--window", "day").exit_code == 2
    with pytest.raises(NotFound, match="'beer'"):
        world.client.get_statistics("beer")
    with pytest.raises(InvalidArgument, match="colour"):
        world.client.get_statistics("wine", colour="red")


def test_feedback_by_id_by_key_and_from_a_file(world) -> None:
    def right(at: int) -> Any:
        return world.client.get_prediction(world.old[at]).right

    assert "1 taken, about 1 predictions." in run("feedback", world.old[5], "--wrong").stderr
    assert (
        "1 taken, about 1 predictions."
        in run("feedback", "--deployment", "wine", "--key", "k6", "--truth", "red").stderr
    )
    assert "none of them is recorded yet" in run("feedback", "0" * 32, "--right").stderr
    file = world.folder / "feedback.jsonl"
    file.write_text(f'{{"prediction": "{world.old[7]}", "truth": "white"}}\n\n{{"key": "k8", "right": true}}\n')
    assert json.loads(said("feedback", "--file", file, "--deployment", "wine", "--json")) == {"taken": 2, "joined": 2}
    assert [right(at) for at in (5, 6, 7, 8, 9)] == [False, True, False, True, None]
    assert run("feedback").exit_code == 1
    assert run("feedback", world.old[5], "--file", file).exit_code == 2
    file.write_text('{"colour": 1}\n')
    assert "Line 1 is no feedback" in run("feedback", "--file", file).stderr


def test_what_is_read_lazily_is_all_there_once(world) -> None:
    found = world.client.search_predictions("wine", max_results=5)
    assert (len(found), found.cut) == (5, True)
    rest = world.client.search_predictions("wine", max_results=100, page_token=found.token)
    assert [each.id for each in [*found, *rest]] == [each.id for each in world.client.search_predictions("wine")]
