"""What a family of generators is: phases of training, and a generator that is released.

A family knows no modality and no privacy. It gets networks, and hands out phases; a regime of
training takes each phase's steps on the records. Everything that a family does outside
`Phase.losses` never sees a record: under differential privacy that is post-processing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import nn

from genaudit.modalities.table.mixture import Mixture
from genaudit.models.pairs import Pairs
from genaudit.models.parts import Parts

Rows = tuple[torch.Tensor, ...]

Module = TypeVar("Module", bound=nn.Module)


class Nets(Protocol):
    """Networks of a modality, and how they make and read records (`modalities.*.nets`)."""

    @property
    def blocks(self) -> tuple[int, ...]:
        """Sizes of the one-hot blocks to make."""

    @property
    def latent(self) -> int:
        """Width of the noise."""

    @property
    def condition(self) -> int:
        """Width of a condition, 0 without one."""

    def mixture(self) -> Mixture:
        """A generator of records with their conditions, of which every likelihood is known."""

    def decoder(self) -> nn.Sequential:
        """(noise, condition) -> logits."""

    def discriminator(self) -> nn.Sequential:
        """(record, condition) -> one logit."""

    def encoder(self) -> nn.Sequential:
        """(record, condition) -> mean and log variance of the latent."""

    def shares(self, logits: torch.Tensor) -> torch.Tensor:
        """Probabilities of all cells."""

    def surprise(self, logits: torch.Tensor, records: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of records, shape (n,)."""

    def start_at(self, decoder: nn.Sequential, marginals: Sequence[np.ndarray]) -> None:
        """Let a fresh decoder make the marginals."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What may be known beside the records: exact in plain training, noisy under DP.

    conditions: one-hot condition of each joint cell, shape (n_joint, condition).
    weights: share of each joint cell, shape (n_joint,).
    marginals: share of each cell of each block of a record, those of the condition last.
    pairs: what two blocks have in common.
    """

    conditions: torch.Tensor
    weights: torch.Tensor
    marginals: tuple[np.ndarray, ...]
    pairs: Pairs

    def flat(self) -> np.ndarray:
        """All marginals side by side, shape (width,)."""
        return np.concatenate(self.marginals)

    def draw(self, n: int, rng: torch.Generator) -> torch.Tensor:
        """Conditions of n records to make, shape (n, condition)."""
        cells = torch.multinomial(self.weights, n, replacement=True, generator=rng)
        return self.conditions[cells]


@dataclass(frozen=True)
class Tuning:
    """Numbers of one training, as families read them.

    n_fakes: made records beside a batch, a public constant. n_critic: private steps to each step of
    the generator. average: decay of the moving average of weights. pull: weight of the marginals in
    the loss of a GAN's generator. fit_steps: of a generator on the marginals alone. r1: weight of
    the gradient penalty, for plain training alone. kl: weight of the latent's divergence, which it
    reaches after the share `kl_rise` of the steps. free_bits: nats of it that cost a record none.
    warm_steps: of a generator on records alone, before it meets a discriminator. warm_end: share of
    warm_learning_rate to which it falls in the second half of them.
    """

    steps: int
    n_fakes: int
    learning_rate: float
    private_learning_rate: float
    n_critic: int = 1
    average: float = 0.995
    pull: float = 0.0
    fit_steps: int = 1
    r1: float = 0.0
    kl: float = 1.0
    kl_rise: float = 0.0
    free_bits: float = 0.0
    warm_steps: int = 0
    warm_learning_rate: float = 1e-3
    warm_end: float = 1.0


def falling(optimizer: torch.optim.Optimizer, learning_rate: float, end: float, steps: int) -> None:
    """Let a learning rate fall in the second half of so many steps, evenly, to a share of it.

    It goes by the optimizer's own count of steps, so that it goes on where a training does.
    """

    def before(*_: object) -> None:
        done = next((float(s["step"]) for s in optimizer.state.values() if "step" in s), 0.0)
        left = min(1.0, 2 * (1 - done / max(1, steps)))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * max(end, left) if end < 1 else learning_rate

    optimizer.register_step_pre_hook(before)


@dataclass(frozen=True, eq=False)
class Phase:
    """One stretch of training.

    private: the module that learns from records; it and nothing else must be made private.
    steps: how many batches of records it sees.
    rows: (records, conditions, rng) -> inputs of `losses`, one row for each record, in order, and
        then `n_extra` rows that come from no record, whatever the batch. `rng` is for noise that
        belongs to a record; nothing else may be drawn from it.
    losses: rows -> one loss for each row, shape (n + n_extra,); rows do not influence each other.
    optimizer: updates `private` once its gradients are there.
    public_step: everything that follows without looking at records; returns what may be logged.
    penalty: rows -> a scalar to add in plain training.
    rates: fields of a recipe that say how far its steps go.
    """

    name: str
    private: nn.Module
    steps: int
    rows: Callable[[torch.Tensor, torch.Tensor, torch.Generator], Rows]
    losses: Callable[..., torch.Tensor]
    optimizer: torch.optim.Optimizer
    public_step: Callable[[], Mapping[str, float]]
    n_extra: int = 0
    penalty: Callable[[Rows, int], torch.Tensor] | None = None
    rates: tuple[str, ...] = ("private_learning_rate",)


class Family(Protocol):
    """A generator in training."""

    @property
    def released(self) -> nn.Module:
        """What makes the records; of a table it is whole after `finish` alone."""

    def start(self) -> None:
        """What comes before the first step; reads no record."""

    def phases(self) -> list[Phase]:
        """What is to be trained, in order."""

    def finish(self) -> None:
        """What follows once no step is left; reads no record."""

    def parts(self) -> Parts:
        """Everything that steps change."""


class TableFamily(Family, Protocol):
    """A generator of tables: what is released is a mixture."""

    released: Mixture

    def shares(self) -> torch.Tensor:
        """Share of each cell of what would be made now, shape (width,); draws nothing of `rng`."""


class Average(Generic[Module]):
    """An exponential moving average of a module's weights: smoother than its last step.

    Source: Karras et al. 2018 (for generators); De et al. 2022 (under DP, where it costs nothing).
    """

    def __init__(self, module: Module, decay: float) -> None:
        self.module = module
        self.decay = decay
        self.n = torch.zeros((), dtype=torch.int64)
        self.shadow = copy.deepcopy(module).requires_grad_(False)

    def update(self) -> None:
        """Take in the present weights."""
        decay = self.counted()
        with torch.no_grad():
            for kept, new in zip(self.shadow.parameters(), self.module.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)

    def counted(self) -> float:
        """Count an update; how much of the average it keeps."""
        self.n += 1
        # Early on the average reaches back only as far as there are steps.
        return min(self.decay, int(self.n) / (int(self.n) + 10))
