"""System metrics: sampled in the background, under MLflow's names, only while runs are active."""

import threading
import time

import pytest

psutil = pytest.importorskip("psutil", reason="psutil is not installed")

NAMES = {
    "cpu_utilization_percentage", "disk_available_megabytes", "disk_usage_megabytes", "disk_usage_percentage",
    "network_receive_megabytes", "network_transmit_megabytes", "system_memory_usage_megabytes",
    "system_memory_usage_percentage",
}  # fmt: skip


def sampling() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "modelyard-system-metrics"]


def until(condition, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def points(mlflow, run) -> dict[str, list]:
    client = mlflow.MlflowClient()
    keys = [key for key in mlflow.get_run(run.info.run_id).data.metrics if key.startswith("system/")]
    return {key: client.get_metric_history(run.info.run_id, key) for key in keys}


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setenv("MODELYARD_SYSTEM_METRICS_INTERVAL_S", "0.05")


def test_a_run_is_sampled_while_it_is_active(ours, quick) -> None:
    with ours.start_run(log_system_metrics=True) as run:
        assert until(lambda: len(points(ours, run).get("system/cpu_utilization_percentage", [])) >= 3)
        assert len(sampling()) == 1
    assert until(lambda: not sampling())
    found = points(ours, run)

    assert set(found) == {f"system/{name}" for name in NAMES}
    history = found["system/system_memory_usage_percentage"]
    assert [point.step for point in history] == list(range(len(history)))
    assert all(0 < point.value <= 100 for point in history)

    with ours.start_run(run_id=run.info.run_id, log_system_metrics=True):
        assert until(lambda: len(points(ours, run)["system/cpu_utilization_percentage"]) > len(history))
    steps = [point.step for point in points(ours, run)["system/cpu_utilization_percentage"]]
    assert steps == list(range(len(steps)))


def test_they_are_switched(ours, quick, monkeypatch) -> None:
    monkeypatch.delenv("MODELYARD_SYSTEM_METRICS")
    with ours.start_run():
        assert len(sampling()) == 1  # on, as psutil is here
    ours.disable_system_metrics_logging()
    with ours.start_run():
        assert until(lambda: not sampling())
        with ours.start_run(nested=True, log_system_metrics=True):
            assert len(sampling()) == 1
    ours.enable_system_metrics_logging()
    with ours.start_run(log_system_metrics=False):
        assert until(lambda: not sampling())
    monkeypatch.delenv("MODELYARD_SYSTEM_METRICS")
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "false")
    with ours.start_run():
        assert not sampling()


def test_samples_are_averaged_and_nodes_named(ours, quick, monkeypatch) -> None:
    monkeypatch.setenv("MODELYARD_SYSTEM_METRICS_SAMPLES", "1")
    monkeypatch.setenv("MODELYARD_SYSTEM_METRICS_NODE", "x")
    ours.set_system_metrics_samples_before_logging(2)
    ours.set_system_metrics_node_id("node-1")
    ours.set_system_metrics_sampling_interval(0.02)
    with ours.start_run(log_system_metrics=True) as run:
        assert until(lambda: "system/node-1/cpu_utilization_percentage" in points(ours, run))
    from modelyard.client.system_metrics import averaged

    assert averaged([{"a": 1.0, "network_b": 5.0}, {"a": 2.0, "network_b": 7.0}]) == {"a": 1.5, "network_b": 7.0}


def test_a_failure_stays_inside(ours, quick, monkeypatch) -> None:
    def broken() -> None:
        raise OSError("no /proc")

    monkeypatch.setattr(psutil, "virtual_memory", broken)
    with ours.start_run(log_system_metrics=True) as run:
        ours.log_metric("loss", 1.0)
        assert until(lambda: not sampling())
    assert ours.get_run(run.info.run_id).data.metrics == {"loss": 1.0}
