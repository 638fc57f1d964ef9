"""Models that cannot be loaded are named with the reason and what to do; all others are loaded and answer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving.live.process import ModelServer, load, serving, until


def reasons(server: ModelServer) -> dict[str, str]:
    """Why models are not ready."""
    return {each["name"]: each["reason"] for each in server.readiness()[1]["missing"]}


TOLD = {
    "raise": "ValueError: no weights. The server's log",
    "leave": "SystemExit: 4",
    "interrupt": "KeyboardInterrupt",
    "abort": "SIGABRT",
    "vanish": "exit code 7",
    "lack": "'a_package_that_nobody_has'. Install",
    "hang": "s now; after 40 s that is given up",
}


def test_among_many_models_those_that_cannot_be_loaded_harm_none(ailing, moody):
    with serving(*ailing.values(), moody, "--load-timeout", "40", ready=False) as server:
        until(lambda: server.readiness()[1]["models_ready"] == 1)
        with load(server, callers=2, path="/models/moody/predict") as asked:
            until(lambda: (told := reasons(server)) and all(text in told[ailment] for ailment, text in TOLD.items()))
            asked.goes_on()
        assert server.readiness()[1]["models_ready"] == 1


def test_models_that_hang_at_their_load_keep_no_place_from_others(ailing, moody):
    hanging: list[Any] = [f"{name}={ailing['hang']}" for name in ("one", "two", "three")]
    with serving(*hanging, moody, ready=False, MODELYARD_SERVE_LOAD_TIMEOUT_S="20") as server:
        until(lambda: server.readiness()[1]["models_ready"] == 1)
        assert reasons(server).keys() == {"one", "two", "three"}
        until(lambda: all("s now; after 20 s" in why for why in reasons(server).values()))
        assert server.post("/models/moody/predict", {"mood": "well"}) == "WELL"


@pytest.mark.parametrize(
    ("ailment", "why"), [("abort", "SIGABRT"), ("hang", "0.5 seconds. If that is what it needs, give it longer with")]
)
def test_one_model_by_itself_that_cannot_be_loaded(ailing, ailment, why):
    patience = "0.5" if ailment == "hang" else "60"
    with serving(ailing[ailment], "--load-timeout", patience, ready=False) as server:
        until(lambda: why in reasons(server)[ailment])
        until(lambda: not server.workers())
        status, _, body = server.ask("POST", "/predict", {"mood": "well"})
        assert status == 503
        assert why.encode() in body
