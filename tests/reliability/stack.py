"""`modelyard up` as its users have it, the processes it consists of, and people who ask its models all the time."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import random
import selectors
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from modelyard.client import Client
from modelyard.packaging import model as models
from modelyard.pyfunc import PythonModel
from tests.cli.process import environment
from tests.reliability.process import until

START_S = 60.0

ROLES = {
    "server": b"modelyard.cli.main\0server\0",
    "gateway": b"modelyard.cli.main\0gateway\0",
    "deliverer": b"modelyard.serving.gateway.deliverer\0",
    "keeper": b"modelyard.serving.backends.keeper\0",
    "front": b"modelyard.cli.main\0serve\0",
    "worker": b"modelyard.serving.worker\0",
}
"""What a process is → a part of its command."""


class Stack:
    """Everything on one machine.

    Attributes:
        url: of the server.
        gateway: where models answer.
    """

    def __init__(self, data: Path, *flags: str, **variables: str) -> None:
        self.data = data
        self.url = ""
        self.gateway = ""
        self.log = data.parent / f"{data.name}.log"
        self.process: subprocess.Popen[str] | None = None
        self._flags = flags
        self._mark = uuid.uuid4().hex
        self._environment = environment(STACK=self._mark, MODELYARD_CACHE=str(data.parent / "cache"), **variables)

    def start(self) -> Stack:
        """Start it, and wait until it is ready."""
        command = [Path(sys.executable).with_name("modelyard"), "up", "--data", self.data]
        ports = ["--port", "0", "--gateway-port", "0"]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [*command, *ports, *self._flags], env=self._environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(START_S), self.said()
        first, second = self.process.stdout.readline(), self.process.stdout.readline()
        assert " is ready at " in first, self.said()
        self.url = first.split(" is ready at ")[1].strip()
        self.gateway = second.split(" answer at ")[1].split(",")[0]
        return self

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text()[-6000:]

    def processes(self) -> dict[str, list[int]]:
        """Its processes by what they are, whoever's children they are now."""
        found: dict[str, list[int]] = {role: [] for role in [*ROLES, "other"]}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"STACK={self._mark}".encode() not in (folder / "environ").read_bytes().split(b"\0"):
                    continue
                command = (folder / "cmdline").read_bytes()
            except OSError:  # it ended meanwhile
                continue
            if command:  # else it has ended, and nobody asked how
                role = next((role for role, part in ROLES.items() if part in command), "other")
                found[role].append(int(folder.name))
        return found

    def kill(self, role: str, choose: random.Random | None = None) -> bool:
        """Kill -9 one of its processes; whether there was one."""
        found = self.processes()[role]
        if not found:
            return False
        try:
            os.kill((choose or random).choice(found), signal.SIGKILL)  # type: ignore[attr-defined]
        except ProcessLookupError:
            return False
        return True

    def stop(self, timeout_s: float = 60.0) -> None:
        """Ctrl-C, as it were: it stops, calls it a success, and nothing of it is left."""
        process = self.process
        assert process is not None
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout_s) == 0, self.said()
            until(lambda: not any(self.processes().values()), 10, "all processes end")
        finally:
            self.end()

    def kill_supervisor(self) -> None:
        """Kill -9 the process that started all others."""
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None

    def kill_all(self) -> None:
        """A power cut, as far as processes go."""
        for each in itertools.chain(*self.processes().values()):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self.kill_supervisor()
        until(lambda: not any(self.processes().values()), 10, "all processes end")

    def end(self) -> None:
        """Leave nothing, whatever happened."""
        if self.process is not None:
            self.kill_supervisor()
        for _ in range(3):
            for each in itertools.chain(*self.processes().values()):
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            time.sleep(0.05)


class Constant(PythonModel):
    """Answers what it was made with."""

    def load_context(self, context: Any) -> None:
        self.answer = Path(context.artifacts["answer"]).read_text()

    def predict(self, data: Any, params: Any = None) -> Any:
        return [self.answer for _ in data["text"].tolist()]


class Registry:
    """Versions of a model, each of which answers with its own number."""

    def __init__(self, url: str, folder: Path, name: str = "tea") -> None:
        self.client, self.name, self._folder, self._made = Client(url, url), name, folder, 0
        self.client.create_registered_model(name)

    def version(self) -> str:
        """Make the next one."""
        import pandas as pd

        self._made += 1
        answer = self._folder / f"answer-{self._made}.txt"
        answer.write_text(str(self._made))
        path = self._folder / f"model-{self._made}"
        models.save(
            Constant(), path, flavor="python_function", artifacts={"answer": str(answer)},
            input_example=pd.DataFrame({"text": ["so"]}), golden=True,
        )  # fmt: skip
        logged = self.client.create_logged_model("0", name=self.name)
        self.client.log_model_artifacts(logged.model_id, path)
        self.client.finalize_logged_model(logged.model_id, "READY")
        made = self.client.create_model_version(self.name, f"models:/{logged.model_id}", model_id=logged.model_id)
        return str(made.version)

    def promote(self, version: str) -> None:
        """As a stock client does it."""
        self.client.transition_model_version_stage(self.name, version, "Production")


class Seen(NamedTuple):
    """One request as its caller saw it.

    Attributes:
        at: when it was sent.
        took_s: until its answer.
        status: 0: there was none.
        answer: the body.
        prediction, version: as the headers say.
        why: there was no answer.
    """

    at: float
    took_s: float
    status: int
    answer: bytes = b""
    prediction: str = ""
    version: str = ""
    why: str = ""


class Traffic:
    """Requests at a steady rate, over kept connections, until it is stopped.

    Args:
        gateway: whom to ask.
        name: of the deployment.
        per_second: requests, of all callers together.
        callers: how many.
    """

    def __init__(self, gateway: str, name: str = "tea", per_second: float = 200.0, callers: int = 4) -> None:
        self.seen: list[Seen] = []
        self._address = urlsplit(gateway).netloc
        self._path = f"/models/{name}/predict"
        self._between_s = callers / per_second
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(at,), daemon=True) for at in range(callers)]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        for each in self._threads:
            each.join(60)

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=30)
        due = time.monotonic() + number * self._between_s / len(self._threads)
        body = json.dumps({"text": "so"})
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._between_s, time.monotonic() - 1.0)  # what was late is not made up for without end
            at = time.monotonic()
            try:
                connection.request("POST", self._path, body, {"content-type": "application/json"})
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self.seen.append(Seen(at, time.monotonic() - at, 0, why=repr(error)))
                continue
            told = answer.headers
            self.seen.append(
                Seen(
                    at, time.monotonic() - at, answer.status, content, told.get("modelyard-prediction", ""),
                    told.get("modelyard-version", ""),
                )
            )  # fmt: skip
        connection.close()

    @property
    def failed(self) -> list[Seen]:
        """Requests that did not go well."""
        return [each for each in self.seen if each.status != 200]

    def versions(self) -> Counter[str]:
        """Answers by version."""
        return Counter(each.version for each in self.seen if each.status == 200)

    def wait_for(self, version: str, seconds: float = 60.0) -> float:
        """Wait until a version answers; how long that took."""
        began, at = time.monotonic(), len(self.seen)
        until(lambda: any(each.version == version for each in self.seen[at:]), seconds, f"version {version} answers")
        return time.monotonic() - began

    def summary(self) -> str:
        """In one line."""
        took = sorted(each.took_s for each in self.seen if each.status == 200)
        at = [took[int(len(took) * part)] * 1000 for part in (0.5, 0.99)] if took else [0.0, 0.0]
        times = f"median {at[0]:.1f} ms, p99 {at[1]:.1f} ms, worst {max(took, default=0):.2f} s"
        return f"{len(self.seen)} requests, {len(self.failed)} failed; {times}; {len(self.versions())} versions"


def stored(url: str, name: str = "tea") -> list[str]:
    """Ids of all live predictions that the server has, as often as it has them."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request("GET", f"/api/v1/predictions/export?deployment={name}")
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return [str(json.loads(line)["id"]) for line in content.splitlines()]
    finally:
        connection.close()
