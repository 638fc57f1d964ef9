"""MLflow's page tokens: base64 of a JSON object with an offset."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from modelyard.domain.errors import InvalidArgument


def token_for(offset: int) -> str:
    """The token of the page that begins after `offset` rows."""
    return base64.b64encode(b'{"offset": %d}' % offset).decode()


def offset_of(token: str) -> int:
    """How many rows come before a page; 0 without a token.

    Raises:
        InvalidArgument: the token is none of ours.
    """
    if not token:
        return 0
    values = payload_of(token)
    offset = values.get("offset")
    if not offset:
        raise InvalidArgument(f"Invalid page token, parsed value={values}")
    try:
        number = int(offset)
    except (TypeError, ValueError, OverflowError):
        raise InvalidArgument(f"Invalid page token, not stringable {offset}") from None
    if not 0 <= number < 2**63:
        raise InvalidArgument(f"Invalid page token, parsed value={values}")
    return number


def payload_of(token: str) -> dict[str, Any]:
    """What a token holds.

    Raises:
        InvalidArgument: it is not base64 of a JSON object.
    """
    try:
        decoded = base64.b64decode(token)
    except (binascii.Error, ValueError):
        raise InvalidArgument("Invalid page token, could not base64-decode") from None
    try:
        values = json.loads(decoded)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InvalidArgument(f"Invalid page token, decoded value={decoded!r}")
    return values
