"""What a look at the sources came to, and how two looks differ. Values and plain functions; nothing is asked here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Found:
    """A model that is to be served.

    Attributes:
        name: it is served under this.
        source: what it was asked for by, as people know it: `models:/wine@champion`, a directory, a filter.
        uri: what that names now: `models:/wine/3`, or the directory.
        identity: names the content for ever: two of the same identity are the same model.
        digest: of the content, `sha256:<64 hex digits>`; None if nobody says.
        registered_model: the registered model's name; empty if it is none.
        version: the registered model's version; empty if it is none.
        label: that version's label; empty if it has none.
        run_id: the run that made it; empty if that is not known.
        model_id: the logged model that it is; empty if that is not known.
        created_ms: when the version was made, ms since the epoch; 0 if that is not known.
        tags: of the version or the logged model.
    """

    name: str
    source: str
    uri: str
    identity: str
    digest: str | None = None
    registered_model: str = ""
    version: str = ""
    label: str = ""
    run_id: str = ""
    model_id: str = ""
    created_ms: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missing:
    """A model that should be served, and cannot be had.

    Attributes:
        name: it would be served under this.
        source: what it was asked for by.
        reason: why, for people.
    """

    name: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Round:
    """What all sources name at one time.

    Attributes:
        found: serving name → the model, in the order of the sources. Those that were there before and cannot be had
            any more stay: a model is taken away only when its filter no longer matches it.
        missing: serving name → why it is not here; with a model of the same name in `found`, why that is not another.
        away: why a registry could not be asked, so that its models are those of the last time; empty: all were asked.
    """

    found: Mapping[str, Found] = field(default_factory=dict)
    missing: Mapping[str, Missing] = field(default_factory=dict)
    away: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What has to be done to get from one round to the next.

    Attributes:
        added: models of names that were not there.
        changed: from and to, for names that have another model now.
        removed: models of names that are gone.
        missing: what is missing now and was not, or was for another reason.
        returned: names that were missing and are not any more.
    """

    added: tuple[Found, ...] = ()
    changed: tuple[tuple[Found, Found], ...] = ()
    removed: tuple[Found, ...] = ()
    missing: tuple[Missing, ...] = ()
    returned: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any((self.added, self.changed, self.removed, self.missing, self.returned))


def difference(before: Round, after: Round) -> Changes:
    """What changed between two rounds. A model has changed if its content has: tags and the like alone do not count."""
    return Changes(
        added=tuple(model for name, model in after.found.items() if name not in before.found),
        changed=tuple(
            (before.found[name], model)
            for name, model in after.found.items()
            if name in before.found and before.found[name].identity != model.identity
        ),
        removed=tuple(model for name, model in before.found.items() if name not in after.found),
        missing=tuple(each for name, each in after.missing.items() if before.missing.get(name) != each),
        returned=tuple(name for name in before.missing if name not in after.missing),
    )


def kept(before: Iterable[Found], seen: Iterable[Found | Missing]) -> list[Found | Missing]:
    """What one source names now, with the models of before for those that cannot be had now, behind each of these."""
    last = {model.name: model for model in before}
    together: list[Found | Missing] = []
    for each in seen:
        together.append(each)
        if isinstance(each, Missing) and each.name in last:
            together.append(last[each.name])
    return together
