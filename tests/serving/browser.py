"""Chromium without a window, spoken to over two pipes (its DevTools protocol)."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One page.

    Attributes:
        complaints: what the browser wrote to its console: errors, and what the page's policy did not allow.
    """

    def __init__(self, send: IO[bytes], receive: IO[bytes]) -> None:
        self._send = send
        self._receive = receive
        self._ids = itertools.count(1)
        self._session = ""
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _message(self) -> dict[str, Any]:
        found = bytearray()
        while (byte := self._receive.read(1)) != b"\0":
            assert byte, "the browser ended"
            found += byte
        message = json.loads(found)
        if message.get("method") == "Log.entryAdded":
            self.complaints.append(message["params"]["entry"]["text"])
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(message["params"]["exceptionDetails"]))
        return message

    def call(self, method: str, **params: Any) -> Any:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._send.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._message()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = 10) -> Any:
        """The value of an expression once it is true."""
        until = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < until, script
            time.sleep(0.02)
        return found

    def open(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=url)
        self.wait(f"document.readyState === 'complete' && location.href.startsWith({url!r})")

    def screenshot(self, file: Path) -> None:
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, format="png")
        file.write_bytes(base64.b64decode(shot["data"]))


def _far(descriptor: int) -> int:
    """The same, under a number that is out of the way of 3 and 4."""
    found = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 100)
    os.close(descriptor)
    return found


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A page in a browser of its own."""
    assert CHROMIUM
    options = [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-extensions",
        "--disable-component-update", "--no-first-run", "--remote-debugging-pipe", f"--user-data-dir={profile}",
    ]  # fmt: skip
    with ExitStack() as held:
        theirs_in, ours_out = map(_far, os.pipe())
        ours_in, theirs_out = map(_far, os.pipe())
        send = held.enter_context(os.fdopen(ours_out, "wb", buffering=0))
        receive = held.enter_context(os.fdopen(ours_in, "rb"))
        silent = [(os.POSIX_SPAWN_OPEN, each, "/dev/null", os.O_RDWR, 0) for each in (0, 1, 2)]
        # it reads from descriptor 3 and writes to 4
        pipes = [(os.POSIX_SPAWN_DUP2, theirs_in, 3), (os.POSIX_SPAWN_DUP2, theirs_out, 4)]
        process = os.posix_spawn(
            CHROMIUM, [CHROMIUM, *options, "about:blank"], dict(os.environ), file_actions=[*silent, *pipes]
        )
        os.close(theirs_in)
        os.close(theirs_out)
        held.callback(os.waitpid, process, 0)
        held.callback(os.kill, process, signal.SIGKILL)
        yield Page(send, receive)
