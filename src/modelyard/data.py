"""MLflow's `mlflow.data`: datasets that runs read."""

from modelyard.client.datasets import (
    Dataset,
    DatasetSource,
    MetaDataset,
    NumpyDataset,
    PandasDataset,
    from_numpy,
    from_pandas,
    get_source,
)

__all__ = [
    "Dataset",
    "DatasetSource",
    "MetaDataset",
    "NumpyDataset",
    "PandasDataset",
    "from_numpy",
    "from_pandas",
    "get_source",
]
