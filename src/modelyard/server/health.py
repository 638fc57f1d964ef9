"""What a load balancer, a Prometheus and a client's first question want to know: `/health`, `/version`, `/metrics`."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from modelyard import __version__
from modelyard.domain.errors import ModelyardError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from modelyard.db.transaction import Transaction

    from .metrics import Metrics
    from .state import State

log = logging.getLogger("modelyard.health")

READY_WITHIN_S: Final = 5.0

Answer = tuple[int, bytes, bytes]
"""Status, content type, body."""

_HTML: Final = b"text/html; charset=utf-8"  # as MLflow answers, although it is plain text
_JSON: Final = b"application/json"
_PROMETHEUS: Final = b"text/plain; version=0.0.4; charset=utf-8"


async def live(state: State, metrics: Metrics) -> Answer:
    """The process answers. What it needs may be gone all the same: see `ready`."""
    return 200, _HTML, b"OK"


async def version(state: State, metrics: Metrics) -> Answer:
    """The release, as a line of text."""
    return 200, _HTML, __version__.encode()


async def server_info(state: State, metrics: Metrics) -> Answer:
    """What newest MLflow clients ask before they use workspaces."""
    return 200, _JSON, b'{"store_type":"SqlStore","workspaces_enabled":false}'


async def scrape(state: State, metrics: Metrics) -> Answer:
    """Everything that was counted, in Prometheus' text format."""
    metrics.observe(state.database)
    return 200, _PROMETHEUS, metrics.render()


async def ready(state: State, metrics: Metrics) -> Answer:
    """Whether requests would succeed now: 200, or 503 with what is missing and why."""
    loop = asyncio.get_running_loop()
    checks: dict[str, Awaitable[Any]] = {
        "database": loop.run_in_executor(state.database.readers, partial(state.database.read, _probe)),
    }
    if state.settings.serve_artifacts:
        checks["artifacts"] = state.artifacts.root.ready()
    results = await asyncio.gather(*(_reason(check) for check in checks.values()))
    missing = {name: reason for name, reason in zip(checks, results, strict=True) if reason}
    body = {"status": "unavailable", "missing": missing} if missing else {"status": "ready"}
    return 503 if missing else 200, _JSON, msgspec.json.encode(body)


async def _reason(check: Awaitable[Any]) -> str:
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            await check
    except TimeoutError:
        return f"No answer within {READY_WITHIN_S:g} s."
    except ModelyardError as error:
        return error.message
    except Exception as error:  # such as a table that is not there: whatever it is, it is not ready
        log.warning("A readiness check failed", exc_info=error)
        return f"It answers, but not as it should ({type(error).__name__}); the server's log says more."
    return ""


def _probe(tx: Transaction) -> None:
    tx.sql("SELECT max(id) FROM experiment")


PLAIN: Final[dict[str, Callable[[State, Metrics], Awaitable[Answer]]]] = {
    "/health": live,
    "/health/live": live,
    "/health/ready": ready,
    "/version": version,
    "/metrics": scrape,
    "/api/3.0/mlflow/server-info": server_info,
    "/ajax-api/3.0/mlflow/server-info": server_info,
}
"""Path → what answers a GET of it, on neither edge."""
