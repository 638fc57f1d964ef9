"""Whether answers are the same bytes with batching under concurrency, without it one by one, and as in process."""

from __future__ import annotations

import http.client
import json
import os
import queue
import random
import re
import threading
import urllib.request
from pathlib import Path
from typing import Any
from unittest import mock

from models import columns, inputs, natural
from servers import OURS

REQUESTS = 200
CALLERS = 32
PASSES = 5
HEADERS = {"content-type": "application/json"}


def in_process(folder: Path, model: str, data: list[Any]) -> list[Any]:
    """What the model answers each row here, alone."""
    import numpy as np
    import pandas as pd

    from modelyard.packaging import model as packaging

    # with several threads, ONNX Runtime adds up the trees of a forest in another order
    with mock.patch.dict(os.environ, MODELYARD_MODEL_THREADS="1"):
        function = packaging.load_function(folder)
    found = []
    for row in data:
        if model == "text":
            answer = function.predict(pd.DataFrame({"text": [row]}))
            found.append({"label": answer["label"][0], "score": float(answer["score"][0])})
            continue
        given: Any = pd.DataFrame([row], columns=columns()) if model in ("forest", "boosting") else np.array([row])
        if model == "onnx":
            given = given.astype(np.float32)
        answer = function.predict(given)
        if isinstance(answer, dict):
            found.append({name: np.asarray(each).tolist()[0] for name, each in answer.items()})
        else:
            found.append(np.asarray(answer).tolist()[0])
    return found


def ask(port: int, bodies: list[bytes], callers: int, passes: int) -> list[set[bytes]]:
    """Every answer that each body got, asked by so many callers at once, in another order each time."""
    found: list[set[bytes]] = [set() for _ in bodies]
    work: queue.SimpleQueue[int] = queue.SimpleQueue()
    for turn in range(passes):
        order = list(range(len(bodies)))
        random.Random(turn).shuffle(order)
        for at in order:
            work.put(at)

    def call() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            try:
                at = work.get_nowait()
            except queue.Empty:
                connection.close()
                return
            connection.request("POST", "/predict", bodies[at], HEADERS)
            answer = connection.getresponse()
            found[at].add(b"%d " % answer.status + answer.read())

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def metric(url: str, name: str) -> float:
    """The sum of a metric's samples."""
    text = urllib.request.urlopen(f"{url}/metrics").read().decode()
    return sum(float(each) for each in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


def check(bench: Any, model: str) -> dict[str, Any]:
    """The counts of one model."""
    data = inputs(model, REQUESTS, seed=7)
    sizes = random.Random(0)
    groups: list[list[Any]] = []
    at = 0
    while len(groups) < REQUESTS:  # every fifth request has several rows
        size = sizes.choice((2, 3, 5, 9)) if len(groups) % 5 == 4 else 1
        groups.append([data[(at + each) % REQUESTS] for each in range(size)])
        at += size
    bodies = [natural(model, each) for each in groups]
    with bench.running(OURS, model) as together:
        many = ask(together.port, bodies, CALLERS, PASSES)
        frames = metric(together.base, "modelyard_batch_requests_count")
    with bench.running(OURS, model, "--batching", "off") as alone:
        one = ask(alone.port, bodies, 1, 1)
    here = dict(zip(map(str, data), in_process(bench.built / "saved" / model, model, data), strict=True))
    unlike = wrong = 0
    for group, mine, theirs in zip(groups, many, one, strict=True):
        unlike += mine != theirs
        (answer,) = theirs
        got = json.loads(answer[4:])
        expected = [here[str(each)] for each in group]
        wrong += (got if isinstance(got, list) and len(group) > 1 else [got]) != expected
    return {
        "requests": REQUESTS * PASSES,
        "together": f"{(REQUESTS * PASSES + 1) / max(1.0, frames):.1f}",
        "unlike_alone": unlike,
        "unlike_in_process": wrong,
    }
