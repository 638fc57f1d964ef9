"""`modelyard up`: the whole product on one machine."""

from __future__ import annotations

from typing import Any, Final

import click

from modelyard import optional

from .options import setting_options

_SERVER: Final = (
    "host", "port", "data", "database", "artifacts", "workers", "full_sync", "allow_remote", "cors_origins",
    "log_format", "log_level",
)  # fmt: skip


@click.command("up")
@setting_options(*_SERVER)
@click.option(
    "--gateway-port",
    type=int,
    metavar="N",
    default=None,
    help="Port of the gateway, where models answer; 0 takes a free one. [8000] (MODELYARD_GATEWAY_PORT)",
)
@click.option("--gateways", type=click.IntRange(1, 64), metavar="N", default=1, help="Gateways at that port. [1]")
def command(*, gateway_port: int | None, gateways: int, **values: Any) -> None:
    """Run everything on this machine: server, controller, gateway, and the model servers of deployments.

    Without any option: the server at http://127.0.0.1:5000, models at http://127.0.0.1:8000, all data below
    ./modelyard-data. What dies is started again; connections wait meanwhile. Ctrl-C stops everything in order, model
    servers included; a second one at once.

    Every other setting of server and gateway is a variable: see docs/settings.md and docs/gateway.md.
    """
    optional.require("httptools", "prometheus_client", "uvicorn", to="run a gateway", extra="serving")
    run = optional.load("modelyard.server.everything", to="run a server")
    raise SystemExit(run.up(values, gateway_port, gateways))
