"""System metrics: what the machine did while runs were active, under MLflow's names.

One background thread samples for all active runs of the process, begins with the first of them and ends with the last.
It needs psutil (`pip install 'modelyard[system]'`); GPUs need pynvml (`pip install nvidia-ml-py`). A failure in here
is logged once, at debug level, and ends the sampling, never the job.

Source of the names: MLflow's `system_metrics/metrics/*.py`. Megabytes are 10^6 bytes.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from modelyard import settings

from . import reports

if TYPE_CHECKING:
    from collections.abc import Callable

    from .recorder import RunRecorder

PREFIX: Final = "system/"
_logger = logging.getLogger("modelyard")


# ------------------------------------------------------------------------------------ on and off


def enable_system_metrics_logging() -> None:
    """Sample system metrics in the runs that begin from now on, here and in processes started from here."""
    os.environ[settings.SYSTEM_METRICS.variable] = "true"


def disable_system_metrics_logging() -> None:
    """Sample no system metrics in the runs that begin from now on, unless `start_run` asks for them."""
    os.environ[settings.SYSTEM_METRICS.variable] = "false"


def set_system_metrics_sampling_interval(interval: float | None) -> None:
    """Seconds between two samples; None: the default."""
    _set(settings.SYSTEM_METRICS_INTERVAL_S, interval)


def set_system_metrics_samples_before_logging(samples: int | None) -> None:
    """How many samples are averaged into one point; None: the default."""
    _set(settings.SYSTEM_METRICS_SAMPLES, samples)


def set_system_metrics_node_id(node_id: str | None) -> None:
    """The name of this machine in the keys, where several log to one run; None: none."""
    _set(settings.SYSTEM_METRICS_NODE, node_id)


def _set(setting: settings.ClientSetting[Any], value: Any) -> None:
    if value is None:
        os.environ.pop(setting.variable, None)
    else:
        os.environ[setting.variable] = str(value)


def wanted(*, asked: bool | None) -> bool:
    """Whether a run that begins now is sampled: what `start_run` was asked, else the setting; needs psutil."""
    wished = settings.SYSTEM_METRICS.get() if asked is None else asked
    if not wished:
        return False
    if importlib.util.find_spec("psutil") is not None:
        return True
    if asked or settings.SYSTEM_METRICS.is_set():
        reports.once("psutil", "System metrics need psutil, which is missing: pip install 'modelyard[system]'.")
    return False


# ------------------------------------------------------------------------------------ what is measured


class Machine:
    """Readings of this machine. psutil is loaded here, on the sampler's thread."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil
        self._network_before = psutil.net_io_counters()
        psutil.cpu_percent()  # counts from the call before
        self._gpus = _gpus()

    def read(self) -> dict[str, float]:
        """One sample: key without prefix → value."""
        psutil = self._psutil
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(os.sep)
        found = {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / 1e6,
            "system_memory_usage_percentage": 100 * memory.used / memory.total,
            "disk_usage_percentage": disk.percent,
            "disk_usage_megabytes": disk.used / 1e6,
            "disk_available_megabytes": disk.free / 1e6,
        }
        network, before = psutil.net_io_counters(), self._network_before
        if network is not None and before is not None:
            found["network_receive_megabytes"] = (network.bytes_recv - before.bytes_recv) / 1e6
            found["network_transmit_megabytes"] = (network.bytes_sent - before.bytes_sent) / 1e6
        for read in self._gpus:
            read(found)
        return found


def _gpus() -> list[Callable[[dict[str, float]], None]]:
    """One reader per NVIDIA GPU; none if there is no GPU, or no pynvml to ask it with."""
    if importlib.util.find_spec("pynvml") is None:
        return []
    nvml = importlib.import_module("pynvml")
    try:
        nvml.nvmlInit()
        return [_gpu(nvml, number) for number in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError as error:
        _logger.debug("GPU metrics are off: %s", error)
        return []


def _gpu(nvml: Any, number: int) -> Callable[[dict[str, float]], None]:
    device = nvml.nvmlDeviceGetHandleByIndex(number)
    key = f"gpu_{number}_"

    def memory(found: dict[str, float]) -> None:
        used = nvml.nvmlDeviceGetMemoryInfo(device)
        found[key + "memory_usage_percentage"] = 100 * used.used / used.total
        found[key + "memory_usage_megabytes"] = used.used / 1e6

    def utilization(found: dict[str, float]) -> None:
        found[key + "utilization_percentage"] = nvml.nvmlDeviceGetUtilizationRates(device).gpu

    def power(found: dict[str, float]) -> None:
        drawn, limit = nvml.nvmlDeviceGetPowerUsage(device), nvml.nvmlDeviceGetEnforcedPowerLimit(device)
        found[key + "power_usage_watts"] = drawn / 1000
        found[key + "power_usage_percentage"] = 100 * drawn / limit

    def read(found: dict[str, float]) -> None:
        for part in (memory, utilization, power):  # not every card tells everything
            try:
                part(found)
            except nvml.NVMLError as error:
                _logger.debug("GPU %s: %s", number, error)

    return read


def averaged(samples: list[dict[str, float]]) -> dict[str, float]:
    """One point per key: the mean to a tenth; of the network, which counts up, the last."""
    means: dict[str, float] = {}
    for key in samples[-1]:
        if key.startswith("network_"):
            means[key] = samples[-1][key]
        else:
            values = [sample[key] for sample in samples if key in sample]
            means[key] = round(sum(values) / len(values), 1)
    return means


# ------------------------------------------------------------------------------------ who is sampled


class Sampler:
    """The thread that samples for every active run of this process."""

    def __init__(self) -> None:
        self._steps: dict[RunRecorder, int] = {}
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def add(self, run: RunRecorder, first_step: int = 0) -> None:
        """Sample for a run from now on."""
        with self._lock:
            self._steps[run] = first_step
            if self._thread is None:
                self._ended = threading.Event()
                self._thread = threading.Thread(
                    target=self._work, args=(self._ended,), name="modelyard-system-metrics", daemon=True
                )
                self._thread.start()

    def remove(self, run: RunRecorder) -> None:
        """Sample for it no longer; the thread ends with the last run."""
        with self._lock:
            self._steps.pop(run, None)
            if not self._steps and self._thread is not None:
                self._ended.set()
                self._thread = None

    def forget(self) -> None:
        """In a forked child: its parent samples."""
        self.__init__()  # type: ignore[misc]

    def _work(self, ended: threading.Event) -> None:
        try:
            self._sample(ended)
        except Exception:  # nothing of this may reach the job
            _logger.debug("System metrics stop here", exc_info=True)

    def _sample(self, ended: threading.Event) -> None:
        machine = Machine()
        samples: list[dict[str, float]] = []
        while not ended.wait(max(0.01, settings.SYSTEM_METRICS_INTERVAL_S.get())):
            samples.append(machine.read())
            if len(samples) < settings.SYSTEM_METRICS_SAMPLES.get():
                continue
            node = settings.SYSTEM_METRICS_NODE.get()
            prefix = f"{PREFIX}{node}/" if node else PREFIX
            point = averaged(samples)
            samples.clear()
            now = time.time_ns() // 1_000_000
            with self._lock:
                if ended.is_set():
                    return
                for run, step in self._steps.items():
                    for key, value in point.items():
                        run.log_metric(prefix + key, value, step, now)
                    self._steps[run] = step + 1


sampler: Sampler = globals().get("sampler") or Sampler()
os.register_at_fork(after_in_child=sampler.forget)
