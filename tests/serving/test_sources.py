"""What is served: named, looked up, fetched, verified, remembered; against a real server."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelyard.client import cache
from modelyard.client.client import Client
from modelyard.client.pull import pull
from modelyard.domain.errors import (
    DataCorrupted,
    InvalidArgument,
    ModelyardError,
    NotFound,
    NotSupported,
    PermissionDenied,
    Unavailable,
)
from modelyard.packaging import digest as digests
from modelyard.serving import last_good, wanted
from modelyard.serving.rounds import Found, Missing, Round, difference
from modelyard.serving.sources import Sources
from modelyard.settings import load_serving
from tests.conftest import serve


def save(folder, name="m"):
    """A model's directory, of a few small files."""
    (folder / "data").mkdir(parents=True)
    flavors = {"python_function": {"loader_module": "mlflow.xgboost"}, "xgboost": {}}
    manifest = {"flavors": flavors, "model_uuid": f"{name}-{os.urandom(4).hex()}", "run_id": "a" * 32}
    (folder / "MLmodel").write_text(json.dumps(manifest))  # which YAML is, too
    (folder / "data/weights.bin").write_bytes(os.urandom(5000))
    (folder / "data/embedding.bin").write_bytes(os.urandom(5000))
    digests.write(folder)
    return folder


class Registry:
    """A client of a server, with models to be made in a line."""

    def __init__(self, server, folder):
        self.server, self.folder, self.client = server, folder, Client(server.url)
        self.made = 0

    def make(self, name, **tags):
        self.made += 1
        source = save(self.folder / f"source-{self.made}", name)
        model = self.client.create_logged_model("0", name=name)
        self.model_id = model.model_id
        self.client.log_model_artifacts(model.model_id, source)
        self.client.finalize_logged_model(model.model_id, "READY")
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name, tags)
        return self.client.create_model_version(name, f"models:/{model.model_id}", model_id=model.model_id)

    def artifacts(self, name, version="1"):
        place = self.client.get_model_version_download_uri(name, version)
        return self.folder / "data/artifacts" / place.removeprefix("mlflow-artifacts:/")


@pytest.fixture
def registry(sqlite_server, tmp_path, monkeypatch):
    monkeypatch.setenv("MODELYARD_TRACKING_URI", sqlite_server.url)
    monkeypatch.setenv("MODELYARD_CACHE", str(tmp_path / "cache"))
    return Registry(sqlite_server, tmp_path)


def sources(*models, **settings):
    return Sources(wanted.parse([str(each) for each in models], load_serving(settings, environ={})))


def versions(found):
    return {name: model.version for name, model in found.items()}


def fetched(served, looked):
    """Serving name → its directory, or why it is not here; all at once, as a server does."""

    def one(model):
        try:
            return served.fetch(model)
        except ModelyardError as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        return dict(zip(looked.found, pool.map(one, looked.found.values()), strict=True))


# ------------------------------------------------------------------------------------ what a person gives


def test_a_directory_is_served_under_its_name_or_another(tmp_path):
    wine = save(tmp_path / "wine")
    pulled = save(tmp_path / "forest/3")
    got = sources(wine, f"red={wine}", pulled, f"uri={wine.as_uri()}").look()
    assert list(got.found) == ["wine", "red", "forest", "uri"]
    assert {model.uri for model in got.found.values()} == {str(wine), str(pulled)}
    assert got.found["wine"].digest == digests.compute(wine)
    assert got.found["wine"].run_id == "a" * 32
    assert list(sources(wine, name="best").look().found) == ["best"]


def test_a_downloaded_directory_knows_its_version(registry):
    registry.make("wine")
    registry.make("wine")
    (done,) = pull(registry.client, "name = 'wine'", registry.folder / "models").models
    model = sources(done.path).look().found["wine"]
    assert (model.name, model.registered_model, model.version, model.digest) == ("wine", "wine", "2", done.digest)
    folder = save(registry.folder / "here")
    (folder / "registered_model_meta").write_text("model_name: red\nmodel_version: '7'\n")
    served = sources(folder)
    model = served.look().found["here"]
    assert (model.registered_model, model.version) == ("red", "7")
    assert served.fetch(model) == folder
    (folder / "registered_model_meta").write_text("- none\n")
    assert served.look().found["here"].version == ""


@pytest.mark.parametrize(
    ("models", "settings", "error", "message"),
    [
        ([""], {}, InvalidArgument, "One of the models is an empty text"),
        ([], {}, InvalidArgument, "Nothing to serve: give a model's directory, models:/NAME/VERSION"),
        (["wine"], {}, NotFound, "There is no directory '.*wine'. A registered model is given as models:/wine/latest"),
        (["no/such"], {}, NotFound, "There is no directory '.*no/such'.$"),
        (["file"], {}, NotFound, "file is a file"),
        (["empty"], {}, NotFound, "empty holds no model: it has no file MLmodel.$"),
        (["above"], {}, NotFound, "above holds no model.*There are some below it: .*above/model"),
        (["models:/wine"], {}, InvalidArgument, "names no model; expected models:/NAME/VERSION"),
        (["runs:/"], {}, InvalidArgument, "names no run"),
        (["a/b=above/model"], {}, NotFound, "There is no directory"),
        (["50%=above/model"], {}, InvalidArgument, "'50%' is no name for a model"),
        (["above/model"], {"name": "a/b"}, InvalidArgument, "'a/b' is no name for a model"),
        (["above/model", "models:/wine/1"], {"name": "x"}, InvalidArgument, "--name is for one model"),
        (
            ["above/model", "models:/wine/1"],
            {"default_model": "win"},
            InvalidArgument,
            "--default-model 'win' is not served: there is model, wine",
        ),
        (["above/model"], {"stage": "Production"}, InvalidArgument, "--stage needs --filter"),
        ([], {"filter": "x", "stage": "Staging", "alias": "a"}, InvalidArgument, "one of --stage, --alias"),
        ([], {"filter": "x", "stage": "canary"}, InvalidArgument, "no stage 'canary'.*--environment"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, monkeypatch, models, settings, error, message):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "above/model")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(error, match=message):
        sources(*models, **settings)


def test_a_pickle_needs_leave_before_anything_starts(tmp_path):
    folder = save(tmp_path / "wine")
    flavors = {"python_function": {"loader_module": "mlflow.sklearn"}, "sklearn": {"serialization_format": "pickle"}}
    (folder / "MLmodel").write_text(json.dumps({"flavors": flavors}))
    with pytest.raises(PermissionDenied, match=r"wine holds model\.pkl, a pickle.*--allow-pickle"):
        sources(folder)
    assert list(sources(folder, allow_pickle=True).look().found) == ["wine"]
    (folder / "MLmodel").write_text('{"flavors": {"mystery": {}}}')
    with pytest.raises(NotFound, match="no python_function flavor, so it cannot predict; it has mystery"):
        sources(folder)


@given(st.text(max_size=30))
@example("~nobody-of-this-name/model")
@example("a=\0")
def test_any_text_is_a_source_or_refused(text):
    try:
        (source,) = wanted.parse([text], load_serving(environ={}))
    except ModelyardError:
        return
    assert sum(map(bool, (source.directory, source.uri, source.filter))) == 1
    assert isinstance(source.likely_name, str)


def test_two_models_of_one_name_are_refused_by_both_names(tmp_path):
    one, other = save(tmp_path / "a/wine"), save(tmp_path / "b/wine")
    with pytest.raises(InvalidArgument, match=r"a/wine .* and .*b/wine .* would both be served as 'wine'.*NAME=MODEL"):
        sources(one, other).look()
    assert list(sources(one, f"other={other}").look().found) == ["wine", "other"]


# ------------------------------------------------------------------------------------ looking


def test_each_way_to_name_a_model(registry):
    registry.make("wine")
    model_id = registry.model_id
    registry.make("wine")
    registry.client.set_registered_model_alias("wine", "champion", 1)
    registry.client.transition_model_version_stage("wine", 2, "Production")
    registry.client.set_model_version_label("wine", 2, "2.3.1")
    uris = {
        "models:/wine/1": "1", "models:/wine@champion": "1", "models:/wine/Production": "2", "models:/wine/latest": "2",
        "models:/wine/2.3.1": "2",
    }  # fmt: skip
    for uri, expected in uris.items():
        got = sources(uri).look()
        assert versions(got.found) == {"wine": expected}
        assert got.found["wine"].uri == f"models:/wine/{expected}"
        assert got.found["wine"].source == uri
    found = got.found["wine"]
    assert (found.registered_model, found.label, found.model_id) == ("wine", "2.3.1", registry.model_id)
    logged = sources(f"models:/{model_id}").look().found["wine"]
    assert (logged.model_id, logged.version) == (model_id, "")
    named = sources("red=models:/wine/1", "white=models:/wine/2").look()
    assert versions(named.found) == {"red": "1", "white": "2"}


def test_a_runs_model_is_fetched_and_another_save_is_another_model(registry):
    run = registry.client.create_run("0").info.run_id
    registry.client.log_artifacts(run, str(save(registry.folder / "first")), "models/best")
    served = sources(f"runs:/{run}/models/best")
    model = served.look().found["best"]
    assert (model.run_id, model.version) == (run, "")
    assert digests.compute(served.fetch(model)) == digests.compute(registry.folder / "first")
    registry.client.log_artifacts(run, str(save(registry.folder / "second")), "models/best")
    again = sources(f"runs:/{run}/models/best")
    assert digests.compute(again.fetch(again.look().found["best"])) == digests.compute(registry.folder / "second")
    with pytest.raises(NotFound, match="no artifact"):
        sources(f"runs:/{run}/nothing").look()


def test_of_all_that_match_one_version_each_or_the_reason(registry):
    for name in ("a", "b", "c"):
        registry.make(name, kind="x")
        registry.make(name)
    registry.make("other", kind="y")
    client = registry.client
    client.create_registered_model("empty", {"kind": "x"})
    client.set_registered_model_alias("a", "champion", 1)
    client.transition_model_version_stage("a", 1, "Staging")
    client.set_model_environment("b", "production", 1)
    client.set_model_environment("b", "staging", 1)
    wanted_ = "tags.kind = 'x'"
    newest = sources(filter=wanted_).look()
    assert versions(newest.found) == {"a": "2", "b": "2", "c": "2"}
    assert newest.missing == {"empty": Missing("empty", f"filter {wanted_!r}", "The model has no versions.")}
    assert versions(sources(filter=wanted_, alias="champion").look().found) == {"a": "1"}
    staged = sources(filter=wanted_, stage="staging").look()
    assert versions(staged.found) == {"a": "1", "b": "1"}  # b's has the stage Production, and is in both environments
    assert set(staged.missing) == {"c", "empty"}
    assert versions(sources(filter=wanted_, environment="production").look().found) == {"b": "1"}
    both = sources("first=models:/a/1", filter=wanted_).look()
    assert list(both.found) == ["first", "a", "b", "c"]
    with pytest.raises(InvalidArgument, match="no environment 'canary'; there are "):
        sources(filter=wanted_, environment="canary").look()
    with pytest.raises(InvalidArgument, match="both be served as 'a'"):
        sources("models:/a/1", filter=wanted_).look()
    with pytest.raises(NotFound, match=r"No registered model in http.* matches the filter \"tags.kind = 'z'\""):
        sources(filter="tags.kind = 'z'").look()
    with pytest.raises(InvalidArgument, match="Invalid"):
        sources(filter="this is none").look()


def test_a_registry_beside_no_tracking_server(registry, monkeypatch):
    registry.make("wine")
    monkeypatch.delenv("MODELYARD_TRACKING_URI")
    monkeypatch.setenv("MODELYARD_DATA", str(registry.folder / "nowhere"))
    with pytest.raises(NotFound, match=r"There is no .*nowhere\. Say where the models are registered"):
        sources("models:/wine/1").look()
    monkeypatch.setenv("MODELYARD_REGISTRY_URI", registry.server.url)
    served = sources("models:/wine/1")
    model = served.look().found["wine"]
    digests.verify(served.fetch(model), model.digest)


def test_an_unknown_model_is_refused_with_those_that_there_are(registry):
    with pytest.raises(NotFound, match=r"There is no registered model 'wine': http.* has none"):
        sources("models:/wine/1").look()
    registry.make("wine")
    registry.make("beer")
    registry.client.set_registered_model_alias("wine", "champion", 1)
    with pytest.raises(NotFound, match=r"There is no registered model 'wien' in http.*\. There are: wine, beer\."):
        sources("models:/wien/1").look()
    with pytest.raises(NotFound, match="Its newest version is 1; aliases: champion → 1"):
        sources("models:/wine@challenger").look()
    with pytest.raises(NotFound, match="newest version is 1"):
        sources("models:/wine/7").look()


# ------------------------------------------------------------------------------------ while it runs


def test_new_versions_models_and_directories_are_seen(registry):
    registry.make("a", kind="x")
    local = save(registry.folder / "local")
    served = sources(local, filter="tags.kind = 'x'")
    first = served.look()
    assert not difference(first, served.look())
    registry.make("a")
    registry.make("b", kind="x")
    shutil.rmtree(local)
    gone = served.look()
    changes = difference(first, gone)
    assert [(old.version, new.version) for old, new in changes.changed] == [("1", "2")]
    assert [model.name for model in changes.added] == ["b"]
    assert [each.name for each in changes.missing] == ["local"]
    assert gone.found["local"] == first.found["local"]  # what is loaded goes on
    save(local)
    registry.client.set_registered_model_tag("a", "kind", "y")
    changes = difference(gone, served.look())
    assert [new.name for _, new in changes.changed] == ["local"]
    assert [model.name for model in changes.removed] == ["a"]
    assert changes.returned == ("local",)


def test_what_cannot_be_had_any_more_stays(registry, caplog):
    registry.make("a", kind="x")
    registry.client.transition_model_version_stage("a", 1, "Production")
    served = sources("one=models:/a/Production", filter="tags.kind = 'x'", stage="Production")
    first = served.look()
    registry.client.transition_model_version_stage("a", 1, "Archived")
    after = served.look()
    assert after.found == first.found
    assert {name: each.reason for name, each in after.missing.items()} == {
        "a": "No version of the model is in Production.",
        "one": "No version of 'a' is in the stage Production.",
    }
    registry.client.delete_registered_model("a")
    emptied = served.look()
    assert emptied.found == first.found
    assert "matches nothing any more; what was served stays" in emptied.away
    registry.make("one", kind="x")
    registry.client.transition_model_version_stage("one", 1, "Production")
    assert served.look().found["one"] == first.found["one"]
    assert served.look()
    assert caplog.text.count("would both be served as 'one'") == 1


def test_a_registry_that_is_away_leaves_everything_as_it_was(registry, monkeypatch):
    monkeypatch.setattr("modelyard.client.transport.FIRST_PAUSE_S", 0.0)
    registry.make("a", kind="x")
    local = save(registry.folder / "local")
    served = sources(local, "one=models:/a/latest", filter="tags.kind = 'x'")
    first = served.look()
    way = served._registry.client.registry
    own, way._url = way._url, "http://127.0.0.1:9"
    shutil.rmtree(local)
    away = served.look()
    assert "cannot be reached" in away.away
    assert away.found == first.found
    assert set(away.missing) == {"local"}  # what is on this machine is looked at all the same
    way._url = own
    registry.make("a")
    after = served.look()
    assert (after.away, versions(after.found)) == ("", {"local": "", "one": "2", "a": "2"})
    monkeypatch.setenv("MODELYARD_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match=r"cannot be reached.*Nothing is remembered of models:/a/latest"):
        sources("models:/a/latest").look()


# ------------------------------------------------------------------------------------ fetching


def test_models_are_fetched_verified_and_kept(registry):
    for name in ("a", "b", "c"):
        registry.make(name, kind="x")
    served = sources(filter="tags.kind = 'x'")
    got = served.look()
    shutil.rmtree(registry.artifacts("b"))
    (registry.artifacts("c") / "data/embedding.bin").unlink()
    done = fetched(served, got)
    digests.verify(done["a"], got.found["a"].digest)
    assert done["a"].is_relative_to(registry.folder / "cache")
    assert isinstance(done["b"], NotFound | DataCorrupted)
    assert "missing: data/embedding.bin" in str(done["c"])
    assert served.fetch(got.found["a"]) == done["a"]


def test_what_is_loaded_again_is_read_again(registry, caplog):
    registry.make("a")
    local = save(registry.folder / "local")
    served = sources("models:/a/1", local)
    one, other = served.look().found.values()
    path = served.fetch(one)
    assert (served.again(one, path), served.again(other, local)) == (path, local)
    weights = path / "data/weights.bin"
    weights.chmod(0o600)
    weights.write_bytes(b"nonsense")
    assert served.again(one, path) == path
    digests.verify(path, one.digest)
    assert "data/weights.bin" in caplog.text
    shutil.rmtree(local)
    save(local)
    with pytest.raises(DataCorrupted, match="holds another model than"):
        served.again(other, local)
    (local / "data/weights.bin").unlink()
    with pytest.raises(DataCorrupted, match=r"missing: data/weights\.bin"):
        served.again(other, local)


def test_what_is_not_used_any_more_may_leave_the_cache(registry):
    registry.make("a")
    served = sources("one=models:/a/1", "other=models:/a/1")
    one, other = served.look().found.values()
    path = served.fetch(one)
    assert served.fetch(other) == path
    root = registry.folder / "cache"
    served.release(one)
    assert cache.evict(root, 0) == []
    served.release(other)
    served.release(other)
    assert cache.evict(root, 0) == [path]
    digests.verify(served.fetch(one), one.digest)


def test_a_directory_is_verified_by_its_own_checksums(tmp_path):
    folder = save(tmp_path / "wine")
    served = sources(folder)
    model = served.look().found["wine"]
    assert served.fetch(model) == folder
    (folder / "data/embedding.bin").unlink()
    with pytest.raises(DataCorrupted, match=r"missing: data/embedding\.bin"):
        served.fetch(model)


def test_without_a_cache_that_can_be_written_a_temporary_directory_does(registry, monkeypatch, caplog):
    registry.make("a")
    served = sources("models:/a/1")
    (registry.folder / "file").touch()
    monkeypatch.setenv("MODELYARD_CACHE", str(registry.folder / "file"))
    model = served.look().found["a"]
    folder = served.fetch(model)
    digests.verify(folder, model.digest)
    assert served.fetch(model) == folder
    assert "cannot be written" in caplog.text
    (folder / "data/weights.bin").write_bytes(b"nonsense")
    digests.verify(served.again(model, folder), model.digest)
    served.served(model)


# ------------------------------------------------------------------------------------ what was served last


def test_without_the_registry_a_start_finds_what_was_served_last(tmp_path, monkeypatch):
    monkeypatch.setenv("MODELYARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("modelyard.client.transport.FIRST_PAUSE_S", 0.0)
    running = serve(tmp_path / "data")
    server = next(running)
    monkeypatch.setenv("MODELYARD_TRACKING_URI", server.url)
    registry = Registry(server, tmp_path)
    for name in ("a", "b", "gone"):
        registry.make(name, kind="x")
    settings = {"filter": "tags.kind = 'x'"}
    served = sources("one=models:/a/latest", **settings)
    for model in served.look().found.values():
        served.fetch(model)
        served.served(model)
    registry.client.set_registered_model_tag("gone", "kind", "y")
    registry.make("b")  # seen, and never served
    assert versions(served.look().found) == {"one": "1", "a": "1", "b": "2"}
    for _ in running:
        pass
    restarted = sources("one=models:/a/latest", **settings)
    got = restarted.look()
    assert versions(got.found) == {"one": "1", "a": "1", "b": "1"}
    assert "cannot be reached" in got.away
    paths = fetched(restarted, got)
    digests.verify(paths["b"], got.found["b"].digest)
    (next((paths["b"] / "data").iterdir())).chmod(0o644)
    shutil.rmtree(paths["b"])
    with pytest.raises(Unavailable, match="cannot be reached"):
        restarted.fetch(got.found["b"])
    for file in (tmp_path / "cache/served").rglob("*.json"):
        file.write_text('{"name": 3}')
    with pytest.raises(Unavailable, match="Nothing is remembered"):
        sources(**settings).look()


@pytest.fixture
def nonsense():
    """A server that answers all requests alike: what is put into `answer`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = self.server.answer
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the library's names

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b"oops"), (200, b"<html>"), (200, b'{"model_version": [1]}'), (404, b"<html>not here"), (403, b"no")],
)
def test_nonsense_of_a_registry_does_not_keep_what_was_served_last_from_starting(
    nonsense, monkeypatch, tmp_path, status, body
):
    monkeypatch.setenv("MODELYARD_CACHE", str(tmp_path / "cache"))  # another server may have had this port
    monkeypatch.setenv("MODELYARD_TRACKING_URI", nonsense.url)
    monkeypatch.setattr("modelyard.client.transport.FIRST_PAUSE_S", 0.0)
    nonsense.answer = status, body
    with pytest.raises(ModelyardError):
        sources("models:/tea@champion").look()
    known = Found("tea", "models:/tea@champion", "models:/tea/1", "identity")
    last_good.keep(nonsense.url, known.source, known)
    looked = sources("models:/tea@champion").look()
    assert looked.found == {"tea": known}
    assert looked.away
    nonsense.answer = 404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "There is none."}'
    with pytest.raises(NotFound):  # that is no nonsense
        sources("models:/tea@champion").look()


def test_a_registry_that_hangs_holds_up_neither_start_nor_stop(registry, monkeypatch):
    monkeypatch.setattr("modelyard.serving.registry._SHORT_TIMEOUT_S", 0.2)
    monkeypatch.setattr("modelyard.client.transport.FIRST_PAUSE_S", 0.0)
    registry.make("a")
    served = sources("models:/a/latest")
    model = served.look().found["a"]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        last_good.keep(url, "models:/a/latest", model)
        monkeypatch.setenv("MODELYARD_TRACKING_URI", url)
        hung = sources("models:/a/latest")
        began = time.monotonic()
        got = hung.look()
        assert (got.found["a"], time.monotonic() - began < 5) == (model, True)
        assert "cannot be reached" in got.away
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(hung.look), pool.submit(hung.fetch, model)]
            connections = [silent.accept()[0] for _ in range(3)]  # the first is that of the look before
            assert not any(each.done() for each in waiting)
            hung.close()
            for each in waiting:
                with pytest.raises(Unavailable, match="is stopping"):
                    each.result(5)
    for each in connections:
        each.close()
    for thread in threading.enumerate():
        if thread.name == "modelyard-sources":
            thread.join(30)


# ------------------------------------------------------------------------------------ the difference of two rounds

NAMES = st.sampled_from(["a", "b", "c", "d"])
FOUND = st.dictionaries(NAMES, st.integers(1, 3)).map(
    lambda chosen: {name: Found(name, "s", f"models:/{name}/{n}", f"{name}/{n}") for name, n in chosen.items()}
)
MISSING = st.dictionaries(NAMES, st.sampled_from(["gone", "broken"])).map(
    lambda chosen: {name: Missing(name, "s", reason) for name, reason in chosen.items()}
)
ROUNDS = st.builds(Round, FOUND, MISSING)


@given(ROUNDS, ROUNDS)
def test_the_difference_leads_from_one_round_to_the_other(before, after):
    changes = difference(before, after)
    found = dict(before.found)
    for model in changes.removed:
        del found[model.name]
    for old, new in changes.changed:
        assert found[old.name] == old
        found[new.name] = new
    for model in changes.added:
        assert model.name not in before.found
        found[model.name] = model
    missing = {name: each for name, each in before.missing.items() if name not in changes.returned}
    missing |= {each.name: each for each in changes.missing}
    assert (found, missing) == (after.found, after.missing)
    assert bool(changes) == ((before.found, before.missing) != (after.found, after.missing))
    assert not difference(after, after)


# ------------------------------------------------------------------------------------ a stock MLflow server


def test_a_stock_mlflow_registry(stock_mlflow, tmp_path, monkeypatch):
    monkeypatch.setenv("MODELYARD_TRACKING_URI", stock_mlflow.url)
    monkeypatch.setenv("MODELYARD_CACHE", str(tmp_path / "cache"))
    registry = Registry(stock_mlflow, tmp_path)
    for name in ("served-a", "served-a", "served-b"):
        registry.make(name, served="yes")
    registry.client.set_registered_model_alias("served-a", "champion", 1)
    registry.client.transition_model_version_stage("served-b", 1, "Production")
    wanted_ = "tags.served = 'yes'"
    assert versions(sources(filter=wanted_).look().found) == {"served-a": "2", "served-b": "1"}
    assert versions(sources(filter=wanted_, alias="champion").look().found) == {"served-a": "1"}
    staged = sources(filter=wanted_, stage="Production").look()
    assert versions(staged.found) == {"served-b": "1"}
    assert set(staged.missing) == {"served-a"}
    one = sources("models:/served-a@champion")
    model = one.look().found["served-a"]
    assert digests.compute(one.fetch(model)) == digests.compute(tmp_path / "source-1")
    with pytest.raises(NotSupported, match="stock MLflow server"):
        sources(filter=wanted_, environment="production").look()
    with pytest.raises(NotFound, match=r"There are: .*served-a"):
        sources("models:/served/1").look()
