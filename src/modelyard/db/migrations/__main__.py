"""For developers: `python -m modelyard.db.migrations what it adds` writes the next migration, to be read and mended."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from modelyard.db import upgrade
from modelyard.db.engine import Database
from modelyard.db.revisions import known_revisions


def main() -> None:
    """Compare the newest revision with `tables.py`, and write down the difference."""
    revisions = known_revisions()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/before.db")
        if revisions:
            upgrade.upgrade(database)
        versions = Path(__file__).parent / "versions"
        upgrade.autogenerate(database, str(versions), f"{len(revisions) + 1:04}", " ".join(sys.argv[1:]) or "changes")
        database.close()


main()
