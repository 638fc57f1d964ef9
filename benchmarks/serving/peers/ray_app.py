"""The model in Ray Serve: one replica, `@serve.batch`, 128 requests under way."""

import os
import signal
import sys
import threading
from pathlib import Path

import ray
from loaded import load
from ray import serve
from starlette.requests import Request

BATCH = int(os.environ.get("BENCH_BATCH", "32"))


@serve.deployment(max_ongoing_requests=128, num_replicas=1)
class Served:
    def __init__(self):
        self.model = load()

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=0.002)
    async def predict(self, inputs):
        lengths = [len(each) for each in inputs]
        answers = self.model([each for one in inputs for each in one])
        found, at = [], 0
        for length in lengths:
            found.append(answers[at : at + length])
            at += length
        return found

    async def __call__(self, request: Request):
        return {"predictions": await self.predict((await request.json())["rows"])}


if __name__ == "__main__":
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    shared = {key: value for key, value in os.environ.items() if key.startswith("BENCH_")}
    shared["PYTHONPATH"] = str(Path(__file__).parent)
    ray.init(num_cpus=2, include_dashboard=False, runtime_env={"env_vars": shared})
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Served.bind())
    ended.wait()
    serve.shutdown()
    ray.shutdown()
