"""Endpoints of MLflow's that are not served, each with its reason. They answer 501 NOT_IMPLEMENTED.

Whole families stand here by what their paths begin with, so that an endpoint that a newer MLflow adds to one of them
is refused for the same reason.
"""

from __future__ import annotations

from typing import Final

from .edge import Route

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
TWO: Final = ("/api/2.0/", "/ajax-api/2.0/")
THREE: Final = ("/api/3.0/", "/ajax-api/3.0/")
BOTH: Final = (*TWO, *THREE)
ROOT: Final = ("/",)

_CLASSIC: Final = "Modelyard serves classic machine learning: experiments, runs, models and artifacts"

# (what the path begins with, prefixes, reason)
_FAMILIES: Final = (
    ("mlflow/traces", BOTH, f"traces of language-model calls and their assessments. {_CLASSIC}"),
    ("mlflow/unified-traces", BOTH, f"traces of language-model calls. {_CLASSIC}"),
    ("mlflow/get-online-trace-details", BOTH, f"traces of language-model calls. {_CLASSIC}"),
    ("mlflow/get-trace-artifact", BOTH, f"traces of language-model calls. {_CLASSIC}"),
    ("v1/traces", ROOT, f"OpenTelemetry spans of language-model calls. {_CLASSIC}"),
    ("mlflow/issues", THREE, f"issues found in traces. {_CLASSIC}"),
    ("mlflow/label-schemas", THREE, f"labelling of traces. {_CLASSIC}"),
    ("mlflow/review-queues", THREE, f"reviews of traces. {_CLASSIC}"),
    ("mlflow/scorer", THREE, f"scorers of traces. {_CLASSIC}"),
    ("mlflow/genai", THREE, f"evaluation of language models. {_CLASSIC}"),
    ("mlflow/datasets", THREE, f"evaluation sets for language models (what runs read is served). {_CLASSIC}"),
    ("mlflow/prompt-optimization", THREE, f"optimisation of prompts. {_CLASSIC}"),
    ("mlflow/gateway", BOTH, f"the gateway to language-model providers. {_CLASSIC}"),
    ("gateway/", ROOT, f"the gateway to language-model providers. {_CLASSIC}"),
    ("mlflow/runs/create-promptlab-run", TWO, f"trying prompts out in the browser. {_CLASSIC}"),
    ("mlflow/assistant", THREE, f"the assistant of MLflow's own browser interface. {_CLASSIC}"),
    ("mlflow/demo", THREE, "demonstration data of MLflow's own browser interface; `make demo` shows ours"),
    ("mlflow/ui-telemetry", THREE, "telemetry of MLflow's own browser interface; Modelyard sends nothing home"),
    ("mlflow/jobs", THREE, f"background jobs of the evaluation of language models. {_CLASSIC}"),
    ("jobs", THREE, f"background jobs of the evaluation of language models. {_CLASSIC}"),
    ("mlflow/workspaces", THREE, "one server is one workspace; run a server for each team"),
    ("mlflow/webhooks", TWO, "nobody is called when the registry changes; its history can be asked instead"),
    ("mlflow/users", TWO, "sign-in is not built yet"),
    ("mlflow/experiments/permissions", TWO, "sign-in is not built yet, so there is nothing to permit"),
    ("mlflow/registered-models/permissions", TWO, "sign-in is not built yet, so there is nothing to permit"),
    ("mlflow/unity-catalog", TWO, "Databricks' own registry"),
    ("unity-catalog", TWO, "Databricks' own registry"),
    ("mlflow/artifacts/credentials-for-", TWO, "Databricks' own artifact store"),
)

NOT_SERVED: Final = [
    Route(method, path + "{rest*}", reason=reason, prefixes=prefixes)
    for path, prefixes, reason in _FAMILIES
    for method in METHODS
]
