"""A gateway's recorder in a process of its own, to be killed: writes down ids after they were recorded.

`python recording_process.py ROOT SERVER NOTES PER_SECOND`. A line of NOTES is `p ID` for a prediction and `f ID` for
feedback about it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from modelyard.domain.predictions import Feedback, Ids
from modelyard.serving.gateway.entries import Entry
from modelyard.serving.gateway.recorder import Recorder


def main(root: str, server: str, notes: str, per_second: str) -> None:
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    recorder = Recorder(Path(root), server, "test")
    recorder.start()
    ids = Ids(os.urandom(5))
    written = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while not stopped.is_set():
        for _ in range(10):
            now = time.time_ns() // 1_000_000
            id = ids.next(now)
            recorder.record(
                Entry(
                    id, "wine", now, 1, "", "wine", "3", "stable", "", 900, 200, 0, b'{"x": 1}', b'"red"', label="red"
                )
            )
            line = f"p {id.hex()}\n"
            if id[-1] % 5 == 0:
                truth = "red" if id[-1] % 2 else "white"
                recorder.feedback(Feedback(os.urandom(16), "wine", id, None, truth, None, now + 1))
                line += f"f {id.hex()}\n"
            os.write(written, line.encode())
        time.sleep(10 / float(per_second))
    recorder.close()
    print(recorder.pending, recorder.dropped)


if __name__ == "__main__":
    main(*sys.argv[1:])
