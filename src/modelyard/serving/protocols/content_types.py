"""The header `Content-Type`, as the protocols of JSON understand it."""

from __future__ import annotations

import functools

from modelyard.serving.refusals import WrongContentType


@functools.lru_cache(maxsize=256)
def media_type(header: bytes) -> str:
    """The type of a body, without its parameters; without the header, JSON.

    Raises:
        WrongContentType: another character set than UTF-8, or a parameter that nobody knows.
    """
    named, *parameters = header.decode("latin-1").split(";")
    for each in parameters:
        name, _, value = (part.strip().lower() for part in each.partition("="))
        if name == "charset" and value.strip("\"'") not in ("utf-8", "utf8", "us-ascii"):
            raise WrongContentType(f"The body has to be UTF-8, not {value}.")
        if name and name != "charset":
            raise WrongContentType(f"The content type has a parameter that is not known here: {name}.")
    return named.strip().lower() or "application/json"


def require_json(header: bytes) -> None:
    """Refuse what is no JSON.

    Raises:
        WrongContentType: it is something else.
    """
    named = media_type(header)
    if named != "application/json" and not named.endswith("+json"):
        raise WrongContentType(f"The body has to be application/json, not {named[:100]}.")
