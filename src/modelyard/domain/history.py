"""The registry's history: an append-only record of who changed what, when, from what, to what, and why."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Change(enum.StrEnum):
    """What kind of change an event records; `subject`, `old` and `new` are said for each."""

    MODEL_CREATED = "model.created"
    """new: description."""
    MODEL_UPDATED = "model.updated"
    """old, new: description."""
    MODEL_RENAMED = "model.renamed"
    """old, new: name."""
    MODEL_DELETED = "model.deleted"
    MODEL_TAG_SET = "model.tag_set"
    """subject: key; old, new: value."""
    MODEL_TAG_DELETED = "model.tag_deleted"
    """subject: key; old: value."""
    VERSION_CREATED = "version.created"
    """new: source."""
    VERSION_UPDATED = "version.updated"
    """old, new: description."""
    VERSION_LABELLED = "version.labelled"
    """old, new: label."""
    VERSION_STAGED = "version.staged"
    """old, new: stage."""
    VERSION_DELETED = "version.deleted"
    VERSION_TAG_SET = "version.tag_set"
    """subject: key; old, new: value."""
    VERSION_TAG_DELETED = "version.tag_deleted"
    """subject: key; old: value."""
    VERSION_EVALUATED = "version.evaluated"
    """subject: metric and dataset; new: value."""
    ALIAS_SET = "alias.set"
    """subject: alias; old, new: version number."""
    ALIAS_DELETED = "alias.deleted"
    """subject: alias; old: version number."""
    ENVIRONMENT_MOVED = "environment.moved"
    """subject: environment; old, new: version number, None when it points to nothing."""
    ENVIRONMENT_CREATED = "environment.created"
    """subject: environment; new: its position. Of no model."""
    ENVIRONMENT_PLACED = "environment.placed"
    """subject: environment; old, new: its position. Of no model."""
    ENVIRONMENT_REMOVED = "environment.removed"
    """subject: environment. Of no model."""
    POLICY_SET = "policy.set"
    """subject: environment, or environment/slot; old, new: what the policy says. Of no model."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change of the registry.

    Attributes:
        id: grows with every event.
        at_ms: ms since the epoch.
        principal: who.
        model_id: the model's number, which outlives its name and the model itself; 0: of no model.
        model: the model's name before the change.
        version: the version that was changed; of a pointer, the one that it points to now.
        subject, old, new: see `Change`.
        reason: why, if somebody said it.
    """

    id: int
    at_ms: int
    principal: str
    model_id: int
    model: str
    version: int | None
    kind: Change
    subject: str | None
    old: str | None
    new: str | None
    reason: str | None
