"""The endpoints that a table of runs needs."""

from __future__ import annotations

from typing import Final

from modelyard.domain.errors import InvalidState, NotFound
from modelyard.wire import run_tables as wire

from . import run_tables
from .edge import Route

RUN_TABLES: Final = [
    Route(
        "POST",
        "/runs/keys",
        run_tables.keys,
        "List the params, metrics and tags that runs have.",
        "Runs",
        takes=wire.KeySearch,
        gives=wire.KeyList,
    ),
    Route(
        "POST",
        "/runs/values",
        run_tables.values,
        "List the values that a field has over runs.",
        "Runs",
        takes=wire.ValueSearch,
        gives=wire.ValueList,
    ),
    Route(
        "POST",
        "/runs/groups",
        run_tables.groups,
        "Group runs by what they have in common, and summarise their numbers.",
        "Runs",
        takes=wire.GroupSearch,
        gives=wire.GroupList,
    ),
    Route(
        "POST",
        "/runs/change",
        run_tables.change,
        "Change several runs, all or none: tags, or to the trash and back.",
        "Runs",
        takes=wire.RunsChange,
        gives=wire.ChangedRuns,
        errors=(NotFound, InvalidState),
    ),
]
