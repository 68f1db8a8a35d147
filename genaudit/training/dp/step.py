"""One private step: clip each row's gradient, sum, add noise, divide by a public constant.

Clipping is book-keeping (`clipping`) inside Opacus's engine, optimizer and validator (`engine`).
Poisson batches and noise come from streams that the operating system seeds and that are never
stored.

Source: Abadi et al. 2016 (DP-SGD); Bu et al. 2023 (book-keeping); Bie, Kamath, Zhang 2023 (made
rows are clipped like real ones).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

import numpy as np
import torch

from genaudit.errors import BudgetError
from genaudit.models.base import Phase, Rows
from genaudit.training.dp.engine import BookKeepingEngine

#: Where torch's CPU state holds the words of its Mersenne Twister: after seed, left, seeded, next.
_MT_START, _MT_WORDS = 24, 624


def system_rng() -> np.random.Generator:
    """A stream of draws that nobody can repeat: 256 bits of the operating system's entropy."""
    return np.random.default_rng(secrets.randbits(256))


def system_torch_rng(device: str) -> torch.Generator:
    """The same for torch: on the CPU the whole state of its Mersenne Twister is drawn.

    A seed would not do: of its 64 bits the CPU's generator uses 32, few enough to try them all.
    Elsewhere (Philox) all 64 bits of a seed count.
    """
    generator = torch.Generator(device)
    if torch.device(device).type != "cpu":
        return generator.manual_seed(secrets.randbits(64) - 2**63)
    state = generator.manual_seed(0).get_state()
    words = np.frombuffer(secrets.token_bytes(4 * _MT_WORDS), dtype=np.uint32).astype(np.uint64)
    state[_MT_START : _MT_START + 8 * _MT_WORDS] = torch.from_numpy(words.view(np.uint8).copy())
    return generator.set_state(state)


class PrivateStep:
    """Takes private steps of one phase; between steps the module behaves like any other.

    The sum of clipped gradients gets noise of standard deviation noise_multiplier * max_grad_norm,
    and is divided by `divisor`, which must not depend on the records.
    """

    def __init__(
        self,
        phase: Phase,
        *,
        noise_multiplier: float,
        max_grad_norm: float,
        divisor: int,
        noise: torch.Generator,
    ) -> None:
        self.phase = phase
        self._watched, self.optimizer = BookKeepingEngine().prepare(
            phase.private, phase.optimizer, noise_multiplier=noise_multiplier,
            max_grad_norm=max_grad_norm, divisor=divisor, noise=noise,
        )  # fmt: skip

    def __call__(
        self, records: torch.Tensor, conditions: torch.Tensor, rng: torch.Generator
    ) -> None:
        """One step on a Poisson batch, which may be empty.

        Raises:
            BudgetError: the released side of the training has diverged.
        """
        rows = self.phase.rows(records, conditions, rng)
        assert len(rows[0]) == len(records) + self.phase.n_extra, "their number is public"
        self.accumulate(rows)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        # Weights are already private, so looking at them tells nothing more of the records.
        if not all(bool(torch.isfinite(p).all()) for p in self.phase.private.parameters()):
            raise BudgetError(
                "Private training has diverged: weights are no longer finite. Lower "
                "private_learning_rate; what was charged stays charged."
            )

    def accumulate(self, rows: Rows) -> None:
        """Leave the sum of clipped gradients in `p.grad`; rows that are not finite are left out."""
        self._watched.clipped_sum(self.phase.losses, rows)

    def close(self) -> None:
        """Take the hooks off the module."""
        self._watched.cleanup()


def stepper(
    phase: Phase,
    batch: Callable[[np.ndarray], tuple[torch.Tensor, torch.Tensor]],
    n: int,
    *,
    sampling_rate: float,
    noise_multiplier: float,
    max_grad_norm: float,
    divisor: int,
    device: str,
) -> Callable[[], None]:
    """A function that takes one private step on a Poisson batch of the n records."""
    step = PrivateStep(
        phase,
        noise_multiplier=noise_multiplier,
        max_grad_norm=max_grad_norm,
        divisor=divisor,
        noise=system_torch_rng(device),
    )
    draws, row_noise = system_rng(), system_torch_rng(device)

    def take() -> None:
        chosen = np.flatnonzero(draws.random(n) < sampling_rate)
        step(*batch(chosen), row_noise)

    return take
