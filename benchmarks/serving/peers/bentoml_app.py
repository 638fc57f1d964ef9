"""The model in BentoML, batched by it."""

import os

import bentoml
import numpy as np
from loaded import MODEL, load

BATCH = int(os.environ.get("BENCH_BATCH", "32"))

if MODEL == "text":

    @bentoml.service(workers=1)
    class Service:
        def __init__(self) -> None:
            self.model = load()

        @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=1000)
        def predict(self, rows: list[str]) -> list[dict]:
            return self.model(rows)

else:

    @bentoml.service(workers=1)
    class Service:
        def __init__(self) -> None:
            self.model = load()

        @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=1000)
        def predict(self, rows: np.ndarray) -> np.ndarray:
            return np.asarray(self.model(rows))
