"""What the client has to say: once, on the logger `modelyard`, and never as an exception in a training loop.

A warning that nobody configured logging for reaches stderr through Python's handler of last resort.
"""

from __future__ import annotations

import logging
from typing import Any, Final

_MOST: Final = 1000
"""Different things that are remembered as said; beyond that, silence is kinder than a million lines."""

_said: set[Any] = globals().get("_said", set())  # survives a reload of this module


def once(about: Any, message: str, *args: object) -> bool:
    """Log a warning, unless one about the same thing was logged before.

    Args:
        about: what it is about, hashable: the same thing is not reported twice.
        message: for the logger, with `%s` for each of `args`.
        *args: what to fill in.

    Returns:
        Whether it was logged.
    """
    if about in _said or len(_said) >= _MOST:
        return False
    _said.add(about)
    logging.getLogger("modelyard").warning(message, *args)
    return True
