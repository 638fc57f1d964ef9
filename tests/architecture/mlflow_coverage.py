"""MLflow's own list of endpoints against ours: served, refused with a reason, or unknown.

`make mlflow-coverage` prints it. The list is the service description of the installed MLflow (protobuf descriptors), so
a newer client brings its new endpoints along.
"""

import re
import sys
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from modelyard.server.mlflow.edge import Edge
from modelyard.server.mlflow.routes import ROUTES

SERVED, REFUSED, UNKNOWN = "served", "refused", "unknown"


@dataclass(frozen=True, slots=True)
class Line:
    """One endpoint of MLflow's, and what we do about it."""

    method: str
    path: str
    verdict: str
    reason: str


def described() -> set[tuple[str, str]]:
    """(method, path) of every endpoint in the installed MLflow's service description; `x` stands for what varies."""
    from mlflow.protos import databricks_pb2, mlflow_artifacts_pb2, model_registry_pb2, service_pb2, webhooks_pb2

    found = set()
    for module in (service_pb2, model_registry_pb2, mlflow_artifacts_pb2, webhooks_pb2):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                for endpoint in method.GetOptions().Extensions[databricks_pb2.rpc].endpoints:
                    path = re.sub(r"\{[^}]*\}|<[^>]*>", "x", endpoint.path.lstrip("/"))
                    found.add((endpoint.method, f"/api/{endpoint.since.major}.0/{path}"))
    return found


def compare() -> list[Line]:
    """Every endpoint that MLflow describes, judged by the dispatcher that real requests go through."""
    no_server: Any = None
    edge = Edge(no_server, ROUTES)
    lines = []
    for method, path in sorted(described(), key=lambda pair: (pair[1], pair[0])):
        found = edge.find(method, path)
        if found is None:
            lines.append(Line(method, path, UNKNOWN, ""))
        elif found[0].reason:
            lines.append(Line(method, path, REFUSED, found[0].reason))
        else:
            lines.append(Line(method, path, SERVED, ""))
    return lines


def summary(lines: list[Line]) -> str:
    """One sentence with the counts."""
    counts = {verdict: sum(line.verdict == verdict for line in lines) for verdict in (SERVED, REFUSED, UNKNOWN)}
    return f"mlflow {version('mlflow')} describes {len(lines)} endpoints: " + ", ".join(
        f"{count} {verdict}" for verdict, count in counts.items()
    )


if __name__ == "__main__":
    everything = compare()
    for line in everything:
        print(f"{line.verdict:<8} {line.method:<6} {line.path:<70} {line.reason}".rstrip())
    print(summary(everything))
    sys.exit(any(line.verdict == UNKNOWN for line in everything))
