"""Everything on one machine, with models that behave as they are told, and callers who ask all the time."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest

from modelyard.client import Client
from modelyard.domain.errors import AlreadyExists, Unavailable
from modelyard.packaging import model as models
from tests.e2e.rollouts.behaving import EXAMPLE, GENTLE, Behaving
from tests.reliability.stack import Stack

TEXTS = ("en: good", "de: sehr gut", "en: a very long story", "de: so so la la")


class House:
    """A running stack, and what one does with it."""

    def __init__(self, stack: Stack, folder: Path, registry: str = "") -> None:
        self.stack = stack
        self.client = Client(stack.url, stack.url)
        self.registry = Client(registry, registry) if registry else self.client
        self._folder = folder
        self._numbers = itertools.count(1)

    def version(self, model: str, *, spoil: Callable[[Path], None] | None = None, **how: Any) -> str:
        """Register a version that behaves so; its number.

        Args:
            model: its name.
            spoil: called with the folder of the model before it is registered.
            how: see `Behaving`.
        """
        import pandas as pd

        number = next(self._numbers)
        told = self._folder / f"how-{number}.json"
        told.write_text(json.dumps(how))
        path = self._folder / f"model-{number}"
        os.environ[GENTLE] = "1"
        try:
            models.save(
                Behaving(), path, flavor="python_function", artifacts={"how": str(told)},
                input_example=pd.DataFrame({"text": [EXAMPLE], "lang": ["en"]}), golden=True,
            )  # fmt: skip
        finally:
            del os.environ[GENTLE]
        if spoil is not None:
            spoil(path)
        logged = self.registry.create_logged_model("0", name=model)
        self.registry.log_model_artifacts(logged.model_id, path)
        self.registry.finalize_logged_model(logged.model_id, "READY")
        with contextlib.suppress(AlreadyExists):
            self.registry.create_registered_model(model)
        made = self.registry.create_model_version(model, f"models:/{logged.model_id}", model_id=logged.model_id)
        return str(made.version)

    def promote(self, model: str, version: str) -> None:
        """As stock clients do it."""
        self.registry.transition_model_version_stage(model, version, "Production")

    def deploy(self, name: str, **spec: Any) -> None:
        """Apply a spec for the production environment."""
        model = {} if "url" in spec or "models" in spec else {"model": name}
        self.client.apply_deployment({"name": name, "environment": "production", **model, **spec})

    def told(self, name: str) -> list[str]:
        """What happened to a deployment, oldest first."""
        with contextlib.suppress(Unavailable):  # a server that was killed comes back
            return [each.told for each in self.client.get_deployment_events(name).events]
        return []

    def wait(self, name: str, *parts: str, seconds: float = 60.0) -> str:
        """Wait until something was told of a deployment that holds all of this; it."""
        end = time.monotonic() + seconds
        while True:
            told = self.told(name)
            for each in told:
                if all(part in each for part in parts):
                    return each
            assert time.monotonic() < end, "\n".join([f"nobody said {parts}", *told, self.stack.said()])
            time.sleep(0.1)

    def served(self, *models: str, **spec: Any) -> None:
        """Deploy these models' first version, and wait until all answer."""
        for model in models:
            self.promote(model, self.version(model))
            self.deploy(model, **spec)
        for model in models:
            self.wait(model, "answers everything now")


class Callers:
    """Ask a deployment all the time, with texts in turn.

    Attributes:
        seen: when, status, version, role, text of each request.
    """

    def __init__(self, house: House, name: str, *texts: str, per_second: float = 100.0) -> None:
        self.seen: list[tuple[float, int, str, str, str]] = []
        self._house, self._name, self._texts, self._between_s = house, name, texts or TEXTS, 1 / per_second
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(urlsplit(self._house.stack.gateway).netloc, timeout=30)
        due = time.monotonic()
        for text in itertools.cycle(self._texts):
            if self._stop.wait(max(0.0, due - time.monotonic())):
                break
            due = max(due + self._between_s, time.monotonic() - 0.5)
            body = json.dumps({"text": text, "lang": text.split(":")[0]})
            try:
                connection.request("POST", f"/models/{self._name}/predict", body, {"content-type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                told = answer.headers
                status, version, role = answer.status, told["modelyard-version"] or "", told["modelyard-role"] or ""
            except (OSError, http.client.HTTPException):
                connection.close()
                status, version, role = 0, "", ""
            self.seen.append((time.time(), status, version, role, text))
        connection.close()

    @property
    def failed(self) -> list[tuple[float, int, str, str, str]]:
        """Requests that did not go well."""
        return [each for each in self.seen if each[1] != 200]

    def versions(self) -> Counter[str]:
        """Good answers by version."""
        return Counter(version for _, status, version, _, _ in self.seen if status == 200)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    stack = Stack(folder / "data")
    try:
        stack.start()
        yield House(stack, folder)
    finally:
        print(stack.said())
        stack.end()
