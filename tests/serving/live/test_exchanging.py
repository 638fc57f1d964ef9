"""A version that comes while the one before is in trouble: its requests are answered, and no process of it stays."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from modelyard.packaging import model as models
from modelyard.pyfunc import PythonModel
from tests.serving.live.process import ModelServer, serving, until


class Gated(PythonModel):
    """Is loaded only as often as its gate's file has lines, and waits for more; answers with its name."""

    def load(self, context: Any) -> None:
        import threading
        import time
        from pathlib import Path

        self.name, self.gate, self.full = Path(context.artifacts["facts"]).read_text(encoding="utf-8").split("\n")
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()  # so that it cannot be copied
        while not Path(self.gate).read_text(encoding="utf-8"):
            if self.full == "raise":
                raise RuntimeError("one too many")
            time.sleep(0.02)
        lines = Path(self.gate).read_text(encoding="utf-8").splitlines(keepends=True)
        Path(self.gate).write_text("".join(lines[1:]), encoding="utf-8")

    def predict(self, data: Any, params: Any = None) -> Any:
        import time

        if self.name == "stuck":
            time.sleep(3600)
        return [f"{text} {self.name}" for text in data]


def save(folder: Path, name: str, loads: int, full: str = "wait") -> Path:
    folder.mkdir(exist_ok=True)
    gate = folder / f"{name}.gate"
    gate.write_text("go\n" * loads)
    (folder / "facts").write_text(f"{name}\n{gate}\n{full}")
    models.save(
        Gated(), folder / name, flavor="python_function", signature=False, artifacts={"facts": str(folder / "facts")}
    )
    return folder / name


def ask(server: ModelServer) -> tuple[int, Any]:
    status, _, body = server.ask("POST", "/invocations", {"inputs": ["tea"]})
    return status, json.loads(body)


def stand(folder: Path, name: str) -> Path:
    """A directory where one model is, and another may follow."""
    (folder / "place").symlink_to(save(folder / "shelf", name, 1))
    return folder / "place"


def follow(place: Path) -> None:
    """Have another model where one was."""
    save(place.parent / "shelf", "second", 1)
    (place.parent / "next").symlink_to(place.parent / "shelf/second")
    (place.parent / "next").replace(place)


def test_a_version_that_is_replaced_while_it_restarts_leaves_its_requests_and_no_process(tmp_path):
    place = stand(tmp_path, "first")
    with serving(place, MODELYARD_SERVE_POLL_S="0.1") as server, ThreadPoolExecutor(1) as threads:
        (before,) = server.workers()
        assert ask(server) == (200, {"predictions": ["tea first"]})
        os.kill(before, signal.SIGKILL)
        (successor,) = until(lambda: set(server.workers()) - {before})  # which waits at the gate
        waiting = threads.submit(ask, server)
        until(lambda: server.get("/models/place")["waiting"])
        follow(place)
        assert waiting.result() == (200, {"predictions": ["tea second"]})
        until(lambda: successor not in server.workers())
        assert len(server.workers()) == 1
        assert server.readiness()[0] == 200


def test_a_version_whose_process_is_killed_when_it_goes_leaves_its_requests_to_the_next(tmp_path):
    place, many = stand(tmp_path, "stuck"), 8
    with serving(place, MODELYARD_SERVE_POLL_S="0.1") as server, ThreadPoolExecutor(many) as threads:
        (before,) = server.workers()
        asked = [threads.submit(ask, server) for _ in range(many)]
        facts = until(lambda: (told := server.get("/models/place"))["waiting"] + told["in_flight"] == many and told)
        follow(place)
        until(lambda: server.get("/models/place")["digest"] != facts["digest"])
        os.kill(before, signal.SIGKILL)
        for each in asked:
            assert each.result() == (200, {"predictions": ["tea second"]})
        until(lambda: len(server.workers()) == 1)


def test_a_version_of_which_one_process_fails_leaves_none(tmp_path):
    model = save(tmp_path / "shelf", "scarce", 1, "raise")
    with serving(model, "--workers", "2", ready=False) as server:
        (missing,) = until(lambda: [each for each in server.readiness()[1]["missing"] if each["state"] == "failed"])
        assert "one too many" in missing["reason"]
        until(lambda: not server.workers())
