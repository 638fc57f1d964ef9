"""Replicas as processes of this machine, each on a free port. They end with the process that has them, or last."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .base import STOPPING, Replica, Status, check_same, numbered
from .lasting import open_lasting
from .process import ServerProcess

if TYPE_CHECKING:
    from .base import Backend, Spec


@dataclass(slots=True)
class _Running:
    """A spec's processes by number."""

    fingerprint: str
    processes: dict[int, ServerProcess] = field(default_factory=dict)


class LocalBackend:
    """See `base.Backend`. Cores, GPUs and memory are not shared out: all replicas have the machine's."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._running: dict[str, _Running] = {}

    def ensure(self, spec: Spec) -> None:
        """See `base.Backend`."""
        with self._guard:
            self._sweep()
            running = self._running.setdefault(spec.name, _Running(spec.fingerprint))
            check_same(spec, running.fingerprint)
            wanted = [number for number, each in sorted(running.processes.items()) if each.state != STOPPING]
            for number in wanted[spec.replicas :]:
                running.processes[number].stop()
            for number in numbered(set(running.processes), spec.replicas - len(wanted)):
                running.processes[number] = ServerProcess(spec.models, spec.variables)

    def status(self, name: str) -> Status:
        """See `base.Backend`."""
        with self._guard:
            self._sweep()
            running = self._running.get(name)
            found = sorted(running.processes.items()) if running else []
            return Status(name, tuple(_replica(number, each) for number, each in found))

    def stop(self, name: str) -> None:
        """See `base.Backend`."""
        with self._guard:
            running = self._running.get(name)
            for process in running.processes.values() if running else ():
                process.stop()

    def list(self) -> tuple[str, ...]:
        """See `base.Backend`."""
        with self._guard:
            self._sweep()
            return tuple(sorted(self._running))

    def close(self) -> None:
        """See `base.Backend`."""
        with self._guard:
            processes = [each for running in self._running.values() for each in running.processes.values()]
            for process in processes:
                process.stop()
        for process in processes:
            process.wait()

    def _sweep(self) -> None:
        for name, running in tuple(self._running.items()):
            for number, process in tuple(running.processes.items()):
                if process.gone:
                    del running.processes[number]
            if not running.processes:
                del self._running[name]


def _replica(number: int, process: ServerProcess) -> Replica:
    return Replica(str(number), process.state, process.url, socket.gethostname(), process.reason)


def open_backend(address: str = "", *, lasting: bool = False) -> Backend:
    """Make one.

    Args:
        address: directory of the state of replicas that last; see `lasting.open_lasting`.
        lasting: whether they outlive this process.
    """
    return open_lasting(address) if lasting else LocalBackend()
