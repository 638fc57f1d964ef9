"""Infrastructure at Flo: `mlflow.pytorch.autolog()` around a Lightning trainer."""

import lightning
import mlflow
import mlflow.pytorch
import torch


class Line(lightning.LightningModule):
    """A straight line through noise."""

    def __init__(self, lr: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The line's height at x."""
        return self.layer(x)

    def training_step(self, batch: tuple, number: int) -> torch.Tensor:
        """The squared error of a batch."""
        x, y = batch
        loss = torch.nn.functional.mse_loss(self(x), y)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain gradient descent."""
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)


torch.manual_seed(0)
x = torch.rand(64, 1)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, 3 * x + 1), batch_size=16)

mlflow.set_experiment("lines")
mlflow.pytorch.autolog()
trainer = lightning.Trainer(
    max_epochs=3, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
)
trainer.fit(Line(), loader)

run = mlflow.last_active_run()
assert run.info.status == "FINISHED", run
assert run.data.params["lr"] == "0.1", run.data.params
assert run.data.params["epochs"] == "3", run.data.params
history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "train_loss")
assert len({point.step for point in history}) == 3, history
model = mlflow.pytorch.load_model(f"runs:/{run.info.run_id}/model")
assert model(x).shape == (64, 1)
print("done")
