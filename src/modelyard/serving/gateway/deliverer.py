"""The process that delivers what gateways recorded: its own gateway's journal, and those of gateways that died.

It is a process apart, at low priority, so that a burst of predictions never waits for it. It sends in batches; what
was sent and not acknowledged is sent again, and the server knows ids that it has. Killed at any moment, it loses
nothing: how far a journal is delivered is noted after the server's word.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import random
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from modelyard.client.exchange import Line, Refused, Unreachable, ask
from modelyard.client.journal.journal import Taken
from modelyard.client.transport import NATIVE, Transport
from modelyard.client.uris import normal
from modelyard.domain.errors import InvalidArgument, TooLarge
from modelyard.domain.predictions import Feedback
from modelyard.wire.predictions import PredictionBatch, RecordedFeedback, RecordedPrediction

from .entries import Entry
from .journal import HEAD, PREDICTION, REACHED_MS, REJECTED
from .pacing import Pace
from .reading import Reading, Record, found, process_of, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST: Final = 1000
MOST_BYTES: Final = 4 * 2**20
TICK_S: Final = 0.2
"""How long predictions gather before they are sent."""

ADOPT_EVERY_S: Final = 2.0
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
LINGER_S: Final = 10.0
"""How long it tries to reach the server after its gateway has gone."""

PATIENCE: Final = 20
"""So many failures of a server that it reports itself (500) for one batch, and the batch is taken apart."""

_SHARE: Final = 4
"""With more than this part of the journal's bound waiting, it is delivered at full speed whatever the traffic is."""

_NAP_S: Final = 0.05
_INPUT: Final = 0
_NICE: Final = 5
_TIMEOUT_S: Final = 60.0
_PATH: Final = f"{NATIVE}predictions/batch"

log = logging.getLogger("modelyard.gateway")

_entry: Final = msgspec.msgpack.Decoder(Entry).decode
_feedback: Final = msgspec.msgpack.Decoder(Feedback).decode
_json: Final = msgspec.json.Decoder(msgspec.Raw).decode
_encode: Final = msgspec.msgpack.Encoder().encode


class Deliverer:
    """Delivers journals to one server.

    Args:
        root: the folder of all journals.
        server: URL.
        gateway: its name.
        parent: the gateway's process.
        limit_bytes: of its journal.

    Attributes:
        stopping: whether it is to end as soon as it can.
    """

    def __init__(self, root: Path, server: str, gateway: str, parent: int, limit_bytes: int) -> None:
        self.stopping = False
        self._root = root
        self._gateway = gateway
        self._parent = parent
        self._alone = False
        self._line = Line(Transport(normal(server), timeout_s=_TIMEOUT_S, retries=0))
        self._readings: dict[str, Reading] = {}
        self._adopt_at = 0.0
        self._pause = 0.0
        self._failed = 0
        self._away = ""
        self._pace = Pace(limit_bytes // _SHARE)
        self._records = self._size = self._sizes = 0  # of the last round, its bytes, and those of all

    def run(self) -> None:
        """Deliver until the gateway has gone and nothing is left, or nothing can be delivered."""
        give_up = float("inf")
        while True:
            self._listen()
            leaving = self.stopping or self._alone
            if leaving and give_up == float("inf"):
                self._adopt_at = 0.0
                give_up = time.monotonic() + (0.0 if self.stopping else LINGER_S)
            self._adopt()
            began = time.monotonic()
            try:
                delivered = self._round()
            except Unreachable as error:
                self._say(error.reason)
                if leaving and time.monotonic() >= give_up:
                    return
                self._wait(error.wait_s)
                continue
            if delivered:
                self._pause = 0.0
                if self._away:
                    log.warning("the server takes predictions again")
                    self._away = ""
            elif leaving:
                return
            if delivered < MOST:
                time.sleep(TICK_S)
            elif not leaving:
                self._sleep(began + self._rest_s())

    def _rest_s(self) -> float:
        """How long a round is to last: see `Pace`."""
        try:
            waiting = sum(each.waiting() for each in self._readings.values())
        except OSError:
            return 0.0
        return self._pace.rest_s(time.monotonic(), self._records, self._size, waiting, self._sizes)

    def _sleep(self, end: float) -> None:
        """Until a time, or until it is to stop."""
        while not self.stopping and (left_s := end - time.monotonic()) > 0:
            time.sleep(min(left_s, _NAP_S))
            self._listen()

    def _wait(self, asked_s: float) -> None:
        """After a failure: longer each time, and everybody differently."""
        self._pause = min(max(self._pause * 2, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        # no secret
        self._sleep(time.monotonic() + max(asked_s, random.uniform(self._pause / 2, self._pause)))  # noqa: S311

    def _listen(self) -> None:
        """Hear whether the gateway says `stop`, or has gone."""
        self._alone = self._alone or os.getppid() != self._parent
        if not self._alone and select.select([_INPUT], [], [], 0)[0]:
            said = os.read(_INPUT, 64)
            self.stopping = self.stopping or b"stop" in said
            self._alone = not said

    def _say(self, reason: str) -> None:
        if not self._away:
            log.warning("predictions wait on disk: %s", reason)
        self._away = reason

    # -------------------------------------------------------------------------------- journals

    def _adopt(self) -> None:
        """Find our gateway's journal, and those whose gateway is dead."""
        now = time.monotonic()
        if now < self._adopt_at:
            return
        self._adopt_at = now + ADOPT_EVERY_S
        tidy(self._root)
        for folder in found(self._root):
            if folder.name in self._readings:
                continue
            try:
                reading = Reading(folder)
            except (Taken, OSError):
                continue
            if reading.orphaned or process_of(folder) == self._parent:
                self._readings[folder.name] = reading
                self._pace.restart()
            else:
                reading.close()
        if not self._readings:
            self._adopt_at = now + TICK_S  # it is not made yet, or whoever delivered it before is just ending

    def _round(self) -> int:
        """A batch of each journal; how many records the largest held."""
        most = self._records = self._size = 0
        for name, reading in list(self._readings.items()):
            records = reading.some(MOST, MOST_BYTES)
            while reading.damaged:
                log.warning("a journal is damaged: %s", reading.damaged.pop())
            if records:
                self._send(reading, records)
                size = sum(len(each.body) + HEAD.size for each in records)
                self._size, self._sizes = self._size + size, self._sizes + size
                self._records += len(records)
                most = max(most, len(records))
            elif reading.finished():
                del self._readings[name]
                reading.remove()
        return most

    # -------------------------------------------------------------------------------- delivery

    def _send(self, reading: Reading, records: Sequence[Record]) -> None:
        """Deliver a batch; what is refused is found by halves, and put aside."""
        try:
            ask(self._line, "POST", _PATH, _message(records, self._gateway), "application/x-msgpack")
        except Unreachable as error:
            self._failed = self._failed + 1 if error.failed else 0
            if self._failed < PATIENCE:
                raise
            self._apart(reading, records, error.reason)
        except Refused as error:
            if not isinstance(error.error, InvalidArgument | TooLarge):
                raise Unreachable(error.error.message) from error  # another kind of server, or an older one
            self._apart(reading, records, error.error.message)
        except (msgspec.MsgspecError, UnicodeError) as error:
            self._apart(reading, records, str(error))
        else:
            self._failed = 0
            reading.delivered(records[-1].end, len(records))
            reading.state[REACHED_MS] = time.time_ns() // 1_000_000

    def _apart(self, reading: Reading, records: Sequence[Record], reason: str) -> None:
        if len(records) > 1:
            half = len(records) // 2
            self._send(reading, records[:half])
            self._send(reading, records[half:])
            return
        self._failed = 0
        log.warning("the server refused a prediction: %s (kept in %s)", reason, reading.folder / "rejected.jsonl")
        line = {"reason": reason, "kind": records[0].kind, "record": base64.b64encode(records[0].body).decode()}
        with suppress(OSError), (reading.folder / "rejected.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        reading.state[REJECTED] += 1
        reading.delivered(records[-1].end, 0)


def _message(records: Sequence[Record], gateway: str) -> bytes:
    predictions, feedback = [], []
    for record in records:
        if record.kind == PREDICTION:
            predictions.append(_prediction(_entry(record.body)))
        else:
            said = _feedback(record.body)
            feedback.append(
                RecordedFeedback(
                    id=said.id, at_ms=said.at_ms, deployment=said.deployment, prediction=said.prediction, key=said.key,
                    truth=said.truth, right=said.right, principal=said.principal,
                )
            )  # fmt: skip
    return _encode(PredictionBatch(gateway=gateway, predictions=predictions, feedback=feedback))


def _prediction(entry: Entry) -> RecordedPrediction:
    return RecordedPrediction(
        id=entry.id, deployment=entry.deployment, at_ms=entry.at_ms, revision=entry.revision, endpoint=entry.endpoint,
        model=entry.model, version=entry.version, role=entry.role, segment=entry.segment,  # type: ignore[arg-type]
        latency_us=entry.latency_us, status=entry.status, input=as_json(entry.request), input_hash=entry.input_hash,
        output=as_json(entry.response), label=entry.label, score=entry.score, positive=entry.positive, key=entry.key,
        parent=entry.parent,
    )  # fmt: skip


def as_json(body: bytes | None) -> str | None:
    """A body as a JSON text: itself if it is one, else as a text, else its bytes in `{"base64": ...}`."""
    if body is None:
        return None
    try:
        _json(body)
        return body.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return json.dumps(body.decode())
    except UnicodeDecodeError:
        return json.dumps({"base64": base64.b64encode(body).decode()})


def _give_way() -> None:
    """Let everybody else go first: less of a full processor, and never at once what somebody else has."""
    os.nice(_NICE)
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def main() -> None:
    """Run as the gateway's child: it is told on standard input what to do."""
    line = b""
    while not line.endswith(b"\n"):  # not through a buffer, which would take what is said later, too
        piece = os.read(_INPUT, 1)
        if not piece:
            return
        line += piece
    told: dict[str, Any] = json.loads(line)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _give_way()
    deliverer = Deliverer(
        Path(told["root"]), told["server"], told["gateway"], int(told["parent"]), int(told["limit_bytes"])
    )  # fmt: skip

    def stop(*_: object) -> None:
        deliverer.stopping = True

    signal.signal(signal.SIGTERM, stop)
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    deliverer.run()


if __name__ == "__main__":
    main()
