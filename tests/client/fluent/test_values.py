"""What is logged arrives, and what cannot be logged is reported once and hurts nobody."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.domain.errors import ModelyardError


def test_values_arrive(mlflow) -> None:
    with mlflow.start_run() as run:
        for step in range(3):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"a": 1, "b": np.float32(0.5), "c": float("nan"), "d": True, "e": np.array([2.0])}, step=7)
        mlflow.log_metric("at", 1.0, timestamp=1234, step=np.int64(5))
        assert mlflow.log_param("depth", 3) == 3
        mlflow.log_params({"rate": 0.1, "none": None, "list": [1, 2]})
        mlflow.set_tag("kind", "forest")
        mlflow.set_tags({"gone": 1, "kept": 2})
        mlflow.delete_tag("gone")
    found = mlflow.get_run(run.info.run_id)

    assert found.data.params == {"depth": "3", "rate": "0.1", "none": "None", "list": "[1, 2]"}
    assert found.data.tags["kind"] == "forest"
    assert found.data.tags["kept"] == "2"
    assert "gone" not in found.data.tags
    metrics = found.data.metrics
    assert metrics.pop("c") != metrics.get("c")
    assert metrics == {"loss": 1 / 3, "a": 1.0, "b": 0.5, "d": 1.0, "e": 2.0, "at": 1.0}
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    (at,) = mlflow.MlflowClient().get_metric_history(run.info.run_id, "at")
    assert (at.timestamp, at.step) == (1234, 5)


def test_logging_starts_a_run(mlflow) -> None:
    mlflow.log_metric("loss", 1.0)
    run = mlflow.active_run()
    mlflow.end_run()
    assert mlflow.get_run(run.info.run_id).data.metrics == {"loss": 1.0}


def test_another_run_can_be_logged_to(mlflow) -> None:
    with mlflow.start_run() as run:
        pass
    mlflow.log_metric("late", 1.0, run_id=run.info.run_id)
    mlflow.log_metrics({"later": 2.0}, run_id=run.info.run_id)
    mlflow.log_params({"p": 1}, run_id=run.info.run_id)
    mlflow.log_text("hello", "late.txt", run_id=run.info.run_id)
    assert mlflow.active_run() is None
    found = mlflow.get_run(run.info.run_id)
    assert found.data.metrics == {"late": 1.0, "later": 2.0}
    assert found.data.params == {"p": "1"}
    assert found.info.status == "FINISHED"


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")


BAD = {
    "text": lambda mlflow, **how: mlflow.log_metric("loss", "many", **how),
    "none": lambda mlflow, **how: mlflow.log_metric("loss", None, **how),
    "array": lambda mlflow, **how: mlflow.log_metric("loss", np.zeros(3), **how),
    "key": lambda mlflow, **how: mlflow.log_metric("lo$$", 1.0, **how),
    "path": lambda mlflow, **how: mlflow.log_metric("../loss", 1.0, **how),
    "number as key": lambda mlflow, **how: mlflow.log_metric(5, 1.0, **how),
    "half a step": lambda mlflow, **how: mlflow.log_metric("loss", 1.0, step=0.5, **how),
    "huge step": lambda mlflow, **how: mlflow.log_metric("loss", 1.0, step=2**70, **how),
    "time": lambda mlflow, **how: mlflow.log_metric("loss", 1.0, timestamp=-5, **how),
    "param key": lambda mlflow, **how: mlflow.log_param("a$b", 1, **how),
    "param object": lambda mlflow, **how: mlflow.log_param("a", Broken(), **how),
    "tag key": lambda mlflow, **how: mlflow.set_tag("", 1, **how),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_value_is_reported_once(ours, said, bad) -> None:
    with ours.start_run() as run:
        for _ in range(3):
            BAD[bad](ours)
        ours.log_metric("good", 1.0)
    assert ours.get_run(run.info.run_id).data.metrics == {"good": 1.0}
    assert len(said) == 1
    assert run.info.run_id in said[0]


@pytest.mark.parametrize("bad", BAD)
def test_who_waits_gets_the_error(ours, said, bad) -> None:
    with ours.start_run(), pytest.raises(ModelyardError):
        BAD[bad](ours, synchronous=True)
    assert said == []


def test_a_changed_param_is_refused(mlflow, said) -> None:
    with mlflow.start_run() as run:
        mlflow.log_param("depth", 3)
        mlflow.log_param("depth", 4)
        mlflow.flush_async_logging()
        assert len(said) == 1
        assert "depth" in said[0]
        with pytest.raises(ModelyardError, match="depth"):
            mlflow.log_param("depth", 5, synchronous=True)
        mlflow.log_metric("after", 1.0, synchronous=True)
    found = mlflow.get_run(run.info.run_id)
    assert found.data.params == {"depth": "3"}
    assert found.data.metrics == {"after": 1.0}


def test_something_to_wait_for(mlflow) -> None:
    with mlflow.start_run() as run:
        for operations in (
            mlflow.log_metric("loss", 1.0, synchronous=False),
            mlflow.log_param("p", 1, synchronous=False),
            mlflow.set_tag("t", 1, synchronous=False),
        ):
            operations.wait()
        assert mlflow.MlflowClient().get_run(run.info.run_id).data.params == {"p": "1"}


def test_a_metric_of_a_model_on_a_dataset(mlflow) -> None:
    dataset = mlflow.data.from_numpy(np.arange(4.0), name="numbers")
    with mlflow.start_run() as run:
        model = mlflow.initialize_logged_model(name="forest")
        mlflow.log_metric("accuracy", 0.9, model_id=model.model_id, dataset=dataset)
        mlflow.log_metric("plain", 0.1, dataset=dataset)
    found = mlflow.get_run(run.info.run_id)
    assert found.data.metrics == {"accuracy": 0.9, "plain": 0.1}
    assert [each.dataset.name for each in found.inputs.dataset_inputs] == ["numbers"]
    (metric,) = mlflow.get_logged_model(model.model_id).metrics
    assert (metric.key, metric.value, metric.dataset_digest) == ("accuracy", 0.9, dataset.digest)


def test_a_metric_of_a_model_that_there_is_not_is_still_the_runs(mlflow, said) -> None:
    with mlflow.start_run() as run:
        mlflow.log_metric("accuracy", 0.9, model_id="m-" + "0" * 32)
        mlflow.log_metric("bad", float("nan"), model_id="m-" + "0" * 32)
    assert set(mlflow.get_run(run.info.run_id).data.metrics) == {"accuracy", "bad"}
    with mlflow.start_run():
        mlflow.log_params({"depth": 1})
    assert len(said) <= 1


def test_metrics_of_a_model_wait_for_nothing_and_keep_their_order(ours) -> None:
    model = ours.initialize_logged_model(name="forest")
    with ours.start_run() as run:
        for step in range(50):
            ours.log_metrics({"loss": step}, step=step, model_id=model.model_id)
    history = ours.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(step, float(step)) for step in range(50)]
    noted = ours.get_logged_model(model.model_id).metrics
    assert (49, 49.0) in [(point.step, point.value) for point in noted if point.key == "loss"]


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=300), st.binary(max_size=5),
    st.lists(st.integers(), max_size=2), st.builds(Broken), st.builds(np.zeros, st.integers(0, 3)),
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(key=ANYTHING, value=ANYTHING, step=ANYTHING, timestamp=ANYTHING)
def test_nothing_that_is_logged_raises(ours, key, value, step, timestamp) -> None:
    ours.active_run() or ours.start_run()
    ours.log_metric(key, value, step=step, timestamp=timestamp)
    ours.log_metric("key", value, step)
    ours.log_metric("key", 1.0, timestamp=timestamp)
    if type(key) is str:
        ours.log_metrics({key: value}, step=step, timestamp=timestamp)
    ours.log_param("param", value)
    ours.log_params({f"p{key!r}"[:50] if not isinstance(key, Broken) else "p": value})
    ours.set_tag(key if isinstance(key, str) else "tag", value)
