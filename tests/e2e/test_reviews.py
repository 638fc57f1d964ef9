"""The example of a text classifier: trained, logged, registered, and the same for one text as for many."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.client.client import Client
from modelyard.client.models import load_function
from modelyard.packaging import golden
from tests.cli.process import environment

pytest.importorskip("torch", reason="PyTorch is not installed")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "reviews" / "train.py"


def test_a_classifier_of_reviews_from_training_to_production(sqlite_server, tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLE],
        cwd=tmp_path, env=environment(MODELYARD_TRACKING_URI=sqlite_server.url), capture_output=True, text=True,
        timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "positive 1.000  Very good cafe" in done.stdout
    client = Client(sqlite_server.url)
    run = client.search_runs([client.get_experiment_by_name("reviews").experiment_id])[0]
    assert run.data.metrics["accuracy"] > 0.9

    model = load_function("models:/sentiment/Production", client=client)
    report = golden.run(model)
    assert report.passed
    assert report.results
    assert [each.name for each in model.metadata.signature.inputs] == ["text"]
    texts = ["Very good cafe", "awful, rude and COLD!", "", "一杯茶", "the tea " * 500, "\ud800"] * 7
    predict = model.unwrap_python_model().predict
    together = predict({"text": texts})
    alone = [predict({"text": [text]}) for text in texts]
    assert together["label"] == [label for each in alone for label in each["label"]]
    assert together["score"].tolist() == [score for each in alone for score in each["score"].tolist()]
    assert together["label"][:2] == ["positive", "negative"]
