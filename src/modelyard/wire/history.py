"""The registry's history as messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from .message import Answer, Id, NextCursor, QueryCursor, Request

if TYPE_CHECKING:
    from modelyard.domain import history as domain

EventLimit = Annotated[int, Meta(ge=1, le=500, description="How many at most.")]


class HistoryQuery(Request):
    """Which part of the history."""

    limit: EventLimit = 100
    cursor: QueryCursor = ""


class ModelHistoryQuery(Request):
    """Which part of a model's history."""

    version: Annotated[Id | None, Meta(description="Only of this version.")] = None
    limit: EventLimit = 100
    cursor: QueryCursor = ""


class Event(Answer):
    """One change of the registry."""

    id: Annotated[int, Meta(description="Grows with every event.")]
    at_ms: int
    principal: Annotated[str, Meta(description="Who.")]
    change: Annotated[str, Meta(description="What, such as `environment.moved` or `version.created`.")]
    model: Annotated[str | None, Meta(description="The model's name before the change; null: of no model.")]
    version: int | None
    subject: Annotated[str | None, Meta(description="The alias, environment or tag that was changed.")]
    old: str | None
    new: str | None
    reason: str | None


class EventPage(Answer):
    """Some of the events, newest first."""

    events: list[Event]
    next_cursor: NextCursor


def event(of: domain.Event) -> Event:
    """The message that describes an event."""
    return Event(
        id=of.id,
        at_ms=of.at_ms,
        principal=of.principal,
        change=str(of.kind),
        model=of.model or None,
        version=of.version,
        subject=of.subject,
        old=of.old,
        new=of.new,
        reason=of.reason,
    )
