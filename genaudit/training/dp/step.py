"""One private step: clip each row's gradient, sum, add noise, divide by a public constant.

Clipping is book-keeping (`clipping`) inside Opacus's engine, optimizer and validator (`engine`).
Poisson batches and noise come from streams that the operating system seeds and that are never
stored.

Source: Abadi et al. 2016 (DP-SGD); Bu et al. 2023 (book-keeping); Bie, Kamath, Zhang 2023 (made
rows are clipped like real ones).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from genaudit.errors import DivergenceError
from genaudit.models.base import Phase, Rows
from genaudit.training.dp.clipping.module import Losses
from genaudit.training.dp.engine import BookKeepingEngine
from genaudit.training.dp.unit import Units
from genaudit.training.world import ALONE, World

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
    and is divided by `divisor`, which must not depend on the records. Each `cap` rows in a row are
    one unit, clipped together; made rows too, whose number is a multiple of it. Each process of
    several brings its own records; the leader brings the made rows and the noise.
    """

    def __init__(
        self,
        phase: Phase,
        *,
        noise_multiplier: float,
        max_grad_norm: float,
        divisor: int,
        noise: torch.Generator,
        hardened: bool = False,
        cap: int = 1,
        world: World = ALONE,
    ) -> None:
        self.phase, self.cap, self.world = phase, cap, world
        self._watched, self.optimizer = BookKeepingEngine().prepare(
            phase.private, phase.optimizer, noise_multiplier=noise_multiplier,
            max_grad_norm=max_grad_norm, divisor=divisor, noise=noise,
            hardened=hardened, world=world,
        )  # fmt: skip

    def __call__(
        self,
        records: torch.Tensor,
        conditions: torch.Tensor,
        rng: torch.Generator,
        filled: torch.Tensor | None = None,
    ) -> None:
        """One step on a Poisson batch, which may be empty.

        Args:
            records: Shape (units * cap, ...).
            conditions: Of the records.
            rng: Noise that belongs to a record.
            filled: Which places of units hold a record, shape (units * cap,); None = all.

        Raises:
            DivergenceError: the weights that learn from records are no longer finite.
        """
        rows = self.phase.rows(records, conditions, rng)
        assert len(rows[0]) == len(records) + self.phase.n_extra, "their number is public"
        if not self.world.leads:
            rows = tuple(r[: len(records)] for r in rows)
        self.accumulate(rows, filled)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        # Weights are already private, so looking at them tells nothing more of the records.
        if not all(bool(torch.isfinite(p).all()) for p in self.phase.private.parameters()):
            raise DivergenceError(
                "Private training has diverged: weights are no longer finite. Lower "
                "private_learning_rate; what was charged stays charged."
            )

    def accumulate(self, rows: Rows, filled: torch.Tensor | None = None) -> None:
        """Leave the sum of clipped gradients in `p.grad`; what is not finite is left out."""
        self._watched.clipped_sum(*self._weighted(rows, filled), cap=self.cap)

    def per_sample_grads(self, rows: Rows, filled: torch.Tensor | None = None) -> torch.Tensor:
        """The gradients that `accumulate` would clip, one for each unit, shape (units, parameters).

        For examination: it holds all of them at once, which a step never does.
        """
        return self._watched.per_sample_grads(*self._weighted(rows, filled), cap=self.cap)

    def _weighted(self, rows: Rows, filled: torch.Tensor | None) -> tuple[Losses, Rows]:
        """Losses and their rows; an empty place has the loss 0."""
        if filled is None or bool(filled.all()):
            return self.phase.losses, rows
        weights = torch.ones(len(rows[0]), device=filled.device)
        weights[: len(filled)] = filled.to(weights.dtype)

        def losses(*given: torch.Tensor) -> torch.Tensor:
            return self.phase.losses(*given[:-1]) * given[-1]

        return losses, (*rows, weights)

    def close(self) -> None:
        """Take the hooks off the module."""
        self._watched.cleanup()


@dataclass(frozen=True, eq=False)
class Streams:
    """Where chance comes from: which units are drawn, noise of a record, noise of the mechanism.

    starts: digests of where each of them started: equal ones would repeat each other.
    """

    draws: np.random.Generator
    rows: torch.Generator
    noise: torch.Generator
    hardened: bool = False
    starts: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        starts = tuple(hashlib.sha256(state).digest() for state in self._states())
        object.__setattr__(self, "starts", starts)

    @classmethod
    def of(
        cls, device: str, *, hardened: bool = False, seed: int | tuple[int, ...] | None = None
    ) -> Streams:
        """Three streams of the operating system's entropy; repeatable with a seed (experiments)."""
        if seed is None:
            noise = system_torch_rng(device)
            return cls(system_rng(), system_torch_rng(device), noise, hardened)
        draws = np.random.default_rng([*(seed if isinstance(seed, tuple) else (seed,)), 0xD9])
        rows, noise = (
            torch.Generator(device).manual_seed(int(s)) for s in draws.integers(0, 2**62, 2)
        )
        return cls(draws, rows, noise, hardened)

    def _states(self) -> Iterator[bytes]:
        """Where the streams stand: secret."""
        yield repr(self.draws.bit_generator.state).encode()
        yield self.rows.get_state().numpy().tobytes()
        yield self.noise.get_state().numpy().tobytes()


@dataclass(frozen=True, eq=False)
class Stepper:
    """Takes private steps on Poisson batches of the units, one at each call.

    batch: positions of rows -> records and conditions.
    """

    step: PrivateStep
    batch: Callable[[np.ndarray], tuple[torch.Tensor, torch.Tensor]]
    units: Units
    sampling_rate: float
    streams: Streams

    def __call__(self) -> None:
        """One step on a batch of its own drawing."""
        self.take(self.draw())

    def draw(self) -> np.ndarray:
        """Which units are in a batch, boolean, shape (units,): each by a coin of its own."""
        return self.streams.draws.random(len(self.units)) < self.sampling_rate

    def close(self) -> None:
        """Let go of the module, which is then like any other."""
        self.step.close()

    def take(self, chosen: np.ndarray) -> None:
        """One step on the units that were drawn."""
        filled = torch.as_tensor(self.units.filled[chosen].ravel(), device=self.streams.rows.device)
        self.step(*self.batch(self.units.rows[chosen].ravel()), self.streams.rows, filled)


def stepper(
    phase: Phase,
    batch: Callable[[np.ndarray], tuple[torch.Tensor, torch.Tensor]],
    units: Units,
    *,
    sampling_rate: float,
    noise_multiplier: float,
    max_grad_norm: float,
    divisor: int,
    streams: Streams,
    world: World = ALONE,
) -> Stepper:
    """What takes private steps of a phase on Poisson batches of the units."""
    step = PrivateStep(
        phase,
        noise_multiplier=noise_multiplier,
        max_grad_norm=max_grad_norm,
        divisor=divisor,
        noise=streams.noise,
        hardened=streams.hardened,
        cap=units.cap,
        world=world,
    )
    return Stepper(step, batch, units, sampling_rate, streams)
