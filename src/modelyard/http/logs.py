"""What the server says about itself: one line per event on stderr, as text or JSON, without secrets."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from contextvars import ContextVar
from typing import Final

from modelyard.settings import masked

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""Of the request that is being answered; empty outside of requests, and on the paths that only log metrics."""

_FRAMES: Final = 6


def configure(form: str, level: str) -> None:
    """Send every logger's lines to stderr.

    Args:
        form: `text` or `json`.
        level: `debug`, `info`, `warning` or `error`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    # What uvicorn and asyncio say at info level, the ready line says better.
    quiet = max(root.level, logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "asyncio", "alembic"):
        logging.getLogger(name).setLevel(quiet if level != "debug" else logging.INFO)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        parts = [_when(record), record.levelname, record.name, _flat(record.getMessage())]
        if identity := request_id.get():
            parts.append(f"[request {identity}]")
        if trouble := _trouble(record):
            parts.append(f"({trouble})")
        return masked(" ".join(parts))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _when(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": masked(record.getMessage()),
        }
        if identity := request_id.get():
            entry["request_id"] = identity
        if trouble := _trouble(record):
            entry["exception"] = masked(trouble)
        return json.dumps(entry, ensure_ascii=False)


def _when(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z"


def _flat(text: str) -> str:
    """On one line, and without what a terminal would obey: some of it was thought up by clients."""
    if text.isprintable():
        return text
    text = " | ".join(line.strip() for line in text.splitlines() if line.strip())
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _trouble(record: logging.LogRecord) -> str:
    """The exception and where it came from, innermost first, on one line."""
    if record.exc_info is None or record.exc_info[1] is None:
        return ""
    error = record.exc_info[1]
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    path = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{type(error).__name__}: {_flat(str(error))}" + (f" at {path}" if path else "")
