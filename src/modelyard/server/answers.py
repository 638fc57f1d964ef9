"""What both edges need to find an endpoint."""

from __future__ import annotations

import re


def pattern(path: str) -> str:
    """The regular expression of a route: `{name}` matches one segment, `{name*}` the rest."""
    parts = re.split(r"(\{\w+\*?\})", path)
    return "".join(
        (f"(?P<{part[1:-2]}>.*)" if part.endswith("*}") else f"(?P<{part[1:-1]}>[^/]+)")
        if part.startswith("{")
        else re.escape(part)
        for part in parts
    )
