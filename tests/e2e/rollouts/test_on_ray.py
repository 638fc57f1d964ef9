"""The same rollouts with replicas on the nodes of a real Ray cluster."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

import pytest

ray = pytest.importorskip("ray", reason="Ray is not installed")

from tests.e2e.rollouts.conftest import Callers, House  # noqa: E402
from tests.reliability.process import until  # noqa: E402
from tests.reliability.stack import Stack  # noqa: E402

OFF = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_enable_metrics_collection": "0"}
ERRORS = {"error_rate": {"limit": "5%", "least": 10}}
STEPS = [
    "golden",
    {"weight": "50%", "for": "1s", "checks": [ERRORS], "thin": "pass"},
    {"bake": "2s", "checks": [ERRORS], "thin": "pass"},
]
SPEC = {"backend": "ray", "resources": {"cpus": 1}, "steps": STEPS}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes, with room for two replicas each."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in OFF.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        small = {
            "object_store_memory": 80 * 2**20, "include_dashboard": False, "include_log_monitor": False,
            "no_monitor": True,
        }  # fmt: skip
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, **small})
        try:
            made.add_node(num_cpus=2, **small)
            yield made
        finally:
            session = made.head_node.get_session_dir_path()
            made.shutdown()
            shutil.rmtree(session, ignore_errors=True)


@pytest.fixture(scope="module")
def house(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    stack = Stack(folder / "data", MODELYARD_RAY_ADDRESS=cluster.address, **OFF)
    try:
        stack.start()
        yield House(stack, folder)
    finally:
        print(stack.said())
        stack.end()


def nodes(house: House, revision: int) -> set[str]:
    """Where ready replicas of a revision answer."""
    with urlopen(f"{house.stack.gateway}/deployments") as answer:
        told = json.load(answer)["deployments"]
    (found,) = [one["replicas"] for each in told for one in each["revisions"] if one["revision"] == revision] or [[]]
    return {each["url"] for each in found if each["ready"]}


def actors() -> set[str]:
    """Names of what runs on the cluster, without marks and fingerprints."""
    found = ray.util.list_named_actors(all_namespaces=True)
    return {"-".join(each["name"].split("/")[0].split("-")[:2]) for each in found if each["namespace"] == "modelyard"}


def then(callers: Callers) -> None:
    """Wait for more answers."""
    enough = len(callers.seen) + 50
    until(lambda: len(callers.seen) >= enough)


@pytest.mark.timeout(300)  # a replica on Ray takes several seconds to start, of which there are six
def test_from_local_processes_to_a_cluster_and_on(house: House, cluster: Any) -> None:
    house.promote("rice", house.version("rice"))
    house.deploy("rice", steps=STEPS)
    house.wait("rice", "Revision 1 (rice version 1) answers everything now")
    with Callers(house, "rice") as callers:
        house.deploy("rice", **SPEC)
        house.wait("rice", "Revision 2 (rice version 1) answers everything now")
        first = nodes(house, 2)
        assert first
        house.promote("rice", house.version("rice"))
        house.wait("rice", "50 % of the traffic goes to revision 3")
        assert house.stack.kill("server")
        house.wait("rice", "Revision 3 (rice version 2) answers everything now")
        then(callers)
        assert {version for _, _, version, _, _ in callers.seen[-20:]} == {"2"}
        second = nodes(house, 3)
        assert second

        house.promote("rice", house.version("rice", moody=True))
        told = house.wait("rice", "(rice version 3) was rolled back")
        assert "golden tests: 0 of 1 passed" in told
        assert callers.failed == []
        house.promote("rice", house.version("rice", raises=":"))
        assert "error_rate" in house.wait("rice", "(rice version 4) was rolled back")
        then(callers)
        bad = len(callers.failed)
        assert house.stack.kill("server")
        then(callers)
    assert len(callers.failed) == bad
    assert {version for _, _, version, _, _ in callers.seen[-20:]} == {"2"}
    assert nodes(house, 3) == second
