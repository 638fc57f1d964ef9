"""Where a run comes from, as MLflow's automatic tags say it: user, source, and what the environment adds.

Git's tags (`mlflow.source.git.commit`, ...) are not here: asking Git takes time, and `modelyard.client.capture` does it
in the background.
"""

from __future__ import annotations

import json
import os
import sys

from modelyard import settings

from . import reports


def tags() -> dict[str, str]:
    """The automatic tags of a run that begins now."""
    found = {
        "mlflow.user": settings.TRACKING_USERNAME.get() or user(),
        "mlflow.source.name": source_name(),
        "mlflow.source.type": "NOTEBOOK" if _notebook() else "LOCAL",
    }
    if extra := os.environ.get("MLFLOW_RUN_CONTEXT"):
        try:
            found.update({str(key): str(value) for key, value in json.loads(extra).items()})
        except (ValueError, AttributeError):
            reports.once("context", "MLFLOW_RUN_CONTEXT is not a JSON object; its tags are left out.")
    return found


def user() -> str:
    """Who runs this process: as `getpass.getuser` finds it, which costs a millisecond to import."""
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if name := os.environ.get(variable):
            return name
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):  # no such user in the container
        return "unknown"


def source_name() -> str:
    """The script, or the notebook, or `<console>`."""
    return _notebook() or (sys.argv[0] if sys.argv and sys.argv[0] else "<console>")


def _notebook() -> str:
    """The notebook's file name, where the one who runs it says so; empty: this is none, or it does not say."""
    if "ipykernel" not in sys.modules:
        return ""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    path = getattr(shell, "user_ns", {}).get("__vsc_ipynb_file__") or os.environ.get("__vsc_ipynb_file__")  # noqa: SIM112 - its name
    return os.path.basename(path or os.environ.get("JPY_SESSION_NAME") or os.environ.get("IPYNB_FILE") or "")  # noqa: PTH119
