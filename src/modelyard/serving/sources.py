"""What is served: directories, models of a registry, all that match a filter. Named, looked up, fetched, remembered.

Everything here is plain blocking code, for a thread of its own. `Sources` is what the front holds::

    sources = Sources(wanted.parse(models, settings))
    first = sources.look()                     # raises what a person should know before anything starts
    path = sources.fetch(first.found["wine"])  # verified; from the cache if it is there
    sources.served(first.found["wine"])        # it answers: this is what a start without the registry falls back to
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from modelyard.domain.errors import DataCorrupted, InvalidArgument, InvalidState, ModelyardError, NotFound, Unavailable
from modelyard.packaging import digest as digests
from modelyard.packaging import manifest

from .rounds import Found, Missing, Round, kept
from .wanted import Source, servable

if TYPE_CHECKING:
    from .registry import Registry

_log: Final = logging.getLogger("modelyard.serving")
T = TypeVar("T")

_META: Final = "registered_model_meta"
_ABSENT: Final = (NotFound, InvalidArgument, InvalidState)
"""As in `registry`, which is not loaded for directories."""


class Sources:
    """All sources of a server, looked at together. Threads may share it."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self._last: Round | None = None
        self._of: dict[Source, list[Found]] = {}
        self._by_text = {source.text: source for source in sources}
        self._apart: dict[str, Path] = {}
        self._scratch: list[Path] = []
        self._used: dict[tuple[str, str], Path] = {}
        self._told: set[str] = set()
        self._guard = threading.Lock()
        self._ending = threading.Condition()
        self._closed = False
        self._under_way = 0

    @cached_property
    def _registry(self) -> Registry:
        from .registry import Registry  # the client is not loaded for directories

        return Registry()

    @property
    def asks(self) -> bool:
        """Whether any of them is in a registry, or elsewhere than on this machine."""
        return any(not source.directory for source in self.sources)

    # -------------------------------------------------------------------------------- looking

    def look(self) -> Round:
        """What every source names now. Nothing is downloaded.

        The first time, what a person should know is raised. Later, what cannot be had is `missing`, what was served
        stays, and a registry that cannot be asked leaves everything as it was.

        Raises:
            NotFound: (the first time) a source names nothing; what there is instead is said.
            InvalidArgument: (the first time) the filter is not understood, or two models have one name.
            Unavailable: (the first time) the registry cannot be reached, and nothing is remembered.
        """
        return self._unless_closed(self._look)

    def _look(self) -> Round:
        with self._guard:
            first = self._last is None
            hurried = first and self.asks and self._remembers(*self.sources)
            if hurried:
                self._registry.hurry(hurried=True)
            found: dict[str, Found] = {}
            missing: dict[str, Missing] = {}
            away = ""
            for source in self.sources:
                entries, trouble = self._entries(source, away, first=first)
                away = away or trouble
                self._of[source] = [each for each in entries if isinstance(each, Found)]
                for each in entries:
                    if isinstance(each, Missing):
                        missing.setdefault(each.name, each)
                        self._say_gone(each)
                    elif not servable(each.name):
                        reason = "Its name cannot stand in a URL. Serve it as NAME=MODEL, with another one."
                        missing[each.name] = Missing(each.name, each.source, reason)
                    elif each.name in found:
                        self._collide(found[each.name], each, first=first)
                    else:
                        found[each.name] = each
            if hurried:
                self._registry.hurry(hurried=False)
            self._last = Round(found, missing, away)
            return self._last

    def _remembers(self, *sources: Source) -> bool:
        """Whether there is something to go on with, if the registry does not answer."""
        from . import last_good

        return all(last_good.read(self._registry.uri, each.text) for each in sources if not each.directory)

    def _entries(self, source: Source, away: str, *, first: bool) -> tuple[list[Found | Missing], str]:
        """What one source names, and why it could not be asked."""
        before = self._of.get(source, [])
        if source.directory:
            return kept(before, [_look_at(source)]), ""
        trouble = away
        if not away:
            try:
                seen = self._registry.look(source)
            except Unavailable as error:
                trouble = error.message
            except ModelyardError as error:
                # nonsense, or a refusal: what was served last is better than nothing
                if first and (isinstance(error, _ABSENT) or not self._remembers(source)):
                    raise
                trouble = error.message
            except Exception as error:
                if first:
                    raise
                # whatever it is, the next look may succeed, and what is served must not depend on it
                trouble = f"Looking for {source.text} failed: {type(error).__name__}: {error}"
                _log.debug("Looking failed", exc_info=True)
            else:
                return self._answered(source, seen, before, first=first)
        if first:
            before = self._remembered(source, trouble)
        return list(before), trouble

    def _answered(
        self, source: Source, seen: list[Found | Missing], before: list[Found], *, first: bool
    ) -> tuple[list[Found | Missing], str]:
        if first and source.uri and isinstance(seen[0], Missing):
            raise NotFound(self._registry.explained(source, seen[0].reason))
        if not seen and first:
            raise NotFound(f"No registered model in {self._registry.uri} matches the {source.text}.")
        if not seen and before:
            # more likely a registry that was emptied or exchanged than a wish to serve nothing
            return list(before), f"The {source.text} matches nothing any more; what was served stays."
        from . import last_good

        entries = kept(before, seen)
        names = {each.name for each in entries}
        last_good.forget(self._registry.uri, source.text, [each.name for each in before if each.name not in names])
        return entries, ""

    def _remembered(self, source: Source, trouble: str) -> list[Found]:
        from . import last_good

        models = last_good.read(self._registry.uri, source.text)
        if not models:
            raise Unavailable(f"{trouble} Nothing is remembered of {source.text} either.")
        return models

    def _say_gone(self, missing: Missing) -> None:
        """Once, of what is served."""
        last = self._last
        if last is not None and missing.name in last.found and last.missing.get(missing.name) != missing:
            _log.warning("%s: %s What was served stays.", missing.source, missing.reason)

    def _collide(self, one: Found, other: Found, *, first: bool) -> None:
        told = (
            f"{one.uri} ({one.source}) and {other.uri} ({other.source}) would both be served as {one.name!r}. "
            "Give one of them another name, as NAME=MODEL."
        )
        if first:
            raise InvalidArgument(told)
        if told not in self._told:  # a new match of a filter; the model that was there first stays
            self._told.add(told)
            _log.warning("%s The first is served.", told)

    # -------------------------------------------------------------------------------- fetching

    def fetch(self, model: Found) -> Path:
        """A model's directory: on this machine, complete and verified. Several threads may fetch several models.

        Raises:
            NotFound: its files are gone.
            DataCorrupted: files are missing or are not what was saved; they are named.
            Unavailable: it is not on this machine, and cannot be reached.
        """
        return self._unless_closed(lambda: self._fetch(model))

    def again(self, model: Found, path: Path) -> Path:
        """The directory of a model that was fetched and is loaded once more: its files may have suffered since.

        What is damaged is fetched anew, where that is possible.

        Args:
            model: it.
            path: what `fetch` answered.

        Raises:
            NotFound: as for `fetch`.
            DataCorrupted: as for `fetch`; or another model lies there now.
            Unavailable: as for `fetch`.
        """
        return self._unless_closed(lambda: self._again(model, path))

    def _again(self, model: Found, path: Path) -> Path:
        source = self._by_text[model.source]
        if not source.directory:
            return self._fetch(model, again=True)
        digests.verify(path)
        now = _look_at(replace(source, directory=str(path)))
        if isinstance(now, Missing) or _content(now) != _content(model):
            raise DataCorrupted(f"{path} holds another model than the one that was served from there.")
        return path

    def _fetch(self, model: Found, *, again: bool = False) -> Path:
        source = self._by_text[model.source]
        if source.directory:
            folder = Path(source.directory).resolve()  # a link may lead elsewhere when the model is loaded again
            digests.verify(folder)
            return folder
        from modelyard.client import cache, model_files, references, transfers
        from modelyard.client.client import Client

        # of one model several files at once, of many models one each
        threads = max(1, transfers.THREADS // max(1, len(self._last.found) if self._last else 1))

        def download(into: Path) -> None:
            model_files.fetch(references.resolve(Client(), model.uri), into, threads=threads)

        try:
            found = cache.get(model.identity, model.digest, download, again=again)
        except OSError as error:
            _log.warning("The cache %s cannot be written (%s): %s is kept in a temporary directory.",
                         cache.directory(), error.strerror, model.uri)  # fmt: skip
        else:
            self._used[model.name, model.identity] = found
            return found
        return self._without_cache(model, download, again=again)

    def _without_cache(self, model: Found, download: Callable[[Path], None], *, again: bool) -> Path:
        if again and model.identity in self._apart:
            try:
                digests.verify(self._apart[model.identity], model.digest)
            except (DataCorrupted, OSError) as error:
                _log.warning("A downloaded model is damaged and is fetched again: %s", error)
                shutil.rmtree(self._apart.pop(model.identity), ignore_errors=True)
        if model.identity not in self._apart:
            scratch = Path(tempfile.mkdtemp(prefix="modelyard-model-"))
            self._scratch.append(scratch)
            try:
                download(scratch)
            except BaseException:
                shutil.rmtree(scratch, ignore_errors=True)
                raise
            self._apart[model.identity] = scratch
        return self._apart[model.identity]

    def release(self, model: Found) -> None:
        """Say that a fetched model is not used any more: its files may go when the cache is full."""
        path = self._used.pop((model.name, model.identity), None)
        if path is not None and path not in tuple(self._used.values()):
            from modelyard.client import cache

            cache.release(path)

    def served(self, model: Found) -> None:
        """Remember that a model is served: a start while the registry is away falls back to it."""
        from . import last_good

        source = self._by_text[model.source]
        if not source.directory:
            last_good.keep(self._registry.uri, source.text, model)

    # -------------------------------------------------------------------------------- the end

    def close(self) -> None:
        """Wait for nobody any more: looks and fetches that are under way end at once, with `Unavailable`."""
        with self._ending:
            self._closed = True
            self._ending.notify_all()
        for scratch in self._scratch:
            shutil.rmtree(scratch, ignore_errors=True)

    @property
    def busy(self) -> bool:
        """Whether a look or a fetch is under way; nobody waits for it once this is closed."""
        return bool(self._under_way)

    def _unless_closed(self, work: Callable[[], T]) -> T:
        """Do what may have to wait for others, on a thread that nobody waits for when the process ends."""
        outcome: list[T | BaseException] = []

        def run() -> None:
            try:
                result: T | BaseException = work()
            except BaseException as error:  # noqa: BLE001 - raised below, where somebody waits for it
                result = error
            with self._ending:
                self._under_way -= 1
                outcome.append(result)
                self._ending.notify_all()

        with self._ending:
            self._under_way += 1
        threading.Thread(target=run, name="modelyard-sources", daemon=True).start()
        with self._ending:
            self._ending.wait_for(lambda: outcome or self._closed)
        if not outcome:
            raise Unavailable("The server is stopping.")
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]


def _content(model: Found) -> str:
    """The identity of a directory's content, wherever it lies."""
    return model.digest or model.identity.removeprefix(f"{model.uri} ")


def _look_at(source: Source) -> Found | Missing:
    """A model's directory as it is now: another save into the same place is another model."""
    path = Path(source.directory)
    name = source.name or source.likely_name
    try:
        told = manifest.Model.read(path)
        stats = [(path / each).stat() for each in (manifest.FILE, digests.FILE) if (path / each).is_file()]
        recorded = digests.recorded(path)
    except ModelyardError as error:
        return Missing(name, source.text, error.message)
    except OSError as error:
        return Missing(name, source.text, f"{path} cannot be read: {error.strerror}.")
    registered, version = _registered(path)
    marks = " ".join(f"{each.st_ino:x}-{each.st_mtime_ns:x}-{each.st_size:x}" for each in stats)
    return Found(
        name=name,
        source=source.text,
        uri=str(path),
        identity=recorded or f"{path} {told.model_uuid} {marks}",
        digest=recorded,
        registered_model=registered,
        version=version,
        run_id=str(told.run_id or ""),
        model_id=str(told.model_id or ""),
    )


def _registered(path: Path) -> tuple[str, str]:
    """Name and version of the registered model that was downloaded into a directory; empty if it does not say.

    MLflow says it in a file in the model, which an image of ours has too; `modelyard models pull` in one beside it.
    """
    try:
        if (path / _META).is_file():
            import yaml

            told = yaml.safe_load((path / _META).read_text(encoding="utf-8"))
            return str(told["model_name"]), str(told["model_version"])
        told = json.loads((path.parent / f".{path.name}.json").read_text(encoding="utf-8"))["origin"]
        return str(told["name"]), str(told["version"])
    except Exception:  # noqa: BLE001 - a courtesy, in files that anybody may have written
        return "", ""
