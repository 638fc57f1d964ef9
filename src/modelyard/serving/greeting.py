"""What `modelyard serve` prints: what it is about to serve, and once that is ready, how to ask it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from modelyard import __version__

from .rounds import Found, Round

_SHOWN: Final = 10
_LONGEST_EXAMPLE: Final = 600


def say(text: str) -> None:
    """Print it, if anybody reads it."""
    with suppress(OSError):
        print(text, flush=True)  # noqa: T201


def starting(first: Round) -> str:
    """What will be served, and what is missing.

    Args:
        first: what the first look came to.
    """
    models = list(first.found.values())
    what = "1 model" if len(models) == 1 else f"{len(models)} models"
    lines = [f"Modelyard {__version__} is getting {what} ready:"]
    width = max((len(model.name) for model in models[:_SHOWN]), default=0)
    lines += [f"  {model.name:{width}}  {_origin(model)}" for model in models[:_SHOWN]]
    if len(models) > _SHOWN:
        lines.append(f"  and {len(models) - _SHOWN} more")
    if first.away:
        lines.append(f"{first.away} These are the models that were served last.")
    absent = [each for each in first.missing.values() if each.name not in first.found]
    lines += [f"Missing: {each.name}: {each.reason}" for each in absent[:_SHOWN]]
    if len(absent) > _SHOWN:
        lines.append(f"Missing: {len(absent) - _SHOWN} more")
    return "\n".join(lines)


def _origin(model: Found) -> str:
    if not model.version:
        return model.uri
    label = f" ({model.label})" if model.label else ""
    asked = model.source if model.source.startswith("models:") and model.source != model.uri else ""
    named = f" of {model.registered_model}" if model.name != model.registered_model else ""
    return f"version {model.version}{label}{named}" + (f", which is {asked}" if asked else "")


def ready(
    url: str, names: Sequence[str], *, default: str = "", example: bytes | str | None = None, seconds: float = 0.0
) -> str:
    """Where to ask, and one request that works.

    Args:
        url: where requests are taken, without a last slash.
        names: of the models, all of which answer.
        default: the one that the short paths mean; empty: the only one.
        example: what to ask the default, or else the first, model: a body of natural JSON; None if there is none.
        seconds: since the start.
    """
    lines = [f"Modelyard {__version__} is ready at {url}"]
    took = f" after {seconds:.1f} s" if seconds else ""
    if len(names) > 1:
        lines.append(f"{len(names)} models answer{took}. How each is asked: {url}/docs")
    else:
        lines.append(f"It answers{took}. How it is asked, to read and to try: {url}/docs")
    short = default or len(names) == 1
    asked = default or (names[0] if names else "")
    if example is not None and asked:
        path = "/predict" if short else f"/models/{quote(asked, safe='')}/predict"
        lines.append(curl(url + path, example))
    return "\n".join(lines)


def curl(url: str, body: bytes | str) -> str:
    """The command that sends some JSON; a body too long for a terminal is left to the docs page."""
    text = body.decode() if isinstance(body, bytes) else body
    shown = shlex.quote(text) if len(text) <= _LONGEST_EXAMPLE else "@example.json"
    return f"  curl {shlex.quote(url)} -H 'content-type: application/json' -d {shown}"
