"""How well a recurrent judge tells made series from real ones; this loads torch.

Source: Yoon, Jarrett, van der Schaar 2019 (discriminative score: distance of a trained judge's
accuracy from one half). Unlike there, each set has lengths of its own and the judge a width that
does not shrink to nothing with one channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from genaudit.data.schema import Column
from genaudit.modalities.sequence.codec import codec

#: Series of each set in a batch.
_BATCH = 128


@dataclass(frozen=True)
class Score:
    """Distances of judges' accuracies from one half, one for each repeat, in [0, 0.5], low = good.

    Accuracy is that on the series which a judge has not learned from, both sets weighing the same.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean over the repeats."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float:
        """Standard deviation over the repeats."""
        return float(np.std(self.values))


def discriminative(
    column: Column,
    real: tuple[np.ndarray, np.ndarray],
    made: tuple[np.ndarray, np.ndarray],
    *,
    iterations: int = 2000,
    repeats: int = 10,
    hidden: int | None = None,
    seed: int = 0,
) -> Score:
    """The discriminative score of made series; that of real ones in their place is its floor.

    Series that judges are tested on must be independent of those that they learn from: overlapping
    windows of one series are not, nor are two series of one person.

    Args:
        column: Of the series, wholly declared.
        real: Series to learn from and series to test on, arrays of objects, (n,) and (m,).
        made: Likewise.
        iterations: Steps that each judge is trained.
        repeats: Judges, each with weights and batches of its own.
        hidden: Width of a judge; None = max(8, channels / 2).
        seed: Of weights and batches.
    """
    coded = codec(column)
    known = [torch.from_numpy(coded.encode(s[0])) for s in (real, made)]
    unknown = [torch.from_numpy(coded.encode(s[1])) for s in (real, made)]
    width = hidden or max(8, (coded.shape[1] - 1) // 2)
    values = (_repeat(known, unknown, iterations, width, seed + i) for i in range(repeats))
    return Score(tuple(values))


class _Judge(nn.Module):
    """One logit of a series, from the state at its last step."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.recurrent = nn.GRU(channels, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        states, _ = self.recurrent(codes)
        last = codes[:, :, -1].sum(1).long() - 1
        logits: torch.Tensor = self.head(states[torch.arange(len(codes)), last]).squeeze(1)
        return logits


def _repeat(
    known: Sequence[torch.Tensor], unknown: Sequence[torch.Tensor],
    iterations: int, hidden: int, seed: int,
) -> float:  # fmt: skip
    """Distance of one judge's accuracy from one half."""
    rng = np.random.default_rng([seed, 0x1D9E])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = _Judge(known[0].shape[2], hidden)
    optimizer = torch.optim.Adam(judge.parameters())
    truth = torch.cat([torch.ones(_BATCH), torch.zeros(_BATCH)])
    for _ in range(iterations):
        batch = torch.cat([k[torch.from_numpy(rng.integers(len(k), size=_BATCH))] for k in known])
        loss = functional.binary_cross_entropy_with_logits(judge(batch), truth)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    with torch.no_grad():
        right = [float((judge(u) > 0).float().mean()) for u in unknown]
    return abs((right[0] + 1 - right[1]) / 2 - 0.5)
