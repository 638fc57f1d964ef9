"""Who acts. Every request resolves to a principal, and every change of the registry records one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody or something that may act.

    Attributes:
        name: how history names it.
    """

    name: str


ANONYMOUS = Principal("anonymous")
"""Everybody, until sign-in exists."""

SYSTEM = Principal("system")
"""The server itself: migrations, retention, loops."""
