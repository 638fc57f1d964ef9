"""What the gateway counted, in Prometheus' words."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from modelyard import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from .keeping import Keeper


class Exposition:
    """The text of the gateway's `/metrics`; those of the models are at each replica's.

    Args:
        keeper: of the replicas.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All of it, in the text format 0.0.4."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Every metric; Prometheus' library asks."""
        keeper, replicas = self._keeper, self._keeper.replicas
        build = GaugeMetricFamily("modelyard_build_info", "The release that answers.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        for name, text, value in (
            ("modelyard_gateway_replicas_wanted", "Replicas that there shall be.", keeper.wanted),
            ("modelyard_gateway_replicas_ready", "Replicas that take requests.", replicas.ready),
            ("modelyard_gateway_waiting", "Requests that wait for a replica.", len(replicas.waiting)),
        ):
            yield GaugeMetricFamily(name, text, value=value)
        for name, text, value in (
            ("modelyard_gateway_repeated", "Requests sent once more since a connection broke.", replicas.repeated),
            ("modelyard_gateway_abandoned", "Requests whose client did not wait for the answer.", replicas.gone),
        ):
            yield CounterMetricFamily(name, text, value=value)
        refused = CounterMetricFamily(
            "modelyard_gateway_refused", "Requests that no replica answered.", labels=["status"]
        )
        for status, count in sorted(replicas.refused.items()):
            refused.add_metric([str(status)], count)
        yield refused
        yield from self._of_replicas()

    def _of_replicas(self) -> Iterator[Metric]:
        answered = CounterMetricFamily(
            "modelyard_gateway_requests", "Answers of a replica.", labels=["replica", "status"]
        )
        broken = CounterMetricFamily(
            "modelyard_gateway_broken", "Requests whose connection to the replica broke.", labels=["replica"]
        )
        in_flight = GaugeMetricFamily(
            "modelyard_gateway_in_flight", "Requests that a replica has not answered yet.", labels=["replica"]
        )
        seconds = HistogramMetricFamily(
            "modelyard_gateway_replica_seconds", "From a request's sending to a replica's answer.", labels=["replica"]
        )
        for replica in self._keeper.replicas.all.values():
            for status, count in sorted(replica.answered.items()):
                answered.add_metric([replica.name, status.decode("latin-1")], count)
            broken.add_metric([replica.name], replica.broken)
            in_flight.add_metric([replica.name], replica.in_flight)
            bounds = [*(f"{each:g}" for each in replica.latency.bounds), "+Inf"]
            counts = list(accumulate(replica.latency.counts))
            seconds.add_metric([replica.name], list(zip(bounds, counts, strict=True)), replica.latency.total)
        yield from (answered, broken, in_flight, seconds)
