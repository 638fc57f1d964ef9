"""MLflow's `mlflow.tracking`: the explicit client, and where runs and models are kept."""

from modelyard.client.client import Client as MlflowClient
from modelyard.client.lifecycle import (
    get_registry_uri,
    get_tracking_uri,
    is_tracking_uri_set,
    set_registry_uri,
    set_tracking_uri,
)

from . import client

__all__ = [
    "MlflowClient",
    "client",
    "get_registry_uri",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "set_registry_uri",
    "set_tracking_uri",
]
