"""Tuned models answer what they answered, to the last bit, and sooner."""

from __future__ import annotations

import copy
import time

import pytest

from modelyard.packaging import model as models
from modelyard.serving import tuning

np = pytest.importorskip("numpy", reason="NumPy is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

ROWS = (1, 2, 3, 7, 63, 64, 65, 130, 178)


class Held:
    """A function of some model, without files."""

    def __init__(self, model):
        self.model = model

    def unwrap_python_model(self):
        return self.model


@pytest.fixture(scope="module")
def wine():
    from sklearn.datasets import load_wine

    return load_wine(return_X_y=True, as_frame=True)


def tune(held, threads):
    """What was done to the model itself; PyTorch's threads are set wherever some other test has imported it."""
    return [each for each in tuning.tune(held, threads) if not each.startswith("PyTorch: ")]


def same(one, other):
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def forests(wine):
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        ExtraTreesRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )

    frame, target = wine
    gaps = frame.to_numpy().copy()
    gaps[::5, 3] = np.nan
    texts = np.array(["red", "white", "rosé"])[target]
    many = np.column_stack([target, target > 0])
    rising = [1] + [0] * 12
    return {
        "classes": (RandomForestClassifier(30, random_state=0), frame.to_numpy(), target),
        "frame": (RandomForestClassifier(30, random_state=0), frame, texts),
        "one tree": (RandomForestClassifier(1, random_state=0), frame, target),
        "weights": (RandomForestClassifier(20, class_weight="balanced", max_depth=3), frame.to_numpy(), texts),
        "several outputs": (RandomForestClassifier(20, random_state=0), frame.to_numpy(), many),
        "gaps": (RandomForestClassifier(20, random_state=0), gaps, target),
        "rising": (RandomForestClassifier(20, monotonic_cst=rising, random_state=0), frame.to_numpy(), target > 0),
        "numbers": (RandomForestRegressor(30, random_state=0), frame.to_numpy(), target * 1.7 - 1.1),
        "several numbers": (ExtraTreesRegressor(20, random_state=0), frame, many * 0.3),
        "extra": (ExtraTreesClassifier(20, random_state=0), frame.to_numpy(dtype="float32"), target),
    }


@pytest.mark.parametrize(
    "name",
    [
        "classes",
        "frame",
        "one tree",
        "weights",
        "several outputs",
        "gaps",
        "rising",
        "numbers",
        "several numbers",
        "extra",
    ],
)
def test_a_forest_answers_the_same_to_the_last_bit(wine, name):
    forest, data, target = forests(wine)[name]
    forest.fit(data, target)
    tuned = copy.deepcopy(forest)

    done = tune(Held(tuned), 1)

    assert done == [f"{type(forest).__name__}: its {forest.n_estimators} trees are asked without joblib"]
    random = np.random.default_rng(0)
    shaken = data * random.normal(1, 0.2, data.shape)
    for count in ROWS:
        for rows in (data[:count], shaken[-count:]):
            assert same(forest.predict(rows), tuned.predict(rows))
            if hasattr(forest, "predict_proba"):
                assert same(forest.predict_proba(rows), tuned.predict_proba(rows))


def test_a_large_forest_is_asked_tree_by_tree(wine, monkeypatch):
    from sklearn.ensemble import RandomForestClassifier

    from modelyard.serving.tuning import forests

    monkeypatch.setattr(forests, "ONE_CALL_BYTES", 1000)
    frame, target = wine
    forest = RandomForestClassifier(20, random_state=0).fit(frame, target)
    tuned = copy.deepcopy(forest)

    assert tune(Held(tuned), 1)

    assert same(forest.predict_proba(frame), tuned.predict_proba(frame))


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_what_a_forest_refuses_is_still_refused_in_the_same_words(wine):
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    def outcome(model, rows):
        try:
            return "answered", model.predict(rows).tolist()
        except ValueError as fault:
            return "refused", str(fault)

    frame, target = wine
    odd = {name: frame[:3].copy() for name in ("infinite", "large", "gap")}
    for name, value in (("infinite", np.inf), ("large", 1e300), ("gap", np.nan)):
        odd[name].iloc[0, 0] = value
    odd |= {"none": frame[:0], "reversed": frame.iloc[:2, ::-1], "few": frame.iloc[:2, :5]}
    for forest in (RandomForestClassifier(5, monotonic_cst=[1] + [0] * 12), RandomForestRegressor(5)):
        forest.fit(frame, target > 0)
        tuned = copy.deepcopy(forest)
        tune(Held(tuned), 1)
        found = {name: outcome(tuned, rows) for name, rows in odd.items()}
        assert found == {name: outcome(forest, rows) for name, rows in odd.items()}
        assert {name for name, (told, _) in found.items() if told == "refused"} >= odd.keys() - {"gap"}


def test_other_input_takes_the_way_through_scikit_learn(wine):
    import scipy.sparse
    from sklearn.ensemble import RandomForestClassifier

    frame, target = wine
    forest = RandomForestClassifier(5, random_state=0).fit(frame.to_numpy(), target)
    tuned = copy.deepcopy(forest)
    tune(Held(tuned), 1)
    for rows in (frame.to_numpy().tolist(), scipy.sparse.csr_matrix(frame.to_numpy()), frame.to_numpy().astype(object)):
        assert same(forest.predict_proba(rows), tuned.predict_proba(rows))


def test_a_forest_that_answers_otherwise_is_left_alone(wine, monkeypatch):
    from sklearn.ensemble import RandomForestRegressor

    from modelyard.serving.tuning import forests

    frame, target = wine
    forest = RandomForestRegressor(5, random_state=0).fit(frame.to_numpy(), target)
    monkeypatch.setattr(forests._Quick, "_one_by_one", lambda _self, rows: np.zeros((len(rows), 1, 1)))

    assert tune(Held(forest), 1) == []
    assert "predict" not in vars(forest)


def test_one_row_of_a_forest_costs_a_tenth(wine):
    from sklearn.ensemble import RandomForestClassifier

    frame, target = wine
    row = frame.to_numpy()[:1]
    forest = RandomForestClassifier(100, random_state=0).fit(frame.to_numpy(), target)
    tuned = copy.deepcopy(forest)
    tune(Held(tuned), 1)

    def best(model):
        times = []
        for _ in range(7):
            began = time.perf_counter()
            model.predict(row)
            times.append(time.perf_counter() - began)
        return min(times)

    assert best(tuned) < best(forest) / 10  # measured: 2.1 ms and 0.02 ms


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_scaled_regression_answers_the_same_to_the_last_bit(wine, classes):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame, target = wine
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, np.minimum(target, classes - 1))
    tuned = copy.deepcopy(model)

    assert len(tune(Held(tuned), 1)) == 2

    rows = frame.to_numpy()
    before = rows.copy()
    for given in (rows, rows[:1], np.asfortranarray(rows), rows[:7].astype("float32"), frame, rows.tolist()):
        assert same(model.predict(given), tuned.predict(given))
        assert same(np.ascontiguousarray(model.predict_proba(given)), np.ascontiguousarray(tuned.predict_proba(given)))
    assert same(before, rows)
    for odd in (np.full((1, 13), np.nan), np.full((1, 13), np.inf), rows[:, :5], rows[:0]):
        with pytest.raises(ValueError, match=r"NaN|infinity|features|minimum"):
            tuned.predict(odd)


def test_pools_inside_pipelines_searches_and_votes_become_one_job(wine):
    from sklearn.ensemble import RandomForestClassifier, VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame, target = wine
    vote = VotingClassifier([("forest", RandomForestClassifier(3)), ("line", LogisticRegression(max_iter=20, tol=0.5))])
    search = GridSearchCV(make_pipeline(StandardScaler(), vote), {"votingclassifier__voting": ["soft"]}, cv=2)
    search.fit(frame, target)
    expected = search.predict_proba(frame)
    found = search.best_estimator_.steps[-1][1]
    found.n_jobs = found.estimators_[0].n_jobs = 2  # after fitting, which would start processes

    done = tune(Held({"model": [search]}), 1)

    assert found.n_jobs == 1
    assert found.estimators_[0].n_jobs == 1
    assert "VotingClassifier: n_jobs 2 → 1" in done
    assert "RandomForestClassifier: its 3 trees are asked without joblib" in done
    assert same(expected, search.predict_proba(frame))


def test_a_saved_regressor_is_asked_the_quick_way(wine, tmp_path):
    from sklearn.ensemble import RandomForestRegressor

    frame, target = wine
    forest = RandomForestRegressor(10, random_state=0).fit(frame, target)
    models.save(forest, tmp_path / "model", flavor="sklearn", input_example=frame[:2])
    function = models.load_function(tmp_path / "model")
    asked = []
    tune(function, 1)
    quick = function.unwrap_python_model().predict
    function.unwrap_python_model().predict = lambda rows: asked.append(len(rows)) or quick(rows)

    answer = function.predict(frame)

    assert asked == [len(frame)]
    assert same(forest.predict(frame), answer)


def test_boosters_get_their_share_of_threads(wine):
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    xgboost = pytest.importorskip("xgboost", reason="XGBoost is not installed")
    rows, target = wine[0].to_numpy(), wine[1]
    mild = xgboost.XGBClassifier(n_estimators=3).fit(rows, target)
    light = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(rows, target)
    bare = light.booster_
    expected = [each.predict(rows) for each in (mild, light, bare)]

    assert tune(Held([mild, light, bare]), 1) == [
        "XGBoost: 1 threads", "LightGBM: 1 threads", "LGBMClassifier: its booster is asked directly",
    ]  # fmt: skip

    assert mild.n_jobs == light.n_jobs == bare.params["num_threads"] == 1
    assert all(map(same, expected, [each.predict(rows) for each in (mild, light, bare)]))


@pytest.mark.parametrize("kind", ["two", "three", "texts", "numbers", "frame"])
def test_wrappers_of_lightgbm_answer_the_same_to_the_last_bit(wine, kind):
    lightgbm = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
    frame, target = wine
    rows = frame.to_numpy()
    targets = {"two": target > 0, "three": target, "texts": np.array(["a", "b", "c"])[target], "numbers": target * 1.7}
    wrapper = lightgbm.LGBMRegressor if kind == "numbers" else lightgbm.LGBMClassifier
    model = wrapper(n_estimators=5, verbose=-1).fit(frame if kind == "frame" else rows, targets.get(kind, target))
    tuned = copy.deepcopy(model)

    assert f"{wrapper.__name__}: its booster is asked directly" in tune(Held(tuned), 1)

    gaps = rows.copy()
    gaps[::3, 2] = np.nan
    arrays = [rows, rows[:1], gaps, rows.astype("float32"), np.asfortranarray(rows), rows.tolist()]
    given = [frame] if kind == "frame" else arrays
    for each in given:
        assert same(model.predict(each), tuned.predict(each))
        if kind != "numbers":
            assert same(
                np.ascontiguousarray(model.predict_proba(each)), np.ascontiguousarray(tuned.predict_proba(each))
            )
            assert same(model.predict(each, raw_score=True), tuned.predict(each, raw_score=True))
    with pytest.raises((ValueError, lightgbm.basic.LightGBMError), match="features"):
        tuned.predict(frame.iloc[:3, :5] if kind == "frame" else rows[:, :5])


def test_torch_gets_its_share_of_threads_also_inside_a_class_of_the_users_own():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")

    class Own:
        def __init__(self):
            self.parts = {"net": torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())}

    own, before = Own(), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert {"Sequential: eval mode", "PyTorch: 1 threads"} <= set(tuning.tune(Held(own), 1))
        assert torch.get_num_threads() == 1
        assert not own.parts["net"][1].training
    finally:
        torch.set_num_threads(before)


def test_what_is_of_no_known_library_is_left_alone():
    circle: list = []
    circle.append(circle)

    class Slots:
        __slots__ = ("x",)

    assert [
        each for each in tune(Held([circle, Slots(), object(), len, int, np.zeros(3)]), 1) if "PyTorch" not in each
    ] == []
