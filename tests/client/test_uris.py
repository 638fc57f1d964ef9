"""Which server a URI names, and what `models:/`, `runs:/` and `mlflow-artifacts:/` name."""

import os
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.client import uris
from modelyard.client.uris import ModelUri, RunUri
from modelyard.domain.errors import InvalidArgument

SEGMENT = st.text(string.ascii_letters + string.digits + " ._-é~", min_size=1).filter(
    lambda text: text not in (".", "..")
)
PATH = st.lists(SEGMENT, max_size=3).map("/".join)
MODEL_ID = st.integers(0, 16**32 - 1).map(lambda number: f"m-{number:032x}")


@given(name=SEGMENT, reference=SEGMENT, path=PATH)
def test_a_version_uri_is_read_back(name: str, reference: str, path: str) -> None:
    uri = ModelUri(name, reference, path=path)
    assert uris.parse_model(str(uri)) == uri


@given(name=SEGMENT, alias=SEGMENT, path=PATH)
def test_an_alias_uri_is_read_back(name: str, alias: str, path: str) -> None:
    uri = ModelUri(name, alias=alias, path=path)
    assert uris.parse_model(str(uri)) == uri


@given(model_id=MODEL_ID, path=PATH)
def test_a_logged_models_uri_is_read_back(model_id: str, path: str) -> None:
    uri = ModelUri(model_id=model_id, path=path)
    assert uris.parse_model(str(uri)) == uri


@given(run_id=SEGMENT, path=PATH)
def test_a_runs_uri_is_read_back(run_id: str, path: str) -> None:
    uri = RunUri(run_id, path)
    assert uris.parse_run(str(uri)) == uri


@given(st.text())
def test_whatever_is_read_leads_nowhere_else(text: str) -> None:
    """Any text is refused as a wrong argument, or read as something whose path stays inside."""
    for scheme, parse in (("models", uris.parse_model), ("runs", uris.parse_run)):
        try:
            found = parse(f"{scheme}:/{text}")
        except InvalidArgument:
            continue
        assert ".." not in found.path.split("/")
        assert not found.path.startswith("/")


@pytest.mark.parametrize(
    "uri",
    [
        "models:/", "models:/wine", "models:/wine/", "models:/@champion", "models:/wine@", "models://host/wine/1",
        "runs:/1/a", "wine", "", "models:/wine/1/../../x",
    ],
)  # fmt: skip
def test_what_names_no_model_is_refused(uri: str) -> None:
    with pytest.raises(InvalidArgument):
        uris.parse_model(uri)


def test_two_slashes_more_name_the_same() -> None:
    assert uris.parse_model("models:///wine/1") == ModelUri("wine", "1")


def test_a_name_may_hold_an_at_sign() -> None:
    assert uris.parse_model("models:/a@b@champion") == ModelUri("a@b", alias="champion")


def test_proxied_artifacts() -> None:
    assert uris.parse_proxied("mlflow-artifacts:/1/r/artifacts") == ("", "1/r/artifacts")
    assert uris.parse_proxied("mlflow-artifacts://host:80/1/r") == ("host:80", "1/r")
    with pytest.raises(InvalidArgument, match=r"\.\."):
        uris.parse_proxied("mlflow-artifacts:/1/../2")


# ------------------------------------------------------------------------------------ which server


def test_nothing_set_is_a_directory_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert uris.tracking_uri() == str(tmp_path / "modelyard-data")
    monkeypatch.setenv("MODELYARD_DATA", "elsewhere")
    assert uris.tracking_uri() == str(tmp_path / "elsewhere")


def test_who_says_it_later_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not uris.is_set()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://a:1/")
    assert uris.tracking_uri() == "http://a:1"
    monkeypatch.setenv("MODELYARD_TRACKING_URI", "http://b:1")
    assert uris.tracking_uri() == "http://b:1"
    uris.set_tracking_uri("http://c:1")
    assert uris.tracking_uri() == "http://c:1"
    assert uris.tracking_uri("http://d:1") == "http://d:1"
    assert uris.is_set()


def test_models_are_registered_where_runs_are_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert uris.registry_uri(None, "http://a:1") == "http://a:1"
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://b:1")
    assert uris.registry_uri(None, "http://a:1") == "http://b:1"
    uris.set_registry_uri("http://c:1")
    assert uris.registry_uri(None, "http://a:1") == "http://c:1"


def test_a_child_process_logs_to_the_same_place() -> None:
    uris.set_tracking_uri("http://a:1")
    program = "from modelyard.client import uris; print(uris.tracking_uri())"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "http://a:1"
    uris.set_tracking_uri(None)
    assert "MODELYARD_TRACKING_URI" not in os.environ


def test_local_places_have_one_spelling(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    spellings = ["runs", "./runs", "x/../runs", f"file://{tmp_path}/runs", f"file:{tmp_path}/runs", Path("runs")]
    assert {uris.tracking_uri(each) for each in spellings} == {str(tmp_path / "runs")}
    assert uris.tracking_uri("sqlite:///x.db") == f"sqlite:///{tmp_path / 'x.db'}"
    assert all(uris.is_local(each) for each in ("runs", "file:/x", "sqlite:///x.db", "/a"))
    assert uris.local_path("sqlite:///x.db") == tmp_path / "x.db"


@given(PATH.filter(bool))
def test_spelling_twice_changes_nothing(path: str) -> None:
    once = uris.normal(path)
    assert uris.normal(once) == once


@pytest.mark.parametrize(
    "uri",
    [
        "databricks://x",
        "ftp://a",
        "http://",
        "http://a?b=c",
        "file://host/x",
        "sqlite:x.db",
        "postgresql://a/b",
        "file:",
    ],
)
def test_what_is_not_offered_says_what_is(uri: str) -> None:
    with pytest.raises(InvalidArgument, match=r"expected|names"):
        uris.tracking_uri(uri)


def test_a_password_is_not_shown() -> None:
    assert uris.shown("https://me:secret@host/x") == "https://***@host/x"
    with pytest.raises(InvalidArgument) as refused:
        uris.tracking_uri("https://me:secret@host/x?y")
    assert "secret" not in str(refused.value)
