"""`Client`: files of runs, on both servers."""

import io
import json
import secrets
from pathlib import Path

import pytest

from modelyard.client.client import Client
from modelyard.client.entities import FileInfo
from modelyard.domain.errors import InvalidArgument, NotFound


@pytest.fixture
def client(any_server) -> Client:
    return Client(any_server)


@pytest.fixture
def run(client) -> str:
    return client.create_run("0").info.run_id


def read(client: Client, run: str, path: str, tmp_path: Path) -> bytes:
    return Path(client.download_artifacts(run, path, tmp_path / secrets.token_hex(4))).read_bytes()


def test_files_go_up_and_come_down(client, run, tmp_path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "a.txt").write_text("a")
    (source / "sub" / "ü b.bin").write_bytes(bytes(range(256)) * 1000)
    client.log_artifact(run, source / "a.txt")
    client.log_artifact(run, str(source / "a.txt"), "deep/er")
    client.log_artifact(run, source, "folders")
    client.log_artifacts(run, source)
    assert client.list_artifacts(run) == [
        FileInfo("a.txt", is_dir=False, file_size=1), FileInfo("deep", is_dir=True), FileInfo("folders", is_dir=True),
        FileInfo("sub", is_dir=True),
    ]  # fmt: skip
    assert [each.path for each in client.list_artifacts(run, "folders/source")] == [
        "folders/source/a.txt", "folders/source/sub",
    ]  # fmt: skip
    target = tmp_path / "target"
    assert client.download_artifacts(run, "sub/ü b.bin", target) == str(target / "sub" / "ü b.bin")
    assert (target / "sub" / "ü b.bin").read_bytes() == (source / "sub" / "ü b.bin").read_bytes()
    assert client.download_artifacts(run, "folders", target) == str(target / "folders")
    assert (target / "folders" / "source" / "a.txt").read_text() == "a"
    whole = Path(client.download_artifacts(run, ""))
    assert sorted(each.relative_to(whole).as_posix() for each in whole.rglob("*.txt")) == [
        "a.txt", "deep/er/a.txt", "folders/source/a.txt",
    ]  # fmt: skip


def test_what_is_missing_is_said(client, run, tmp_path) -> None:
    with pytest.raises(InvalidArgument, match="nothing"):
        client.log_artifact(run, tmp_path / "nothing.txt")
    with pytest.raises(NotFound):
        client.download_artifacts(run, "nothing.txt", tmp_path)
    with pytest.raises(NotFound):
        client.log_text("0" * 32, "x", "x.txt")
    with pytest.raises(InvalidArgument, match="Invalid path"):
        client.download_artifacts(run, "../x", tmp_path)


def test_progress_is_reported(client, run, tmp_path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    told: list[int] = []
    client.log_artifact(run, tmp_path / "a", report=lambda progress: told.append(progress.done))
    client.download_artifacts(run, "a", tmp_path / "b", report=lambda progress: told.append(progress.done))
    assert told[-1] == 1000


def test_texts_documents_and_streams(client, run, tmp_path) -> None:
    client.log_text(run, "héllo", "notes/a.txt")
    client.log_dict(run, {"a": [1, None], "path": Path("x")}, "d.json")
    client.log_dict(run, {"a": 1}, "d.yaml")
    client.log_stream(run, io.BytesIO(b"12345"), "s.bin")
    assert read(client, run, "notes/a.txt", tmp_path).decode() == "héllo"
    assert json.loads(read(client, run, "d.json", tmp_path)) == {"a": [1, None], "path": "x"}
    assert read(client, run, "d.yaml", tmp_path) == b"a: 1\n"
    assert read(client, run, "s.bin", tmp_path) == b"12345"


def test_images_by_file_and_by_key(client, run) -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed")
    np = pytest.importorskip("numpy", reason="NumPy is not installed")
    client.log_image(run, np.zeros((4, 4)), "plots/black.png")
    client.log_image(run, np.zeros((4, 4, 3), dtype=np.uint8), key="digits/zero", step=7, timestamp=5)
    assert [each.path for each in client.list_artifacts(run, "plots")] == ["plots/black.png"]
    names = [each.path for each in client.list_artifacts(run, "images")]
    assert len(names) == 2
    assert all(each.startswith("images/digits~zero+step+7+timestamp+5+") for each in names)
    assert client.get_run(run).data.tags["mlflow.loggedImages"] == "True"
    for wrong in ({}, {"artifact_file": "a.png", "key": "k"}, {"artifact_file": "a.png", "step": 1}):
        with pytest.raises(InvalidArgument, match="Either"):
            client.log_image(run, np.zeros((4, 4)), **wrong)


def test_a_table_grows_and_is_read_from_several_runs(client, tmp_path) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    experiment = client.create_experiment(f"tables-{secrets.token_hex(4)}")
    runs = [client.create_run(experiment, run_name=name).info.run_id for name in ("one", "two", "three")]
    client.log_table(runs[0], {"text": ["a", "b"], "score": [1, 2]}, "eval/table.json")
    client.log_table(runs[0], {"text": "c", "note": "late"}, "eval/table.json")
    client.log_table(runs[1], {"text": ["d"]}, "eval/table.json")
    stored = json.loads(read(client, runs[0], "eval/table.json", tmp_path))
    assert stored == {
        "columns": ["text", "score", "note"], "data": [["a", 1, None], ["b", 2, None], ["c", None, "late"]],
    }  # fmt: skip
    whole = client.load_table(experiment, "eval/table.json", extra_columns=["run_name"])
    assert sorted(zip(whole["text"], whole["run_name"], strict=True)) == [
        ("a", "one"), ("b", "one"), ("c", "one"), ("d", "two"),
    ]  # fmt: skip
    assert list(client.load_table(experiment, "eval/table.json", [runs[1]])["text"]) == ["d"]
    with pytest.raises(NotFound, match="no-such-table"):
        client.load_table(experiment, "no-such-table.json")
