"""What the gateway of deployments counted, in Prometheus' words."""

from __future__ import annotations

from itertools import accumulate
from time import monotonic
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from modelyard import __version__
from modelyard.domain.checks import BOUNDS_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from .asking import Asking
    from .following import File, Follower
    from .reporting import Reporter

_OF = ["deployment", "revision", "role", "segment"]


class Metrics:
    """The text of `/metrics`.

    Args:
        asking: where predictions are asked for.
        follower: of the routing table.
        reporter: of what was measured; None: there is no server.
    """

    def __init__(self, asking: Asking, follower: Follower | File, reporter: Reporter | None) -> None:
        self._asking = asking
        self._follower: Any = follower
        self._reporter = reporter
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All of it, in the text format 0.0.4."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Every metric; Prometheus' library asks."""
        asking = self._asking
        build = GaugeMetricFamily("modelyard_build_info", "The release that answers.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        yield from self._answers()
        yield from self._replicas()
        refused = CounterMetricFamily(
            "modelyard_gateway_refused", "Requests that no model server answered.", labels=["status"]
        )
        for status, count in sorted(asking.refused.items()):
            refused.add_metric([str(status)], count)
        yield refused
        mirror = asking.mirror
        for name, text, value in (
            ("repeated", "Requests sent once more, since a connection broke or a model server was not ready.",
             asking.repeated),
            ("abandoned", "Requests whose client did not wait for the answer.", asking.gone),
            ("copies", "Copies sent to shadows.", mirror.sent),
            ("copies_dropped", "Copies that shadows had no room for.", mirror.dropped),
        ):  # fmt: skip
            yield CounterMetricFamily(f"modelyard_gateway_{name}", text, value=value)
        if asking.recorder is not None:
            recorder = asking.recorder
            yield CounterMetricFamily(
                "modelyard_gateway_predictions_dropped", "Predictions that were not written down.", recorder.dropped
            )
            yield GaugeMetricFamily(
                "modelyard_gateway_predictions_pending", "Predictions on disk that the server does not have yet.",
                recorder.pending,
            )  # fmt: skip
        if self._reporter is not None:
            yield GaugeMetricFamily(
                "modelyard_gateway_reports_pending", "Reports that the server does not have yet.",
                self._reporter.pending,
            )  # fmt: skip
            yield CounterMetricFamily(
                "modelyard_gateway_reports_lost", "Reports that were given up.", self._reporter.lost
            )
        heard = getattr(self._follower, "heard_s", None)
        if heard is not None:
            yield GaugeMetricFamily(
                "modelyard_gateway_server_heard_seconds", "Since the server last said who answers what.",
                monotonic() - heard,
            )  # fmt: skip

    def _answers(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("modelyard_gateway_requests", "Answers.", labels=_OF)
        errors = CounterMetricFamily("modelyard_gateway_errors", "Answers of status 500 and above.", labels=_OF)
        seconds = HistogramMetricFamily(
            "modelyard_gateway_seconds", "From a request's arrival to its answer.", labels=["deployment", "revision"]
        )
        pairs = CounterMetricFamily(
            "modelyard_gateway_pairs", "Answers of a shadow that were compared.", labels=["deployment", "revision"]
        )
        disagreements = CounterMetricFamily(
            "modelyard_gateway_disagreements", "Of them, with another label.", labels=["deployment", "revision"]
        )
        summed: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
        for of, total in sorted(self._asking.measuring.totals.items()):
            revision = of.endpoint or str(of.revision)
            labels = [of.deployment, revision, of.role, of.segment]
            requests.add_metric(labels, total.requests)
            errors.add_metric(labels, total.errors)
            latency, sums = summed.setdefault((of.deployment, revision), ([0] * (len(BOUNDS_S) + 1), [0.0, 0, 0]))
            for at, count in enumerate(total.latency):
                latency[at] += count
            sums[0] += total.seconds
            sums[1] += total.pairs
            sums[2] += total.disagreements
        bounds = [*(f"{each:g}" for each in BOUNDS_S), "+Inf"]
        for (name, revision), (latency, sums) in summed.items():
            counts = list(accumulate(latency))
            seconds.add_metric([name, revision], list(zip(bounds, counts, strict=True)), sums[0])
            pairs.add_metric([name, revision], sums[1])
            disagreements.add_metric([name, revision], sums[2])
        yield from (requests, errors, seconds, pairs, disagreements)

    def _replicas(self) -> Iterator[Metric]:
        labels = ["deployment", "revision"]
        ready = GaugeMetricFamily("modelyard_gateway_replicas_ready", "Replicas that take requests.", labels=labels)
        known = GaugeMetricFamily("modelyard_gateway_replicas", "Replicas that the table names.", labels=labels)
        in_flight = GaugeMetricFamily("modelyard_gateway_in_flight", "Requests not answered yet.", labels=labels)
        for each in self._asking.deployments.revisions():
            at = [each.deployment, each.endpoint or str(each.number)]
            ready.add_metric(at, each.ready)
            known.add_metric(at, len(each.replicas.all))
            in_flight.add_metric(at, each.replicas.in_flight)
        waiting = GaugeMetricFamily(
            "modelyard_gateway_waiting", "Requests for which nobody is ready.", labels=labels[:1]
        )
        for name, deployment in self._asking.deployments.named.items():
            waiting.add_metric([name], len(deployment.waiting))
        yield from (ready, known, in_flight, waiting)
