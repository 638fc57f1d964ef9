"""What is logged as figures, images and tables has the form that MLflow's pages read."""

import io
import json

import pytest

from modelyard.client import renderings
from modelyard.domain.errors import InvalidArgument

np = pytest.importorskip("numpy", reason="NumPy is not installed")
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def opened(data: bytes):
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("path", ["a.png", "a.JPG", "a.webp"])
def test_the_name_says_the_format(path: str) -> None:
    drawn = opened(renderings.image(np.zeros((3, 5, 3), dtype=np.uint8), path))
    assert (drawn.size, drawn.format) == ((5, 3), {"png": "PNG", "jpg": "JPEG", "webp": "WEBP"}[path[2:].lower()])


@pytest.mark.parametrize(
    ("array", "corner"),
    [
        (np.array([[True, False]]), 255), (np.array([[1.0, 0.0]]), 255), (np.array([[7, 0]]), 7),
        (np.array([[[9], [0]]], dtype=np.uint8), 9), (np.array([[3.0, -3.0]]), 255),
    ],
)  # fmt: skip
def test_arrays_of_all_kinds(array, corner: int) -> None:
    assert opened(renderings.image(array, "a.png")).getpixel((0, 0)) == corner


@pytest.mark.parametrize(
    "wrong", [np.zeros(3), np.zeros((2, 2, 5)), np.array([[300]]), np.array([["a"]]), "a.png", None]
)
def test_what_is_no_image_is_refused(wrong) -> None:
    with pytest.raises(InvalidArgument, match="expected"):
        renderings.image(wrong, "a.png")


def test_a_place_that_is_no_images(tmp_path) -> None:
    with pytest.raises(InvalidArgument, match=r"\.txt"):
        renderings.image(np.zeros((2, 2)), "a.txt")


def test_a_series_has_small_copies() -> None:
    files = renderings.keyed_image(np.zeros((1000, 500)), "a/b c", 3, 4)
    [small] = [data for path, data in files.items() if path.endswith("+compressed.webp")]
    assert opened(small).size == (128, 256)
    assert {path.partition("+timestamp")[0] for path in files} == {"images/a~b c+step+3"}
    with pytest.raises(InvalidArgument, match="key"):
        renderings.keyed_image(np.zeros((2, 2)), "a%b", 0, 0)


def test_a_figure_of_matplotlib() -> None:
    pytest.importorskip("matplotlib", reason="Matplotlib is not installed").use("agg")
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    assert opened(renderings.figure(figure, "a.png", {"dpi": 50})).format == "PNG"
    assert renderings.figure(figure, "a.svg").startswith(b"<?xml")
    with pytest.raises(InvalidArgument, match="not str"):
        renderings.figure("figure", "a.png")


def rows(value, before: bytes | None = None) -> tuple[list, list]:
    told = json.loads(renderings.table(value, "t.json", before)["t.json"])
    return told["columns"], told["data"]


def test_tables_of_all_kinds() -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    assert rows({"a": [1, 2], "b": ["x", "y"]}) == (["a", "b"], [[1, "x"], [2, "y"]])
    assert rows({"a": 1, "b": "xy"}) == (["a", "b"], [[1, "xy"]])
    assert rows({"a": np.array([1.5, 2.5]), "b": 0}) == (["a", "b"], [[1.5, 0], [2.5, 0]])
    assert rows(pd.DataFrame({"a": [1], "t": [pd.Timestamp("2026-01-01")]})) == (
        ["a", "t"], [[1, "2026-01-01T00:00:00"]],
    )  # fmt: skip
    missing = pd.DataFrame({"a": [1.5, float("nan")], "t": [pd.Timestamp("2026-01-01"), None], "o": ["x", None]})
    assert rows(missing)[1] == [[1.5, "2026-01-01T00:00:00", "x"], [None, None, None]]
    assert rows({"a": [np.float32("nan"), float("-inf")]})[1] == [[None], [None]]
    for wrong in ({"a": [1, 2], "b": [1]}, [1, 2]):
        with pytest.raises(InvalidArgument):
            renderings.table(wrong, "t.json")
    with pytest.raises(InvalidArgument, match=r"\.json or \.parquet"):
        renderings.table({"a": 1}, "t.csv")


def test_images_in_cells_become_files() -> None:
    picture = Image.new("RGB", (300, 300))
    files = renderings.table({"text": ["a"], "picture": [picture]}, "eval/t.json")
    cell = json.loads(files["eval/t.json"])["data"][0][1]
    assert cell["type"] == "image"
    assert opened(files[cell["filepath"]]).size == (300, 300)
    assert opened(files[cell["compressed_filepath"]]).size == (256, 256)
    with pytest.raises(InvalidArgument, match="all or none"):
        renderings.table({"picture": [picture, "b"]}, "t.json")
