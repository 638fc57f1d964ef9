"""Plans: rows are put together where that is cheaper and changes no bit of an answer."""

from __future__ import annotations

import itertools
import json
import time
import zlib

import pytest

from modelyard.domain.errors import InvalidArgument
from modelyard.packaging import example
from modelyard.packaging.function import LoadedFunction
from modelyard.packaging.manifest import Model
from modelyard.packaging.schema import Array, ColSpec, DataType, Map, Object, Property, Schema, TensorSpec
from modelyard.packaging.signature import ModelSignature, infer_signature
from modelyard.serving import samples
from modelyard.serving.calls import NATURAL, Asked, Plan
from modelyard.serving.plan import plan
from modelyard.serving.servable import Servable

np = pytest.importorskip("numpy", reason="NumPy is not installed")
pd = pytest.importorskip("pandas", reason="pandas is not installed")

FOUR = Schema([TensorSpec("float64", (-1, 4))])


@pytest.fixture
def made(tmp_path):
    """A loaded function of a plain one: `made(predict, inputs)`, or with an example instead of the inputs."""

    def make(predict, inputs=None, *, given=None):
        signature = ModelSignature(inputs) if inputs is not None else infer_signature(given)
        manifest = Model(signature=signature, flavors={"python_function": {}})
        if given is not None:
            manifest.saved_input_example_info = example.save(given, tmp_path)
        return LoadedFunction(manifest, object(), lambda data, _params: predict(data), tmp_path)

    return make


def test_rows_that_do_not_matter_to_one_another_are_put_together(made):
    chosen = plan(made(lambda data: data * 2, FOUR))

    assert chosen.rows >= 64  # 1024 where nothing else runs
    assert (chosen.least, chosen.filler) == (1, None)
    assert list(chosen.seconds) == [2**each for each in range(len(chosen.seconds))]
    assert list(chosen.seconds.values()) == sorted(chosen.seconds.values())
    assert chosen.reason == "Answers are the same to the last bit alone and together."


def test_a_model_whose_rows_look_at_one_another_is_asked_one_by_one(made):
    chosen = plan(made(lambda data: data - data.mean(axis=0), FOUR))

    assert (chosen.rows, chosen.least) == (1, 1)
    assert "depends on the rows beside it" in chosen.reason


def test_a_look_at_the_neighbours_is_put_up_with_when_asked_for(made):
    chosen = plan(made(lambda data: data - data.mean(axis=0), FOUR), mode="on", max_rows=50)

    assert (chosen.rows, chosen.least) == (50, 1)
    assert chosen.reason.endswith("together all the same, as asked for.")


@pytest.mark.parametrize("block", [2, 8, 16])
def test_batches_are_filled_up_where_whole_blocks_are_computed_otherwise(made, block):
    """As processors do: rows of a whole block one way, the rest of the batch another."""

    def predict(data):
        whole = len(data) // block * block
        answer = data.sum(axis=1)
        answer[whole:] += 1e-15 * np.abs(answer[whole:]).max(initial=1)
        return answer

    chosen = plan(made(predict, FOUR))

    assert chosen.rows >= 64
    assert chosen.least == block
    assert [chosen.missing(rows) for rows in (1, block, block + 1)] == [block - 1, 0, block - 1]


def test_only_so_many_rows_as_are_the_same_together(made):
    chosen = plan(made(lambda data: data if len(data) <= 200 else np.nextafter(data, 9), FOUR))

    assert 100 < chosen.rows <= 200
    assert "With more than" in chosen.reason


def test_a_last_bit_of_one_output_among_many_is_enough(made):
    def predict(data):
        wrong = data["x"].to_numpy().copy()
        if len(data) > 1:
            wrong[len(data) // 2] = np.nextafter(wrong[len(data) // 2], np.inf)
        return pd.DataFrame({"label": ["good"] * len(data), "score": wrong})

    chosen = plan(made(predict, given=pd.DataFrame({"x": [1.5, 2.5, 0.1]})))

    assert chosen.rows == 1


def test_random_models_are_asked_one_by_one(made):
    random = np.random.default_rng(0)

    chosen = plan(made(lambda data: random.normal(size=len(data)), FOUR))

    assert chosen.rows == 1
    assert "random" in chosen.reason
    assert plan(made(lambda data: random.normal(size=len(data)), FOUR), mode="on").rows > 1


@pytest.mark.parametrize(
    "predict", [lambda data: float(data.sum()), lambda data: data[:1], lambda data: {"a": data, "b": data.sum()}]
)
def test_an_answer_without_a_part_for_each_row_is_left_whole(made, predict):
    chosen = plan(made(predict, FOUR))

    assert chosen.rows == 1
    assert "does not answer row by row" in chosen.reason


def test_rows_that_cost_as_much_together_stay_apart(made):
    def predict(data):
        time.sleep(0.004 * len(data))
        return data

    chosen = plan(made(predict, FOUR))

    assert (chosen.rows, chosen.reason) == (1, "Rows are not cheaper together.")
    assert chosen.seconds[1] == pytest.approx(0.004, rel=0.5)


def test_a_slow_model_is_asked_a_handful_of_times(made):
    calls = []

    def predict(data):
        calls.append(len(data))
        time.sleep(0.05)
        return data

    chosen = plan(made(predict, FOUR))

    assert chosen.rows >= 8
    assert len(calls) < 90


def test_a_batch_stays_within_its_budget(made):
    def predict(data):
        time.sleep(0.001 + 0.0001 * len(data))
        return data

    assert plan(made(predict, FOUR), budget_ms=4).rows in (8, 16)


def test_the_number_of_rows_can_be_bounded(made):
    assert plan(made(lambda data: data, FOUR), max_rows=100).rows == 100
    assert plan(made(lambda data: data, FOUR), max_rows=0).rows > 100
    assert plan(made(lambda data: data, FOUR), max_rows=1).reason == "One row at a time, as asked for."


def test_batching_is_off_when_asked_for(made):
    chosen = plan(made(lambda data: data, FOUR), mode="off")

    assert (chosen.rows, list(chosen.seconds), chosen.reason) == (1, [1], "One row at a time, as asked for.")


def test_there_is_no_other_mode(made):
    with pytest.raises(InvalidArgument, match="auto, on, off"):
        plan(made(lambda data: data, FOUR), mode="sometimes")


def test_a_model_without_a_signature_is_warmed_and_left_alone(made):
    asked = []
    function = made(lambda data: asked.append(data) or data, given=np.ones((2, 4)))
    function.metadata.signature = None

    assert plan(function).rows == 1
    assert len(asked) == 2


def test_a_model_that_takes_no_made_up_rows_is_tried_with_its_own(made):
    """A text may be a category."""

    def predict(data):
        assert set(data["colour"]) <= {"red", "white"}
        return data["x"].to_numpy() * 2

    chosen = plan(made(predict, given=pd.DataFrame({"colour": ["red", "white"], "x": [1.0, 2.0]})))

    assert chosen.rows >= 64


def test_a_model_that_takes_no_rows_at_all_says_why(made):
    def predict(_data):
        raise RuntimeError("the table is missing")

    chosen = plan(made(predict, FOUR))

    assert chosen == Plan(
        reason="The model could not be tried with rows like those of its signature: RuntimeError: the table is missing"
    )


# ---------------------------------------------------------------- real models


def bodies(rows):
    return [json.dumps(row).encode() for row in rows]


def assert_alike(function, sent):
    """Every answer's bytes are the same alone and in batches of any size."""
    chosen = plan(function)
    assert chosen.rows >= 16, chosen.reason
    served = Servable(function, name="m", version="1", plan=chosen)
    asked = [Asked(NATURAL, body) for body in sent]
    alone = [served.answer([each])[0].body for each in asked]
    for size in (2, 3, 5, 16, 33, len(asked)):
        together = [answer.body for at in range(0, len(asked), size) for answer in served.answer(asked[at : at + size])]
        assert together == alone
    assert len(set(alone)) > 1
    return chosen


@pytest.fixture
def one_thread():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(before)


def test_a_classifier_of_texts_answers_the_same_bytes_alone_and_together(made, one_thread):
    torch = one_thread
    torch.manual_seed(0)
    bag, line = torch.nn.EmbeddingBag(5000, 64), torch.nn.Linear(64, 1)

    def predict(data):
        tokens = [[zlib.crc32(word.encode()) % 5000 for word in text.split()] for text in data["text"]]
        starts = [0, *itertools.accumulate(map(len, tokens))][:-1]
        with torch.inference_mode():
            flat = torch.tensor([each for row in tokens for each in row], dtype=torch.long)
            return torch.sigmoid(line(bag(flat, torch.tensor(starts)))).numpy()[:, 0]

    words = ["a", "very", "good", "cafe", "with", "bad", "tea", "but", "it", "was", "late"]
    function = made(predict, given=pd.DataFrame({"text": ["a very good cafe " * 8, "bad tea"]}))
    chosen = assert_alike(
        function, bodies({"text": " ".join(words[: 1 + at % 11] * (1 + at % 4))} for at in range(150))
    )
    assert chosen.least == 1 or chosen.filler is not None
    if chosen.filler is not None:
        assert " " not in chosen.filler[0]


def test_a_network_answers_the_same_bytes_alone_and_together(made, one_thread):
    torch = one_thread
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.ReLU(), torch.nn.Linear(64, 3))

    def predict(data):
        with torch.inference_mode():
            return net(torch.tensor(data, dtype=torch.float32)).numpy()

    rows = np.random.default_rng(0).normal(size=(150, 4))
    assert_alike(made(predict, FOUR), bodies(rows.tolist()))


def test_logistic_regression_answers_the_same_bytes_alone_and_together(made):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(0)
    rows = random.normal(size=(150, 13))
    model = LogisticRegression().fit(rows, random.integers(0, 3, 150))
    assert_alike(made(model.predict_proba, Schema([TensorSpec("float64", (-1, 13))])), bodies(rows.tolist()))


# ---------------------------------------------------------------- rows


EVERYTHING = Schema(
    [
        ColSpec("double", "number"),
        ColSpec("long", "whole"),
        ColSpec("boolean", "flag"),
        ColSpec("string", "text"),
        ColSpec("datetime", "when"),
        ColSpec("binary", "bytes"),
        ColSpec(Array(DataType.double), "list"),
        ColSpec(Object([Property("a", DataType.long)]), "object"),
        ColSpec(Map(DataType.string), "map"),
        ColSpec("double", "maybe", required=False),
    ]
)


def test_rows_are_made_up_for_every_type_of_column(made):
    seen = []
    chosen = plan(made(lambda data: seen.append(data) or np.arange(len(data)) * 0, EVERYTHING), max_rows=16)

    assert chosen.rows == 16
    assert seen[-1].dtypes.astype(str).to_dict()["number"] == "float64"
    assert len(set(seen[2]["text"])) > 1


def test_rows_are_made_up_for_every_kind_of_tensor(made):
    inputs = Schema(
        [
            TensorSpec("int32", (-1, 3), "ids"),
            TensorSpec("str", (-1, -1), "words"),
            TensorSpec("bool", (-1,), "flags"),
            TensorSpec("datetime64[ns]", (-1, 1), "times"),
        ]
    )
    shapes = {}

    def predict(data):
        shapes.update({name: (value.dtype.kind, value.shape[1:]) for name, value in data.items()})
        return data["flags"]

    assert plan(made(predict, inputs), max_rows=8).rows == 8
    assert shapes == {"ids": ("i", (3,)), "words": ("U", (8,)), "flags": ("b", ()), "times": ("M", (1,))}


def test_rows_like_the_example_stay_within_what_an_index_may_be(made):
    given = pd.DataFrame({"index": [3, 0, 7], "text": ["a b c d", "e f", "g"], "x": [1.0, 2.0, 3.0]})
    source = samples.Samples(made(lambda data: data, given=given))

    rows = source.rows(500)

    assert {row[0] for row in rows} == set(range(8))
    assert len({row[2] for row in rows}) > 400
    assert len({len(row[1].split()) for row in rows}) > 3
    assert set(source.rows(50, samples.FOUND)) == set(given.itertuples(index=False, name=None))
    assert {row[2] for row in source.rows(50, samples.MIXED)} == {1.0, 2.0, 3.0}
    assert source.rows(7) == source.rows(7)
