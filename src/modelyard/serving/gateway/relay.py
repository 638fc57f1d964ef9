"""The short way through the gateway: the bytes of a plain request for a prediction go to a replica as they came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from modelyard.serving.express import LARGEST_BODY, understand

from .replicas import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from .replicas import Replicas, Reply

_MOST_HEADS: Final = 4096
_LONGEST_HEAD: Final = 2048


class Relayed(NamedTuple):
    """A head that was understood.

    Attributes:
        length: of the body, in bytes.
        protocol: in whose words it is refused.
        head: as it came, with the empty line at its end.
    """

    length: int
    protocol: int
    head: bytes


class Relay:
    """See `http.protocol.Express`.

    Args:
        replicas: where requests go.
        largest: bytes of a body.
    """

    def __init__(self, replicas: Replicas, largest: int) -> None:
        self._replicas = replicas
        self._largest = min(largest, LARGEST_BODY)
        self._heads: dict[bytes, Relayed | None] = {}

    def find(self, head: bytes) -> Relayed | None:
        """The request that a head announces, None if it goes the ordinary way."""
        try:
            return self._heads[head]
        except KeyError:
            pass
        plain = understand(head, self._largest)
        found = None if plain is None else Relayed(plain.length, plain.target.protocol, head + b"\r\n\r\n")
        # a head with an id does not come again
        if len(head) <= _LONGEST_HEAD and not (plain is not None and plain.request_id):
            if len(self._heads) >= _MOST_HEADS:
                self._heads.clear()
            self._heads[head] = found
        return found

    def start(self, request: Relayed, body: bytes, answer: Reply) -> Callable[[], None]:
        """Send it on."""
        call = Call(request.head, body, request.protocol, answer, self._replicas, plain=True)
        self._replicas.submit(call)
        return call.give_up
