"""One request of the sender's: it is answered, refused for good, or to be tried again later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from modelyard.domain.errors import ModelyardError, NotSupported, TooLarge
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
        failed: whether the server read it, and failed (500).
    """

    def __init__(self, reason: str, wait_s: float = 0.0, *, failed: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s
        self.failed = failed


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


@dataclass(slots=True)
class Line:
    """The sender's way to a server.

    Attributes:
        transport: sends.
        strict: whether what makes the server fail counts as refused.
    """

    transport: Transport
    strict: bool = False


def ask(
    line: Line, method: str, path: str, body: bytes | None = None, media: str = "application/json",
    *, optional: bool = False,
) -> bytes:  # fmt: skip
    """Send one request, once.

    Args:
        line: to the server.
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
        response = line.transport.request(method, path, body=body, headers=headers, retries=0)
        data: bytes = response.data
        if response.status < 300:
            return data
        error = line.transport.refusal(response, method, path)
    told = response.headers.get("retry-after", "")
    wait_s = min(float(told), LONGEST_WAIT_S) if told.isdigit() else 0.0
    explained = _explained(data)
    failed = response.status == 500 and explained is not None
    if failed and line.strict:
        raise Refused(error)
    # who does not explain a refusal in a tracking server's words is something in between, or not a tracking server
    credible = explained is not None or isinstance(error, TooLarge) or (optional and isinstance(error, NotSupported))
    if refusals.may_pass(error) or not credible:
        raise Unreachable(error.message, wait_s, failed=failed)
    raise Refused(error, explained)


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


def mlflow(line: Line, method: str, path: str, message: dict[str, Any], *, optional: bool = False) -> bytes:
    """Send a message of MLflow's protocol; see `ask`."""
    import msgspec

    if method == "GET":
        from urllib.parse import urlencode

        return ask(line, method, f"{MLFLOW}{path}?{urlencode(message)}", optional=optional)
    return ask(line, method, MLFLOW + path, msgspec.json.encode(message), optional=optional)


def _explained(body: bytes) -> list[str] | None:
    """The places that a refusal names; None if it is not one that a tracking server wrote."""
    import msgspec

    try:
        told = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return None
    if not isinstance(told, dict) or not (told.get("error_code") or told.get("code")):
        return None
    places = told.get("errors")
    return [str(each.get("pointer", "")) for each in places or [] if isinstance(each, dict)] if places else []
