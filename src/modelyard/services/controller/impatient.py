"""A client that does not try again by itself: what it asks is asked again in a second anyway."""

from __future__ import annotations

from typing import Final

from modelyard.client.client import Client
from modelyard.client.transport import Transport

_TIMEOUT_S: Final = 10.0


class Impatient(Client):
    """Asks a registry once.

    Args:
        uri: of the registry.
    """

    def __init__(self, uri: str) -> None:
        super().__init__(uri, uri)
        self._way = Transport(self.registry_uri, timeout_s=_TIMEOUT_S, retries=0)

    @property
    def tracking(self) -> Transport:
        """The way to the registry, which keeps nothing else that is asked for."""
        return self._way

    @property
    def registry(self) -> Transport:
        """The way to the registry."""
        return self._way
