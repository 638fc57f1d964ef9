"""Each run as its readers want it, rendered once: in memory for what is read often, in the database for what has ended.

A document is valid while its `rev` is the run's; every change of the run raises that.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from . import run_parts
from .statement import Statement
from .tables import run, run_document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelyard.domain.runs import Run

    from .transaction import Transaction

MEMORY_BYTES = 24 * 2**20
# Bodies of another form, from another release, are not used. Raise it when the rendering changes.
FORM = 1

_ids: BindParameter[Any] = bindparam("ids", expanding=True)
_REVS = Statement(select(run.c.id, run.c.rev).where(run.c.id.in_(_ids)))
_BODIES = Statement(
    select(run_document.c.run_id, run_document.c.rev, run_document.c.body).where(run_document.c.run_id.in_(_ids))
)
_save = insert(run_document).values(run_id=bindparam("run"), rev=bindparam("rev"), body=bindparam("body"))
_SAVE = Statement(
    _save.on_conflict_do_update(
        index_elements=["run_id"], set_={"rev": _save.excluded.rev, "body": _save.excluded.body}
    )
)


class Documents:
    """The documents of one database, for one rendering. Safe from several threads."""

    def __init__(self, render: Callable[[Run], bytes]) -> None:
        self._render = render
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[int, bytes]] = OrderedDict()
        self._bytes = 0

    def fetch(self, tx: Transaction, ids: Sequence[int]) -> tuple[list[bytes], list[dict[str, object]]]:
        """The documents of these runs, in this order (runs that are gone are left out), and those worth saving."""
        revs: dict[int, int] = dict(tx.rows(_REVS, ids=ids))
        kept = [(number, self._kept.get(number)) for number in ids]
        found = {number: entry[1] for number, entry in kept if entry is not None and entry[0] == revs.get(number)}
        absent = [number for number in ids if number not in found and number in revs]
        to_save: list[dict[str, object]] = []
        if absent:
            saved = tx.rows(_BODIES, ids=absent)
            found.update({number: body for number, stamp, body in saved if stamp == _stamp(revs[number])})
            built = [number for number in absent if number not in found]
            for loaded in run_parts.load(tx, built) if built else ():
                number = loaded.id
                body = found[number] = self._render(loaded)
                if loaded.status.ended:
                    to_save.append({"run": number, "rev": _stamp(revs[number]), "body": body})
            self._keep([(number, revs[number], found[number]) for number in absent if number in found])
        return [found[number] for number in ids if number in found], to_save

    def forget(self) -> None:
        """Begin anew, because the database is another one."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _keep(self, entries: list[tuple[int, int, bytes]]) -> None:
        with self._lock:
            for number, rev, body in entries:
                old = self._kept.pop(number, None)
                if old is not None:
                    self._bytes -= len(old[1])
                self._kept[number] = (rev, body)
                self._bytes += len(body)
            while self._bytes > MEMORY_BYTES:
                _, (_, body) = self._kept.popitem(last=False)
                self._bytes -= len(body)


def _stamp(rev: int) -> int:
    """What a saved document is known by: the run's revision and the form of the rendering."""
    return rev * 16 + FORM


def save(tx: Transaction, documents: list[dict[str, object]]) -> None:
    """Keep rendered documents in the database."""
    tx.many(_SAVE, documents)
