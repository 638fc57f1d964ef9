"""The only place where everything is put together: settings in, ASGI application out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from modelyard import __version__
from modelyard.artifacts.places import Places
from modelyard.db.columns import ColumnStore
from modelyard.db.documents import Documents
from modelyard.db.engine import Database
from modelyard.db.metrics import History
from modelyard.db.schema import prepare

from .mlflow.edge import Edge, respond
from .mlflow.routes import ROUTES
from .mlflow.runs import render
from .state import State

if TYPE_CHECKING:
    from modelyard.settings import Settings

    from .call import Receive, Scope, Send

_TEXT = (b"content-type", b"text/html; charset=utf-8")


class App:
    """The ASGI application: hands each request to its edge.

    Attributes:
        state: everything that requests share.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.mlflow = Edge(state, ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path.startswith(("/api/2.0/", "/ajax-api/")):
            await self.mlflow(scope, receive, send)
        elif path == "/health":
            await respond(send, 200, b"OK", _TEXT)
        elif path == "/version":
            await respond(send, 200, __version__.encode(), _TEXT)
        else:
            await self.mlflow(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self.state.database.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def create_app(settings: Settings) -> App:
    """Open the database (bringing it up to date), the artifact store and the edges.

    Raises:
        Unavailable: the database cannot be opened.
        InvalidArgument: a setting has no usable value.
    """
    if not settings.database or not settings.artifacts:
        Path(settings.data).mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url, full_sync=settings.full_sync)
    places = Places(settings.artifact_root)
    state = State(
        settings=settings,
        database=database,
        columns=ColumnStore(database),
        run_documents=Documents(render),
        history=History(),
        artifacts=places,
    )
    prepare(database, state.run_root)
    return App(state)
