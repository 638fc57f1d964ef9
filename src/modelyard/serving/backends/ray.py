"""Replicas on the nodes of a Ray cluster: an actor each, which has a model server as its child process.

Ray places the actors, starts them again elsewhere when their node dies, and hands out GPUs. Requests do not go through
Ray: clients and gateway talk to the servers directly.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

import ray
import ray.exceptions
import ray.util

from modelyard.domain.errors import InvalidArgument, Unavailable

from .base import STARTING, STOPPING, UNKNOWN, Replica, Status, check_same, numbered
from .process import ServerProcess
from .shipping import pack, unpack

if TYPE_CHECKING:
    from .base import Spec

log = logging.getLogger("modelyard.serving")

NAMESPACE: Final = "modelyard"
_ANSWER_S: Final = 1.0
_STOPS_S: Final = 5.0
_NOTED_S: Final = 5.0
_LOOK_S: Final = 0.02
_GONE_S: Final = 40.0


class ReplicaActor:
    """What runs on a node.

    Args:
        models: as `modelyard serve` takes them.
        variables: see `Spec.variables`.
        shipped: position in `models` → archive of the directory that is meant, its name, and the name to serve as.
        host: where the server listens; empty: at the node's address.
    """

    def __init__(
        self, models: list[str], variables: dict[str, str], shipped: dict[int, tuple[Any, str, str]], host: str = ""
    ) -> None:
        models = list(models)
        for position, (archive, directory, name) in shipped.items():
            models[position] = f"{name}={unpack(ray.get(archive), directory)}"
        address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        self._node = f"{address} {ray.get_runtime_context().get_node_id()[:8]}"
        self._process = ServerProcess(models, variables, host or address)

    def look(self) -> tuple[str, str, str, str]:
        """State, address, node and reason."""
        process = self._process
        return process.state, process.url, self._node, process.reason

    def stop(self) -> None:
        """Begin to stop."""
        self._process.stop()

    def gone(self) -> bool:
        """Wait until it has stopped."""
        self._process.wait(_GONE_S)
        return self._process.gone


class RayBackend:
    """See `base.Backend`.

    Args:
        address: of the cluster's head; empty: the cluster on this machine, or a new one.
        lasting: whether replicas go on when this process ends, and are found again by the next one.
    """

    def __init__(self, address: str = "", *, lasting: bool = False) -> None:
        self._lasting = lasting
        self._guard = threading.Lock()
        self._actors: dict[str, Any] = {}
        self._asked: dict[str, Any] = {}
        self._known: dict[str, Replica] = {}
        self._archives: dict[tuple[str, str], tuple[Any, str, str]] = {}
        self._stopping: dict[str, threading.Thread] = {}
        self._joined = not ray.is_initialized()
        self._alone = _join(address, lasting=lasting) if self._joined else False
        if address and not self._joined:
            _check_joined(address)

    # ------------------------------------------------------------ the protocol

    def ensure(self, spec: Spec) -> None:
        """See `base.Backend`."""
        with self._guard, _words():
            there = self._there(spec.name)
            for fingerprint, _ in there.values():
                check_same(spec, fingerprint)
            staying = sorted((number, full) for full, (_, number) in there.items() if full not in self._stopping)
            for _, full in staying[spec.replicas :]:
                self._stop(full)
            taken = {number for _, number in there.values()}
            started = {self._start(spec, number) for number in numbered(taken, spec.replicas - len(staying))}
            self._note(started)

    def _note(self, started: set[str]) -> None:
        """Wait until the cluster has taken note of new actors: from then on they outlive us."""
        until = monotonic() + _NOTED_S
        while started - set(_named()) and monotonic() < until:
            sleep(_LOOK_S)

    def status(self, name: str) -> Status:
        """See `base.Backend`."""
        with self._guard, _words():
            there = self._there(name)
            for full in there:
                if full not in self._asked:
                    self._asked[full] = self._actor(full).look.remote()
            asked = [self._asked[full] for full in there]
            answers, _ = ray.wait(asked, num_returns=len(asked), timeout=_ANSWER_S) if asked else ([], [])
            numbers = sorted((number, full) for full, (_, number) in there.items())
            return Status(name, tuple(self._replica(full, number, answers) for number, full in numbers))

    def stop(self, name: str) -> None:
        """See `base.Backend`."""
        with self._guard, _words():
            for full in self._there(name):
                self._stop(full)

    def list(self) -> tuple[str, ...]:
        """See `base.Backend`."""
        with _words():
            return tuple(sorted({full.split("/")[0] for full in _named()}))

    def close(self) -> None:
        """See `base.Backend`."""
        with self._guard, _words():
            if not self._lasting:
                for full in [each for each in _named() if each in self._actors]:
                    self._stop(full)
        for thread in tuple(self._stopping.values()):
            thread.join(_STOPS_S + _GONE_S)
        if self._joined:
            ray.shutdown()

    # ------------------------------------------------------------ actors

    def _there(self, name: str) -> dict[str, tuple[str, int]]:
        """Full name → fingerprint and number, of every actor of a spec."""
        found = {}
        for full in _named():
            parts = full.split("/")
            if parts[0] == name:
                found[full] = (parts[1], int(parts[2]))
        # who has not answered yet may not be listed yet, and without a handle Ray would end it
        gone = [full for full, known in self._known.items() if known.node and full not in found]
        for full in [each for each in gone if each.split("/")[0] == name]:
            for table in (self._known, self._actors, self._asked, self._stopping):
                table.pop(full, None)
        return found

    def _actor(self, full: str) -> Any:
        if full not in self._actors:
            self._actors[full] = ray.get_actor(full, namespace=NAMESPACE)
        return self._actors[full]

    def _start(self, spec: Spec, number: int) -> str:
        full = f"{spec.name}/{spec.fingerprint}/{number}"
        self._stopping.pop(full, None)  # of one that had this name before
        self._asked.pop(full, None)
        options: dict[str, Any] = {
            "name": full,
            "namespace": NAMESPACE,
            "get_if_exists": True,
            "lifetime": "detached" if self._lasting else None,
            "num_cpus": spec.cpus,
            "num_gpus": spec.gpus,
            "max_restarts": -1,
            "max_concurrency": 4,
            "scheduling_strategy": "SPREAD",
        }
        if spec.memory_bytes:
            options["memory"] = spec.memory_bytes
        remote: Any = ray.remote(ReplicaActor)
        self._actors[full] = remote.options(**options).remote(
            list(spec.models), spec.variables, self._shipped(spec), "127.0.0.1" if self._alone else ""
        )
        needs = f"{spec.cpus:g} CPU" + (f", {spec.gpus:g} GPU" if spec.gpus else "")
        needs += f", {spec.memory_bytes >> 20} MiB" if spec.memory_bytes else ""
        self._known[full] = Replica(
            str(number), STARTING, reason=f"It waits for a node that has room ({needs}), or is being started there."
        )
        return full

    def _shipped(self, spec: Spec) -> dict[int, tuple[Any, str, str]]:
        """Archives of the directories among the models.

        Raises:
            InvalidArgument: one is too large, or is not to outlast this machine.
        """
        found = {}
        for position, model in enumerate(spec.models):
            name, _, path = model.rpartition("=")
            directory = Path(path)
            if not directory.is_dir():
                continue
            if self._lasting:
                raise InvalidArgument(f"{path} is a directory of this machine. Register the model: the nodes fetch it.")
            key = (spec.name, str(directory))
            if key not in self._archives:
                self._archives[key] = (ray.put(pack(directory)), directory.name, name or directory.name)
            found[position] = self._archives[key]
        return found

    def _replica(self, full: str, number: int, answers: Sequence[Any]) -> Replica:
        known = self._known.get(full) or Replica(str(number), UNKNOWN, reason="It was not asked yet.")
        asked = self._asked[full]
        if asked in answers:
            del self._asked[full]
            try:
                state, url, node, reason = ray.get(asked)
                known = Replica(str(number), state, url, node, reason)
            except ray.exceptions.RayActorError:
                known = Replica(str(number), STARTING, reason="Its process or node died; it is being started again.")
        elif known.url:
            known = Replica(str(number), UNKNOWN, known.url, known.node, "Its node does not answer.")
        if full in self._stopping:
            known = Replica(str(number), STOPPING, known.url, known.node)
        self._known[full] = known
        return known

    def _stop(self, full: str) -> None:
        if full in self._stopping:
            return
        known = self._known.get(full)
        placed = known is None or known.state != STARTING or bool(known.url)
        thread = threading.Thread(target=_end, args=(self._actor(full), placed), daemon=True)
        self._stopping[full] = thread
        thread.start()


def _end(actor: Any, placed: bool) -> None:  # noqa: FBT001 - a thread's argument
    """Have an actor's server answer what it was asked, then take the actor away."""
    if placed:
        with contextlib.suppress(ray.exceptions.RayError):
            ray.get(actor.stop.remote(), timeout=_STOPS_S)
            until = monotonic() + _GONE_S
            while monotonic() < until and not ray.get(actor.gone.remote(), timeout=_GONE_S + _STOPS_S):
                pass
    with contextlib.suppress(ray.exceptions.RayError, ValueError):
        ray.kill(actor, no_restart=True)


def _named() -> list[str]:
    """The names of our actors that are not gone."""
    found = ray.util.list_named_actors(all_namespaces=True)
    return [each["name"] for each in found if each["namespace"] == NAMESPACE and each["name"].count("/") == 2]


@contextlib.contextmanager
def _words() -> Any:
    """Ray's troubles, in ours."""
    try:
        yield
    except (ray.exceptions.RayError, ConnectionError, TimeoutError) as error:
        raise Unavailable(f"The Ray cluster cannot be asked: {str(error).splitlines()[0]}") from error


def _join(address: str, *, lasting: bool) -> bool:
    """Be a driver of a cluster; whether it is a new one, of this machine alone.

    Raises:
        Unavailable: there is none at the address, or none at all and a new one would end with this process.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a server that nobody asked reports to nobody
    _reach(address)
    told: dict[str, Any] = {"namespace": NAMESPACE, "logging_level": "warning"}
    try:
        try:
            ray.init(address=address or "auto", **told)
        except ConnectionError:
            if address:
                raise
            if lasting:
                raise Unavailable(
                    "There is no Ray cluster here, and one of this process would end with it. Start one with "
                    "`ray start --head`, or give the address of its head."
                ) from None
            log.info("There is no Ray cluster here yet; starting one of this machine alone")
            ray.init(address="local", include_dashboard=False, **told)
            return True
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as error:
        where = f"at {address}" if address else "here"
        raise Unavailable(f"There is no Ray cluster {where}: {str(error).splitlines()[0]}") from None
    return False


def _check_joined(address: str) -> None:
    """Whether the cluster that this process belongs to is the one at the address: Ray lets it belong to one only.

    Raises:
        InvalidArgument: it is another one.
    """
    here = ray.get_runtime_context().gcs_address
    host, colon, port = address.rpartition(":")
    if not colon or "/" in address:
        return
    with contextlib.suppress(OSError):
        host = socket.gethostbyname(host)
    own, _, own_port = here.rpartition(":")
    if port != own_port or (host != own and not host.startswith("127.")):
        raise InvalidArgument(f"This server belongs to the Ray cluster at {here}, and cannot to another, too.")


def _reach(address: str) -> None:
    """Find out in seconds whether anybody answers at HOST:PORT; Ray itself takes minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or "/" in address or not port.isdigit():
        return  # a name that Ray knows, or a URL
    try:
        socket.create_connection((host, int(port)), timeout=_STOPS_S).close()
    except OSError as error:
        raise Unavailable(f"There is no Ray cluster at {address}: {error.strerror or error}.") from None


def open_backend(address: str = "", *, lasting: bool = False) -> RayBackend:
    """Join the cluster at the address; empty: the one on this machine, or a new one."""
    return RayBackend(address, lasting=lasting)
