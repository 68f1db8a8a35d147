"""Networks for tables: perceptrons that make and read one-hot blocks.

No layer here mixes the records of a batch (no batch norm), and every layer with parameters has
exact per-sample gradients in Opacus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from genaudit.errors import OptionError
from genaudit.modalities.table.mixture import Block, Mixture

#: Networks and a batch beyond this many bytes are refused.
MAX_BYTES = 2 * 2**30

#: A cell that no record holds starts with this probability.
_FLOOR = 1e-4


@dataclass(frozen=True)
class TableNets:
    """Builds the networks of a table, and says how they make and read records.

    blocks: sizes of the one-hot blocks to make. given: sizes of the condition's one-hot blocks.
    hidden: widths of the decoder's hidden layers; networks that read records have them reversed.
    latent: width of the noise. components: of a mixture. gates: for each block, the one whose last
    cell leaves it empty, or None; () = no block is ever empty. ordered: for each block, those of
    the condition last, the cells that are intervals of a number, or None; () = no block has any.
    """

    blocks: tuple[int, ...]
    given: tuple[int, ...]
    hidden: tuple[int, ...]
    latent: int
    components: int = 1
    gates: tuple[int | None, ...] = ()
    ordered: tuple[tuple[int, int] | None, ...] = ()

    @property
    def width(self) -> int:
        """Width of a record."""
        return sum(self.blocks)

    @property
    def condition(self) -> int:
        """Width of a condition."""
        return sum(self.given)

    def check_size(self, batch_size: int) -> None:
        """Refuse what would not fit into memory, with an estimate.

        Raises:
            OptionError: networks and one batch would need more than `MAX_BYTES`.
        """
        layers = [self.latent + self.condition, *self.hidden, self.width]
        weights = sum(a * b for a, b in pairwise(layers))
        weights += self.components * (self.width + self.condition)
        # Two networks, each with weights, gradients, two moments and an average; a batch of real
        # and made records, each with logits, noise and gradients.
        size = 4 * (2 * 5 * weights + 8 * batch_size * (self.width + self.condition))
        if size > MAX_BYTES:
            raise OptionError(
                f"Training would need about {size:,} bytes for one-hot codes of width "
                f"{self.width + self.condition:,} and batches of {batch_size:,}; expected at most "
                f"{MAX_BYTES:,}. Take smaller batches or hidden layers, or give columns the role "
                "ignored."
            )

    def mixture(self) -> Mixture:
        """Components over all blocks of a record, its condition included."""
        sizes = (*self.blocks, *self.given)
        gates = (*self.gates, *(None for _ in self.given)) if self.gates else (None,) * len(sizes)
        ordered = self.ordered or (None,) * len(sizes)
        return Mixture(list(map(Block, sizes, ordered, gates)), self.components)

    def decoder(self) -> nn.Sequential:
        """(noise, condition) -> logits of all blocks that are made."""
        layers = [self.latent + self.condition, *self.hidden, self.width]
        return perceptron(layers, nn.ReLU())

    def discriminator(self) -> nn.Sequential:
        """(record, condition) -> one logit: is it real?"""
        layers = [self.width + self.condition, *reversed(self.hidden), 1]
        return perceptron(layers, nn.LeakyReLU(0.2))

    def encoder(self) -> nn.Sequential:
        """(record, condition) -> mean and log variance of the latent."""
        layers = [self.width + self.condition, *reversed(self.hidden), 2 * self.latent]
        return perceptron(layers, nn.ReLU())

    def one_hot(self, digits: torch.Tensor) -> torch.Tensor:
        """Records as one-hot blocks, shape (n, width), from digits, shape (n, blocks)."""
        return one_hot(digits, self.blocks)

    def one_hot_condition(self, cells: torch.Tensor) -> torch.Tensor:
        """Conditions as one-hot blocks, shape (n, condition), from cells, shape (n, k)."""
        return one_hot(cells, self.given)

    def shares(self, logits: torch.Tensor) -> torch.Tensor:
        """Probabilities of all cells, shape (n, width); every block sums to 1."""
        return torch.cat(
            [functional.softmax(b, dim=1) for b in torch.split(logits, list(self.blocks), dim=1)],
            dim=1,
        )

    def surprise(self, logits: torch.Tensor, records: torch.Tensor) -> torch.Tensor:
        """Negative log-likelihood of one-hot records in nats, shape (n,); empty blocks are free."""
        logs = [
            functional.log_softmax(b, dim=1) for b in torch.split(logits, list(self.blocks), dim=1)
        ]
        return -(torch.cat(logs, dim=1) * records).sum(1)

    def start_at(self, decoder: nn.Sequential, marginals: Sequence[np.ndarray]) -> None:
        """Let a fresh decoder make the marginals, one for each block."""
        last = decoder[-1]
        assert isinstance(last, nn.Linear)
        shares = np.concatenate([np.asarray(m, dtype=float) for m in marginals])
        with torch.no_grad():
            last.bias.copy_(torch.as_tensor(np.log(shares + _FLOOR), dtype=last.bias.dtype))
            last.weight.mul_(0.1)


def perceptron(layers: Sequence[int], activation: nn.Module) -> nn.Sequential:
    """Linear layers of these widths with an activation between them."""
    modules: list[nn.Module] = []
    for a, b in pairwise(layers):
        modules += [nn.Linear(a, b), activation]
    return nn.Sequential(*modules[:-1])


def one_hot(codes: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """One-hot blocks side by side, shape (n, sum(sizes)), from codes, shape (n, len(sizes)).

    A code of -1 leaves its block empty.
    """
    n = len(codes)
    made = torch.zeros(n, sum(sizes), device=codes.device)
    if sizes:
        starts = torch.as_tensor(np.cumsum([0, *sizes[:-1]]), device=codes.device)
        made.scatter_(1, codes.clamp(min=0) + starts, (codes >= 0).to(made.dtype))
    return made
