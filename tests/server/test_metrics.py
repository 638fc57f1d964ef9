"""What is counted, and how it is told."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from collections import Counter

import pytest

from modelyard.server.metrics import SENT, Metrics

NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
SAMPLE = re.compile(rf'([a-z_]+)(?:\{{((?:[a-z]+="[^"]*",?)+)\}})? ({NUMBER})')


def samples(text: str) -> dict[str, float]:
    """Every sample of a well-formed exposition by name and labels."""
    found: dict[str, float] = {}
    families: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith("#"):
            families[line.split()[2] + line.split()[1]] += 1
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        name = match[1] + (f"{{{match[2]}}}" if match[2] else "")
        assert name not in found
        found[name] = float(match[3])
    assert set(families.values()) == {1}
    return found


def scrape(url: str) -> dict[str, float]:
    with urllib.request.urlopen(url + "/metrics") as answer:
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        return samples(answer.read().decode())


def post(url: str, path: str, body: object) -> dict[str, object]:
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())


def test_requests_by_endpoint_and_status(server):
    before = scrape(server.url)
    run = post(server.url, "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    point = {"run_id": run, "key": "m", "value": 1.0, "timestamp": 1, "step": 1}
    for _ in range(3):
        post(server.url, "/api/2.0/mlflow/runs/log-metric", point)
    with pytest.raises(OSError, match="404"):
        post(server.url, "/ajax-api/2.0/mlflow/runs/log-metric", {**point, "run_id": "0" * 32})
    with pytest.raises(OSError, match="404"):
        urllib.request.urlopen(server.url + "/a/path/that/does/not/exist?secret=1")

    after = scrape(server.url)

    assert after['modelyard_requests_total{endpoint="runs/log-metric",status="200"}'] == 3
    assert after['modelyard_requests_total{endpoint="runs/log-metric",status="404"}'] == 1
    assert after['modelyard_requests_total{endpoint="other",status="404"}'] == 1
    assert after['modelyard_request_seconds_count{endpoint="runs/log-metric"}'] == 4
    assert after['modelyard_request_seconds_bucket{endpoint="runs/log-metric",le="+Inf"}'] == 4
    assert 0 < after['modelyard_request_seconds_sum{endpoint="runs/log-metric"}'] < 60
    assert after["modelyard_database_commands_total"] - before["modelyard_database_commands_total"] >= 5
    assert after["modelyard_database_commits_total"] - before["modelyard_database_commits_total"] >= 1
    assert after["modelyard_writer_queue_length"] == 0
    assert after["process_resident_memory_bytes"] > 10_000_000
    assert not any("does/not/exist" in name or "secret" in name for name in after)


def test_bytes_of_artifacts_in_both_directions(sqlite_server):
    url = sqlite_server.url + "/api/2.0/mlflow-artifacts/artifacts/a/file.bin"
    content = os.urandom(300_000)
    with urllib.request.urlopen(urllib.request.Request(url, content, method="PUT")):
        pass
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == content
    found = scrape(sqlite_server.url)
    assert found["modelyard_artifact_received_bytes_total"] == len(content)
    assert found["modelyard_artifact_sent_bytes_total"] >= len(content)
    assert found['modelyard_requests_total{endpoint="mlflow-artifacts",status="200"}'] == 2


def test_a_latency_falls_into_the_bucket_that_ends_at_it():
    metrics = Metrics(["/api/2.0/mlflow/runs/get"])
    group = metrics.group("/api/2.0/mlflow/runs/get")
    for seconds in (0.0005, 0.0006, 0.2, 99.0):
        metrics.record(group, 200, seconds)
    found = samples(metrics.render().decode())
    bucket = 'modelyard_request_seconds_bucket{endpoint="runs/get",le="'
    assert [found[f'{bucket}{bound}"}}'] for bound in ("0.0005", "0.001", "0.1", "0.25", "10", "+Inf")] == [
        *(1, 2, 2, 3, 3, 4),
    ]


def test_workers_are_told_as_one_and_a_new_one_goes_on_from_the_old(tmp_path):
    metrics = Metrics(["/version"], workers=2)
    group = metrics.group("/version")

    def as_worker(number: int) -> None:
        child = os.fork()
        if child == 0:
            metrics.become(number)
            metrics.record(group, 200, 0.1)
            metrics.add(SENT, 5)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    for number in (0, 1, 1):
        as_worker(number)

    found = samples(metrics.render().decode())
    assert found['modelyard_requests_total{endpoint="version",status="200"}'] == 3
    assert found["modelyard_artifact_sent_bytes_total"] == 15
