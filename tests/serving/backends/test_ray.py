"""Replicas on a real Ray cluster of this machine: two nodes, one with room for one replica, one for two."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed")

from modelyard.domain.errors import InvalidArgument  # noqa: E402
from modelyard.packaging import model as models  # noqa: E402
from modelyard.serving.backends.base import Backend, Spec, find  # noqa: E402
from tests.contracts.backend import BackendContract, LastingContract, Pid  # noqa: E402
from tests.serving.live.process import serving, until  # noqa: E402

QUICK = {
    "health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 3,
}  # fmt: skip
"""A node is given up after two seconds instead of half a minute."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in {
            "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_enable_metrics_collection": "0",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        small = {
            "object_store_memory": 80 * 2**20, "include_dashboard": False, "include_log_monitor": False,
            "no_monitor": True,
        }  # fmt: skip
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "_system_config": QUICK, **small})
        try:
            made.add_node(num_cpus=1, **small)
            yield made
        finally:
            if ray.is_initialized():
                ray.shutdown()
            session = made.head_node.get_session_dir_path()
            made.shutdown()
            shutil.rmtree(session, ignore_errors=True)


class TestRay(BackendContract):
    @pytest.fixture
    def backend(self, cluster: Any) -> Iterator[Backend]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            backend = find("ray", cluster.address)
            yield backend
            backend.close()


def test_who_finds_no_room_says_so_and_leaves_no_trace(cluster) -> None:
    spec = Spec(name="huge", models=("models:/wine/1",), cpus=64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backend = find("ray", cluster.address)
        for _ in range(2):
            backend.ensure(spec)
            (waiting,) = backend.status("huge").replicas
            assert (waiting.state, waiting.url) == ("starting", "")
            assert "It waits for a node that has room (64 CPU)" in waiting.reason
            backend.stop("huge")
            until(lambda: not backend.status("huge").replicas)
        backend.close()


class TestLastingRay(LastingContract):
    @pytest.fixture
    def place(self, cluster: Any) -> Iterator[tuple[str, str]]:
        with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
            warnings.simplefilter("ignore")
            patch.setenv("RAY_AUTH_MODE", "disabled")
            yield "ray", cluster.address


def test_what_lasts_cannot_be_a_directory_of_this_machine(cluster) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backend = find("ray", cluster.address, lasting=True)
        with pytest.raises(InvalidArgument, match="Register the model"):
            backend.ensure(Spec(name="directory", models=("/tmp",)))
        backend.close()


def test_a_node_dies_under_load_and_requests_go_on(cluster, tmp_path) -> None:
    """Show 4: two replicas on two nodes; the one that lost its node comes back on the other."""
    models.save(Pid(), tmp_path / "pid", flavor="python_function", signature=False)
    arguments = ("--backend", "ray", "--ray-address", cluster.address, "--replicas", "2")
    with serving(tmp_path / "pid", *arguments, RAY_AUTH_MODE="disabled") as gateway:
        until(lambda: gateway.get("/replicas")["ready"] == 2)
        before = {each["name"]: each for each in gateway.get("/replicas")["replicas"]}
        nodes = {each["node"].split()[1] for each in before.values()}
        assert len(nodes) == 2
        (victim,) = cluster.worker_nodes
        (lost,) = [each for each in before.values() if each["node"].split()[1] == victim.node_id[:8]]

        stop, seen = threading.Event(), Counter()

        def load() -> None:
            connection = gateway.connect()
            while not stop.is_set():
                connection.request("POST", "/predict", b"[1]", {"content-type": "application/json"})
                answer = connection.getresponse()
                seen[answer.status, len(json.loads(answer.read())), answer.headers["modelyard-replica"]] += 1
            connection.close()

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            until(lambda: len(seen) == 2)
            (raylet,) = victim.all_processes["raylet"]
            os.kill(raylet.process.pid, signal.SIGKILL)

            def moved() -> Any:
                told = gateway.get("/replicas")
                found = next((each for each in told["replicas"] if each["name"] == lost["name"]), None)
                return found if found and found["ready"] and found["url"] != lost["url"] else None

            again = until(moved)
            count = seen.total()
            until(lambda: seen.total() > count + 20)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert {(status, length) for status, length, _ in seen} == {(200, 2)}, seen
        assert again["node"].split()[1] in nodes - {victim.node_id[:8]}
        metrics = gateway.ask("GET", "/metrics")[2].decode()
        assert "modelyard_gateway_replicas_ready 2.0" in metrics
