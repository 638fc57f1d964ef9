"""The only place where everything is put together: settings in, ASGI application out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.artifacts.places import Places
from modelyard.db import trash
from modelyard.db.checkpoint import Checkpointer
from modelyard.db.columns import ColumnStore
from modelyard.db.documents import Documents
from modelyard.db.engine import Database
from modelyard.db.metrics import History
from modelyard.db.schema import prepare
from modelyard.domain.errors import ModelyardError
from modelyard.http.asgi import respond
from modelyard.services.compaction import Compactor
from modelyard.services.controller.loop import Controller
from modelyard.services.predictions import Retention

from .express import Express
from .health import PLAIN
from .metrics import Metrics
from .mlflow.edge import Edge
from .mlflow.routes import ROUTES
from .mlflow.runs import render
from .pages import Pages
from .state import State
from .watch import Watch

if TYPE_CHECKING:
    from modelyard.settings import Settings

    from .api.site import Site
    from .call import Receive, Scope, Send

_NOT_ALLOWED = b"Method Not Allowed"
_APIS = ("/api/", "/ajax-api/")


class App:
    """The ASGI application: hands each request to its edge.

    Attributes:
        state: everything that requests share.
        metrics: what was counted.
        express: the short way for what is asked most.
    """

    def __init__(self, state: State, metrics: Metrics) -> None:
        self.state = state
        self.metrics = metrics
        self.mlflow = Edge(state, ROUTES)
        self.express = Express(state, metrics, ROUTES)
        self.pages = Pages(state.settings.ui, state.database.readers)
        self._site: Site | None = None
        self._checkpointer = Checkpointer(state.database)
        self._retention = Retention(state.database, state.settings.predictions_days)
        self._controller: Controller | None = None
        self._noted = state.database.read(trash.last_note)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's start and stop."""
        if scope["type"] == "http":
            watch = Watch(self.metrics, scope, send)
            try:
                await self._http(scope, watch.receive(receive), watch.send)
            finally:
                watch.done(scope)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        plain = PLAIN.get(path)
        if path.startswith("/api/v1/") or path == "/docs":
            await self._native(scope, receive, send)
        elif plain is None:
            for_api = path.startswith(_APIS) or self.mlflow.knows(path) or not self.pages.takes(scope)
            await (self.mlflow if for_api else self.pages)(scope, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            status, kind, body = await plain(self.state, self.metrics)
            await respond(send, status, body, (b"content-type", kind))
        else:
            await respond(send, 405, _NOT_ALLOWED, (b"content-type", b"text/plain"), (b"allow", b"GET, HEAD"))

    async def _native(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._site is None:
            from .api.site import Site  # noqa: PLC0415 - its messages are not paid for at the server's start

            self._site = Site(self.state)
        await self._site(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.state.compactor.start()
                self._checkpointer.start()
                self._retention.start()
                self._control()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _control(self) -> None:
        """Look after deployments, if this server shall."""
        settings = self.state.settings
        if settings.controller:
            url = self.state.url or f"http://{settings.host}:{settings.port}"
            self._controller = Controller(self.state.database, settings, self.state.board, self.metrics.rehearsed)
            self.state.wake = self._controller.heard
            self._controller.start(url)

    def stopping(self) -> None:
        """No more requests are taken: let nobody wait for what will not come."""
        self.state.stopping = True
        self.state.board.release()
        if self.state.feed is not None:
            self.state.feed.close()

    def tick(self) -> None:
        """What is due about once a second; on the event loop, so it must be short."""
        self.metrics.observe(self.state.database)
        if self.state.database.dialect == "sqlite":
            with suppress(ModelyardError):  # whoever asks next is told
                self._learn()

    def soon(self) -> None:
        """Nothing is due more often than that."""

    def _learn(self) -> None:
        """Learn which runs another process erased (`modelyard gc`)."""
        database = self.state.database
        self._noted, touched = database.read(trash.notes, self._noted)
        if touched:
            for listener in database.on_commit:
                listener(touched)

    def close(self) -> None:
        """Commit what is queued and let go of the database."""
        if self._controller is not None:
            self._controller.stop()
        self.state.compactor.stop()
        self._checkpointer.stop()
        self._retention.stop()
        self.state.database.close()
        self._checkpointer.finish()


def counters(workers: int = 1) -> Metrics:
    """Empty counters for every path that is served; made before worker processes are forked, which share them."""
    paths = [prefix + route.path for route in ROUTES for prefix in route.prefixes if "{" not in route.path]
    return Metrics([*paths, *PLAIN], workers)


def create_app(settings: Settings, metrics: Metrics | None = None) -> App:
    """Open the database (bringing it up to date), the artifact store and the edges.

    Raises:
        Unavailable: the database cannot be opened.
        InvalidArgument: a setting has no usable value.
    """
    if not settings.database or not settings.artifacts:
        Path(settings.data).mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url, full_sync=settings.full_sync)
    places = Places(settings.artifact_root, {"sync": "full"} if settings.full_sync else {})
    run_documents = Documents(render)
    history = History()
    database.on_replaced += [run_documents.forget, history.forget]
    state = State(
        settings=settings,
        database=database,
        columns=ColumnStore(database),
        run_documents=run_documents,
        compactor=Compactor(database, run_documents),
        history=history,
        artifacts=places,
    )
    try:
        prepare(database, state.run_root)
    except BaseException:
        database.close()
        raise
    return App(state, metrics or counters())
