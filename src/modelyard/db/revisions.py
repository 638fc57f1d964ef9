"""Which schema revisions this release knows, and where a database says which one it has."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from modelyard.domain.errors import InvalidState

MIGRATIONS = Path(__file__).parent / "migrations"
"""Alembic's folder."""

REVISION_TABLE: Final = "schema_revision"
"""Alembic's table, under our name for it."""

LOCK: Final = 470_020_285_804
"""Of PostgreSQL's advisory locks: any number, the same for every server, so that one at a time looks at the schema."""


def known_revisions() -> tuple[str, ...]:
    """Revisions that this release can read, oldest first: the numbers that its migrations' files begin with."""
    return tuple(sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")))


def newest_revision() -> str:
    """The revision that this release works with."""
    return known_revisions()[-1]


def check_known(found: str) -> None:
    """Raise InvalidState for a revision that this release has never heard of."""
    if found not in known_revisions():
        raise InvalidState(
            f"The database has schema revision {found}, which a newer Modelyard made; this one knows revisions up to "
            f"{newest_revision()}. Upgrade Modelyard, or restore the backup that was made before the upgrade."
        )
