"""What the browser's server has to show: some of everything, also what somebody hostile would log."""

from __future__ import annotations

import math
import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.client import Client
from modelyard.client.entities import Metric, Param, RunTag
from modelyard.packaging import model as models

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
PAGE = "<!doctype html><h1>A report</h1><script>document.title='owned';parent.document.title='owned'</script>"
NOW = 1_790_000_000_000
"""When the first run began, in ms."""


@dataclass
class Seeded:
    """Ids and names of what is there.

    Attributes:
        experiment: with twelve runs; `/teams/wine/WineClassifier`.
        runs: theirs, the oldest first; the last one runs still, the one before failed.
        hostile_experiment, hostile_run: whose names, params, tags and files want to do harm.
        model: a registered model with three versions: 2 is in Production and `champion`, 3 in Staging.
        deployment: of that model; nothing runs behind it.
    """

    experiment: str = ""
    runs: list[str] = field(default_factory=list)
    hostile_experiment: str = ""
    hostile_run: str = ""
    model: str = "wine"
    deployment: str = "wine"


def seed(client: Client) -> Seeded:
    """Put it there."""
    seeded = Seeded()
    _runs(client, seeded)
    _hostile(client, seeded)
    _model(client, seeded)
    client.apply_deployment({"name": seeded.deployment, "environment": "production", "model": seeded.model})
    return seeded


def _runs(client: Client, seeded: Seeded) -> None:
    seeded.experiment = client.create_experiment("/teams/wine/WineClassifier")
    for name in ("/teams/wine/baselines", "/teams/reviews/Sentiment", "scratch"):
        client.create_experiment(name)
    chance = random.Random(1)
    for at in range(12):
        began = NOW + at * 600_000
        run = client.create_run(
            seeded.experiment, began, {"team": "wine", "kind": ("forest", "linear")[at % 2]}, f"run-{at}"
        )
        id = run.info.run_id
        depth, rate = chance.randint(2, 12), round(10 ** chance.uniform(-4, -1), 6)
        params = {"max_depth": str(depth), "learning_rate": str(rate), "criterion": ("gini", "entropy")[at % 2]}
        points = [
            Metric(key, value, began + step * 1000, step)
            for step in range(40)
            for key, value in (
                ("train/loss", 2 * math.exp(-step * (0.02 + rate)) + chance.random() / 20),
                ("val/accuracy", 1 - math.exp(-step * depth / 60) / 2 - chance.random() / 50),
            )
        ]
        points.append(Metric("accuracy", points[-1].value, began + 40_000, 40))
        client.log_batch(id, points, [Param(key, value) for key, value in params.items()])
        if at < 11:
            client.set_terminated(id, "FAILED" if at == 10 else "FINISHED", began + 45_000 + at * 1000)
        seeded.runs.append(id)
    with tempfile.TemporaryDirectory() as folder:
        files = {
            "notes.txt": "first line\nsecond line\n",
            "config.json": '{"layers": [64, 32], "dropout": 0.1}',
            "tables/scores.csv": "name,score\n" + "".join(f"row {at},{at / 7:.3f}\n" for at in range(500)),
            "report.html": PAGE,
        }
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        client.log_artifacts(seeded.runs[0], folder)


def _hostile(client: Client, seeded: Seeded) -> None:
    seeded.hostile_experiment = client.create_experiment(f"hostile {HOSTILE}")
    run = client.create_run(seeded.hostile_experiment, NOW, {HOSTILE: HOSTILE, "long": "x" * 5000}, HOSTILE)
    id = seeded.hostile_run = run.info.run_id
    params = [Param(f"param {at}", str(at)) for at in range(5000)]
    params += [Param("markup", HOSTILE), Param("long", "9" * 6000), Param("arabic", "نموذج <b>جيد</b>")]
    for at in range(0, len(params), 100):
        client.log_batch(id, params=params[at : at + 100])
    odd = (math.nan, math.inf, -math.inf, math.nan)
    client.log_batch(id, [Metric("loss", value, NOW + at, at) for at, value in enumerate(odd)])
    client.log_batch(id, tags=[RunTag("mlflow.note.content", f"# A note {HOSTILE}")])
    client.set_terminated(id, "FINISHED", NOW + 1)


def _model(client: Client, seeded: Seeded) -> None:
    import pandas as pd
    from sklearn.tree import DecisionTreeClassifier

    data = pd.DataFrame({"alcohol": [11.0, 12.5, 13.1, 12.2], "hue": [0.9, 1.1, 0.7, 1.0]})
    client.create_registered_model(seeded.model, {"team": "wine"}, "Which cultivar a wine is of.")
    with tempfile.TemporaryDirectory() as folder:
        for at in range(3):
            run = seeded.runs[at]
            path = Path(folder, str(at))
            fitted = DecisionTreeClassifier(max_depth=at + 1).fit(data, [0, 1, 0, 1])
            logged = client.create_logged_model(seeded.experiment, name=f"tree-{at}", source_run_id=run)
            models.save(
                fitted, path, flavor="sklearn", input_example=data.head(2), golden=True, run_id=run,
                model_id=logged.model_id,
            )  # fmt: skip
            client.log_model_artifacts(logged.model_id, path)
            client.finalize_logged_model(logged.model_id, "READY")
            client.create_model_version(
                seeded.model, f"models:/{logged.model_id}", run_id=run, model_id=logged.model_id
            )
    client.transition_model_version_stage(seeded.model, "2", "Production")
    client.transition_model_version_stage(seeded.model, "3", "Staging")
    client.set_registered_model_alias(seeded.model, "champion", "2")
