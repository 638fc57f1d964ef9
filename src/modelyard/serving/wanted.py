"""What a person asks to be served, from the command line and the settings: directories, URIs, a filter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from modelyard.client import uris
from modelyard.domain.errors import InvalidArgument, NotFound, PermissionDenied
from modelyard.domain.versions import find_stage
from modelyard.packaging import manifest, pickles
from modelyard.settings import ServeSettings

_NAMED: Final = re.compile(r"([^/:=]+)=(.+)", re.DOTALL)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # two letters at least: C: is a drive


@dataclass(frozen=True, slots=True)
class Source:
    """What a person asked for: a directory, a URI, or a filter; one of the three.

    Attributes:
        text: as people know it, for messages.
        name: the serving name that was given; empty: the model's own.
        directory: of a model on this machine, absolute.
        uri: `models:/...`, `runs:/...`, or of a model's files.
        filter: which registered models.
        stage, alias, environment: of each of them the version that this names; all empty: the newest.
    """

    text: str
    name: str = ""
    directory: str = ""
    uri: str = ""
    filter: str = ""
    stage: str = ""
    alias: str = ""
    environment: str = ""

    @property
    def likely_name(self) -> str:
        """What it will be called if nothing better is known: the registered model's or the folder's name."""
        if self.uri.startswith("models:"):
            parsed = uris.parse_model(self.uri)
            return parsed.name or parsed.model_id
        folder = Path(self.directory or self.uri.rstrip("/"))
        # `modelyard models pull` makes NAME/VERSION
        return folder.parent.name if folder.name.isdigit() and folder.parent.name else folder.name

    @property
    def pinned(self) -> bool:
        """Whether it names the same model for ever, so that nobody needs to look again."""
        if not self.uri.startswith("models:"):
            return bool(self.uri)
        parsed = uris.parse_model(self.uri)
        return bool(parsed.model_id) or parsed.reference.isdigit()


# ------------------------------------------------------------------------------------ what a person gives


def parse(models: Sequence[str], settings: ServeSettings) -> list[Source]:
    """The sources that arguments and settings name, checked as far as that goes without asking anybody.

    Args:
        models: directories, `models:/NAME/REFERENCE`, `models:/NAME@ALIAS`, `models:/m-ID`, `runs:/ID/PATH`, or where
            files are; each perhaps as `NAME=...`, the name to serve it under.
        settings: name, filter, stage, alias and environment are read.

    Raises:
        InvalidArgument: nothing is given, or something that is not understood.
        NotFound: there is no such directory, or no model in it that predicts.
        PermissionDenied: a directory holds a pickle, and those are not allowed.
    """
    sources = [_source(model) for model in models]
    for source in sources:
        if source.directory and (pickled := pickles.needs_leave(source.directory)) and not settings.allow_pickle:
            raise PermissionDenied(
                f"{source.directory} holds {pickled}, a pickle or the like: loading it runs whatever code is inside. "
                "If you trust where this model comes from, say --allow-pickle."
            )
    chosen = [name for name in ("stage", "alias", "environment") if getattr(settings, name)]
    if settings.filter:
        if len(chosen) > 1:
            raise InvalidArgument("Give one of --stage, --alias and --environment, not several.")
        if settings.stage and find_stage(settings.stage) is None:
            raise InvalidArgument(
                f"There is no stage {settings.stage!r}: expected Staging, Production, Archived or None. "
                "An environment is given with --environment."
            )
        narrowed = "".join(f", {name} {getattr(settings, name)}" for name in chosen)
        sources.append(
            Source(
                f"filter {settings.filter!r}{narrowed}",
                filter=settings.filter,
                stage=settings.stage,
                alias=settings.alias,
                environment=settings.environment,
            )
        )
    elif chosen:
        raise InvalidArgument(
            f"--{chosen[0]} needs --filter. One model is given as models:/NAME/STAGE, models:/NAME@ALIAS or "
            "models:/NAME/ENVIRONMENT."
        )
    if not sources:
        raise InvalidArgument(
            "Nothing to serve: give a model's directory, models:/NAME/VERSION or models:/NAME@ALIAS, or --filter."
        )
    if settings.name:
        if len(sources) > 1 or sources[0].filter:
            raise InvalidArgument("--name is for one model; of several, each is named as NAME=MODEL.")
        sources = [_renamed(sources[0], settings.name)]
    names = [source.name or source.likely_name for source in sources]
    if settings.default_model and all(map(_is_definite, sources)) and settings.default_model not in names:
        raise InvalidArgument(f"--default-model {settings.default_model!r} is not served: there is {', '.join(names)}.")
    return sources


def _is_definite(source: Source) -> bool:
    """Whether its serving name is known before anybody was asked."""
    return bool(source.name or source.directory) or (
        source.uri.startswith("models:") and not uris.parse_model(source.uri).model_id
    )


def _source(given: str) -> Source:
    named = _NAMED.fullmatch(given)
    if named and not Path(given).exists():
        return _renamed(_source(named[2]), named[1])
    if given.startswith("models:"):
        uris.parse_model(given)
    elif given.startswith("runs:"):
        uris.parse_run(given)
    if _URI.match(given) and not given.startswith("file:"):
        return Source(given, uri=given)
    path = uris.local_path(given)
    if not given.strip():
        raise InvalidArgument("One of the models is an empty text. Give a directory, models:/NAME/VERSION or the like.")
    if not path.is_dir():
        hint = ""
        if re.fullmatch(r"[^/\\]+", given):
            hint = f" A registered model is given as models:/{given}/latest or models:/{given}@ALIAS."
        raise NotFound(f"There is no directory {str(path)!r}.{hint}" if not path.exists() else f"{path} is a file.")
    if not (path / manifest.FILE).is_file():
        inside = sorted(each.parent.relative_to(path) for each in path.glob(f"*/{manifest.FILE}"))
        inside += sorted(each.parent.relative_to(path) for each in path.glob(f"*/*/{manifest.FILE}"))
        hint = f" There are some below it: {', '.join(str(path / each) for each in inside[:5])}." if inside else ""
        raise NotFound(f"{path} holds no model: it has no file {manifest.FILE}.{hint}")
    return Source(given, directory=str(path))


def _renamed(source: Source, name: str) -> Source:
    if not name.strip() or not servable(name):
        raise InvalidArgument(f"{name!r} is no name for a model: it is part of a URL, and holds neither / nor : nor %.")
    return Source(source.text, name, source.directory, source.uri)


def servable(name: str) -> bool:
    """Whether a name can stand in a URL's path as one segment that every client leaves as it is."""
    return bool(name) and name not in (".", "..") and not re.search(r"[/:%\\\x00-\x1f\x7f]", name)
