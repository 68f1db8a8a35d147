"""What a private trainer shows of itself, so that it can be examined.

A trainer offers what it can: each check names what it needs, and is skipped where that is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from genaudit.ledger import Mechanism

#: Units as arrays, each of shape (n, ...): what belongs to one unit stands at one position.
Units = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Promise:
    """What a trainer says of itself; leave None what it does not say.

    max_grad_norm: C, most that one unit adds to the clipped sum (L2).
    noise_multiplier: Standard deviation of the noise on that sum, divided by C.
    divisor: Public constant by which the noisy sum is divided.
    sampling_rate: Chance of each unit to be in a batch, independently.
    n_units: Units that are drawn from.
    steps: In the whole training.
    epsilon, delta: Of the whole training, for one unit, add/remove or zero-out.
    """

    max_grad_norm: float | None = None
    noise_multiplier: float | None = None
    divisor: float | None = None
    sampling_rate: float | None = None
    n_units: int | None = None
    steps: int | None = None
    epsilon: float | None = None
    delta: float | None = None


class PrivateTrainer(Protocol):
    """One private training, step by step. Everything but `promise` may be missing.

    Examined on made-up data: what it shows here is computed on records and is not for release.
    A factory `make(seed=...)` is worth more than one trainer, as some checks need two of them.
    """

    promise: Promise

    def units(self) -> Units:
        """The units that it trains on, as arrays of shape (n_units, ...).

        Where these are the trainer's own memory, units are changed there for a while in trainers
        that a factory made: what is released must not follow them but by noisy gradients.
        """

    def per_sample_grads(self, units: Units) -> np.ndarray:
        """Gradients of a batch before clipping, one for each unit, shape (n, parameters).

        Rows of one unit (person) are added up. Weights stay as they are, and the same batch gives
        the same answer: whatever chance is part of a loss is repeated.
        """

    def clipped_sum(self, units: Units) -> np.ndarray:
        """What noise is added to for this batch, which may be empty, shape (parameters,).

        Made rows that the step adds to a batch are included, the same ones every time. Weights
        stay as they are, and the same batch gives the same answer.
        """

    def step(self, units: Units | None = None) -> np.ndarray:
        """Take one step; the gradient as the optimizer got it, shape (parameters,).

        Without units it is a step of the training itself: charged, on a batch from `self.draw()`.
        With units it is on this batch. Either way the noise is on `clipped_sum` of the batch at
        these weights: made rows, and chance that belongs to a record, are those of `clipped_sum`.
        """

    def draw(self) -> np.ndarray:
        """Positions of the units in one batch, integers, in any order."""

    def events(self) -> Sequence[Mechanism]:
        """All that has been charged so far, ahead of its steps or with each."""

    def released(self) -> Any:
        """What is released, or runs as post-processing: it must not reach a real record."""

    def save(self, folder: Path) -> None:
        """Write what is released into a new folder.

        It may make the folder, and is asked again with an empty one where that is not there.
        """
