"""`modelyard build-image`: what is in a context, what never is, and what is refused."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import modelyard
from modelyard.client.client import Client
from modelyard.client.models import register_model
from modelyard.domain.errors import (
    AlreadyExists,
    DataCorrupted,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from modelyard.packaging import digest as digests
from modelyard.packaging import model as models
from modelyard.packaging.manifest import Model
from modelyard.serving.images import context, distribution, requirements
from tests.cli.process import modelyard as command

SECRET = "hunter2-correct-horse"


CODE = """
class Adder:
    def predict(self, data, params=None):
        return [each + 1 for each in data]
"""


@pytest.fixture(scope="module")
def adder_class(tmp_path_factory) -> Iterator[type]:
    folder = tmp_path_factory.mktemp("code")
    (folder / "adder_of_images.py").write_text(CODE)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("adder_of_images").Adder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def adder(adder_class, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "adder"
    models.save(adder_class, folder, flavor="python_function")
    return folder


@pytest.fixture
def copy(adder, tmp_path) -> Path:
    """A model to spoil: without checksums, as MLflow writes them."""
    shutil.copytree(adder, tmp_path / "copy")
    (tmp_path / "copy" / digests.FILE).unlink()
    return tmp_path / "copy"


def nobody() -> Client:
    raise AssertionError("a directory needs no server")


def write(model: Path | str, output: Path, *, lock: bool | None = False, **wanted) -> context.Context:
    return context.write(str(model), output, context.Wanted(lock=lock, platform="linux/amd64", **wanted), nobody)


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def dockerfile(made: context.Context) -> str:
    return (Path(made.path) / "Dockerfile").read_text()


# ------------------------------------------------------------------------------------ what is in it


def test_a_context_has_all_that_a_build_needs(adder, tmp_path) -> None:
    made = write(adder, tmp_path / "image")
    files = contents(tmp_path / "image")
    assert {name for name in files if not name.startswith("model/")} == {
        ".dockerignore", "Dockerfile", "README.md", "requirements.in",
        f"modelyard-{modelyard.__version__}-py3-none-any.whl",
    }  # fmt: skip
    assert digests.compute(tmp_path / "image" / "model") == made.digest == digests.compute(adder)
    assert (made.name, made.version, made.tag) == ("adder", "", "adder:latest")
    named = {Requirement(line).name for line in (tmp_path / "image" / "requirements.in").read_text().splitlines()}
    assert {"click", "msgspec", "urllib3", "uvicorn", "httptools"} <= named
    assert not named & {"modelyard", "scikit-learn", "sqlalchemy", "pandas"}


def test_layers_go_from_what_rarely_changes_to_what_often_does(adder, tmp_path) -> None:
    text = dockerfile(write(adder, tmp_path / "image", system=["libgomp1"]))
    final = text[text.rindex("\nFROM ") :]
    order = ["libgomp1", "COPY --from=build /app", "COPY --from=build /modelyard", "COPY model", "LABEL", "USER"]
    places = [final.index(word) for word in order]
    assert places == sorted(places)
    assert text.count("\nFROM ${BASE}") == 2


def test_it_runs_as_a_numbered_user_without_a_shell(adder, tmp_path) -> None:
    made = write(adder, tmp_path / "image", port=9000, user="4711", variables=[("MODELYARD_SERVE_WORKERS", "2 $x")])
    lines = dockerfile(made).splitlines()
    assert {"USER 4711:4711", "EXPOSE 9000", "STOPSIGNAL SIGTERM", "WORKDIR /tmp"} <= set(lines)
    assert 'ENTRYPOINT ["/app/bin/modelyard", "serve", "/model"]' in lines
    assert 'ENV MODELYARD_SERVE_WORKERS="2 \\$x"' in lines
    assert "MODELYARD_SERVE_PORT=9000" in dockerfile(made)
    ignored = (tmp_path / "image" / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    assert "!model" in ignored


def test_the_health_check_tells_alive_from_dead(adder, tmp_path, sqlite_server) -> None:
    line = next(line for line in dockerfile(write(adder, tmp_path / "image")).splitlines() if "CMD [" in line)
    words = [sys.executable, *json.loads(line[line.index("[") :])[1:]]
    port = sqlite_server.url.rpartition(":")[2]
    alive = subprocess.run(words, env={"MODELYARD_SERVE_PORT": port}, check=False, capture_output=True)
    assert (alive.returncode, alive.stderr) == (0, b"")
    dead = subprocess.run(words, env={"MODELYARD_SERVE_PORT": "1"}, check=False, capture_output=True)
    assert dead.returncode == 1
    assert b"ConnectionRefusedError" in dead.stderr


def test_the_same_input_makes_the_same_bytes(adder, tmp_path) -> None:
    before = os.umask(0o077)
    try:
        write(adder, tmp_path / "one")
    finally:
        os.umask(before)
    write(adder, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    for path in (tmp_path / "one").rglob("*"):  # another user has to read them
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path
        assert path.stat().st_mtime == 315_532_800


def test_the_wheel_is_the_modelyard_that_runs_here(adder, tmp_path) -> None:
    made = write(adder, tmp_path / "image")
    wheel = next(Path(made.path).glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        assert archive.read("modelyard/__init__.py") == Path(modelyard.__file__).read_bytes()
        assert not [name for name in archive.namelist() if "__pycache__" in name or "direct_url" in name]
        record = archive.read(f"modelyard-{modelyard.__version__}.dist-info/RECORD").decode()
        assert len(record.splitlines()) == len(archive.namelist())
    again = write(adder, tmp_path / "again", wheel=wheel)
    assert contents(Path(again.path)) == contents(Path(made.path))


def test_an_extra_brings_the_packages_of_extras_that_it_names() -> None:
    packed = distribution.Packed("x", "1", (
        "click>=8", "uvloop>=1; platform_system != 'Windows' and extra == 'serving'", "numpy; extra == 'serving'",
        "colorama; platform_system == 'Windows' and extra == 'serving'", "modelyard[serving]; extra == 'ray'",
        "ray[serve]>=2; extra == 'ray'",
    ))  # fmt: skip
    found = distribution.required(packed, ["ray"], requirements.markers("3.12", "linux/arm64"))
    assert found == {"": ["click>=8"], "ray": ["ray[serve]>=2"], "serving": ["uvloop>=1", "numpy"]}
    with pytest.raises(InvalidArgument, match="no extra 'gpu'"):
        distribution.required(packed, ["gpu"], {})


# ------------------------------------------------------------------------------------ requirements


def wanted(
    copy: Path, lines: list[str], flavor: str = "sklearn", extra: tuple[str, ...] = ()
) -> tuple[list[str], list[str]]:
    (copy / "requirements.txt").write_text("\n".join(lines))
    ours = {
        "": ["click>=8"],
        "serving": ["numpy>=2"],
        "sklearn": ["scikit-learn>=1.6", "skops>=0.13"],
        "xgboost": ["xgboost-cpu>=2"],
    }
    return requirements.wanted(copy, Model.read(copy), flavor, ours, extra)


def test_the_models_own_versions_win_over_ours_and_the_users_over_both(copy) -> None:
    lines, _ = wanted(copy, ["scikit_learn==1.3.2", "scipy==1.11.0"], extra=("scipy==1.12.0", "my-steps"))
    assert lines == ["scikit_learn==1.3.2", "scipy==1.12.0", "my-steps", "skops>=0.13", "numpy>=2", "click>=8"]
    lines, _ = wanted(copy, ["xgboost==3.0.0"], "xgboost")  # brings the same module as xgboost-cpu
    assert lines == ["xgboost==3.0.0", "numpy>=2", "click>=8"]


def test_mlflow_itself_is_left_out_where_the_model_does_not_need_it(copy) -> None:
    lines, notes = wanted(copy, ["mlflow==2.9.2", "scikit-learn==1.6.0"])
    assert "mlflow==2.9.2" not in lines
    assert notes == ["mlflow==2.9.2 is left out: Modelyard loads the model without it."]
    lines, notes = wanted(copy, ["mlflow==2.9.2"], "python_function")
    assert (lines[0], notes) == ("mlflow==2.9.2", [])
    ours = {"serving": ["numpy>=2"]}
    assert requirements.wanted(copy, Model.read(copy), "python_function", ours, (), ["MLflow"]) == (["numpy>=2"], [])


def test_old_versions_that_only_the_saving_tool_asked_for_give_way_and_those_of_numpy_stay(copy) -> None:
    lines, notes = wanted(copy, ["click==7.0", "numpy==1.26.4", "scikit-learn==1.3.2"])
    assert lines == ["numpy==1.26.4", "scikit-learn==1.3.2", "skops>=0.13", "click>=8"]
    assert notes == [
        "click==7.0 of the model is left out: Modelyard needs click>=8.",
        "numpy==1.26.4, the model's own, is not what Modelyard is tested with: numpy>=2.",
    ]


def test_constraints_of_the_model_are_found_in_the_context(copy) -> None:
    (copy / "constraints.txt").write_text("scipy<2")
    assert wanted(copy, ["-c constraints.txt", "scipy"])[0][0] == "-c copy/constraints.txt"
    with pytest.raises(InvalidArgument, match="not in the model"):
        wanted(copy, ["-c ../../etc/passwd"])


@pytest.mark.parametrize(
    "line", ["./my.whl", "-e .", "x @ file:///home/me/x.whl", "x @ git+https://host/x"],
)  # fmt: skip
def test_what_only_this_machine_can_install_is_refused(copy, line) -> None:
    with pytest.raises(InvalidArgument):
        wanted(copy, [line])


# ------------------------------------------------------------------------------------ the lock


@pytest.fixture
def index(adder, tmp_path, monkeypatch) -> Path:
    """A package index that has, of every package that is asked for, an empty one of the lowest version allowed."""
    if not requirements.uv():
        pytest.skip("uv is not installed")
    write(adder, tmp_path / "asked")
    folder = tmp_path / "index"
    folder.mkdir()
    lines = [*(tmp_path / "asked" / "requirements.in").read_text().splitlines(), f"uv=={requirements.uv_version()}"]
    for requirement in map(Requirement, lines):
        version = max((each.version for each in requirement.specifier), default="1")
        name = requirement.name.replace("-", "_")
        with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
            about = f"{name}-{version}.dist-info"
            archive.writestr(
                f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {requirement.name}\nVersion: {version}\n"
            )
            archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{about}/RECORD", "")
    (tmp_path / "uv.toml").write_text(f"no-index = true\nfind-links = [{json.dumps(str(folder))}]\n")
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    return folder


def test_a_lock_pins_everything_with_hashes(adder, index, tmp_path) -> None:
    made = write(adder, tmp_path / "image", lock=True)
    asked = (tmp_path / "image" / "requirements.in").read_text().splitlines()
    lock = (tmp_path / "image" / "requirements.lock").read_text()
    assert made.locked == len({Requirement(line).name for line in asked})
    wheel = next(index.glob("click-*.whl"))
    assert f"--hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}" in lock
    assert str(tmp_path) not in lock
    assert (tmp_path / "image" / "uv.lock.txt").read_text().startswith(f"uv=={requirements.uv_version()} ")
    text = dockerfile(made)
    assert text.count('"--require-hashes"') == 2
    assert "NOT LOCKED" not in text
    assert made.notes == ()
    again = write(adder, tmp_path / "again")
    assert contents(Path(again.path)).items() - contents(Path(made.path)).items()  # another Dockerfile
    same = write(adder, tmp_path / "same", lock=True)
    assert contents(Path(same.path)) == contents(Path(made.path))


def test_requirements_that_contradict_each_other_are_an_error(adder, index, tmp_path) -> None:
    with pytest.raises(InvalidArgument, match=r"cannot be met for Python 3\.\d+ on linux/amd64(.|\n)*click"):
        write(adder, tmp_path / "image", lock=None, extra=["click==1.0"])
    assert list(tmp_path.glob("*image*")) == []


def test_without_an_index_the_context_says_that_it_is_not_locked(adder, tmp_path, monkeypatch) -> None:
    if not requirements.uv():
        pytest.skip("uv is not installed")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://me:{SECRET}@127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.setenv("MODELYARD_TRACKING_TOKEN", SECRET)
    made = write(adder, tmp_path / "image", lock=None)
    assert made.locked == 0
    assert "NOT locked: the package index cannot be reached" in made.notes[0]
    assert "NOT LOCKED" in dockerfile(made)
    assert "**not locked**" in (tmp_path / "image" / "README.md").read_text()
    assert not [
        path for path in (tmp_path / "image").rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()
    ]
    assert SECRET not in str(made)
    with pytest.raises(Unavailable, match="cannot be locked") as refused:
        write(adder, tmp_path / "other", lock=True)
    assert SECRET not in str(refused.value)


def test_without_uv_likewise(adder, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(requirements, "uv", list)
    made = write(adder, tmp_path / "image", lock=None)
    assert "NOT locked: uv is not installed" in made.notes[0]


# ------------------------------------------------------------------------------------ what is refused


def test_a_directory_with_something_in_it_is_left_alone(adder, tmp_path) -> None:
    (tmp_path / "image").mkdir()
    write(adder, tmp_path / "image")  # an empty one is fine
    before = contents(tmp_path / "image")
    with pytest.raises(AlreadyExists, match="not empty"):
        write(adder, tmp_path / "image")
    assert contents(tmp_path / "image") == before


def test_nothing_stays_of_a_context_that_failed(copy, tmp_path) -> None:
    (copy / "requirements.txt").write_text("-e .")
    with pytest.raises(InvalidArgument):
        write(copy, tmp_path / "images" / "one")
    assert list((tmp_path / "images").iterdir()) == []


def test_a_damaged_model_is_refused(adder, tmp_path) -> None:
    shutil.copytree(adder, tmp_path / "damaged")
    (tmp_path / "damaged" / "requirements.txt").write_text("evil")
    with pytest.raises(DataCorrupted, match=r"requirements\.txt"):
        write(tmp_path / "damaged", tmp_path / "image")
    with pytest.raises(NotFound, match="MLmodel"):
        write(tmp_path, tmp_path / "image")


def test_a_pickle_needs_leave_and_the_image_says_so(adder_class, tmp_path) -> None:
    models.save(adder_class, tmp_path / "pickled", flavor="python_function", serialization_format="pickle")
    with pytest.raises(PermissionDenied, match=r"python_model\.pkl.*--allow-pickle"):
        write(tmp_path / "pickled", tmp_path / "image")
    made = write(tmp_path / "pickled", tmp_path / "image", allow_pickle=True)
    assert "\nENV MODELYARD_SERVE_ALLOW_PICKLE=true\n" in dockerfile(made)
    assert "python_model.pkl" in (tmp_path / "image" / "README.md").read_text()


def test_a_model_without_pickles_gets_no_leave_for_them(adder, tmp_path) -> None:
    assert "PICKLE" not in dockerfile(write(adder, tmp_path / "image"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "A=1"),
        ("code/settings.py", 'KEY = "AKIAABCDEFGHIJKLMNOP"'),
        ("artifacts/id_rsa", "x"),
        ("artifacts/config.yaml", "token: ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
    ],
)
def test_secrets_in_a_model_are_named_and_refused(copy, tmp_path, name, text) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text(text)
    with pytest.raises(InvalidArgument, match=name):
        write(copy, tmp_path / "image")


def test_secrets_in_requirements_and_variables_are_refused(adder, copy, tmp_path) -> None:
    (copy / "requirements.txt").write_text(f"--extra-index-url https://me:{SECRET}@packages.example/simple")
    with pytest.raises(InvalidArgument, match="build secret") as refused:
        write(copy, tmp_path / "image")
    assert SECRET not in str(refused.value)
    for variable in (("MY_API_KEY", "x"), ("URL", f"https://me:{SECRET}@host"), ("A", "ghp_" + 36 * "a")):
        with pytest.raises(InvalidArgument, match="when it runs"):
            write(adder, tmp_path / "image", variables=[variable])


def test_links_that_lead_out_of_a_model_are_refused(copy, tmp_path) -> None:
    (tmp_path / "private").write_text(SECRET)
    (copy / "artifacts").symlink_to(tmp_path / "private")
    with pytest.raises(InvalidArgument, match="leads out"):
        write(copy, tmp_path / "image")


@pytest.mark.parametrize(
    "wrong",
    [
        {"user": "0"}, {"user": "root"}, {"platform": "windows/amd64"}, {"python": "3.x"}, {"name": "a/b"},
        {"base": "x y"}, {"system": ["a; rm -rf /"]}, {"variables": [("A", "1\nUSER root")]}, {"trusted": ["a b"]},
    ],
)  # fmt: skip
def test_what_makes_no_image_is_refused(adder, tmp_path, wrong) -> None:
    with pytest.raises(InvalidArgument):
        context.write(str(adder), tmp_path / "image", context.Wanted(lock=False, **wrong), nobody)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------ the command


def test_a_registered_model_is_fetched_and_says_its_version(adder, sqlite_server, tmp_path) -> None:
    client = Client(sqlite_server.url)
    run = client.create_run("0")
    client.log_artifacts(run.info.run_id, adder, "model")
    register_model(f"runs:/{run.info.run_id}/model", "plus one", client=client)
    client.set_registered_model_alias("plus one", "best", "1")
    done = command(
        "build-image", "models:/plus one@best", "--output", tmp_path / "image", "--no-lock", "--json",
        "--tracking-uri", sqlite_server.url,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["name"], made["version"], made["tag"]) == ("plus one", "1", "plus-one:1")
    assert made["digest"] == digests.compute(adder)
    text = (tmp_path / "image" / "Dockerfile").read_text()
    assert 'MODELYARD_SERVE_NAME="plus one"' in text
    assert 'modelyard.model.uri="models:/plus one@best"' in text
    assert 'model_version: "1"' in (tmp_path / "image" / "model" / "registered_model_meta").read_text()


def test_the_command_prints_how_to_go_on(adder, tmp_path) -> None:
    done = command("build-image", adder, "--output", tmp_path / "image", "--no-lock")
    assert done.returncode == 0, done.stderr
    assert "docker build --platform linux/" in done.stdout
    assert "not locked, as asked for" in done.stderr
    refused = command("build-image", adder, "--output", tmp_path / "image")
    assert refused.returncode == 1
    assert "not empty" in refused.stderr
    assert "Traceback" not in refused.stderr
