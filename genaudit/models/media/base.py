"""What families of images, series, sounds and texts share: attributes first, then the record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from genaudit.modalities.nets import Maker, gumbel, hard


@dataclass(frozen=True, eq=False)
class MediaReference:
    """What may be known beside the records: exact in plain training, noisy under DP.

    conditions: one-hot condition of each joint cell, shape (n_joint, given).
    weights: share of each joint cell, shape (n_joint,). marginals: shares of each made block.
    summary: mean of the summaries, shape (d,).
    """

    conditions: torch.Tensor
    weights: torch.Tensor
    marginals: tuple[np.ndarray, ...]
    summary: torch.Tensor

    def draw(self, n: int, rng: torch.Generator) -> torch.Tensor:
        """Conditions of n records to make, shape (n, given)."""
        cells = torch.multinomial(self.weights, n, replacement=True, generator=rng)
        return self.conditions[cells]


#: Keeps the logarithm of a share that is 0 finite.
_FLOOR = 1e-4

#: Normal noise that the head of the attributes has beside that of its draw.
_HEAD_NOISE = 8


class Head(nn.Module):
    """Attributes that the model makes: one-hot blocks, before the record, which follows from them.

    blocks: their sizes. given: width of the condition. chained: each block follows from those
        before it, so that the likelihood holds how they go together; else only noise ties them.
    """

    def __init__(
        self, blocks: tuple[int, ...], given: int, hidden: int = 32, *, chained: bool = False
    ) -> None:
        super().__init__()
        self.blocks, self.given = blocks, given
        self.width = sum(blocks)
        self.noise_width = _HEAD_NOISE + self.width if blocks else 0
        if blocks:
            self.layers = nn.Sequential(
                nn.Linear(_HEAD_NOISE + given, hidden), nn.ReLU(), nn.Linear(hidden, self.width)
            )
        before = zip(accumulate(blocks), blocks[1:], strict=False) if chained else ()
        self.after = nn.ModuleList(nn.Linear(n, size, bias=False) for n, size in before)
        if chained and blocks:
            self._deafen()

    def start_at(self, marginals: tuple[np.ndarray, ...]) -> None:
        """Begin at the marginals."""
        if not self.blocks:
            return
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        shares = np.concatenate([np.asarray(m, dtype=float) for m in marginals])
        with torch.no_grad():
            last.bias.copy_(torch.as_tensor(np.log(shares + _FLOOR), dtype=last.bias.dtype))
            last.weight.mul_(0.1)

    def _deafen(self) -> None:
        """Begin deaf to the noise: likelihood does not teach it, and as it is, shares go astray."""
        first = self.layers[0]
        assert isinstance(first, nn.Linear)
        with torch.no_grad():
            first.weight[:, :_HEAD_NOISE] = 0.0
            for layer in self.after.parameters():
                layer.zero_()

    def forward(self, noise: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """One-hot blocks, shape (n, width); gradients flow as if they were soft (straight through).

        Source: Jang, Gu, Poole 2017 (Gumbel-softmax, straight-through).
        """
        if not self.blocks:
            return given[:, :0]
        return torch.cat([block for block, _ in self._drawn(noise, given)], 1)

    def apart(
        self, noise: torch.Tensor, given: torch.Tensor, marginals: tuple[np.ndarray, ...]
    ) -> torch.Tensor:
        """Divergence of the shares of a batch from these marginals, in nats, summed over blocks.

        Args:
            noise: As in `forward`.
            given: Conditions.
            marginals: Shares of each block.
        """
        total = noise.new_zeros(())
        for (_, logits), wanted in zip(self._drawn(noise, given), marginals, strict=True):
            shares = torch.as_tensor(wanted, dtype=logits.dtype, device=logits.device)
            made = torch.softmax(logits, 1).mean(0)
            total = total + (torch.special.xlogy(shares, shares) - torch.xlogy(shares, made)).sum()
        return total

    def _drawn(
        self, noise: torch.Tensor, given: torch.Tensor
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Each block, one-hot, and its logits given those before it."""
        logits = torch.split(self._logits(noise, given), list(self.blocks), 1)
        draws = torch.split(gumbel(noise[:, _HEAD_NOISE:]), list(self.blocks), 1)
        made: list[torch.Tensor] = []
        for j, (own, drawn) in enumerate(zip(logits, draws, strict=True)):
            whole = self._given_those(own, made, j)
            made.append(hard(whole + drawn))
            yield made[-1], whole

    def _given_those(
        self, logits: torch.Tensor, before: Sequence[torch.Tensor], j: int
    ) -> torch.Tensor:
        if not (self.after and j):
            return logits
        whole: torch.Tensor = logits + self.after[j - 1](torch.cat([*before], 1))
        return whole

    def _logits(self, noise: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(torch.cat([noise[:, :_HEAD_NOISE], given], 1))
        return found

    def surprise(self, made: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of attributes in nats, shape (n,), with no noise."""
        if not self.blocks:
            return given.new_zeros(len(given))
        none = given.new_zeros(len(given), _HEAD_NOISE)
        blocks = torch.split(made, list(self.blocks), 1)
        logits = torch.split(self._logits(none, given), list(self.blocks), 1)
        logs = [functional.log_softmax(self._given_those(own, blocks[:j], j), 1)
                for j, own in enumerate(logits)]  # fmt: skip
        return -(torch.cat(logs, 1) * made).sum(1)


class Whole(nn.Module):
    """A released generator: attributes first, then the record that has them."""

    def __init__(self, head: Head, maker: Maker) -> None:
        super().__init__()
        self.head, self.maker = head, maker

    def noise(self, n: int, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Noise of n records: of their attributes, and of the records."""
        head = torch.randn(n, self.head.noise_width, generator=rng, device=rng.device)
        return head, self.maker.noise(n, rng)

    @torch.no_grad()
    def make(
        self, noise: tuple[torch.Tensor, torch.Tensor], given: torch.Tensor,
        temperature: float = 1.0,
    ) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
        """Records, shape (n, width), and their made attributes, shape (n, made)."""
        made = self.head(noise[0], given)
        return self.maker.make(noise[1], torch.cat([made, given], 1), temperature), made
