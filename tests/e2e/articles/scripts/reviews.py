"""When PyTorch meets MLflow, and infrastructure at Flo: PyTorch models logged, registered, staged, loaded by number."""

import mlflow
import mlflow.pytorch
import torch
from mlflow.tracking import MlflowClient


class Reviews(torch.nn.Module):
    """Counts of words in, positive or negative out."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(words, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """One score for each of the two answers."""
        return self.layers(counts)


torch.manual_seed(0)
counts = torch.rand(64, 20)
truth = (counts[:, 0] > counts[:, 1]).long()
model = Reviews(20)
optimizer = torch.optim.Adam(model.parameters(), lr=0.05)

mlflow.set_experiment("reviews")
with mlflow.start_run() as run:
    for epoch in range(10):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(counts), truth)
        loss.backward()
        optimizer.step()
        mlflow.log_metric("loss", loss.item(), step=epoch)
    mlflow.pytorch.log_model(model, artifact_path="model", registered_model_name="reviews")

client = MlflowClient()
(newest,) = client.get_latest_versions("reviews")
client.transition_model_version_stage("reviews", newest.version, stage="Production")
loaded = mlflow.pytorch.load_model(f"models:/reviews/{newest.version}")
assert torch.equal(loaded(counts), model(counts))
assert torch.equal(mlflow.pytorch.load_model("models:/reviews/Production")(counts), model(counts))
history = client.get_metric_history(run.info.run_id, "loss")
assert [point.step for point in history] == list(range(10)), history
print("done")
