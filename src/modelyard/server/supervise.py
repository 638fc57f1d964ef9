"""Everything on one machine under one process: it starts the parts, holds their sockets, and starts anew what dies.

While a part is being started again, connections to it wait in its socket, which this process keeps open. It sleeps
unless something happens: a line of a part's output, the end of one, a signal, or a time that has come.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 10.0
_STEADY_S: Final = 5.0
"""Who was ready for so long did not die of its start, and is started again at once."""
_READY: Final = b" is ready at "
_MOST_WAITING: Final = 2**20
"""Bytes of output that wait for a terminal which takes none; parts never do."""
_LONGEST_LINE: Final = 2**16


@dataclass(slots=True)
class Part:
    """One process that runs as long as everything does.

    Attributes:
        name: before its lines.
        command: that runs it; it takes `--listen-fd` and `--exit-with-stdin`.
        listener: its socket.
        environment: of it.
        stop_s: seconds that it gets to stop.
        stage: those of a lower stage stop first.
        ready: whether it has said so since its last start.
        starts: how often it was started.
    """

    name: str
    command: Sequence[str]
    listener: socket.socket
    environment: Mapping[str, str]
    stop_s: float
    stage: int
    ready: bool = False
    starts: int = 0
    process: int = 0
    began: float = 0.0
    ready_since: float = 0.0
    due: float | None = 0.0
    pause_s: float = _FIRST_PAUSE_S
    output: int = -1
    life: int = -1
    rest: bytes = b""
    child: subprocess.Popen[bytes] | None = field(default=None, repr=False)


class Supervisor:
    """Runs parts until a signal.

    Args:
        parts: of everything.
        ready: called once, when all of them are.
        last: called when they have stopped, with a function that tells whether not to wait for anything.
    """

    def __init__(
        self, parts: Sequence[Part], ready: Callable[[], None], last: Callable[[Callable[[], bool]], None]
    ) -> None:
        self._parts = parts
        self._last = last
        self._ready: Callable[[], None] | None = ready
        self._selector = selectors.DefaultSelector()
        self._lines = Lines(self._selector, max(len(each.name) for each in parts))
        self._signals = 0
        self._failed = ""
        self._ends = False
        self._stages: list[int] = []
        self._deadline = 0.0

    def _impatient(self) -> bool:
        """Whether it was told to stop a second time."""
        return self._signals > 1

    def run(self) -> int:
        """Run them; 0 after a signal, 1 if one of them cannot be started at all."""
        woken, waking = os.pipe()
        for end in (woken, waking):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        stops = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # else it is to outlive its terminal
            stops.append(signal.SIGHUP)
        before = {number: signal.signal(number, self._signalled) for number in stops}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)  # it wakes us
        _adopt()
        self._selector.register(woken, selectors.EVENT_READ)
        try:
            while not self._ends:
                self._do_what_is_due()
                for key, _ in self._selector.select(self._pause()):
                    if key.fd == woken:
                        with suppress(BlockingIOError):
                            while os.read(woken, 4096):
                                pass
                    elif isinstance(key.data, Part):
                        self._read(key.data)
                    else:
                        self._lines.flush()
                self._reap()
            self._last(self._impatient)
        finally:
            for each in self._parts:
                if each.process:
                    _kill(each)
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            self._selector.close()
            os.close(woken)
            os.close(waking)
            self._lines.finish()
        return 1 if self._failed else 0

    def say(self, text: str) -> None:
        """Write lines of our own."""
        for line in text.splitlines():
            self._lines.write("up", line.encode())

    # ------------------------------------------------------------ starting

    def _do_what_is_due(self) -> None:
        now = monotonic()
        if self._stages or self._signals or self._failed:
            self._stop(now)
            return
        for part in self._parts:
            if part.due is not None and part.due <= now:
                part.due = None
                self._start(part, now)

    def _pause(self) -> float | None:
        times = [self._deadline] if self._stages else [each.due for each in self._parts]
        known = [each for each in times if each is not None]
        return 0.0 if self._ends else max(0.0, min(known) - monotonic()) if known else None

    def _start(self, part: Part, now: float) -> None:
        reading, writing = os.pipe()
        dying, part.life = os.pipe()  # it stops when the other end closes, however this process ends
        try:
            part.child = subprocess.Popen(  # noqa: S603 - our own command
                [*part.command, "--listen-fd", str(part.listener.fileno()), "--exit-with-stdin"],
                stdin=dying,
                stdout=writing,
                stderr=writing,
                pass_fds=[part.listener.fileno()],
                env=part.environment,
                process_group=0,  # Ctrl-C is for this process, which stops them in order
            )  # fmt: skip
        except OSError as error:
            os.close(reading)
            os.close(part.life)
            self.say(f"{part.name} cannot be started: {error.strerror}")
            self._again(part, now)
            return
        finally:
            os.close(writing)
            os.close(dying)
        part.process, part.began, part.ready, part.output, part.rest = part.child.pid, now, False, reading, b""
        part.starts += 1
        os.set_blocking(reading, False)
        self._selector.register(reading, selectors.EVENT_READ, part)

    def _again(self, part: Part, now: float) -> None:
        if part.ready and now - part.ready_since > _STEADY_S:
            part.pause_s = _FIRST_PAUSE_S
        part.due = now + part.pause_s
        part.pause_s = min(_LONGEST_PAUSE_S, part.pause_s * 2)

    # ------------------------------------------------------------ what they say

    def _read(self, part: Part) -> bool:
        """Take what a part said; whether there may be more."""
        try:
            content = os.read(part.output, 65536)
        except BlockingIOError:
            return False
        if not content:
            self._close(part)
            return False
        *lines, part.rest = (part.rest + content).split(b"\n")
        for line in lines:
            self._told(part, line)
        if len(part.rest) > _LONGEST_LINE:
            self._told(part, part.rest)
            part.rest = b""
        return True

    def _told(self, part: Part, line: bytes) -> None:
        if _READY in line and not part.ready:
            part.ready, part.ready_since = True, monotonic()
            if self._ready is None:
                self.say(f"{part.name} is ready again after {monotonic() - part.began:.1f} s")
            elif all(each.ready for each in self._parts):
                ready, self._ready = self._ready, None
                ready()
        else:
            self._lines.write(part.name, line)

    def _close(self, part: Part) -> None:
        if part.output >= 0:
            self._selector.unregister(part.output)
            os.close(part.output)
            part.output = -1
            if part.rest:
                self._told(part, part.rest)
                part.rest = b""

    # ------------------------------------------------------------ ends

    def _reap(self) -> None:
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not process:
                return
            for part in self._parts:
                if part.process == process:
                    self._ended(part, os.waitstatus_to_exitcode(status))

    def _ended(self, part: Part, code: int) -> None:
        while part.output >= 0 and self._read(part):
            pass  # its last words; a child of its own may hold the pipe open
        self._close(part)
        os.close(part.life)
        part.process = 0
        if part.child is not None:
            part.child.returncode = code  # it was waited for here
        if self._stages or self._signals or self._failed:
            return
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        if not part.ready and self._ready is not None and code > 0:
            self._failed = f"{part.name} cannot run ({how}), so everything stops."
            self.say(self._failed)
            return
        now = monotonic()
        self._again(part, now)
        pause = (part.due or now) - now
        self.say(f"{part.name} ended ({how}); it is started again in {pause:.1f} s, and connections wait for it")

    def _signalled(self, *_: object) -> None:
        self._signals += 1

    def _stop(self, now: float) -> None:
        """Stop the parts of one stage after the other; at once when told a second time."""
        if not self._stages:
            self._stages = sorted({each.stage for each in self._parts})
            self._begin_stage(now)
        if self._impatient():
            for part in self._parts:
                part.listener.close()
                if part.process:
                    _kill(part)
        while self._stages and not self._running():
            self._stages.pop(0)
            if self._stages:
                self._begin_stage(now)
        if not self._stages:
            self._ends = True
        elif now > self._deadline:
            for part in self._running():
                self.say(f"{part.name} did not stop in time, and is killed")
                _kill(part)
            self._deadline = now + 1.0

    def _running(self) -> list[Part]:
        return [each for each in self._parts if each.stage == self._stages[0] and each.process]

    def _begin_stage(self, now: float) -> None:
        stopping = [each for each in self._parts if each.stage == self._stages[0]]
        for part in stopping:
            part.listener.close()  # else the system would go on taking connections that nobody answers
            if part.process:
                with suppress(ProcessLookupError):
                    os.kill(part.process, signal.SIGTERM)
        self._deadline = now + max(each.stop_s for each in stopping)


class Lines:
    """One stream of what all parts say. Who does not read it holds nobody up: lines are dropped, and that is said.

    Args:
        selector: tells when the stream takes more.
        width: of the longest name.
    """

    def __init__(self, selector: selectors.BaseSelector, width: int) -> None:
        self._selector = selector
        self._width = width
        self._stream = sys.stderr.fileno()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._dropped = 0
        self._registered = False
        self._poll = select.poll()
        self._poll.register(self._stream, select.POLLOUT)

    def write(self, name: str, line: bytes) -> None:
        """Add a line; one of JSON is told its part inside, others before."""
        if line.startswith(b"{") and line.endswith(b"}") and len(line) > 2:
            text = b'{"part": "%b", %b\n' % (name.encode(), line[1:])
        else:
            text = b"%b | %b\n" % (name.ljust(self._width).encode(), line)
        if self._size + len(text) > _MOST_WAITING:
            self._dropped += 1
            return
        if self._dropped:
            text = b"%b | %d lines were dropped\n" % (b"up".ljust(self._width), self._dropped) + text
            self._dropped = 0
        self._waiting.append(text)
        self._size += len(text)
        self.flush()

    def flush(self) -> None:
        """Write what the stream takes without waiting."""
        while self._waiting:
            if not self._poll.poll(0):
                break
            text = self._waiting.popleft()
            self._size -= len(text)
            try:
                done = os.write(self._stream, text[: select.PIPE_BUF])  # a pipe that is writable takes so much
            except OSError as error:
                if error.errno != errno.EAGAIN:  # nobody will ever read it
                    continue
                done = 0
            if done < len(text):
                self._waiting.appendleft(text[done:])
                self._size += len(text) - done
                if not done:
                    break
        self._listen(wanted=bool(self._waiting))

    def finish(self) -> None:
        """Write what is left, within a second."""
        end = monotonic() + 1.0
        self._registered = True  # nobody selects any more
        while self._waiting and monotonic() < end:
            self._poll.poll(100)
            self.flush()

    def _listen(self, *, wanted: bool) -> None:
        if wanted == self._registered:
            return
        with suppress(OSError, ValueError, KeyError, RuntimeError):  # a file is always ready, and cannot be waited for
            if wanted:
                self._selector.register(self._stream, selectors.EVENT_WRITE)
            else:
                self._selector.unregister(self._stream)
            self._registered = wanted


def _kill(part: Part) -> None:
    with suppress(ProcessLookupError):
        os.kill(part.process, signal.SIGKILL)


_SUBREAPER: Final = 36  # PR_SET_CHILD_SUBREAPER


def _adopt() -> None:
    """Be the parent of those whose own parent died, so that somebody asks how they ended, also in a container."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SUBREAPER, 1)
