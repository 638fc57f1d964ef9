"""`modelyard gateway`: one stable address before the model servers of all deployments."""

from __future__ import annotations

from typing import Any, Final

import click

from modelyard import optional
from modelyard.settings import GatewaySettings, load_gateway

from .options import setting_options

_SETTINGS: Final = (
    "server", "table", "host", "port", "allow_remote", "name", "folder", "default", "cors_origins", "timeout_s",
    "wait_s", "queue", "max_body_bytes", "copies", "journal_bytes", "stop_timeout_s", "log_format", "log_level",
)  # fmt: skip


@click.command("gateway")
@setting_options(*_SETTINGS, kind=GatewaySettings)
@click.option("--listen-fd", type=int, default=-1, hidden=True, help="A socket that listens already.")
@click.option("--exit-with-stdin", is_flag=True, hidden=True, help="Stop when whoever started this has gone.")
def command(*, listen_fd: int, exit_with_stdin: bool, **values: Any) -> None:
    """Answer every deployment at one address: http://127.0.0.1:8000/models/NAME/predict.

    Who answers what comes from a Modelyard server (--server URL), and changes within a second when that is changed;
    when the server is away, the last table holds. Alone, without a server, it comes from a file (--table FILE).

    \b
      modelyard gateway --server http://127.0.0.1:5000
      modelyard gateway --table routes.yaml --port 8080

    Every option can be a variable instead: see docs/gateway.md.
    """  # noqa: D301 - click's mark of lines that stay as they are
    settings = load_gateway(values)
    optional.require("httptools", "prometheus_client", "uvicorn", to="run a gateway", extra="serving")
    from modelyard.serving.gateway import start

    raise SystemExit(start.run(settings, listen_fd=listen_fd, parent=0 if exit_with_stdin else -1))
