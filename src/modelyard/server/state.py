"""What a running server consists of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelyard.services.controller.board import Board
from modelyard.services.run_tables import KeyCounts

if TYPE_CHECKING:
    from modelyard.artifacts.places import Places
    from modelyard.db.columns import ColumnStore
    from modelyard.db.documents import Documents
    from modelyard.db.engine import Database
    from modelyard.db.metrics import History
    from modelyard.services.compaction import Compactor
    from modelyard.settings import Settings

    from .feed import Feed


@dataclass(slots=True)
class State:
    """Everything that requests share.

    Attributes:
        settings: as the server was started.
        database: the one database.
        columns: in-memory columns that run searches use.
        run_documents: runs as MLflow's JSON.
        compactor: moves metric points to chunks.
        history: series of metrics.
        artifacts: the store behind `mlflow-artifacts:`, and the way from URIs to stores.
        receiving: bytes of bodies that are not complete yet.
        board: what gateways work by, and which of them wait for the next.
        gateways: generation, and when it was written down, by the name of a gateway.
        feed: tells pages what changes, once one has asked for it.
        key_counts: which params, metrics and tags runs have.
        wake: tells the controller that a gateway said something, if there is one in this process.
        stopping: whether the server takes no more requests; nobody should wait here any longer.
        url: where this server answers; empty: where the settings say.
    """

    settings: Settings
    database: Database
    columns: ColumnStore
    run_documents: Documents
    compactor: Compactor
    history: History
    artifacts: Places
    receiving: int = 0
    board: Board = field(default_factory=Board)
    gateways: dict[str, tuple[str, int]] = field(default_factory=dict)
    feed: Feed | None = None
    key_counts: KeyCounts = field(default_factory=KeyCounts)
    wake: Callable[[], None] = lambda: None
    stopping: bool = False
    url: str = ""

    @property
    def run_root(self) -> str:
        """Where experiments keep artifacts unless they say otherwise: through the proxy, or at the store itself."""
        return "mlflow-artifacts:" if self.settings.serve_artifacts else self.settings.artifact_root
