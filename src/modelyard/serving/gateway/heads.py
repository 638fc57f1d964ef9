"""Heads of requests for predictions, read once: which deployment is asked, in which protocol, and what headers say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from modelyard.http.heads import Known
from modelyard.http.link import LARGEST_BODY as LARGEST_LINKED
from modelyard.http.passing import passed
from modelyard.serving.calls import INVOCATIONS, NATURAL, OPEN_INFERENCE
from modelyard.serving.express import LARGEST_BODY, understand

from .asking import Head

if TYPE_CHECKING:
    from modelyard.http.passing import Fields
    from modelyard.serving.routing import Target
    from modelyard.settings import GatewaySettings

    from .deployed import Deployment, Deployments

_LONGEST_HEAD: Final = 2048
_TEXT: Final = re.compile(rb"[ -~\x80-\xff]*")
_WORDS: Final = {NATURAL: "predict", INVOCATIONS: "invocations"}


class Heads:
    """Reads them.

    Args:
        settings: of the gateway.
        deployments: who can be asked.
    """

    def __init__(self, settings: GatewaySettings, deployments: Deployments) -> None:
        self._deployments = deployments
        self._default = settings.default
        self._origins = frozenset(each.encode() for each in settings.origins)
        self._largest = min(settings.max_body_bytes, LARGEST_BODY)
        self._known: Known[Head | None] = Known(_LONGEST_HEAD)

    def forget(self) -> None:
        """There is another table."""
        self._known = Known(_LONGEST_HEAD)

    def deployment(self, name: str) -> Deployment | None:
        """The one of a name; without a name the default one, or the only one."""
        named = self._deployments.named
        if name:
            return named.get(name)
        if self._default:
            return named.get(self._default)
        return next(iter(named.values())) if len(named) == 1 else None

    def find(self, head: bytes) -> Head | None:
        """The request that a head announces, None if it goes the ordinary way.

        Args:
            head: as it came, without the empty line at its end.
        """
        try:
            return self._known.found[head]
        except KeyError:
            pass
        plain = understand(head, self._largest)
        found, keep = None, True
        if plain is not None:
            lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
            fields = [(name.lower(), value.strip(b" \t")) for name, _, value in lines]
            keep = not (plain.request_id or plain.parent)  # a head with an id does not come again
            found = self.made(plain.target, fields, plain.length, head)
            if found is not None:
                keep = keep and not (found.sticky or found.key)
        if keep:
            self._known.keep(head, found)
        return found

    def made(self, asked: Target, fields: Fields, length: int, head: bytes = b"") -> Head | None:
        """A request's head, understood; None if no such deployment is known.

        Args:
            asked: by its path.
            fields: its headers, names in small letters.
            length: of the body, in bytes.
            head: as it came, if it may go on as it is; empty: it is made anew.
        """
        deployment = self.deployment(asked.name)
        if deployment is None:
            return None
        told = deployment.told
        values = dict(fields)

        def said(name: str) -> str:
            return values.get(name.encode(), b"").decode("latin-1") if name else ""

        passed_on = lines(fields)
        path = b"/models/%b/%b" % (_quoted(deployment.name), _WORDS.get(asked.protocol, "").encode())
        if head and asked.name:
            whole = head + b"\r\n\r\n"
        else:
            if asked.protocol == OPEN_INFERENCE:
                version = b"/versions/" + _quoted(asked.version) if asked.version else b""
                path = b"/v2/models/%b%b/infer" % (_quoted(deployment.name), version)
            host = values.get(b"host", b"gateway")
            whole = b"POST %b HTTP/1.1\r\nhost: %b\r\n%bcontent-length: %d\r\n\r\n" % (path, host, passed_on, length)
        return Head(
            length=length,
            deployment=deployment,
            protocol=asked.protocol,
            head=whole,
            fields=passed_on,
            version="" if asked.version == "latest" else asked.version,
            segment=said(told.segment.header),
            sticky=said(told.sticky.header),
            key=said(told.key.header),
            details=values.get(b"modelyard-details", b"").lower() in (b"true", b"1", b"yes"),
            plain=0 < length <= LARGEST_LINKED,
            extra=self.allowed(values.get(b"origin", b"")),
        )

    def allowed(self, origin: bytes) -> bytes:
        """Lines of an answer by which a page of this origin may read it; empty if it may not."""
        if not origin or not (origin in self._origins or b"*" in self._origins) or not _TEXT.fullmatch(origin):
            return b""
        return (
            b"access-control-allow-origin: %b\r\nvary: origin\r\naccess-control-expose-headers: modelyard-prediction, "
            b"modelyard-model, modelyard-version, modelyard-revision, modelyard-role, x-request-id\r\n"
        ) % origin


def lines(fields: Fields) -> bytes:
    """Those headers that are passed on, but the host."""
    return b"".join([b"%b: %b\r\n" % each for each in passed(fields) if each[0] != b"host"])


def _quoted(name: str) -> bytes:
    from urllib.parse import quote

    return quote(name, safe="").encode()
