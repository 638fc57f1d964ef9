"""`modelyard` on a terminal of its own."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios

from tests.cli.process import PATIENCE_S, environment


def on_a_terminal(*arguments: object, width: int = 100, **variables: str) -> str:
    """Run a command to its end, on a terminal so wide; what it shows there, without colours."""
    kept = environment(TERM="xterm", **variables)
    for name in ("COLUMNS", "LINES"):  # they would win over the terminal itself
        kept.pop(name, None)
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (40, width))
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "modelyard.cli.main", *map(str, arguments)],
            env=kept,
            stdin=its,
            stdout=its,
            stderr=its,
        )
    finally:
        os.close(its)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:  # the terminal's other end is closed
        pass
    finally:
        os.close(ours)
        process.wait(PATIENCE_S)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n")
