"""Counters of the server in Prometheus' text format.

Our own few lines instead of the `prometheus_client` package, for two reasons. A request must not pay more than a
microsecond or two, and several worker processes must answer a scrape as one: the cells lie in memory that all of them
share, one stretch per worker, and whoever is asked adds them up.
"""

from __future__ import annotations

import mmap
import os
import time
from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from modelyard import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from modelyard.db.engine import Database

BOUNDS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STATUSES: Final = (
    200,
    201,
    204,
    206,
    302,
    304,
    400,
    401,
    403,
    404,
    405,
    408,
    409,
    412,
    413,
    416,
    429,
    499,
    500,
    501,
    503,
    507,
)
"""Statuses with a cell of their own; 499 stands for a client that hung up before the answer."""

_CELL: Final = {status: index for index, status in enumerate(STATUSES)}
_OTHER: Final = len(STATUSES)
_SUM: Final = _OTHER + 1
_BUCKETS: Final = _SUM + 1
_WIDTH: Final = _BUCKETS + len(BOUNDS_S) + 1

# One cell each, per worker: name, kind, text.
SINGLES: Final = (
    ("artifact_received_bytes_total", "counter", "Bytes of artifacts that came in through the proxy."),
    ("artifact_sent_bytes_total", "counter", "Bytes of artifacts that went out through the proxy."),
    ("database_commits_total", "counter", "Transactions committed by the writer."),
    ("database_commands_total", "counter", "Commands that these transactions carried; under load several each."),
    ("writer_queue_length", "gauge", "Commands that wait for the writer."),
    ("process_resident_memory_bytes", "gauge", "Resident memory of the server's processes."),
    ("process_cpu_seconds_total", "counter", "Processor time of the server's processes."),
    ("process_start_time_seconds", "gauge", "When the server's newest process started, seconds since the epoch."),
    ("rehearsals_passed_total", "counter", "Rehearsals of deployments that went well."),
    ("rehearsals_failed_total", "counter", "Rehearsals of deployments that did not."),
)  # fmt: skip
RECEIVED, SENT, COMMITS, COMMANDS, QUEUE, MEMORY, CPU, STARTED, PASSED, FAILED = range(len(SINGLES))

# Groups for paths that contain names or ids.
_PREFIXES: Final = (
    ("/api/2.0/mlflow-artifacts/", "mlflow-artifacts"),
    ("/ajax-api/2.0/mlflow-artifacts/", "mlflow-artifacts"),
    ("/api/2.0/mlflow/logged-models/", "logged-models"),
    ("/ajax-api/2.0/mlflow/logged-models/", "logged-models"),
    ("/api/v1/changes", "api/v1/changes"),  # as long as a page is open
    ("/api/v1/", "api/v1"),
)
ARTIFACTS: Final = "mlflow-artifacts"
OTHER: Final = "other"


class Metrics:
    """The cells of all workers, and this worker's stretch of them.

    Args:
        paths: exact request paths that get a group each.
        workers: how many processes share the cells; they must be forked after this.
    """

    def __init__(self, paths: Iterable[str], workers: int = 1) -> None:
        names = {path: path.partition("/mlflow/")[2] or path.strip("/") for path in paths}
        self.groups = sorted({*names.values(), *(group for _, group in _PREFIXES), OTHER})
        position = {name: index * _WIDTH for index, name in enumerate(self.groups)}
        self._base = {path: position[name] for path, name in names.items()}
        self._prefixes = [(prefix, position[group]) for prefix, group in _PREFIXES]
        self._other = position[OTHER]
        self.artifacts = position[ARTIFACTS]
        self._singles = len(self.groups) * _WIDTH
        self._size = self._singles + len(SINGLES)
        self._workers = workers
        self._memory = mmap.mmap(-1, self._size * workers * 8)
        self._all = memoryview(self._memory).cast("d")
        self.become(0)

    def become(self, worker: int) -> None:
        """Count in this worker's stretch from now on; a new process goes on where the one before it stopped."""
        self._cells = self._all[worker * self._size : (worker + 1) * self._size]
        cells, singles = self._cells, self._singles
        self._carried = (cells[singles + COMMITS], cells[singles + COMMANDS], cells[singles + CPU])
        cells[singles + STARTED] = time.time()

    def group(self, path: str) -> int:
        """Where the counts of a path begin."""
        base = self._base.get(path)
        if base is not None:
            return base
        for prefix, found in self._prefixes:
            if path.startswith(prefix):
                return found
        return self._other

    def record(self, group: int, status: int, seconds: float) -> None:
        """Count one answered request."""
        cells = self._cells
        cells[group + _CELL.get(status, _OTHER)] += 1
        cells[group + _SUM] += seconds
        cells[group + _BUCKETS + bisect_left(BOUNDS_S, seconds)] += 1

    def add(self, single: int, amount: float) -> None:
        """Add to one of `SINGLES`."""
        self._cells[self._singles + single] += amount

    def rehearsed(self, passed: bool) -> None:  # noqa: FBT001 - it is all that there is to say
        """Count a rehearsal that has ended."""
        self.add(PASSED if passed else FAILED, 1)

    def observe(self, database: Database) -> None:
        """Take this process's own figures; once a second is enough."""
        cells, singles = self._cells, self._singles
        lanes = database.writer.lanes
        commits, commands, cpu = self._carried
        cells[singles + COMMITS] = commits + sum(lane.commits for lane in lanes)
        cells[singles + COMMANDS] = commands + sum(lane.commands for lane in lanes)
        cells[singles + QUEUE] = database.writer.waiting
        cells[singles + MEMORY] = _resident_bytes()
        cells[singles + CPU] = cpu + time.process_time()

    def render(self) -> bytes:
        """All workers' cells, in Prometheus' text format 0.0.4."""
        size = self._size
        total = [sum(self._all[index : size * self._workers : size]) for index in range(size)]
        total[self._singles + STARTED] = max(
            self._all[self._singles + STARTED + worker * size] for worker in range(self._workers)
        )
        lines = [
            "# HELP modelyard_build_info The release that answers.",
            "# TYPE modelyard_build_info gauge",
            f'modelyard_build_info{{version="{__version__}"}} 1',
            *self._requests(total),
            *self._latencies(total),
        ]
        for index, (name, kind, text) in enumerate(SINGLES):
            full = name if name.startswith("process_") else f"modelyard_{name}"
            lines += [
                f"# HELP {full} {text}",
                f"# TYPE {full} {kind}",
                f"{full} {_number(total[self._singles + index])}",
            ]
        return ("\n".join(lines) + "\n").encode()

    def _requests(self, total: list[float]) -> Iterator[str]:
        yield "# HELP modelyard_requests_total Requests answered, by endpoint and status."
        yield "# TYPE modelyard_requests_total counter"
        for index, name in enumerate(self.groups):
            for cell, status in enumerate((*STATUSES, "other")):
                count = total[index * _WIDTH + cell]
                if count:
                    yield f'modelyard_requests_total{{endpoint="{name}",status="{status}"}} {_number(count)}'

    def _latencies(self, total: list[float]) -> Iterator[str]:
        metric = "modelyard_request_seconds"
        yield f"# HELP {metric} Time from a request's headers to the end of its answer."
        yield f"# TYPE {metric} histogram"
        for index, name in enumerate(self.groups):
            base = index * _WIDTH
            counts = list(accumulate(total[base + _BUCKETS : base + _WIDTH]))
            if not counts[-1]:
                continue
            for bound, count in zip((*map(_number, BOUNDS_S), "+Inf"), counts, strict=True):
                yield f'{metric}_bucket{{endpoint="{name}",le="{bound}"}} {_number(count)}'
            yield f'{metric}_sum{{endpoint="{name}"}} {_number(total[base + _SUM])}'
            yield f'{metric}_count{{endpoint="{name}"}} {_number(counts[-1])}'


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 9))


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - a pseudo-file, read each second
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        return 0
