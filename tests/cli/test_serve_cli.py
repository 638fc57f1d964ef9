"""What cannot be served is said in one line, before anything starts."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from modelyard.client.client import Client
from modelyard.settings import ServeSettings, Settings, load, load_serving, size
from tests.cli.process import environment, modelyard


@pytest.fixture
def model(tmp_path):
    """A directory that looks like a model."""
    folder = tmp_path / "wine"
    folder.mkdir()
    flavors = {"python_function": {"loader_module": "mlflow.sklearn"}, "sklearn": {"serialization_format": "pickle"}}
    (folder / "MLmodel").write_text(json.dumps({"flavors": flavors}))
    return folder


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        ([], {}, "Nothing to serve: give a model's directory, models:/NAME/VERSION or models:/NAME@ALIAS, or --filter"),
        (["{tmp}/none"], {}, r"There is no directory '.*/none'\."),
        (["{tmp}/wine"], {}, r"holds model\.pkl, a pickle.*say --allow-pickle"),
        (["models:/wine/1", "--tracking-uri", "{tmp}/nowhere"], {}, "There is no .*/nowhere. Say where the models"),
        (
            ["models:/wine/1"],
            {"MODELYARD_TRACKING_URI": "http://127.0.0.1:9"},
            "127.0.0.1:9 cannot be reached: .*Nothing is remembered of models:/wine/1 either",
        ),
        (["{tmp}/wine", "--port", "70000"], {}, "MODELYARD_SERVE_PORT=70000 is out of range; expected 0 to 65535"),
        (
            ["{tmp}/wine"],
            {"MODELYARD_SERVE_BATCHING": "yes"},
            "MODELYARD_SERVE_BATCHING='yes' is not one of auto, on, off",
        ),
        (
            ["{tmp}/wine"],
            {"MODELYARD_SERVE_QUEUE_BYTES": "much"},
            "MODELYARD_SERVE_QUEUE_BYTES='much' is not a number of bytes, such as 4096 or 64MiB",
        ),
        (["{tmp}/wine", "--host", "0.0.0.0"], {}, "Refusing to listen on '0.0.0.0': nobody signs in.*--allow-remote"),
        (["--stage", "Production"], {}, "--stage needs --filter"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(tmp_path, model, arguments, variables, message):
    given = [each.format(tmp=tmp_path) for each in arguments]
    done = modelyard("serve", *given, MODELYARD_CACHE=str(tmp_path / "cache"), **variables)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(message, done.stderr), done.stderr
    assert done.stderr.count("\n") == 1


def test_an_unknown_model_is_refused_with_those_that_there_are(sqlite_server):
    Client(sqlite_server.url).create_registered_model("wine")
    done = modelyard("serve", "models:/wien/1", "--tracking-uri", sqlite_server.url)
    assert done.returncode == 1
    assert done.stderr == (f"Error: There is no registered model 'wien' in {sqlite_server.url}. There are: wine.\n")


def test_a_missing_package_is_named_with_the_extra_that_brings_it(model):
    program = (
        "import sys; sys.modules['uvicorn'] = sys.modules['uvloop'] = sys.modules['httptools'] = None;"
        "from modelyard.cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "serve", str(model), "--allow-pickle", "--port", "0"],
        env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "is not installed. Run: pip install 'modelyard[serving]' to serve models." in done.stderr


def test_help_names_every_option_once():
    shown = modelyard("serve", "--help").stdout
    flags = re.findall(r"^  (--[a-z-]+|-h)\b", shown, re.MULTILINE)
    assert len(flags) == len(set(flags)) > 30
    assert "--memory-limit SIZE" in shown
    assert re.search(r"--max-body SIZE .*\[100MiB\]", " ".join(shown.split()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("4096", 4096),
        ("64MiB", 64 * 2**20),
        ("2 GB", 2 * 10**9),
        ("1.5KiB", 1536),
        ("10B", 10),
        ("3kB", 3000),
    ],
)
def test_sizes_may_have_units(text, expected):
    assert size(text) == expected
    assert load_serving({}, {"MODELYARD_SERVE_MEMORY_LIMIT_BYTES": text}).memory_limit_bytes == expected


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1M", "1 2", "1e3", "1.5.5GB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        size(text)


def test_the_two_servers_settings_are_apart():
    environ = {"MODELYARD_PORT": "1", "MODELYARD_SERVE_PORT": "2", "MODELYARD_ALLOW_PICKLE": "1"}
    assert (load({}, environ).port, load_serving({}, environ).port) == (1, 2)
    assert load_serving({"port": 3}, environ).port == 3
    assert load_serving({}, environ).allow_pickle
    assert not load_serving({}, {**environ, "MODELYARD_SERVE_ALLOW_PICKLE": "0"}).allow_pickle
    assert load_serving({"trusted_types": "a.B, c.D"}, {}).trusted == ("a.B", "c.D")
    assert not {"artifacts"} & set(ServeSettings.__slots__)  # MODELYARD_SERVE_ARTIFACTS is the server's
    assert "serve_artifacts" in Settings.__slots__
