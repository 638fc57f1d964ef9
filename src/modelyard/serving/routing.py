"""Which model and which protocol a path asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from .calls import INVOCATIONS, NATURAL, OPEN_INFERENCE

_SHORT: Final = {"/predict": NATURAL, "/invocations": INVOCATIONS}
_LONG: Final = re.compile(r"/models/([^/?#]+)/(predict|invocations)")
_OPEN: Final = re.compile(r"/v2/models/([^/?#]+)(?:/versions/([^/?#]+))?/infer")


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked to predict.

    Attributes:
        protocol: one of those in `calls`.
        name: of the model; empty: the default one.
        version: that it has to have; empty: whichever answers.
    """

    protocol: int
    name: str = ""
    version: str = ""


def target(path: str) -> Target | None:
    """The target of a path as sent, still percent-encoded; None if it is not one where predictions are made."""
    short = _SHORT.get(path)
    if short is not None:
        return Target(short)
    found = _LONG.fullmatch(path)
    if found:
        return Target(_SHORT[f"/{found[2]}"], unquote(found[1]))
    found = _OPEN.fullmatch(path)
    if found:
        return Target(OPEN_INFERENCE, unquote(found[1]), unquote(found[2] or ""))
    return None
