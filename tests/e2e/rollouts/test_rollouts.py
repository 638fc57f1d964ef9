"""Good versions come through, bad ones are taken back by themselves: with real parts, under traffic."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.rollouts.conftest import Callers, House
from tests.reliability.process import until

CONSTANT = {"constant_output": {"limit": "95%", "least": 30}}
ERRORS = {"error_rate": {"limit": "5%", "least": 10}}


def steps(shadow: str, weight: str, bake: str) -> list[Any]:
    """A shadow, a part of the traffic, all of it, for so long."""
    return [
        "golden",
        {"shadow": "100%", "for": shadow, "checks": [CONSTANT], "thin": "pass"},
        {"weight": "30%", "for": weight, "checks": [ERRORS]},
        {"bake": bake, "checks": [ERRORS]},
    ]


LONG = steps("3s", "60s", "60s")
"""What is wrong ends them as soon as it is seen, on a busy machine too."""
TEA = {"segment": {"field": "lang"}, "segments": {"de": {}, "en": {}, "fr": {}}}
AT_ONCE = ["golden", {"weight": "100%", "checks": []}]


def _without_a_file(folder: Path) -> None:
    next(folder.rglob("how-*.json")).unlink()


@pytest.fixture(scope="module")
def tea(house: House) -> House:
    """A deployment that answers; and some that never will, or will not do better, which somebody looks at later."""
    house.promote("tea", house.version("tea"))
    house.deploy("tea", steps=LONG, **TEA)
    house.promote("hungry", house.version("hungry"))
    house.deploy("hungry", steps=AT_ONCE, resources={"memory": "400MiB"})
    house.wait("tea", "Revision 1 (tea version 1) answers everything now")
    house.wait("hungry", "Revision 1 (hungry version 1) answers everything now")
    house.promote("hungry", house.version("hungry", eats=700 << 20))
    house.promote("missing", house.version("missing", spoil=_without_a_file))
    house.deploy("missing")
    house.promote("hanging", house.version("hanging", hangs=True))
    house.deploy("hanging", serve={"load_timeout_s": 12})
    return house


def state(house: House) -> tuple[int, str]:
    """The revision that answers, and what is not as wanted."""
    found = house.client.get_deployment("tea")
    assert found.stable is not None
    return found.stable.number, found.trouble


def then(callers: Callers, count: int = 50) -> None:
    """Wait for more answers."""
    enough = len(callers.seen) + count
    until(lambda: len(callers.seen) >= enough)


def rolled_back(house: House, callers: Callers, **how: Any) -> str:
    """Promote a version that behaves so, and wait until it is taken back; why it was."""
    version = house.version("tea", **how)
    house.promote("tea", version)
    told = house.wait("tea", f"(tea version {version}) was rolled back")
    assert told.endswith("Revision 1 (tea version 1) answers everything.")
    then(callers)
    assert {version for _, _, version, _, _ in callers.seen[-20:]} == {"1"}
    number, trouble = state(house)
    assert number == 1
    assert trouble.startswith(f"tea version {version} is not tried again: ")
    return told


def test_another_answer_to_a_golden_test_ends_it_before_any_traffic(tea: House) -> None:
    with Callers(tea, "tea") as callers:
        told = rolled_back(tea, callers, moody=True)
    assert "golden tests: 0 of 1 passed" in told
    assert "expected '3 words', got 'no words'" in told
    assert callers.failed == []
    assert set(callers.versions()) == {"1"}


def test_a_constant_answer_is_caught_in_the_shadow(tea: House) -> None:
    with Callers(tea, "tea") as callers:
        told = rolled_back(tea, callers, answer="2 words")
    assert "constant_output" in told
    assert callers.failed == []
    assert set(callers.versions()) == {"1"}  # it never answered anybody


def test_a_bad_version_loses_its_traffic_within_seconds(tea: House) -> None:
    with Callers(tea, "tea") as callers:
        told = rolled_back(tea, callers, raises=":")
    assert "error_rate" in told
    times = [at for at, *_ in callers.failed]
    assert times
    print(f"bad answers for {times[-1] - times[0]:.2f} s")
    assert times[-1] - times[0] < 5


def test_a_version_that_fails_in_one_language_is_taken_back(tea: House) -> None:
    texts = ["en: good", "de: sehr gut"] * 12 + ["fr: bon"]  # all together, four in a hundred fail, which is allowed
    with Callers(tea, "tea", *texts, per_second=250) as callers:
        told = rolled_back(tea, callers, raises="fr:")
    assert "error_rate in segment 'fr'" in told
    assert {text for *_, text in callers.failed} == {"fr: bon"}


def test_a_good_version_goes_through_every_step_though_the_server_is_killed(tea: House) -> None:
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    tea.promote("tea", "1")  # what is held back would be tried again by other steps
    tea.deploy("tea", steps=steps("1s", "1.5s", "3s"), **TEA)  # which makes no revision
    version = tea.version("tea")
    client = mlflow.MlflowClient(tracking_uri=tea.stack.url, registry_uri=tea.stack.url)
    with Callers(tea, "tea") as callers:
        with pytest.warns(FutureWarning):
            client.transition_model_version_stage("tea", version, "Production")
        tea.wait("tea", "30 % of the traffic goes to revision 6")
        tea.stack.kill("server")
        tea.wait("tea", f"Revision 6 (tea version {version}) answers everything now")
        then(callers)
    assert callers.failed == []
    assert {version for _, _, version, _, _ in callers.seen[-20:]} == {version}
    assert {role for *_, role, _ in callers.seen} == {"stable", "canary"}
    told = tea.told("tea")
    order = [
        f"Revision 6: tea version {version} instead of tea version 1. anonymous put tea version {version} into prod",
        "The rollout of revision 6 begins: golden, shadow 100 % for 1 s, weight 30 % for 1.5 s, bake for 3 s.",
        "Revision 6 is ready",
        "Copies of 100 % of the requests go to revision 6.",
        "30 % of the traffic goes to revision 6.",
        "All traffic goes to revision 6; revision 1 stays warm for 3 s.",
        "Revision 6 (tea version",
    ]
    places = [[at for at, each in enumerate(told) if each.startswith(part)] for part in order]
    assert all(len(each) == 1 for each in places), told
    assert places == sorted(places)


def test_an_old_revision_is_stopped_once_nobody_asks_it(tea: House) -> None:
    folder = tea.stack.data / "replicas"
    until(lambda: not any(each.name.startswith("tea-r1-") for each in folder.iterdir()), 30)
    assert any(each.name.startswith("tea-r6-") for each in folder.iterdir())


def test_a_rehearsal_deploys_tests_and_removes_and_says_what_is_wrong(tea: House) -> None:
    for name in ("tea", "missing"):
        tea.client.rehearse_deployment(name)
    tea.wait("tea", "The rehearsal passed: tea version", "was deployed, tested and removed")
    tea.wait("missing", "The rehearsal failed with missing version 1: ")
    assert "The rehearsal failed with missing version 1: " in tea.client.get_deployment("missing").told
    with urllib.request.urlopen(f"{tea.stack.url}/metrics", timeout=30) as answer:
        found = answer.read().decode()
    assert "\nmodelyard_rehearsals_failed_total 1\n" in found
    assert "\nmodelyard_rehearsals_passed_total 1\n" in found


def test_what_cannot_run_says_why(tea: House) -> None:
    assert "how-" in tea.wait("missing", "was rolled back", "Nothing answers yet.")
    assert "12 s" in tea.wait("hanging", "was rolled back", "Nothing answers yet.")


def test_a_version_that_needs_more_memory_than_there_is_ends_alone(tea: House) -> None:
    with Callers(tea, "hungry") as callers:
        told = tea.wait("hungry", "Revision 2 (hungry version 2) was rolled back")
        then(callers)
    assert "it needed more than the 400 MiB of memory that it is given" in told
    assert told.endswith("Revision 1 (hungry version 1) answers everything.")
    assert callers.failed == []
    assert set(callers.versions()) == {"1"}
    assert {role for *_, role, _ in callers.seen} == {"stable"}
    assert tea.client.get_deployment("hungry").trouble.startswith("hungry version 2 is not tried again: ")


@contextmanager
def legacy() -> Iterator[str]:
    """Somebody else's model."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._say(200, json.dumps("old words").encode())

        def do_HEAD(self) -> None:
            self._say(405, b"")

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/ask"
        server.shutdown()


def test_a_model_takes_over_from_somebody_elses_endpoint(house: House) -> None:
    golden = [{"input": {"text": "one two", "lang": "en"}, "expected": "2 words"}]
    with legacy() as url:
        house.deploy("heir", url=url)
        house.promote("heir", house.version("heir"))
        house.wait("heir", "Revision 1", "answers everything now")
        with Callers(house, "heir") as callers:
            house.deploy("heir", golden=golden, steps=["golden", {"weight": "50%", "for": "1s", "checks": []}])
            house.wait("heir", "Golden tests: 2 of 2 passed.")
            house.wait("heir", "Revision 2", "answers everything now")
            then(callers)
    assert callers.failed == []
    assert set(callers.versions()) == {"", "1"}
