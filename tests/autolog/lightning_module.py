"""A small Lightning module for the tests, once for each of the package's two names."""

import lightning.pytorch
import pytorch_lightning
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def loader() -> DataLoader:
    generator = torch.Generator().manual_seed(0)
    data = TensorDataset(torch.randn(64, 4, generator=generator), torch.randn(64, 2, generator=generator))
    return DataLoader(data, batch_size=16)


class _Common:
    def __init__(
        self, width: int = 5, lr: float = 0.05, worse_after: int | None = None, fails_in: int | None = None
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(4, 2)
        self.drop = nn.Dropout(0.1)

    def forward(self, x):
        return self.drop(self.layer(x))

    def training_step(self, batch, index):
        if self.hparams.fails_in == self.current_epoch:
            raise ArithmeticError("diverged")
        loss = nn.functional.mse_loss(self(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, index):
        loss = nn.functional.mse_loss(self(batch[0]), batch[1])
        if self.hparams.worse_after is not None and self.current_epoch > self.hparams.worse_after:
            loss = loss + self.current_epoch
        self.log("val_loss", loss)

    def test_step(self, batch, index):
        self.log("test_loss", nn.functional.mse_loss(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        groups = [{"params": self.layer.parameters(), "lr": self.hparams.lr}]
        return torch.optim.Adam(groups)


class Net(_Common, lightning.pytorch.LightningModule):
    pass


class OldNet(_Common, pytorch_lightning.LightningModule):
    """The same, under the package's older name."""


class Odd(Net):
    """With an attribute that no file can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = lambda x: 2 * x

    def forward(self, x):
        return self.twice(super().forward(x))
