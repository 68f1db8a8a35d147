"""A mixture generator for tables: every made record comes from one of a few hundred components.

A component is a distribution for each one-hot block, independent of the others; what columns have
in common lies in which component a record comes from. So all one-way and two-way marginals, and the
likelihood of a record, are known exactly, without drawing anything; and records can be made under a
condition by Bayes' rule.

Source: Lazarsfeld & Henry 1968 (latent classes); Dunson & Xing 2009 (any table of levels is one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

#: How many smooth functions tell a component's numbers from those of all components.
_WAVES = 6

#: Spread of the components' logits at the start: without any all components would stay the same.
_SPREAD = 1.0

#: A cell that no record holds starts with this share.
_FLOOR = 1e-5

#: How sure a component is of a condition that it was made under.
_SURE = 0.98


@dataclass(frozen=True)
class Block:
    """One one-hot block of a record.

    size: cells. ordered: first and last but one of the cells that are neighbouring intervals of a
    number, or None. gate: the block whose last cell ("missing") leaves this one empty, or None.
    """

    size: int
    ordered: tuple[int, int] | None = None
    gate: int | None = None

    def directions(self) -> np.ndarray:
        """Ways in which one component's logits may differ from another's, shape (ways, size).

        Cells of intervals differ smoothly, as cosines do, all others freely: noise on single
        intervals then has nowhere to go.
        """
        if self.ordered is None or self.ordered[1] - self.ordered[0] <= _WAVES:
            return np.eye(self.size)
        start, end = self.ordered
        free = [j for j in range(self.size) if not start <= j < end]
        middle = (np.arange(end - start) + 0.5) / (end - start)
        waves = np.zeros((_WAVES, self.size))
        for i in range(_WAVES):
            waves[i, start:end] = np.cos(np.pi * i * middle)
        return np.concatenate([np.eye(self.size)[free], waves])


class Mixture(nn.Module):
    """Components over all blocks of a record, those of its condition last.

    base: logits that all components share, shape (width,). shift: what each adds along the blocks'
    directions, shape (components, directions). weight: logits of the components themselves.
    """

    def __init__(self, blocks: Sequence[Block], components: int) -> None:
        super().__init__()
        self.blocks = tuple(blocks)
        self.sizes = [b.size for b in blocks]
        self.starts = np.cumsum([0, *self.sizes])
        directions = [b.directions() for b in blocks]
        self._ways = [len(d) for d in directions]
        for i, (block, d) in enumerate(zip(blocks, directions, strict=True)):
            if len(d) < block.size:
                self.register_buffer(_name(i), torch.as_tensor(d, dtype=torch.float32), False)
        self.base = nn.Parameter(torch.zeros(sum(self.sizes)))
        self.shift = nn.Parameter(torch.zeros(components, sum(self._ways)))
        self.weight = nn.Parameter(torch.zeros(components))

    @property
    def width(self) -> int:
        """Cells of all blocks."""
        return len(self.base)

    def cells(self, block: int) -> slice:
        """Where a block lies in a record."""
        return slice(int(self.starts[block]), int(self.starts[block + 1]))

    def log_shares(self) -> torch.Tensor:
        """Logarithms of each component's shares, shape (components, width)."""
        shifts, bases = (
            torch.split(self.shift, self._ways, dim=1),
            torch.split(self.base, self.sizes),
        )
        waves = dict(self.named_buffers())
        return torch.cat(
            [
                # Where every cell is free, a shift is one of logits.
                functional.log_softmax(
                    base + (shift @ waves[_name(i)] if _name(i) in waves else shift), dim=1
                )
                for i, (shift, base) in enumerate(zip(shifts, bases, strict=True))
            ],
            dim=1,
        )

    def log_weights(self) -> torch.Tensor:
        """Logarithms of the components' weights, shape (components,)."""
        return functional.log_softmax(self.weight, dim=0)

    def filled(self, shares: torch.Tensor) -> torch.Tensor:
        """Shares of cells, those of a block that may be empty times the chance that it is not."""
        gated = [(i, b.gate) for i, b in enumerate(self.blocks) if b.gate is not None]
        if not gated:
            return shares
        parts = list(torch.split(shares, self.sizes, dim=1))
        for i, gate in gated:
            parts[i] = parts[i] * (1 - shares[:, self.cells(gate)][:, -1:])
        return torch.cat(parts, dim=1)

    def marginals(self) -> torch.Tensor:
        """Share of every cell among made records, shape (width,); blocks that may be empty as if
        they never were.
        """
        return self.log_weights().exp() @ self.log_shares().exp()

    def log_likelihood(self, records: torch.Tensor, given: int = 0) -> torch.Tensor:
        """Of one-hot records, in nats, shape (n,).

        Args:
            records: Shape (n, width); empty blocks count for nothing.
            given: Width of the condition at the end of a record, which the likelihood is given.
        """
        shares, weights = self.log_shares(), self.log_weights()
        every = torch.logsumexp(records @ shares.T + weights, dim=1)
        if not given:
            return every
        known = records[:, -given:] @ shares[:, -given:].T
        return every - torch.logsumexp(known + weights, dim=1)

    @torch.no_grad()
    def draw(self, conditions: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        """One-hot records with these conditions, shape (n, width).

        Args:
            conditions: Shape (n, condition); of width 0 without one.
            rng: Source of chance.
        """
        shares = self.log_shares()
        chances = self.chances(shares, self.log_weights(), conditions)
        component = torch.multinomial(chances, 1, generator=rng).squeeze(1)
        uniform = torch.rand(len(conditions), self.width, generator=rng, device=shares.device)
        return self.picked(shares, component, uniform, conditions)

    def chances(
        self, shares: torch.Tensor, weights: torch.Tensor, conditions: torch.Tensor
    ) -> torch.Tensor:
        """Of each component under a condition, from logarithms, shape (n, components)."""
        given = conditions.shape[1]
        known = conditions @ shares[:, self.width - given :].T + weights
        return known.softmax(1)

    def picked(
        self, shares: torch.Tensor, component: torch.Tensor, uniform: torch.Tensor,
        conditions: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """The records that components and chance settle, shape (n, width).

        Args:
            shares: Their logarithms, shape (components, width).
            component: Of each record, shape (n,).
            uniform: Chance in [0, 1), shape (n, width).
            conditions: Shape (n, condition).
        """
        # The largest of logits with Gumbel noise is a draw (Gumbel 1954); 1e-10 keeps them finite.
        noisy = shares[component] - torch.log(-torch.log(uniform + 1e-10) + 1e-10)
        parts = [
            functional.one_hot(part.argmax(1), part.shape[1]).float()
            for part in torch.split(noisy, self.sizes, dim=1)
        ]
        for i, block in enumerate(self.blocks):
            if block.gate is not None:
                parts[i] = parts[i] * (1 - parts[block.gate][:, -1:])
        made = torch.cat(parts, dim=1)[:, : self.width - conditions.shape[1]]
        return torch.cat([made, conditions], dim=1)

    @torch.no_grad()
    def start(self, marginals: np.ndarray, rng: torch.Generator) -> None:
        """Components around these marginals, shape (width,)."""
        self.base.copy_(_logits(marginals))
        self.shift.copy_(_SPREAD * torch.randn(self.shift.shape, generator=rng, device=rng.device))
        self.weight.zero_()

    @torch.no_grad()
    def start_at(
        self, logits: torch.Tensor, conditions: torch.Tensor, marginals: np.ndarray
    ) -> None:
        """One component for each row of logits that were made under a condition, alike in weight.

        Args:
            logits: Of all blocks but the condition's, shape (components, width - condition).
            conditions: One-hot, shape (components, condition).
            marginals: Shape (width,); what the components differ from.
        """
        self.base.copy_(_logits(marginals))
        unsure = (1 - _SURE) / max(conditions.shape[1], 1)
        full = torch.cat([logits, torch.log(conditions * _SURE + unsure)], dim=1)
        apart = _by_block(full, self.sizes) - _by_block(self.base[None], self.sizes)
        waves = dict(self.named_buffers())
        parts = [
            part @ torch.linalg.pinv(waves[_name(i)]) if _name(i) in waves else part
            for i, part in enumerate(torch.split(apart, self.sizes, dim=1))
        ]
        self.shift.copy_(torch.cat(parts, dim=1))
        self.weight.zero_()


def _logits(marginals: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.log(np.maximum(marginals, _FLOOR)), dtype=torch.float32)


def _by_block(logits: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    parts = [functional.log_softmax(b, dim=1) for b in torch.split(logits, list(sizes), dim=1)]
    return torch.cat(parts, dim=1)


def _name(block: int) -> str:
    """Of the buffer that holds a block's directions, where they are fewer than its cells."""
    return f"waves_{block}"
