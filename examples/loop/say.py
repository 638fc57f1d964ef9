"""How the example talks."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

console = Console(highlight=False, soft_wrap=True)
MODELYARD = Path(sys.executable).with_name("modelyard")


def heading(text: str) -> None:
    """One line that stands out."""
    console.print(f"\n[bold green]✓[/bold green] [bold]{text}[/bold]")


def line(text: str) -> None:
    """A line below it."""
    console.print(f"  {text}", markup=False)


def table(shown: Table) -> None:
    """A table, set in a little."""
    with console.capture() as captured:
        console.print(shown)
    for each in captured.get().splitlines():
        line(each.rstrip())


def command(*arguments: str, url: str, quiet: bool = False) -> str:
    """Run one of our commands, as a person would, and show it; what it says."""
    line(f"$ modelyard {shlex.join(arguments)}")
    environment = os.environ | {"MODELYARD_TRACKING_URI": url, "COLUMNS": "120"}
    done = subprocess.run([MODELYARD, *arguments], env=environment, capture_output=True, text=True, check=False)
    if not quiet or done.returncode:
        for each in (done.stdout + done.stderr).rstrip().splitlines():
            line(f"  {each}")
    return done.stdout
