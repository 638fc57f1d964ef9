"""`Client`: MLflow's explicit client, for MLflow's servers and ours."""

from __future__ import annotations

from .artifacts import Artifacts
from .experiments import Experiments
from .policies import Policies
from .predictions import Predictions
from .uris import shown


class Client(Experiments, Artifacts, Policies, Predictions):
    """Everything that a tracking server and a model registry can do, with MLflow's names and arguments.

    It works with Modelyard servers and with stock MLflow servers from 2.9 on. Searches answer everything, fetched as it
    is read, unless a limit is given. Calls see what this process has logged before.

    Args:
        tracking_uri: where runs are kept: the URL of a server, a directory, or `sqlite:///FILE.db`. None: as
            `set_tracking_uri`, MODELYARD_TRACKING_URI or MLFLOW_TRACKING_URI say, else a local directory.
        registry_uri: where registered models are kept; None: in the same place.

    Raises:
        InvalidArgument: a URI has a scheme that is not offered.
    """

    def __repr__(self) -> str:
        registry = f", {shown(self.registry_uri)!r}" if self.registry_uri != self.tracking_uri else ""
        return f"Client({shown(self.tracking_uri)!r}{registry})"
