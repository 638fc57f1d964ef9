"""The progress bar of long transfers."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from .asking import scaled

if TYPE_CHECKING:
    from modelyard.client.progress import Progress

PATIENCE_S: Final = 0.5
"""What is done sooner needs no bar."""


@contextlib.contextmanager
def transfer_bar(label: str) -> Iterator[Callable[[Progress], None]]:
    """A function that a transfer tells how far it is; shows a bar on stderr, if that is a terminal.

    Args:
        label: what is being done, such as `Downloading`.
    """
    start = time.monotonic()
    bars: list[Any] = []
    with contextlib.ExitStack() as open_bar:

        def report(progress: Progress) -> None:
            if time.monotonic() - start < PATIENCE_S or not sys.stderr.isatty():
                return
            if not bars:
                new = click.progressbar(length=1, label=label, file=sys.stderr, show_pos=False, item_show_func=_shown)
                bars.append(open_bar.enter_context(new))
            bar = bars[0]
            bar.length = max(progress.size, progress.done, 1)  # a transfer finds its files as it goes
            bar.update(progress.done - bar.pos, progress)

        yield report


def _shown(progress: Progress | None) -> str:
    if progress is None:
        return ""
    files = f", {progress.done_files} of {progress.files} files" if progress.files > 1 else ""
    return f"{scaled(progress.done)} of {scaled(max(progress.size, progress.done))}{files}"
