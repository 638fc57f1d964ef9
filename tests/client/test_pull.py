"""`modelyard models pull`: every match, verified and named; the second time nothing."""

from __future__ import annotations

import json
import os
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.client.client import Client
from modelyard.client.pull import folder_name, pull
from modelyard.domain.errors import InvalidArgument
from modelyard.packaging import digest as digests
from tests.cli.process import modelyard as command

MODELS = 25


def make(client, folder, name, *, tags, files=None, digest=True):
    """Register a version of a model that is a few small files."""
    source = folder / f"source-{name}-{len(list(folder.iterdir()))}"
    (source / "data").mkdir(parents=True)
    (source / "MLmodel").write_text(f"flavors: {{}}\nmodel_uuid: {name}\n")
    (source / "data/weights.bin").write_bytes(os.urandom(5000))
    for path, content in (files or {}).items():
        (source / path).write_text(content)
    if digest:
        digests.write(source)
    made = client.create_logged_model("0", name="m")
    client.log_model_artifacts(made.model_id, source)
    client.finalize_logged_model(made.model_id, "READY")
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, tags)
    return client.create_model_version(name, f"models:/{made.model_id}", model_id=made.model_id)


@pytest.fixture
def client(sqlite_server):
    return Client(sqlite_server.url)


@pytest.fixture
def fleet(client, tmp_path):
    (tmp_path / "sources").mkdir()
    for number in range(MODELS):
        make(client, tmp_path / "sources", f"m-{number:02}", tags={"kind": "x"})
    make(client, tmp_path / "sources", "other", tags={"kind": "y"})
    return tmp_path / "sources"


def states(done):
    return {(each.name, each.version): each.state for each in done.models}


def test_all_that_match_and_the_second_time_nothing(client, fleet, tmp_path):
    seen = []
    done = pull(client, "tags.kind = 'x'", tmp_path / "here", report=lambda progress: seen.append(progress.done_files))
    assert states(done) == {(f"m-{number:02}", "1"): "fetched" for number in range(MODELS)}
    assert not done.failed
    assert seen[-1] == MODELS * 3
    for each in done.models:
        assert each.path == str(tmp_path / "here" / each.name / "1")
        assert digests.compute(each.path) == each.digest
        digests.verify(each.path)
    again = pull(client, "tags.kind = 'x'", tmp_path / "here", report=lambda progress: seen.append(progress.size))
    assert set(states(again).values()) == {"present"}
    assert seen[-1] == 0
    assert [each.digest for each in again.models] == [each.digest for each in done.models]


def test_a_new_version_comes_beside_the_old_one(client, fleet, tmp_path):
    pull(client, "name = 'other'", tmp_path / "here")
    make(client, fleet, "other", tags={})
    assert states(pull(client, "name = 'other'", tmp_path / "here")) == {("other", "2"): "fetched"}
    assert sorted(path.name for path in (tmp_path / "here/other").iterdir() if path.is_dir()) == ["1", "2"]
    both = pull(client, "name = 'other'", tmp_path / "here", versions=True)
    assert states(both) == {("other", "1"): "present", ("other", "2"): "present"}


def test_a_pull_that_was_cut_off_goes_on(client, fleet, tmp_path, monkeypatch):
    monkeypatch.setattr("modelyard.client.progress.EVERY_S", 0)

    def interrupt(progress):
        if progress.done_files > MODELS:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(client, "tags.kind = 'x'", tmp_path / "here", report=interrupt)
    whole = sum(path.is_dir() for path in (tmp_path / "here").glob("*/1"))
    assert 0 < whole < MODELS
    found = list(states(pull(client, "tags.kind = 'x'", tmp_path / "here")).values())
    assert (found.count("present"), found.count("fetched")) == (whole, MODELS - whole)
    assert not list((tmp_path / "here").glob("*/.*.incoming"))


def test_what_is_damaged_or_added_here_is_put_right(client, fleet, tmp_path):
    (first,) = pull(client, "name = 'other'", tmp_path / "here").models
    folder = tmp_path / "here/other/1"
    (folder / "data/weights.bin").write_bytes(b"damage")
    (folder / "more").write_text("not the model's")
    (again,) = pull(client, "name = 'other'", tmp_path / "here").models
    assert (again.state, again.digest) == ("fetched", first.digest)
    digests.verify(folder, first.digest)
    assert not (folder / "more").exists()


def test_what_is_missing_or_broken_is_named_and_the_rest_is_here(client, fleet, tmp_path):
    stored = tmp_path / "data/artifacts"

    def place(name):
        return stored / client.get_model_version_download_uri(name, "1").removeprefix("mlflow-artifacts:/")

    (place("m-03") / "data/weights.bin").write_bytes(b"damage")
    (place("m-07") / "data/weights.bin").unlink()
    client.create_registered_model("m-empty", {"kind": "x"})
    done = pull(client, "tags.kind = 'x'", tmp_path / "here")
    assert {(each.name, each.state) for each in done.failed} == {
        ("m-03", "broken"), ("m-07", "broken"), ("m-empty", "missing"),
    }  # fmt: skip
    reasons = {each.name: each.reason for each in done.failed}
    assert "data/weights.bin" in reasons["m-03"]
    assert "missing: data/weights.bin" in reasons["m-07"]
    assert sum(each.here for each in done.models) == MODELS - 2
    assert not (tmp_path / "here/m-03/1").exists()


def test_of_each_the_version_of_a_stage_an_alias_an_environment(client, fleet, tmp_path):
    make(client, fleet, "m-00", tags={})
    client.transition_model_version_stage("m-00", "1", "Production")
    client.set_registered_model_alias("m-01", "champion", "1")
    client.set_model_environment("m-02", "Staging", "1")
    wanted = "name LIKE 'm-0%'"
    staged = pull(client, wanted, tmp_path / "a", stage="Production")
    assert [(each.name, each.version) for each in staged.models if each.here] == [("m-00", "1")]
    assert {each.state for each in staged.failed} == {"missing"}
    aliased = pull(client, wanted, tmp_path / "b", alias="champion")
    assert [(each.name, each.version) for each in aliased.models if each.here] == [("m-01", "1")]
    placed = pull(client, wanted, tmp_path / "c", environment="Staging")
    assert [each.name for each in placed.models if each.here] == ["m-02"]
    with pytest.raises(InvalidArgument, match="not several"):
        pull(client, None, tmp_path / "d", stage="Production", alias="champion")


def test_names_that_are_no_plain_folder_names(client, fleet, tmp_path):
    for name in (".hidden", "a%2e%2e", "with space", "ä#1"):
        make(client, fleet, name, tags={"kind": "odd"}, digest=False)
    done = pull(client, "tags.kind = 'odd'", tmp_path / "deep/here")
    assert {each.state for each in done.models} == {"fetched"}
    assert len({each.path for each in done.models}) == 4
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["here"]


@given(st.text(min_size=1, max_size=8) | st.text("./\\%2e~", min_size=1, max_size=6))
def test_a_name_is_one_folder_and_its_own(name):
    """A server of a stranger may list anything."""
    folder = folder_name(name)
    assert folder not in ("", ".", "..")
    assert not set(folder) & set("/\0")
    assert not folder.startswith(".")
    assert folder == name or unquote(folder) == name


def test_the_command(sqlite_server, client, fleet, tmp_path):
    to = str(tmp_path / "here")
    options = ["models", "pull", "--tracking-uri", sqlite_server.url, "--to", to]
    done = command(*options, "--filter", "tags.kind = 'x'", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["matched"], told["fetched"], told["present"], told["failed"]) == (MODELS, MODELS, 0, 0)
    client.create_registered_model("empty", {"kind": "x"})
    again = command(*options, "--filter", "tags.kind = 'x'")
    assert again.returncode == 1
    assert again.stdout == f"{MODELS + 1} matched: 0 fetched (0 B), {MODELS} here already, 1 failed.\n"
    assert again.stderr.startswith("missing: empty: ")
