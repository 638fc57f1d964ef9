"""Modules for the tests of PyTorch models; a file of its own, so that their classes can be imported by name."""

import enum
import functools
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations


class Size(NamedTuple):
    width: int
    depth: float


GAIN = 1.5


class Mode(enum.Enum):
    PLAIN = 1
    DOUBLED = 2


class Settings:
    def __init__(self, power: int) -> None:
        self.power = power


def squash(x: torch.Tensor) -> torch.Tensor:
    return torch.tanh(x) * GAIN


class Everything(nn.Module):
    """One of each kind of part and attribute that has to survive."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.out = nn.Linear(8, 20, bias=False)
        self.out.weight = self.embedding.weight
        self.lstm = nn.LSTM(8, 4, bidirectional=True, batch_first=True)
        self.blocks = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])
        self.by_name = nn.ModuleDict({"drop": nn.Dropout(0.5), "norm": nn.LayerNorm(8)})
        self.attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation=functional.gelu)
        self.weighted = parametrizations.weight_norm(nn.Linear(8, 8))
        self.spectral = parametrizations.spectral_norm(nn.Linear(8, 8))
        self.batch_norm = nn.BatchNorm1d(8)
        self.register_buffer("position", torch.linspace(0, 1, 5).view(5, 1), persistent=False)
        self.register_parameter("absent", None)
        self.scale = nn.Parameter(torch.ones(8, dtype=torch.bfloat16), requires_grad=False)
        self.again = self.blocks[0]
        self.unregistered = [self.blocks[1]]
        self.shown = self.position[:2]
        self.squash = squash
        self.relu = torch.relu
        self.leaky = functools.partial(functional.leaky_relu, negative_slope=0.2)
        self.finish = self._finish
        self.mode = Mode.DOUBLED
        self.size = Size(8, float("inf"))
        self.settings = Settings(2)
        self.kind = nn.ReLU
        self.plain = {"a": [1, (2.5, None)], 3: {"x"}, "dtype": torch.float16, "shape": torch.Size([1, 2]), "b": b"\0"}

    def _finish(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.mode.value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.embedding(x) + self.position
        h, _ = self.lstm(h)
        for block in self.blocks:
            h = self.leaky(self.squash(block(h)))
        h = self.by_name["norm"](self.by_name["drop"](h))
        h = self.spectral(self.weighted(self.attention(h)))
        h = self.batch_norm(h.transpose(1, 2)).transpose(1, 2)
        return self.finish(self.out(self.relu(h) ** self.settings.power * self.scale.float()))


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class Pair(nn.Module):
    """Two named inputs, two named answers."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(10, 4)
        self.number = nn.Linear(2, 4)

    def forward(self, words: torch.Tensor, number: torch.Tensor) -> dict[str, torch.Tensor]:
        both = self.words(words) + self.number(number)
        return {"both": both, "total": both.sum(1)}


class Sum(nn.Module):
    """Two inputs by position."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b


class Branching(nn.Module):
    """What torch.export cannot trace: a branch on a value."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum().item() > 0:
            return self.linear(x)
        return -self.linear(x)
