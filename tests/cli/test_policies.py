"""Policies, promotions and evaluations as one types them."""

from __future__ import annotations

import json

import pytest

import modelyard
from modelyard.client import models
from modelyard.client.client import Client
from tests.cli.process import modelyard as run
from tests.conftest import serve
from tests.reliability.process import until


@pytest.fixture
def controlled(tmp_path):
    yield from serve(tmp_path / "data", controller=True)


@pytest.fixture
def wine(controlled, tmp_path, monkeypatch):
    linear_model = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    import pandas as pd

    monkeypatch.setenv("MODELYARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MODELYARD_CAPTURE", "false")
    monkeypatch.setenv("MODELYARD_TRACKING_URI", controlled.url)
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0] * 5, "b": [0.0, 1.0] * 10})
    target = (frame["a"] > 1).astype(int)
    good = linear_model.LogisticRegression().fit(frame, target)
    bad = linear_model.LogisticRegression().fit(frame, 1 - target)
    with modelyard.start_run():
        for model in (bad, good):
            models.log_model("sklearn", model, input_example=frame[:2], golden=frame[:2],
                             registered_model_name="wine")  # fmt: skip
    client = Client(controlled.url)
    client.set_model_version_label("wine", "1", "1.0")
    client.set_model_version_label("wine", "2", "2.0")
    frame.assign(target=target).to_csv(tmp_path / "holdout.csv", index=False)
    yield controlled.url, tmp_path / "holdout.csv", client
    modelyard.end_run()


def test_evaluate_choose_promote_and_undo(wine):
    url, table, client = wine

    def modelyard_(*arguments):
        return run(*arguments, "--tracking-uri", url)

    scored = modelyard_("evaluate", "wine", "1", "2", "--data", str(table), "--target", "target", "--json")
    found = json.loads(scored.stdout)
    assert found["versions"]["1"]["accuracy"] == 0.0
    assert found["versions"]["2"]["accuracy"] == 1.0
    assert {each.dataset_digest for each in client.list_evaluations("wine")} == {found["digest"]}

    # registered by us, a version says what it brings
    modelyard_("policy", "set", "production", "--allow", "<=1.0", "--gate", "golden", "--gate", "signature")
    modelyard_("policy", "set", "production", "wine", "--best", "accuracy", "--dataset", found["digest"])
    # the server itself puts into production what the policy chooses
    until(lambda: [each.version for each in client.list_model_environments("wine")] == [None, 1])
    told = modelyard_("policy", "explain", "wine", "production")
    assert "production: wine version 1." in told.stdout
    assert "Its label 2.0 is outside the allowance <=1.0." in told.stdout
    tried = json.loads(
        modelyard_("policy", "explain", "wine", "production", "--best", "accuracy", "--allow", "", "--json").stdout
    )
    assert tried["version"] == 2

    refused = modelyard_("promote", "wine", "2")
    assert refused.returncode == 1
    assert "Raise the allowance in the same step with --allow." in refused.stderr
    assert modelyard_("promote", "wine", "2", "--allow", "<=2.0").returncode == 0
    assert client.get_model_version("wine", "2").current_stage == "Production"
    undone = modelyard_("promote", "wine", "--undo")
    assert undone.stdout == "production of wine has version 1 again, instead of version 2.\n"
    listed = modelyard_("policy", "list").stdout
    assert "rule best, metric accuracy" in listed
    assert "allowance <=1.0, gates ['signature', 'golden']" in listed or "gates ['golden', 'signature']" in listed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate", "wine", "--data", "{table}", "--target", "nope"), "has no column 'nope'; it has a, b, target."),
        (("evaluate", "wine", "--data", "{table}", "--target", "target", "--metric", "luck"), "Unknown metric 'luck'"),
        (("policy", "set", "moon", "wine", "--manual"), "Environment 'moon' not found"),
        (("policy", "set", "production", "wine", "--allow", "two"), "expected PEP 440 specifiers"),
        (("policy", "explain", "beer", "production"), "beer"),
        (("promote", "wine"), "Give a VERSION, or --undo."),
        (("promote", "wine", "--undo"), "can be undone"),
    ],
)
def test_mistakes_are_told(wine, arguments, said):
    url, table, _ = wine
    found = run(*(each.format(table=table) for each in arguments), "--tracking-uri", url)
    assert found.returncode in (1, 2)
    assert said in found.stderr
    assert "Traceback" not in found.stderr
