"""Whether a model is what was saved, and answers here as it did there: its files, its environment, its golden tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from modelyard.domain.errors import DataCorrupted, ModelyardError, NotFound
from modelyard.packaging import digest as digests
from modelyard.packaging import environment, golden, model
from modelyard.packaging.function import LoadedFunction
from modelyard.packaging.trust import Trust, trust

PASSED: Final = "passed"
FAILED: Final = "failed"
NOTED: Final = "noted"
"""It differs, and whoever asked said that this does not matter."""
NONE: Final = "none"
"""The model has nothing of this kind to look at."""
SKIPPED: Final = "skipped"
"""Not looked at, because something before it failed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: `files`, `environment`, `loading` or `golden test`.
        state: `passed`, `failed`, `noted`, `none` or `skipped`.
        told: What was found: a digest, a requirement, the name of a golden test and where its answer differs.
    """

    check: str
    state: str
    told: str = ""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        path: The model's directory.
        digest: Of its files as they are now.
        findings: In the order in which things were looked at.
    """

    path: str
    digest: str
    findings: Sequence[Finding]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(each.state != FAILED for each in self.findings)

    @property
    def failed(self) -> list[Finding]:
        """What failed."""
        return [each for each in self.findings if each.state == FAILED]

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it: `path`, `digest`, `passed` and `findings`."""
        return {
            "path": self.path, "digest": self.digest, "passed": self.passed,
            "findings": [asdict(each) for each in self.findings],
        }  # fmt: skip


def verify(
    path: str | Path,
    *,
    digest: str | None = None,
    any_environment: bool = False,
    allow_pickle: bool | None = None,
    trusted: Sequence[str] = (),
    function: LoadedFunction | None = None,
) -> Verification:
    """Look at a model's files, environment and golden tests. What is wrong is found, not raised.

    Files that are not what was saved are not loaded. Otherwise the model is loaded as a python function, which runs the
    code that it brings.

    Args:
        path: The model's directory.
        digest: What its files have to have, e.g. from the registry; its own checksums are compared in any case.
        any_environment: Other versions of packages and of Python are noted, and are no failure.
        allow_pickle: As for `model.load_function`.
        trusted: As for `model.load_function`.
        function: The model, where it is loaded already.

    Raises:
        NotFound: there is no such directory.
    """
    files = digests.files(path)
    findings = [_files(path, digest, files), *_environment(path, NOTED if any_environment else FAILED)]
    if findings[0].state == FAILED:
        findings += [Finding(each, SKIPPED, "its files are not what was saved") for each in ("loading", "golden test")]
    else:
        findings += _answers(path, trust(allow_pickle=allow_pickle, trusted=trusted), function)
    return Verification(str(path), digests.combined(files), findings)


def _files(path: str | Path, digest: str | None, files: dict[str, tuple[int, str]]) -> Finding:
    try:
        digests.verify(path, digest, files)
        if digest is None and digests.recorded(path) is None:
            return Finding("files", NONE, "it has no checksums to compare with")
    except DataCorrupted as fault:
        return Finding("files", FAILED, fault.message)
    return Finding("files", PASSED, digests.combined(files))


def _environment(path: str | Path, otherwise: str) -> list[Finding]:
    try:
        differences = environment.check(path)
        count = len(environment.read(path))
    except NotFound:
        return [Finding("environment", NONE, f"it has no {environment.REQUIREMENTS}")]
    found = [Finding("environment", otherwise, str(each)) for each in differences]
    return found or [Finding("environment", PASSED, f"{count} requirements are met")]


def _answers(path: str | Path, allowed: Trust, function: LoadedFunction | None) -> Iterator[Finding]:
    skipped = Finding("golden test", SKIPPED, "it did not load")
    try:
        manifest = model.Model.read(path)
        if "python_function" not in manifest.flavors:
            yield Finding("loading", NONE, f"it cannot predict; it has {', '.join(manifest.flavors)}")
            return
        function = function or model.load_function(path, allow_pickle=allowed.pickle, trusted=allowed.types)
    except ModelyardError as fault:
        yield from (Finding("loading", FAILED, fault.message), skipped)
        return
    except Exception as fault:  # noqa: BLE001 - the user's own code; what it raises is the result
        yield from (Finding("loading", FAILED, f"{type(fault).__name__}: {fault}"), skipped)
        return
    yield Finding("loading", PASSED, ", ".join(manifest.flavors))
    try:
        report = golden.run(function)
    except DataCorrupted as fault:
        yield Finding("golden test", FAILED, fault.message)
        return
    if not report.results:
        yield Finding("golden test", NONE, "it has none")
    for each in report.results:
        wrong = each.error or "; ".join(each.differences)
        yield Finding("golden test", FAILED if wrong else PASSED, f"{each.name}: {wrong}" if wrong else each.name)
