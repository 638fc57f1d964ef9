"""What autologging adds to a training: the same `fit` with and without it, in turn, against a server of its own.

    python benchmarks/autolog.py [--seconds 60] [--rounds 3] [--only sklearn]

For scikit-learn the time that `fit` spends outside of scikit-learn's own `fit` is measured directly, because two
trainings of a minute differ by more than a percent by themselves; the first training of a process, which imports what
saves models, is told apart. Lightning calls us while it trains, so that there the totals are compared, and the
processor time of all threads, which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import modelyard
from modelyard.client.recorder import recorder_for


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "modelyard.cli.main", "server", "--data", str(folder), "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with contextlib.suppress(urllib.error.URLError, ConnectionError):
                    urllib.request.urlopen(f"{url}/health").close()
                    break
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()


def timed(train: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall and processor seconds of a training, and what it returns."""
    wall, processor = time.perf_counter(), time.process_time()
    result = train()
    return time.perf_counter() - wall, time.process_time() - processor, result


def scikit_learn(seconds: float, rounds: int) -> None:
    from sklearn.ensemble import GradientBoostingClassifier

    inner: list[float] = []
    original = GradientBoostingClassifier.fit

    @functools.wraps(original)
    def fit(self: Any, data: Any, targets: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return original(self, data, targets, **options)
        finally:
            inner.append(time.perf_counter() - start)

    GradientBoostingClassifier.fit = fit  # how long scikit-learn itself takes
    generator = np.random.default_rng(0)
    data = generator.normal(size=(1_000_000, 20))
    targets = (data[:, 0] * data[:, 1] > 0).astype(int)
    rows = calibrate(lambda count: GradientBoostingClassifier().fit(data[:count], targets[:count]), 2000, seconds)
    data, targets = data[:rows], targets[:rows]
    for number in range(rounds):
        modelyard.sklearn.autolog(disable=True)
        off, _, _ = timed(lambda: GradientBoostingClassifier().fit(data, targets))
        modelyard.sklearn.autolog()
        on, _, _ = timed(lambda: GradientBoostingClassifier().fit(data, targets))
        added = on - inner[-1]
        which = "first" if number == 0 else "later"
        print(
            f"scikit-learn, {which}: without {off:.2f} s, with {on:.2f} s; added {added:.3f} s, {added / off:.2%}",
            flush=True,
        )
    modelyard.sklearn.autolog(disable=True)


def calibrate(train: Callable[[int], Any], few: int, seconds: float) -> int:
    """How many rounds of a training take that long."""
    one, _, _ = timed(lambda: train(few))
    two, _, _ = timed(lambda: train(few * 3))
    return max(few, int(few * 2 * seconds / max(two - one, 1e-3)))


def lightning(seconds: float, rounds: int) -> None:
    import logging
    import warnings

    import torch
    from lightning.pytorch import LightningModule, Trainer
    from torch.utils.data import DataLoader, TensorDataset

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")  # of a loader without workers
    torch.manual_seed(0)
    torch.set_num_threads(1)  # waiting for a busy core would drown what is measured
    data = torch.randn(20_000, 20)
    loader = DataLoader(TensorDataset(data, (data[:, :1] * data[:, 1:2] > 0).float()), batch_size=100)

    class Net(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(20, 256), torch.nn.ReLU(), torch.nn.Linear(256, 1))

        def forward(self, rows: Any) -> Any:
            return self.layers(rows)

        def training_step(self, batch: Any, _: int) -> Any:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(self(batch[0]), batch[1])
            self.log("loss", loss, on_step=False, on_epoch=True)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters())

    def train(epochs: int) -> None:
        trainer = Trainer(
            max_epochs=epochs, logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, accelerator="cpu",
        )  # fmt: skip
        trainer.fit(Net(), loader)

    train(1)
    epochs = calibrate(train, 1, seconds)
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    modelyard.lightning.autolog()
    first = timed(lambda: train(1))[0]
    again = timed(lambda: train(1))[0]
    print(f"Lightning, 1 epoch: first {first:.2f} s, then {again:.2f} s", flush=True)
    for _ in range(rounds):
        for on in (False, True):
            modelyard.lightning.autolog(disable=not on)
            found[on].append(timed(lambda: train(epochs))[:2])
    for place, name in enumerate(("wall", "processor")):
        off, on = (statistics.median(entry[place] for entry in found[which]) for which in (False, True))
        print(
            f"Lightning, {epochs} epochs, {name}: without {off:.2f} s, with {on:.2f} s; {on / off - 1:+.2%}", flush=True
        )
    modelyard.lightning.autolog(disable=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["sklearn", "lightning"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MODELYARD_SPOOL"] = f"{folder}/spool"
        with server(Path(folder) / "data") as url:
            modelyard.set_tracking_uri(url)
            modelyard.set_experiment("autologging")
            if given.only != "lightning":
                scikit_learn(given.seconds, given.rounds)
            if given.only != "sklearn":
                lightning(given.seconds, given.rounds)
            recorder_for(url).close(30)


if __name__ == "__main__":
    main()
