"""Watching other people's functions: whatever the observer does, the caller cannot tell."""

from __future__ import annotations

import copy
import inspect
import itertools
import logging
import pickle
import subprocess
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.autolog import patching
from modelyard.autolog.patching import Call, Observation


class Model:
    """A model."""

    calls = 0

    def fit(self, x: int, y: int = 2, *, weight: float = 1.0) -> Model:
        """Train on x and y."""
        type(self).calls += 1
        self.seen = (x, y, weight)
        if x < 0:
            raise ValueError("x is negative")
        return self

    @classmethod
    def make(cls, x: int) -> Model:
        return cls().fit(x)

    @staticmethod
    def rule(x: int) -> int:
        return x + 1


class Pipeline(Model):
    def fit(self, x: int, y: int = 2, *, weight: float = 1.0) -> Pipeline:
        Model().fit(x, y)
        super().fit(x, y, weight=weight)
        return self


ORIGINAL = Model.__dict__["fit"]


@pytest.fixture(autouse=True)
def _clean():
    Model.calls = Pipeline.calls = 0
    patching._reported.clear()
    patching._buried.clear()
    yield
    patching.restore("test")
    patching.restore("other")
    assert Model.__dict__["fit"] is ORIGINAL


def recorder(seen: list):
    def observe(call: Call) -> Observation:
        seen.append(("before", call.name, type(call.instance).__name__))
        result = yield
        seen.append(("after", result is call.instance))

    return observe


def test_the_observer_sees_the_call_and_the_result() -> None:
    seen: list = []
    assert patching.patch("test", Model, "fit", recorder(seen))
    model = Model()
    assert model.fit(1) is model
    assert seen == [("before", "fit", "Model"), ("after", True)]


def test_a_second_patch_of_the_same_function_for_a_library_changes_nothing() -> None:
    seen: list = []
    assert patching.patch("test", Model, "fit", recorder(seen))
    assert not patching.patch("test", Model, "fit", recorder(seen))
    Model().fit(1)
    assert len(seen) == 2


def test_what_is_not_a_function_is_left_alone() -> None:
    assert not patching.patch("test", Model, "calls", patching.pause)
    assert not patching.patch("test", Model, "nothing", patching.pause)


def test_restore_gives_back_the_very_same_function() -> None:
    patching.patch("test", Model, "fit", patching.pause)
    assert Model.__dict__["fit"] is not ORIGINAL
    patching.restore("test")
    assert Model.__dict__["fit"] is ORIGINAL
    assert not patching.watching("test")


def test_an_inherited_method_is_watched_on_the_class_that_was_named() -> None:
    class Child(Model):
        pass

    seen: list = []
    patching.patch("test", Child, "fit", recorder(seen))
    Model().fit(1)
    assert seen == []
    Child().fit(1)
    assert seen
    patching.restore("test")
    assert "fit" not in vars(Child)


def test_static_and_class_methods_stay_what_they_are() -> None:
    seen: list = []

    def observe(call: Call) -> Observation:
        seen.append(call.args)
        yield

    patching.patch("test", Model, "make", observe)
    patching.patch("test", Model, "rule", observe)
    assert Model.make(3).seen == (3, 2, 1.0)
    assert Model().rule(3) == 4
    assert seen == [(Model, 3), (3,)]
    patching.restore("test")
    assert isinstance(Model.__dict__["make"], classmethod)
    assert isinstance(Model.__dict__["rule"], staticmethod)


def test_what_somebody_patched_over_us_stays() -> None:
    seen: list = []
    patching.patch("test", Model, "fit", recorder(seen))
    ours = Model.__dict__["fit"]

    def theirs(self, *args, **kwargs):
        return ours(self, *args, **kwargs)

    Model.fit = theirs  # type: ignore[method-assign]
    try:
        patching.restore("test")
        assert Model.__dict__["fit"] is theirs
        Model().fit(1)
        assert seen == []
    finally:
        Model.fit = ORIGINAL  # type: ignore[method-assign]


@pytest.mark.parametrize("order", list(itertools.permutations(["test", "other", "third"])))
def test_several_libraries_may_watch_the_same_and_stop_in_any_order(order) -> None:
    seen: list = []
    for library in ("test", "other", "third"):
        assert patching.patch(library, Model, "fit", recorder(seen))
    Model().fit(1)
    assert len(seen) == 2  # one of them
    for library in order:
        patching.restore(library)
    assert Model.__dict__["fit"] is ORIGINAL
    assert patching._buried == []


def test_a_re_export_is_the_same_wrapper() -> None:
    home, package = types.ModuleType("home"), types.ModuleType("package")
    exec("def train(x):\n    return x", vars(home))
    package.train = original = home.train
    patching.patch("test", home, "train", patching.pause, also=((package, "train"),))
    assert package.train is home.train is not original
    patching.restore("test")
    assert package.train is home.train is original


# ---------------------------------------------------------------- what a caller can see


def test_signature_docstring_name_and_module_are_the_originals() -> None:
    signature = inspect.signature(Model.fit)
    patching.patch("test", Model, "fit", patching.pause)
    assert inspect.signature(Model.fit) == signature
    assert inspect.signature(Model().fit) == inspect.signature(types.MethodType(ORIGINAL, Model()))
    assert Model.fit.__doc__ == "Train on x and y."
    assert (Model.fit.__name__, Model.fit.__qualname__, Model.fit.__module__) == (
        "fit",
        "Model.fit",
        ORIGINAL.__module__,
    )
    assert inspect.isfunction(Model.fit)
    assert inspect.getsource(Model.fit) == inspect.getsource(ORIGINAL)


def test_objects_and_bound_methods_are_copied_and_pickled() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    patching.patch("test", Model, "fit", patching.pause)
    model = Model().fit(1)
    assert copy.deepcopy(model).seen == model.seen
    for dump in (pickle.dumps, cloudpickle.dumps):
        assert pickle.loads(dump(model)).seen == model.seen
        assert pickle.loads(dump(model.fit))(5).seen == (5, 2, 1.0)


def test_a_class_pickled_by_value_works_where_this_package_is_not(tmp_path) -> None:
    """A notebook's own estimator ends up in model files; they must not come to need `modelyard`."""
    pytest.importorskip("cloudpickle")
    program = """
import cloudpickle, sys
sys.modules.pop("modelyard", None)
from modelyard.autolog import patching
class Own:
    def fit(self, x):
        self.x = x
        return self
patching.patch("test", Own, "fit", patching.pause)
sys.stdout.buffer.write(cloudpickle.dumps(Own().fit(3)))
"""
    dumped = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    (tmp_path / "own.pickle").write_bytes(dumped)
    program = f"""
import pickle, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("modelyard"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
own = pickle.load(open({str(tmp_path / "own.pickle")!r}, "rb"))
print(own.x, own.fit(4).x, any(name.startswith("modelyard") for name in sys.modules))
"""
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    assert output.split() == ["3", "4", "False"]


# ---------------------------------------------------------------- failures


class Broken(Exception):
    pass


def breaking(where: str):
    """An observer that fails at one place."""

    def observe(call: Call) -> Observation:
        if where == "before":
            call.replace("y", 99)
            raise Broken
        if where == "twice":
            yield
        try:
            yield
        except ValueError:
            if where == "except":
                raise Broken from None
            if where == "swallow":
                return
            raise
        finally:
            if where == "finally":
                raise Broken
        if where == "after":
            raise Broken

    return observe if where != "not a generator" else (lambda call: None)  # type: ignore[return-value]


PLACES = ["none", "before", "twice", "except", "swallow", "finally", "after", "not a generator"]


@given(place=st.sampled_from(PLACES), x=st.integers(-2, 2), y=st.integers(), keyword=st.booleans())
def test_whatever_breaks_the_caller_gets_what_the_original_gives(place, x, y, keyword) -> None:
    Model.calls = 0
    patching.restore("test")
    patching.patch("test", Model, "fit", breaking(place))
    model = Model()

    def fit() -> Model:
        return model.fit(x, y=y) if keyword else model.fit(x, y)

    if x < 0:
        with pytest.raises(ValueError, match=r"^x is negative$") as caught:
            fit()
        assert (caught.value.__context__, caught.value.__cause__) == (None, None)
    else:
        assert fit() is model
    assert model.seen == (x, y, 1.0)
    assert Model.calls == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration, MemoryError])
def test_any_error_of_the_original_passes_as_it_is(error) -> None:
    raised = error("theirs")
    ended: list = []

    def observer(call: Call) -> Observation:
        try:
            yield
        finally:
            ended.append(True)

    def fit(self, x):
        raise raised

    own = type("Own", (), {"fit": fit})
    patching.patch("test", own, "fit", observer)
    with pytest.raises(error) as caught:
        own().fit(1)
    assert caught.value is raised
    assert raised.__context__ is None
    assert ended == [True]
    names = [entry.name for entry in caught.traceback]
    assert names[-1] == "fit"
    assert "observer" not in names


def test_ctrl_c_during_our_work_is_the_users(caplog) -> None:
    def observe(call: Call) -> Observation:
        yield
        raise KeyboardInterrupt

    patching.patch("test", Model, "fit", observe)
    with pytest.raises(KeyboardInterrupt):
        Model().fit(1)


def test_a_failure_is_said_once_and_not_at_all_when_silent(caplog) -> None:
    patching.patch("test", Model, "fit", breaking("after"))
    with caplog.at_level(logging.WARNING, "modelyard"):
        for _ in range(3):
            Model().fit(1)
        assert [record.getMessage() for record in caplog.records] == [
            "Autologging of test failed (after fit): Broken: . Training goes on; the run may be incomplete."
        ]
        caplog.clear()
        patching._reported.clear()
        patching.silence("test")
        Model().fit(1)
        assert caplog.records == []


def test_a_protected_callback_reports_and_returns_none(caplog) -> None:
    @patching.protected("test")
    def callback(x: int) -> int:
        return 1 // x

    with caplog.at_level(logging.WARNING, "modelyard"):
        assert callback(1) == 1
        assert callback(0) is None
    assert "in callback" in caplog.text


# ---------------------------------------------------------------- nesting


def test_a_pipeline_is_one_call() -> None:
    seen: list = []
    patching.patch("test", Model, "fit", recorder(seen))
    patching.patch("test", Pipeline, "fit", recorder(seen))
    Pipeline().fit(1)
    assert [event for event in seen if event[0] == "before"] == [("before", "fit", "Pipeline")]
    Model().fit(1)
    assert len([event for event in seen if event[0] == "before"]) == 2


def test_what_the_observer_calls_itself_goes_unwatched() -> None:
    seen: list = []

    def observe(call: Call) -> Observation:
        seen.append("before")
        Model().fit(2)
        yield
        Model().fit(3)

    patching.patch("test", Model, "fit", observe)
    Model().fit(1)
    assert seen == ["before"]
    assert Model.calls == 3


def test_a_frame_lets_the_calls_inside_be_watched() -> None:
    seen: list = []
    study = types.ModuleType("study")
    vars(study)["optimize"] = optimize = lambda: Model().fit(1)
    optimize.__name__ = "optimize"
    patching.patch("test", study, "optimize", patching.pause, guard=False)
    patching.patch("test", Model, "fit", recorder(seen))
    study.optimize()
    assert seen


def test_an_inner_function_of_the_same_library_may_be_watched_within_an_outer_one() -> None:
    seen: list = []

    def inner(call: Call) -> Observation:
        seen.append((call.name, call.enclosing.notes if call.enclosing else None))
        yield

    def outer(call: Call) -> Observation:
        call.notes["asked"] = True
        yield

    patching.patch("test", Model, "fit", inner, within=("fit",))
    patching.patch("test", Pipeline, "fit", outer)
    Pipeline().fit(1)
    assert seen == [("fit", {"asked": True})] * 2
    patching.restore("test")
    seen.clear()
    patching.patch("test", Model, "fit", inner, within=("fit",))
    patching.patch("other", Pipeline, "fit", outer)  # another library's call: the inner one is its own affair
    Pipeline().fit(1)
    assert seen == []


def test_each_thread_has_its_own_nesting() -> None:
    inside, outside = threading.Event(), threading.Event()
    seen: list = []

    class Slow(Model):
        def fit(self, x: int, y: int = 2, *, weight: float = 1.0) -> Slow:
            inside.set()
            assert outside.wait(20)
            return self

    patching.patch("test", Slow, "fit", recorder(seen))
    patching.patch("test", Model, "fit", recorder(seen))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(Slow().fit, 1)
        assert inside.wait(20)
        Model().fit(1)
        assert ("before", "fit", "Model") in seen
        outside.set()
        slow.result(20)


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [((1,), {}, (1, 7, 1.0)), ((1, 5), {}, (1, 7, 1.0)), ((1,), {"y": 5}, (1, 7, 1.0)), ((), {"x": 1}, (1, 7, 1.0))],
)
def test_an_argument_is_read_and_replaced_however_it_was_given(args, kwargs, expected) -> None:
    read: list = []

    def observe(call: Call) -> Observation:
        read.append((call.argument("x"), call.argument("y"), call.argument("weight"), call.argument("none", "?")))
        call.replace("y", 7)
        yield

    patching.patch("test", Model, "fit", observe)
    assert Model().fit(*args, **kwargs).seen == expected
    assert read == [(1, 5 if 5 in [*args, *kwargs.values()] else 2, 1.0, "?")]
    assert kwargs.get("y", 5) == 5  # the caller's own dictionary is untouched
