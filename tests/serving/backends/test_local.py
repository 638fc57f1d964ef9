"""Replicas as processes of this machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.domain.errors import InvalidArgument
from modelyard.serving.backends.base import Backend, Replica, Spec, find, inherited
from tests.cli.process import environment
from tests.contracts.backend import BackendContract, ask
from tests.serving.live.process import until


class TestLocal(BackendContract):
    @pytest.fixture
    def backend(self) -> Iterator[Backend]:
        backend = find("local")
        yield backend
        backend.close()

    def test_replicas_end_with_the_process_that_has_them(self, model: Path) -> None:
        program = (
            "import os, sys; from modelyard.serving.backends.base import Spec, find; backend = find('local');"
            f"backend.ensure(Spec(name='a', models=('{model}',)));"
            "\nwhile not (told := backend.status('a').replicas) or told[0].state != 'ready': pass"
            "\nprint(told[0].url, flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", program], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            _, front = ask(Replica("0", "ready", url), "/predict", [1])
            process.kill()
            until(lambda: not Path(f"/proc/{front}").exists())


def test_an_unknown_backend_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidArgument, match=r"No backend 'slurm'\. Known are external, local, ray"):
        find("slurm")


def test_a_spec_is_told_by_its_content() -> None:
    spec = Spec(name="a", models=("m",), settings={"golden": False, "timeout_s": 1.5}, env={"MODELYARD_CACHE": "/c"})
    assert spec.variables == {
        "MODELYARD_SERVE_GOLDEN": "false", "MODELYARD_SERVE_TIMEOUT_S": "1.5", "MODELYARD_CACHE": "/c",
    }  # fmt: skip
    assert spec.fingerprint == Spec(name="a", models=("m",), settings=dict(reversed(spec.settings.items())),
                                    env=spec.env, replicas=7).fingerprint  # fmt: skip
    assert spec.fingerprint != Spec(name="a", models=("m",), settings=spec.settings).fingerprint
    assert "/c" not in repr(spec)  # it may hold a password


def test_a_replica_gets_the_clients_variables_and_not_the_servers() -> None:
    environ = {"MODELYARD_TRACKING_URI": "u", "MLFLOW_TRACKING_TOKEN": "t", "MODELYARD_SERVE_PORT": "1", "HOME": "/"}
    assert inherited(environ) == {"MODELYARD_TRACKING_URI": "u", "MLFLOW_TRACKING_TOKEN": "t"}
