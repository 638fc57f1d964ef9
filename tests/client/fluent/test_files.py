"""Artifacts of the active run, and reading them back by URI."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from modelyard.domain.errors import DataCorrupted, InvalidArgument, NotFound


def paths(mlflow, run) -> list[str]:
    client = mlflow.MlflowClient()
    found: list[str] = []
    waiting = [None]
    while waiting:
        for entry in client.list_artifacts(run.info.run_id, waiting.pop()):
            (waiting if entry.is_dir else found).append(entry.path)
    return sorted(found)


def test_files_and_documents(mlflow, tmp_path) -> None:
    folder = tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "b.txt").write_text("b")
    with mlflow.start_run() as run:
        mlflow.log_artifact(folder / "a.txt")
        mlflow.log_artifact(str(folder / "a.txt"), "copies")
        mlflow.log_artifact(folder)
        mlflow.log_artifacts(str(folder), "all")
        mlflow.log_text("hällo", "notes/hello.txt")
        mlflow.log_dict({"a": 1, "when": np.float64(2.5)}, "config.json")
        mlflow.log_dict({"a": [1, (2, 3)], "b": np.float64(2.5)}, "config.yaml")
        mlflow.log_stream(io.BytesIO(b"stream"), "stream.bin")
        uri = mlflow.get_artifact_uri("notes/hello.txt")

    assert paths(mlflow, run) == [
        "a.txt", "all/a.txt", "all/deep/b.txt", "config.json", "config.yaml", "copies/a.txt", "notes/hello.txt",
        "out/a.txt", "out/deep/b.txt", "stream.bin",
    ]  # fmt: skip
    assert uri == f"{run.info.artifact_uri}/notes/hello.txt"
    assert mlflow.artifacts.load_text(uri) == "hällo"
    here = f"runs:/{run.info.run_id}"
    assert mlflow.artifacts.load_text(f"{here}/config.yaml") == "a:\n- 1\n- - 2\n  - 3\nb: 2.5\n"
    assert mlflow.artifacts.load_dict(f"{here}/config.json")["a"] == 1
    assert mlflow.artifacts.load_text(f"{here}/stream.bin") == "stream"
    with pytest.raises(DataCorrupted, match="not JSON"):
        mlflow.artifacts.load_dict(f"{here}/a.txt")


def test_downloads(mlflow, tmp_path) -> None:
    with mlflow.start_run() as run:
        mlflow.log_text("one", "folder/one.txt")
        mlflow.log_text("two", "folder/two.txt")
    here = f"runs:/{run.info.run_id}"

    one = mlflow.artifacts.download_artifacts(f"{here}/folder/one.txt", dst_path=tmp_path / "one")
    both = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="folder")
    by_uri = mlflow.artifacts.download_artifacts(f"{run.info.artifact_uri}/folder", dst_path=str(tmp_path / "both"))

    assert (tmp_path / "one" / "folder" / "one.txt").read_text() == "one"
    assert one == str(tmp_path / "one" / "folder" / "one.txt")
    for folder in (both, by_uri):
        assert {path.name: path.read_text() for path in Path(folder).iterdir()} == {"one.txt": "one", "two.txt": "two"}
    assert [(each.path, each.is_dir, each.file_size) for each in mlflow.artifacts.list_artifacts(f"{here}/folder")] == [
        ("folder/one.txt", False, 3),
        ("folder/two.txt", False, 3),
    ]
    assert mlflow.artifacts.download_artifacts(str(tmp_path)) == str(tmp_path)
    copied = mlflow.artifacts.download_artifacts((tmp_path / "one" / "folder").as_uri(), dst_path=tmp_path / "copy")
    assert (Path(copied) / "one.txt").read_text() == "one"
    assert mlflow.artifacts.load_text(str(tmp_path / "one" / "folder" / "one.txt")) == "one"
    with pytest.raises(NotFound):
        mlflow.artifacts.download_artifacts(f"{here}/none.txt", dst_path=tmp_path / "none")
    with pytest.raises(InvalidArgument, match="Exactly one"):
        mlflow.artifacts.download_artifacts()


def test_files_of_a_registered_model(ours) -> None:
    with ours.start_run() as run:
        ours.log_text("weights", "model/deep/weights.txt")
    ours.flush_async_logging()
    client = ours.MlflowClient()
    client.create_registered_model("wine")
    client.create_model_version("wine", f"runs:/{run.info.run_id}/model", run.info.run_id)
    client.set_registered_model_alias("wine", "champion", "1")
    for uri in ("models:/wine/1", "models:/wine@champion", "models:/wine/latest"):
        assert ours.artifacts.load_text(f"{uri}/deep/weights.txt") == "weights"


@pytest.mark.parametrize(
    "log",
    [
        lambda mlflow: mlflow.log_artifact("/nowhere/missing.txt"),
        lambda mlflow: mlflow.log_artifacts("/nowhere"),
        lambda mlflow: mlflow.log_text("x", "../outside.txt"),
        lambda mlflow: mlflow.log_figure("no figure", "a.png"),
        lambda mlflow: mlflow.log_image("no image", "a.png"),
        lambda mlflow: mlflow.log_image(np.zeros((2, 2, 7)), "a.png"),
        lambda mlflow: mlflow.log_table("no table", "a.json"),
        lambda mlflow: mlflow.log_dict({("a", "b"): 1}, "a.json"),
    ],
)
def test_what_cannot_be_logged_is_reported_once(ours, said, log) -> None:
    with ours.start_run() as run:
        log(ours)
        log(ours)
    assert len(said) == 1
    assert run.info.run_id in said[0]
    assert paths(ours, run) == []


def test_figures_and_images(ours) -> None:
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed").use("Agg")
    import matplotlib.pyplot as plt
    from PIL import Image

    figure, axes = plt.subplots()
    axes.plot([1, 2])
    with ours.start_run() as run:
        ours.log_figure(figure, "plots/line.png", save_kwargs={"dpi": 40})
        ours.log_figure(figure, "plots/line.svg")
        ours.log_image(np.full((3, 4, 3), 255, dtype=np.uint8), "white.png")
        ours.log_image(Image.new("L", (5, 6)), "black.jpg")
        ours.log_image(ours.Image([[0.0, 1.0], [1.0, 0.0]]), key="samples/epoch", step=3, timestamp=99)
        with pytest.raises(TypeError):
            ours.log_image(np.zeros((2, 2)), "a.png", key="b")
        with pytest.raises(TypeError):
            ours.log_image(np.zeros((2, 2)))
    plt.close(figure)
    found = paths(ours, run)

    series = [path for path in found if path.startswith("images/")]
    assert [path for path in found if path not in series] == [
        "black.jpg",
        "plots/line.png",
        "plots/line.svg",
        "white.png",
    ]
    assert all(path.startswith("images/samples~epoch+step+3+timestamp+99+") for path in series)
    assert sorted(path.rpartition("+")[2] for path in series if path.endswith(".webp")) == ["compressed.webp"]
    assert ours.get_run(run.info.run_id).data.tags["mlflow.loggedImages"] == "True"
    white = ours.artifacts.load_image(f"runs:/{run.info.run_id}/white.png")
    assert (white.size, white.getpixel((0, 0))) == ((4, 3), (255, 255, 255))


def test_tables_grow(mlflow) -> None:
    import pandas as pd

    with mlflow.start_run() as run:
        mlflow.log_param("rate", 0.1)
        mlflow.log_table({"question": ["a", "b"], "score": [1, 2]}, "eval/table.json")
        mlflow.log_table(pd.DataFrame({"question": ["c"], "score": [3]}), "eval/table.json")
        mlflow.log_table({"question": "d", "score": 4}, "eval/table.json")
        with pytest.raises(ValueError, match="forbidden"):
            mlflow.log_table({}, "a:b.json")
        with pytest.raises(ValueError, match="ends with"):
            mlflow.log_table({}, "table.txt")
    with mlflow.start_run(run_id=run.info.run_id):
        mlflow.log_table({"question": ["e"], "score": [5]}, "eval/table.json")

    stored = json.loads(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/eval/table.json"))
    assert stored == {"columns": ["question", "score"], "data": [["a", 1], ["b", 2], ["c", 3], ["d", 4], ["e", 5]]}
    assert json.loads(mlflow.get_run(run.info.run_id).data.tags["mlflow.loggedArtifacts"]) == [
        {"path": "eval/table.json", "type": "table"}
    ]
    frame = mlflow.load_table("eval/table.json", extra_columns=["run_id", "params.rate"])
    assert list(frame.columns) == ["question", "score", "run_id", "params.rate"]
    assert list(frame["score"]) == [1, 2, 3, 4, 5]
    assert set(frame["params.rate"]) == {"0.1"}
    with pytest.raises(NotFound):
        mlflow.load_table("other.json")
