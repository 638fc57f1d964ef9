"""`modelyard server`."""

from __future__ import annotations

from typing import Any

import click

from modelyard import optional

from .options import setting_options, settings_from


@click.command("server")
@setting_options(
    "host",
    "port",
    "data",
    "database",
    "artifacts",
    "serve_artifacts",
    "workers",
    "full_sync",
    "allow_remote",
    "cors_origins",
    "idle_exit_s",
    "log_format",
    "log_level",
)
@click.option("--listen-fd", type=int, default=-1, hidden=True, help="A socket that listens already.")
@click.option("--exit-with-stdin", is_flag=True, hidden=True, help="Stop when whoever started this has gone.")
def command(*, listen_fd: int, exit_with_stdin: bool, **values: Any) -> None:
    """Run the tracking server and model registry.

    Without any option: http://127.0.0.1:5000, with a SQLite database and the artifacts below ./modelyard-data.
    Every option, and some more, can be a variable instead: see docs/settings.md.
    """
    settings = settings_from(values)
    run = optional.load("modelyard.server.run", to="run a server")
    raise SystemExit(run.serve(settings, listen_fd=listen_fd, parent=0 if exit_with_stdin else -1))
