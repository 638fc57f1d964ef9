"""The routing table: checked, kept on disk, and read from a file that people write."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from modelyard.domain.deployments import Keep, Role
from modelyard.domain.errors import InvalidArgument, NotFound
from modelyard.wire.routing import (
    RoutedAnswer,
    RoutedDeployment,
    RoutedRecording,
    RoutedReplica,
    RoutedRevision,
    RoutedSegment,
    RoutedSettings,
    RoutedShadow,
    RoutedShare,
    Routing,
    Where,
)

if TYPE_CHECKING:
    from pathlib import Path

_ROLES: Final = frozenset({Role.STABLE, Role.CANARY, Role.ENDPOINT})
_NEAR: Final = 1e-6


def check(table: Routing) -> None:
    """See that requests can be routed by a table.

    Raises:
        InvalidArgument: they cannot; the first reason is named.
    """
    names = set()
    for each in table.deployments:
        if each.name in names:
            raise InvalidArgument(f"Two deployments are called {each.name!r}.")
        names.add(each.name)
        _check_deployment(each)


def _check_deployment(told: RoutedDeployment) -> None:
    where = f"Deployment {told.name!r}"
    for revision in told.revisions:
        for replica in revision.replicas:
            parts = urlsplit(replica.url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise InvalidArgument(f"{where}: {replica.url!r} is no URL of a replica. It begins with http://.")
    count = len(told.revisions)
    for name, segment in (("", told.default), *told.segments.items()):
        here = f"{where}, segment {name!r}" if name else where
        for share in segment.shares:
            if not 0 <= share.to < count:
                raise InvalidArgument(f"{here}: there is no revision at {share.to}; there are {count}.")
            if share.role not in _ROLES:
                raise InvalidArgument(f"{here}: {share.role!r} is none of {', '.join(sorted(_ROLES))}.")
            if not 0 <= share.weight <= 1 + _NEAR:
                raise InvalidArgument(f"{here}: a share of {share.weight} is not between 0 and 1.")
        if segment.shares and abs(sum(share.weight for share in segment.shares) - 1) > _NEAR:
            raise InvalidArgument(f"{here}: the shares do not add up to 1.")
    if told.shadow is not None and not (0 <= told.shadow.to < count and 0 <= told.shadow.share <= 1):
        raise InvalidArgument(f"{where}: its shadow is none of its {count} revisions, or has no share from 0 to 1.")
    if told.recording.input not in set(Keep):
        raise InvalidArgument(f"{where}: inputs are recorded {', '.join(Keep)}, not {told.recording.input!r}.")


def decode(content: bytes) -> Routing:
    """A table as the server sends it.

    Raises:
        InvalidArgument: it is none, or nothing can be routed by it.
    """
    try:
        table = msgspec.json.decode(content, type=Routing)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidArgument(f"That is no routing table: {error}.") from None
    check(table)
    return table


def keep(path: Path, table: Routing) -> None:
    """Write it down, so that a gateway that starts without a server has one; a whole file or none.

    Raises:
        OSError: the disk does not take it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(table))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        with suppress(FileNotFoundError):
            fresh.unlink()


def kept(path: Path) -> Routing | None:
    """The table that was written down last; None if there is none that can be used."""
    try:
        return decode(path.read_bytes())
    except (OSError, InvalidArgument):
        return None


# ---------------------------------------------------------------------------- a file that people write


class _Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A part of the file; what is misspelt is noticed."""


class _Where(_Strict, frozen=True):
    header: str = ""
    field: str = ""


class _Revision(_Strict, frozen=True):
    replicas: list[str] = []
    url: str = ""
    number: int = -1
    endpoint: str = ""
    model: str = ""
    version: str = ""
    weight: float | None = None
    role: str = ""
    shadow: float | None = None


class _Segment(_Strict, frozen=True):
    inputs: dict[str, str] = {}
    threshold: float | None = None
    weights: dict[str, float] = {}


class _Recording(_Strict, frozen=True):
    input: str = "all"
    sample: float = 0.1
    output: bool = True


class _Answer(_Strict, frozen=True):
    label: str = ""
    score: str = ""
    positive: str | None = None


class _Deployment(_Strict, frozen=True):
    revisions: list[_Revision]
    environment: str = ""
    segment: _Where = _Where()
    sticky: _Where = _Where()
    key: _Where = _Where()
    recording: _Recording = _Recording()
    answer: _Answer = _Answer()
    threshold: float | None = None
    inputs: dict[str, str] = {}
    segments: dict[str, _Segment] = {}


class _File(_Strict, frozen=True):
    deployments: dict[str, _Deployment]


def read(path: Path) -> Routing:
    """A table from a file of YAML or JSON, as docs/gateway.md describes it.

    Raises:
        NotFound: there is no such file.
        InvalidArgument: it is not understood.
    """
    import yaml

    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}.") from None
    try:
        file = msgspec.convert(yaml.safe_load(content), _File)
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeError) as error:
        raise InvalidArgument(f"{path} is no routing table: {error}.") from None
    import hashlib

    generation = hashlib.sha256(content).hexdigest()[:12]
    table = Routing(
        generation=generation, deployments=[_deployment(name, each) for name, each in file.deployments.items()]
    )
    check(table)
    return table


def _deployment(name: str, told: _Deployment) -> RoutedDeployment:
    default = RoutedSettings(inputs=told.inputs, threshold=told.threshold)
    settings = {
        segment: RoutedSettings(
            inputs={**told.inputs, **each.inputs},
            threshold=told.threshold if each.threshold is None else each.threshold,
        )
        for segment, each in told.segments.items()
    }
    revisions = [_revision(at, each, default, settings) for at, each in enumerate(told.revisions)]
    shadow = next(
        (RoutedShadow(to=at, share=each.shadow) for at, each in enumerate(told.revisions) if each.shadow is not None),
        None,
    )
    return RoutedDeployment(
        name=name,
        environment=told.environment,
        segment=_where(told.segment),
        sticky=_where(told.sticky),
        key=_where(told.key),
        recording=RoutedRecording(
            input=told.recording.input, sample=told.recording.sample, output=told.recording.output
        ),
        answer=RoutedAnswer(label=told.answer.label, score=told.answer.score, positive=told.answer.positive),
        revisions=revisions,
        default=RoutedSegment(shares=_shares(name, told, {})),
        segments={
            segment: RoutedSegment(shares=_shares(name, told, each.weights)) for segment, each in told.segments.items()
        },
        shadow=shadow,
    )


def _where(told: _Where) -> Where:
    return Where(header=told.header.lower(), field=told.field)


def _number(at: int, told: _Revision) -> int:
    return told.number if told.number >= 0 else 0 if told.endpoint else at + 1


def _revision(at: int, told: _Revision, default: RoutedSettings, settings: dict[str, RoutedSettings]) -> RoutedRevision:
    urls = [told.url] if told.url else told.replicas
    return RoutedRevision(
        number=_number(at, told),
        endpoint=told.endpoint,
        model=told.model,
        version=told.version,
        external=bool(told.url),
        replicas=[RoutedReplica(name=url, url=url) for url in urls],
        default=default,
        segments=settings,
    )


def _shares(name: str, told: _Deployment, weights: dict[str, float]) -> list[RoutedShare]:
    """Who answers; without any weight, the first."""
    names = [each.endpoint or str(_number(at, each)) for at, each in enumerate(told.revisions)]
    if set(weights) - set(names):
        raise InvalidArgument(f"Deployment {name!r} has no revisions {', '.join(sorted(set(weights) - set(names)))}.")
    found = [
        weights.get(each, 0.0) if weights else revision.weight or 0.0
        for each, revision in zip(names, told.revisions, strict=True)
    ]
    if told.revisions and not any(found) and not weights:
        found[0] = 1.0
    first = next((at for at, each in enumerate(told.revisions) if not each.endpoint), -1)
    shares = []
    for at, (revision, weight) in enumerate(zip(told.revisions, found, strict=True)):
        role = revision.role or (Role.ENDPOINT if revision.endpoint else Role.STABLE if at == first else Role.CANARY)
        if weight:
            shares.append(RoutedShare(to=at, role=str(role), weight=weight))
    return shares
