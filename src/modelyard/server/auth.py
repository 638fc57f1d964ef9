"""Who is calling; the same for both edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modelyard.domain.principals import ANONYMOUS

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from modelyard.domain.principals import Principal


def principal_of(scope: MutableMapping[str, Any]) -> Principal:
    """The principal behind a request; sign-in will read its headers.

    Until then everybody is anonymous, which is why only loopback is bound.
    """
    return ANONYMOUS
