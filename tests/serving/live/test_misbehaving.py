"""Models that die, raise, hang, print: every request is answered or clearly refused, and nobody else pays."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.serving.live.process import ModelServer, load, serving, until


def ask(server: ModelServer, mood: str) -> tuple[int, object]:
    status, _, body = server.ask("POST", "/predict", {"mood": mood})
    return status, json.loads(body)


def together(server: ModelServer, moods: list[str]) -> list[tuple[int, object]]:
    with ThreadPoolExecutor(len(moods)) as threads:
        return list(threads.map(lambda mood: ask(server, mood), moods))


def test_a_request_that_kills_the_model_fails_alone(moody_server):
    moods = [f"calm {number}" for number in range(20)] + ["die"] + [f"quiet {number}" for number in range(20)]
    answers = together(moody_server, moods)

    for mood, (status, answer) in zip(moods, answers, strict=True):
        if mood == "die":
            assert status == 500
            assert "process died" in answer["detail"]
        else:
            assert (status, answer) == (200, mood.upper())
    moody_server.wait_ready()
    assert ask(moody_server, "fine again") == (200, "FINE AGAIN")


def test_a_worker_killed_under_load_costs_no_answer(moody_server):
    with load(moody_server) as asked:
        for _ in range(3):
            asked.goes_on()
            (worker,) = until(moody_server.workers)
            os.kill(worker, signal.SIGKILL)
            until(lambda gone=worker: [each for each in moody_server.workers() if each != gone])
            moody_server.wait_ready()
        asked.goes_on()


def test_a_request_that_makes_the_model_raise_fails_alone(moody_server):
    moods = ["one", "raise", "two", "leave", "three", "forget"]
    answers = together(moody_server, moods)

    assert [status for status, _ in answers[:5]] == [200, 500, 200, 500, 200]
    assert "a bad day" not in json.dumps(answers[1][1])
    assert moody_server.written("a bad day")
    until(lambda: ask(moody_server, "still the same process") == (200, "STILL THE SAME PROCESS"))


def test_a_model_that_hangs_is_restarted_and_its_callers_are_told(moody):
    with serving(moody, "--timeout", "2") as server:
        (before,) = server.workers()
        status, answer = ask(server, "hang")

        assert status == 504
        assert "2 seconds" in answer["detail"]
        until(lambda: [each for each in server.workers() if each != before])
        server.wait_ready()
        assert ask(server, "well") == (200, "WELL")


def test_what_a_model_prints_harms_nothing(moody_server):
    assert ask(moody_server, "print") == (200, "PRINT")
    until(lambda: moody_server.written("printed by the model") and moody_server.written("written by the model"))


def test_too_many_waiting_requests_are_told_to_come_back(moody):
    with serving(moody, "--queue", "4", "--batching", "off") as server:
        answers = []
        guard = threading.Lock()

        def call(number: int) -> None:
            status, headers, body = server.ask("POST", "/predict", {"mood": "sleep 0.2"})
            with guard:
                answers.append((status, headers.get("retry-after"), body))

        with ThreadPoolExecutor(20) as threads:
            list(threads.map(call, range(20)))
        status, _, _ = server.ask("GET", "/health")

    assert status == 200
    assert {status for status, _, _ in answers} == {200, 503}
    assert all(int(retry) >= 1 for status, retry, _ in answers if status == 503)
    assert sum(status == 200 for status, _, _ in answers) >= 5


def test_who_does_not_wait_is_not_predicted_for(moody_server):
    written = len(moody_server.output)
    busy = threading.Thread(target=ask, args=(moody_server, "sleep 1"))
    busy.start()
    until(lambda: moody_server.get("/models/moody")["in_flight"] == 1)
    time.sleep(0.1)  # a worker that is quick gets its next frame at once; after this it counts as slow
    leaver = moody_server.connect()
    leaver.request("POST", "/predict", json.dumps({"mood": "die"}), {"content-type": "application/json"})
    until(lambda: moody_server.get("/models/moody")["waiting"] == 1)
    leaver.close()
    busy.join()

    assert ask(moody_server, "nobody died") == (200, "NOBODY DIED")
    assert not any("ended: signal SIGKILL" in line for line in moody_server.output[written:])
