"""People who ask for predictions all the time, and some of whom say later what would have been right."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from typing import Any, Self
from urllib.parse import urlsplit

from reviews import Review

CALLERS = 4
PER_SECOND = 120


class Traffic:
    """Requests at a steady rate, from a few callers, until it is stopped.

    Attributes:
        answered: how many by version.
        failed: what went wrong: caller's view, one line each.
    """

    def __init__(self, gateway: str, name: str, given: list[Review]) -> None:
        self.answered: Counter[str] = Counter()
        self.failed: list[str] = []
        self._address = urlsplit(gateway).netloc
        self._path = f"/models/{name}/predict"
        self._given = itertools.cycle(given)
        self._guard = threading.Lock()
        self._stop = threading.Event()
        self._feedback: list[dict[str, Any]] = []
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(CALLERS)]

    def __enter__(self) -> Self:
        """Begin."""
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._stop.set()
        for each in self._threads:
            each.join()

    def _call(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=10)
        due = time.monotonic()
        while not self._stop.is_set():
            with self._guard:
                review = next(self._given)
            try:
                self._ask(connection, review)
            except OSError as error:
                self.failed.append(repr(error))
                connection.close()
            due += CALLERS / PER_SECOND
            self._stop.wait(max(0.0, due - time.monotonic()))
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, review: Review) -> None:
        body = json.dumps({"text": review.text, "language": review.language})
        connection.request("POST", self._path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            self.failed.append(f"{answer.status} by version {answer.headers['modelyard-version']}: {content[:80]!r}")
            return
        with self._guard:
            self.answered[answer.headers["modelyard-version"] or "?"] += 1
            self._feedback.append({"prediction": answer.headers["modelyard-prediction"], "truth": review.label})
            told, self._feedback = (self._feedback, []) if len(self._feedback) >= 50 else ([], self._feedback)
        for each in told:
            connection.request("POST", "/feedback", json.dumps(each), {"content-type": "application/json"})
            connection.getresponse().read()
