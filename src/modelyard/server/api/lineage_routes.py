"""The endpoints of what versions come from, hold, and where they go."""

from __future__ import annotations

from typing import Final

from modelyard.domain.errors import NotFound
from modelyard.wire import lineage as lineage_wire
from modelyard.wire import packages as package_wire

from . import lineage, packages
from .edge import Route

LINEAGE: Final = [
    Route(
        "GET",
        "/models/{name}/lineage",
        lineage.of_model,
        "Read where versions come from (run, datasets, other versions), and where they go (runs, deployments).",
        "Versions",
        takes=lineage_wire.LineageQuery,
        gives=lineage_wire.Lineage,
        errors=(NotFound,),
    ),
    Route(
        "GET",
        "/models/{name}/versions/{version}/package",
        packages.get,
        "Read what a version's files say about it: signature, golden tests, example, baseline, requirements.",
        "Versions",
        gives=package_wire.Package,
        errors=(NotFound,),
    ),
]
