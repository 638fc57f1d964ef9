"""The same rollouts where the registry is another server's, and where replicas are another cluster's."""

from __future__ import annotations

import shutil
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.rollouts.conftest import Callers, House
from tests.reliability.process import until
from tests.reliability.stack import Stack

AT_ONCE = ["golden", {"weight": "100%", "checks": []}]


@pytest.mark.timeout(300)  # the stock server takes its time to start
def test_a_stage_call_at_a_stock_mlflow_server_rolls_out(stock_mlflow: Any, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    name = f"tea-{uuid.uuid4().hex[:8]}"
    stack = Stack(tmp_path / "data", MODELYARD_FOLLOWED_REGISTRY=stock_mlflow.url)
    try:
        stack.start()
        house = House(stack, tmp_path, stock_mlflow.url)
        house.promote(name, house.version(name))
        house.deploy(name, steps=AT_ONCE)
        house.wait(name, f"Revision 1 ({name} version 1) answers everything now")
        second = house.version(name)
        client = mlflow.MlflowClient(stock_mlflow.url, stock_mlflow.url)
        with Callers(house, name) as callers:
            with pytest.warns(FutureWarning):
                client.transition_model_version_stage(name, second, "Production", archive_existing_versions=True)
            house.wait(name, f"Revision 2 ({name} version 2) answers everything now")
            until(lambda: callers.seen[-1][2] == second)
        assert callers.failed == []
    finally:
        print(stack.said())
        stack.end()


@pytest.fixture
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        from ray.cluster_utils import Cluster

        made = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 2, "object_store_memory": 80 * 2**20, "include_dashboard": False, "no_monitor": True,
                "include_log_monitor": False,
            },
        )  # fmt: skip
        yield made
        if ray.is_initialized():
            ray.shutdown()
        session = made.head_node.get_session_dir_path()
        made.shutdown()
        shutil.rmtree(session, ignore_errors=True)


@pytest.mark.soak
def test_on_a_ray_cluster(cluster: Any, tmp_path: Path) -> None:
    stack = Stack(tmp_path / "data", RAY_AUTH_MODE="disabled")
    spec = {"backend": "ray", "serve": {"ray_address": cluster.address}, "resources": {"cpus": 0.5}, "steps": AT_ONCE}
    try:
        stack.start()
        house = House(stack, tmp_path)
        house.served("tea", **spec)
        second = house.version("tea")
        with Callers(house, "tea") as callers:
            house.promote("tea", second)
            house.wait("tea", "Revision 2 (tea version 2) answers everything now")
            until(lambda: callers.seen[-1][2] == second)
            house.promote("tea", house.version("tea", moody=True))
            house.wait("tea", "Revision 3 (tea version 3) was rolled back")
        assert callers.failed == []
        house.client.delete_deployment("tea")
        until(lambda: "Stopping the replicas tea-r2-" in stack.said(), 30)
    finally:
        print(stack.said())
        stack.end()
