"""From a model's directory to something that answers: checked, loaded, tuned, measured, tested."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.domain.errors import InvalidState, ModelyardError, NotFound, PermissionDenied
from modelyard.optional import MissingExtraError
from modelyard.packaging import environment, golden
from modelyard.packaging.model import load_function
from modelyard.serving import notes
from modelyard.serving.calls import Plan
from modelyard.serving.servable import Servable

if TYPE_CHECKING:
    from modelyard.domain.golden import GoldenReport

log = logging.getLogger("modelyard.serving.worker")


@dataclass(slots=True)
class Ready:
    """A model that answers, and what to say of it."""

    servable: Servable
    note: notes.Loaded


class GoldenFailure(InvalidState):
    """The model does not answer as it did when it was saved.

    Attributes:
        report: what its golden tests came to.
    """

    def __init__(self, report: GoldenReport) -> None:
        super().__init__(f"The model does not pass its golden tests.\n{report}")
        self.report = report


def load(note: notes.Load) -> Ready:
    """Make a model ready.

    Raises:
        ModelyardError: it cannot be; the message says why and what to do. Anything else is the model's own.
    """
    from modelyard.serving import plan, tuning

    folder = Path(note.path)
    try:
        differences = environment.check(folder)
    except NotFound:
        differences = []
    missing = [each for each in differences if each.installed is None]
    try:
        function = load_function(
            folder, allow_pickle=note.allow_pickle, trusted=note.trusted, prefer="onnx" if note.onnx else None
        )
    except ImportError as fault:
        raise _absent(fault, missing) from fault
    tuned = tuning.tune(function, note.threads)
    servable = Servable(
        function, name=note.name, version=note.version, plan=Plan(), unknown_columns=note.unknown_columns
    )
    if note.known is not None:
        servable.plan = plan.known(function, note.known.rows, note.known.least)
        note.known.slot = note.slot
        return Ready(servable, note.known)
    report = golden.run(function) if note.golden else None
    if report is not None and report.results and not report.passed:
        raise GoldenFailure(report)
    chosen = servable.plan = plan.plan(
        function, mode=note.batching, max_rows=note.max_rows, quick=note.quick, assembly=servable.assembly
    )
    return Ready(servable, _told(note, chosen, tuned, report, [str(each) for each in differences]))


def _absent(fault: ImportError, missing: list[environment.Difference]) -> ModelyardError:
    """What to install, instead of what failed to import."""
    if isinstance(fault, MissingExtraError):
        return InvalidState(str(fault))
    names = ", ".join(each.requirement for each in missing) or str(fault)
    return InvalidState(
        f"The model needs packages that are not installed: {names}. Install them where the server runs, and start it "
        "again."
    )


def _told(
    note: notes.Load, plan: Plan, tuned: list[str], report: GoldenReport | None, warnings: list[str]
) -> notes.Loaded:
    return notes.Loaded(
        slot=note.slot,
        rows=plan.rows,
        least=plan.least,
        curve=[(rows, seconds) for rows, seconds in plan.seconds.items()],
        reason=plan.reason,
        tuned=tuned,
        golden=results(report),
        warnings=warnings,
    )


def results(report: GoldenReport | None) -> list[notes.GoldenResult]:
    """Golden tests as a note has them."""
    if report is None:
        return []
    return [notes.GoldenResult(each.name, list(each.differences), each.error) for each in report.results]


def failed(note: notes.Load, fault: BaseException) -> notes.Failed:
    """What to say of a model that could not be made ready."""
    if isinstance(fault, GoldenFailure):
        return notes.Failed(slot=note.slot, reason=fault.message, golden=results(fault.report))
    if isinstance(fault, PermissionDenied):
        told = f"{fault.message} A model server is told with --allow-pickle or --trusted."
        return notes.Failed(slot=note.slot, reason=told)
    if isinstance(fault, ModelyardError):
        return notes.Failed(slot=note.slot, reason=fault.message)
    log.error("Loading %s failed", note.name, exc_info=fault)
    what = f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__
    return notes.Failed(slot=note.slot, reason=f"Loading it failed: {what}. The server's log says where.")
