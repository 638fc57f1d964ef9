"""One request of the sender's: it is answered, refused for good, or to be tried again later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from modelyard.domain.errors import ModelyardError, NotSupported
from modelyard.optional import MissingExtraError

from . import refusals
from .transport import MLFLOW

if TYPE_CHECKING:
    from .transport import Transport

LONGEST_WAIT_S: Final = 300.0
"""The most that a server's Retry-After is believed."""


class Unreachable(Exception):
    """The server is away, overloaded, failing, or does not let us in: the same may succeed later.

    Args:
        reason: for people.
        wait_s: how long the server asked us to wait; 0 if it did not say.
    """

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s


class Refused(Exception):
    """The server read it and will not have it; the same would be refused again.

    Args:
        error: what was wrong.
        places: JSON pointers into the message to what was wrong, if the server says.
    """

    def __init__(self, error: ModelyardError, places: list[str] | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.places = places or []


def ask(
    transport: Transport, method: str, path: str, body: bytes | None = None, media: str = "application/json",
    *, optional: bool = False,
) -> bytes:  # fmt: skip
    """Send one request, once.

    Args:
        transport: to the server.
        method: of HTTP.
        path: from the server's root.
        body: its bytes.
        media: their type.
        optional: whether a tracking server may lack this endpoint.

    Returns:
        The answer's body.

    Raises:
        Unreachable: try again later.
        Refused: do not.
    """
    headers = {"Content-Type": media} if body is not None else {}
    with calling():
        response = transport.request(method, path, body=body, headers=headers, retries=0)
        data: bytes = response.data
        if response.status < 300:
            return data
        error = transport.refusal(response, method, path)
    told = response.headers.get("retry-after", "")
    wait_s = min(float(told), LONGEST_WAIT_S) if told.isdigit() else 0.0
    if refusals.may_pass(error) or response.status < 400 or (isinstance(error, NotSupported) and not optional):
        # an address where the most basic endpoint is missing is not a tracking server, or not yet one
        raise Unreachable(error.message, wait_s)
    raise Refused(error, _places(data))


class calling:  # noqa: N801 - reads as a word of the language, like contextlib's own
    """What our own calls raise, as `Unreachable` or `Refused`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, MissingExtraError | OSError):
            raise Unreachable(str(error)) from error
        if isinstance(error, ModelyardError):
            if refusals.may_pass(error):
                raise Unreachable(error.message) from error
            raise Refused(error) from error


def mlflow(transport: Transport, method: str, path: str, message: dict[str, Any], *, optional: bool = False) -> bytes:
    """Send a message of MLflow's protocol; see `ask`."""
    import msgspec

    if method == "GET":
        from urllib.parse import urlencode

        return ask(transport, method, f"{MLFLOW}{path}?{urlencode(message)}", optional=optional)
    return ask(transport, method, MLFLOW + path, msgspec.json.encode(message), optional=optional)


def _places(body: bytes) -> list[str]:
    import msgspec

    try:
        told = msgspec.json.decode(body)
        return [str(each["pointer"]) for each in told["errors"]]
    except (msgspec.DecodeError, TypeError, KeyError):
        return []
