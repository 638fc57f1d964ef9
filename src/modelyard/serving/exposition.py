"""What was counted, in Prometheus' words. Made when it is asked for; the counting itself knows nothing of it."""

from __future__ import annotations

from itertools import accumulate
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from modelyard import __version__

from .calls import PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prometheus_client.core import Metric

    from .catalog import Catalog, Model
    from .counts import Histogram


class Exposition:
    """The text of `/metrics`.

    Args:
        catalog: whose models' counts are told.
        strangers: answers to requests for models that are not here, by protocol and status: of whatever name, since
            anybody can think up names.
    """

    def __init__(self, catalog: Catalog, strangers: Mapping[tuple[int, int], int]) -> None:
        self._catalog = catalog
        self._strangers = strangers
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All of it, in the text format 0.0.4."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Every metric; Prometheus' library asks."""
        models = list(self._catalog.models.values())
        build = GaugeMetricFamily("modelyard_build_info", "The release that answers.", labels=["version"])
        build.add_metric([__version__], 1)
        yield build
        yield from _requests(models, self._strangers)
        yield from _queues(models)
        yield from self._processes()

    def _processes(self) -> Iterator[Metric]:
        memory = GaugeMetricFamily(
            "modelyard_worker_memory_bytes", "Resident memory of each process that holds models.", labels=["process"]
        )
        workers = list(self._catalog.workers)
        for worker in workers:
            memory.add_metric([str(worker.process)], worker.resident())
        yield memory
        yield GaugeMetricFamily("modelyard_workers", "Processes that hold models.", value=len(workers))


def _requests(models: Iterable[Model], strangers: Mapping[tuple[int, int], int]) -> Iterator[Metric]:
    answered = CounterMetricFamily(
        "modelyard_requests", "Requests for predictions that were answered.", labels=["model", "protocol", "status"]
    )
    for name, counted in [("", strangers), *((model.name, model.counts.answered) for model in models)]:
        for (protocol, status), count in sorted(counted.items()):
            answered.add_metric([name, PROTOCOLS[protocol], str(status)], count)
    yield answered
    yield _histogram(
        models, "modelyard_request_seconds", "Seconds from a request's arrival to its answer.", attrgetter("latency")
    )
    yield _histogram(models, "modelyard_batch_rows", "Rows that went to a process at once.", attrgetter("batch"))
    yield _histogram(
        models, "modelyard_batch_requests", "Requests that went to a process at once.", attrgetter("calls")
    )
    for name, text, value in (
        ("modelyard_rows", "Predictions that were made.", attrgetter("rows")),
        ("modelyard_work_seconds", "Seconds that processes worked for a model.", attrgetter("work_s")),
        ("modelyard_retries", "Requests that were asked again since a process died.", attrgetter("retried")),
        ("modelyard_abandoned", "Requests whose client did not wait for the answer.", attrgetter("gone")),
    ):
        counter = CounterMetricFamily(name, text, labels=["model"])
        for model in models:
            counter.add_metric([model.name], value(model.counts))
        yield counter


def _queues(models: Iterable[Model]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("modelyard_queue_requests", "Requests that wait for a process.", labels=["model"])
    ready = GaugeMetricFamily(
        "modelyard_model_ready", "Whether a model answers, and in which version.", labels=["model", "version"]
    )
    for model in models:
        current = model.current
        waiting.add_metric([model.name], current.queue.depth if current else 0)
        ready.add_metric([model.name, current.found.version if current else ""], int(model.ready))
    yield waiting
    yield ready


def _histogram(models: Iterable[Model], name: str, text: str, which: Callable[[Any], Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=["model"])
    for model in models:
        found = which(model.counts)
        counts = list(accumulate(found.counts))
        bounds = [*(f"{each:g}" for each in found.bounds), "+Inf"]
        family.add_metric([model.name], list(zip(bounds, counts, strict=True)), found.total)
    return family
