"""Fit a mixture to two-way marginals, noisy or exact; no record is read, so this costs no privacy.

The noise of the marginals is Gaussian and its scale known, so a squared error in units of it is a
likelihood, and all marginals weigh what they are worth. Among mixtures that fit alike the one is
preferred whose components tell least of a record.

Source: Liu, Vietri, Wu 2021 (generators fitted to noisy marginals, "GEM").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from genaudit.modalities.table.mixture import Mixture

#: Nats of likelihood that the marginals must gain for each nat a component tells of its records.
_THRIFT = 100.0

#: Blocks are looked at together up to this width; of wider records a part at a time, by chance.
_WIDE = 1024


class Table(NamedTuple):
    """One measured marginal of two blocks.

    shares: of records in both cells, shape (cells of i, cells of j); noise may make some negative.
    deviation: standard deviation of the noise of each.
    """

    i: int
    j: int
    shares: np.ndarray
    deviation: float


@dataclass(frozen=True, eq=False)
class Pairs:
    """One-way and two-way marginals side by side, as what a mixture makes is compared with them.

    one_way, one_way_precision: of every cell, shape (width,). paired: blocks that are in pairs.
    cells: theirs, shape (k,). two_way, two_way_precision: symmetric, shape (k, k). Precisions are
    1 / (2 σ²), and 0 where nothing is known. digits: tables of a block and of the one it gates.
    """

    one_way: torch.Tensor
    one_way_precision: torch.Tensor
    paired: tuple[int, ...]
    cells: torch.Tensor
    two_way: torch.Tensor
    two_way_precision: torch.Tensor
    digits: tuple[Table, ...]

    @classmethod
    def of(
        cls, mixture: Mixture, one_way: Sequence[np.ndarray], deviations: np.ndarray,
        tables: Sequence[Table],
    ) -> Pairs:  # fmt: skip
        """What was measured, for mixtures of these blocks.

        Args:
            mixture: Any mixture of the same blocks.
            one_way: Shares of each block, as if unfilled blocks were records of no cell.
            deviations: Standard deviation of the noise of each block's shares.
            tables: Of pairs of blocks, each pair once.
        """
        digits = tuple(t for t in tables if mixture.blocks[t.j].gate == t.i)
        others = [t for t in tables if mixture.blocks[t.j].gate != t.i]
        paired = tuple(sorted({b for t in others for b in (t.i, t.j)}))
        cells = [np.arange(mixture.width)[mixture.cells(b)] for b in paired]
        starts = dict(zip(paired, np.cumsum([0, *map(len, cells)])[:-1].tolist(), strict=True))
        width = sum(map(len, cells))
        shares, precision = np.zeros((2, width, width), dtype=np.float32)
        for t in others:
            rows = slice(starts[t.i], starts[t.i] + mixture.sizes[t.i])
            columns = slice(starts[t.j], starts[t.j] + mixture.sizes[t.j])
            shares[rows, columns], shares[columns, rows] = t.shares, t.shares.T
            precision[rows, columns] = precision[columns, rows] = 0.5 / t.deviation**2
        spread = np.repeat(deviations, mixture.sizes)
        return cls(
            one_way=torch.as_tensor(np.concatenate(list(one_way)), dtype=torch.float32),
            one_way_precision=torch.as_tensor(0.5 / spread**2, dtype=torch.float32),
            paired=paired,
            cells=torch.as_tensor(np.concatenate(cells) if cells else np.empty(0, dtype=np.int64)),
            two_way=torch.as_tensor(shares),
            two_way_precision=torch.as_tensor(precision),
            digits=digits,
        )

    def to(self, device: str) -> Pairs:
        """The same on a device."""
        return replace(
            self,
            one_way=self.one_way.to(device),
            one_way_precision=self.one_way_precision.to(device),
            cells=self.cells.to(device),
            two_way=self.two_way.to(device),
            two_way_precision=self.two_way_precision.to(device),
        )

    def measured(self) -> tuple[torch.Tensor, ...]:
        """What differs between records of the same blocks: shares and precisions."""
        digits = (torch.as_tensor(t.shares, dtype=torch.float32) for t in self.digits)
        return (self.one_way, self.one_way_precision, self.two_way, self.two_way_precision,
                *(d.to(self.one_way.device) for d in digits))  # fmt: skip

    def of_measured(self, measured: Sequence[torch.Tensor]) -> Pairs:
        """The same blocks with what was measured of other records."""
        one_way, one_way_precision, two_way, two_way_precision, *digits = measured
        return replace(
            self, one_way=one_way, one_way_precision=one_way_precision, two_way=two_way,
            two_way_precision=two_way_precision,
            digits=tuple(
                t._replace(shares=shares)  # type: ignore[arg-type]  # a tensor does as well
                for t, shares in zip(self.digits, digits, strict=True)
            ),
        )  # fmt: skip

    def loss(self, mixture: Mixture, rng: np.random.Generator) -> torch.Tensor:
        """Negative log-likelihood of what was measured, and the price of information, in nats."""
        logs, weights = mixture.log_shares(), mixture.log_weights().exp()
        shares = logs.exp()
        filled = mixture.filled(shares)
        weighed = weights[:, None] * filled
        made = weighed.sum(0)
        told = (weighed * logs).sum() - (made * torch.log(made + 1e-12)).sum()
        loss = _THRIFT * told + ((made - self.one_way).square() * self.one_way_precision).sum()
        if self.paired:
            loss = loss + self._two_way(filled, weighed, mixture, rng)
        for table in self.digits:
            high, low = mixture.cells(table.i), mixture.cells(table.j)
            # A missing value has a high digit alone.
            both = (weights[:, None] * shares[:, high][:, :-1]).T @ shares[:, low]
            error = both - torch.as_tensor(table.shares[:-1], dtype=both.dtype, device=both.device)
            loss = loss + error.square().sum() * (0.5 / table.deviation**2)
        return loss

    def _two_way(
        self, filled: torch.Tensor, weighed: torch.Tensor, mixture: Mixture,
        rng: np.random.Generator,
    ) -> torch.Tensor:  # fmt: skip
        cells, two_way, precision, scale = self.cells, self.two_way, self.two_way_precision, 0.5
        if len(cells) > _WIDE:
            kept = self._some(mixture, rng)
            rows = kept[:, None]
            cells, two_way, precision = cells[kept], two_way[rows, kept], precision[rows, kept]
            scale *= (len(self.cells) / len(kept)) ** 2
        # Every pair stands on both sides of the diagonal, hence half of the sum.
        error = filled[:, cells].T @ weighed[:, cells] - two_way
        return scale * (error.square() * precision).sum()

    def _some(self, mixture: Mixture, rng: np.random.Generator) -> torch.Tensor:
        """Positions of the cells of a few blocks, as many as are looked at together."""
        sizes = [mixture.sizes[b] for b in self.paired]
        starts = np.cumsum([0, *sizes])
        order = rng.permutation(len(sizes))
        n = max(2, int(np.searchsorted(np.cumsum(np.take(sizes, order)), _WIDE, side="right")))
        return torch.as_tensor(
            np.concatenate([np.arange(starts[b], starts[b + 1]) for b in order[:n]])
        )


def fit(
    mixture: Mixture, pairs: Pairs, *, steps: int, learning_rate: float, rng: np.random.Generator
) -> None:
    """Bring a mixture to the marginals from where it stands, in ever smaller steps."""
    mixture.requires_grad_(True)
    descend(list(mixture.parameters()), lambda: pairs.loss(mixture, rng), steps, learning_rate)


def descend(
    parameters: list[torch.nn.Parameter], loss: Callable[[], torch.Tensor], steps: int,
    learning_rate: float,
) -> None:  # fmt: skip
    """Lower a loss of parameters in ever smaller steps."""
    optimizer = torch.optim.Adam(parameters, lr=learning_rate, betas=(0.9, 0.99))
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: 1 - 0.95 * s / steps)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.autograd.backward(loss())
        optimizer.step()
        decay.step()
