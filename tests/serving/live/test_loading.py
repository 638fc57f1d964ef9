"""Models that cannot be loaded are named with the reason and what to do; all others are loaded and answer."""

from __future__ import annotations

from typing import Any

from tests.serving.live.process import ModelServer, load, serving, until


def reasons(server: ModelServer) -> dict[str, str]:
    """Of the models that are given up for now."""
    return {each["name"]: each["reason"] for each in server.readiness()[1]["missing"] if each["state"] == "failed"}


def check(told: dict[str, str]) -> None:
    assert "ValueError: no weights" in told["raise"]
    assert "log" in told["raise"]
    assert "SystemExit: 4" in told["leave"]
    assert "KeyboardInterrupt" in told["interrupt"]
    assert "SIGABRT" in told["abort"]
    assert "exit code 7" in told["vanish"]
    assert "a_package_that_nobody_has" in told["lack"]
    assert "Install" in told["lack"]


def test_among_many_models_those_that_cannot_be_loaded_harm_none(ailing, moody):
    with serving(*ailing.values(), moody, "--load-timeout", "8", ready=False) as server:
        until(lambda: server.readiness()[1]["models_ready"] == 1)
        with load(server, callers=2, path="/models/moody/predict") as asked:
            told = until(lambda: (found := reasons(server)).keys() == ailing.keys() and found)
            asked.goes_on()
        assert server.readiness()[1]["models_ready"] == 1
        check(told)
        assert "more than 8 seconds" in told["hang"]
        assert "--load-timeout" in told["hang"]


def test_models_that_hang_at_their_load_keep_no_place_from_others(ailing, moody):
    hanging: list[Any] = [f"{name}={ailing['hang']}" for name in ("one", "two", "three")]
    with serving(*hanging, moody, ready=False, MODELYARD_SERVE_LOAD_TIMEOUT_S="20") as server:
        until(lambda: server.readiness()[1]["models_ready"] == 1)
        missing = until(
            lambda: (
                (found := {each["name"]: each["reason"] for each in server.readiness()[1]["missing"]})
                and all("for" in why and "20 s" in why for why in found.values())
                and found
            )
        )
        assert set(missing) == {"one", "two", "three"}
        assert server.post("/models/moody/predict", {"mood": "well"}) == "WELL"


def test_one_model_by_itself_that_cannot_be_loaded(ailing):
    for ailment in ("abort", "interrupt"):
        with serving(ailing[ailment], ready=False) as server:
            assert until(lambda each=server: reasons(each))
            status, _, body = server.ask("POST", "/predict", {"mood": "well"})
            assert status == 503
            assert ("SIGABRT" if ailment == "abort" else "KeyboardInterrupt").encode() in body
