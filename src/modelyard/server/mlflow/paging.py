"""MLflow's page tokens: base64 of `{"offset": N}`. Source: `SearchUtils.create_page_token`, as observed."""

from __future__ import annotations

import base64
import binascii
import json

from modelyard.domain.errors import InvalidArgument


def token_for(offset: int) -> str:
    """The token that continues at this offset."""
    return base64.b64encode(json.dumps({"offset": offset}).encode()).decode()


def offset_of(token: str) -> int:
    """Where a token continues; 0 for no token.

    Raises:
        InvalidArgument: it is not one of ours.
    """
    if not token:
        return 0
    try:
        decoded = base64.b64decode(token)
    except (binascii.Error, ValueError):
        raise InvalidArgument("Invalid page token, could not base64-decode") from None
    try:
        parsed = json.loads(decoded)
    except ValueError:
        raise InvalidArgument(f"Invalid page token, decoded value={decoded!r}") from None
    offset = parsed.get("offset") if isinstance(parsed, dict) else None
    if not isinstance(offset, int) or isinstance(offset, bool):
        raise InvalidArgument(f"Invalid page token, parsed value={parsed!r}")
    if not 0 <= offset < 2**63:
        raise InvalidArgument(f"Invalid page token, not stringable {parsed!r}")
    return offset
