"""What `/metrics` says is what the page for operators says, and Prometheus understands it."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from modelyard.serving.catalog import Catalog, Model
from modelyard.serving.exposition import Exposition
from modelyard.serving.rounds import Round
from modelyard.serving.sources import Sources
from modelyard.settings import ServeSettings

PAGE = Path(__file__).resolve().parents[2] / "docs/operations.md"


def exposition() -> bytes:
    catalog = Catalog(ServeSettings(), Sources([]), Round())
    model = catalog.models["wine"] = Model("wine")
    model.counts.answered[0, 200] = 3
    model.counts.latency.add(0.002)
    model.counts.latency.add(100.0)
    model.counts.batch.add(2)
    return Exposition(catalog, {(0, 404): 1}).text()


def test_every_metric_is_in_the_table_and_nothing_else_is():
    table = dict(re.findall(r"^\| `(modelyard_\w+)` \|([\w, ]*)\|", PAGE.read_text(), re.MULTILINE))
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(exposition().decode()):
        if family.name.startswith("modelyard_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
    documented = {name: {each.strip() for each in labels.split(",") if each.strip()} for name, labels in table.items()}
    # nothing was counted for these, so they show no labels
    empty = {name for name, labels in found.items() if not labels}
    assert set(found) == set(documented)
    assert {name: found[name] for name in found if name not in empty} == {
        name: documented[name] for name in documented if name not in empty
    }


def test_histograms_add_up():
    (latency,) = [
        family
        for family in text_string_to_metric_families(exposition().decode())
        if family.name == "modelyard_request_seconds"
    ]
    buckets = [(sample.labels["le"], sample.value) for sample in latency.samples if sample.name.endswith("_bucket")]
    assert [count for _, count in buckets] == sorted(count for _, count in buckets)
    assert dict(buckets)["0.0025"] == 1
    assert dict(buckets)["30"] == 1
    assert dict(buckets)["+Inf"] == 2
    (total,) = [sample.value for sample in latency.samples if sample.name.endswith("_sum")]
    assert total == 100.002
