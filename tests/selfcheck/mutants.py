"""Our own trainers with one fault each, and correct ones of every kind.

The faults are those of generators and engines in the wild. Each mutant says which part is at fault,
as an alarm must name it. They change the trainer after it was made, so what it promises stays.

Source: Annamalai, Ganev, De Cristofaro 2024 (PATE-GAN audits); Ganev, Annamalai, De Cristofaro 2024
(DPWGAN); Stock et al. 2022 (Backprop Clipping); issues of Opacus, smartnoise, synthcity, dp-cgans.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from genaudit.accounting import noise_multiplier
from genaudit.ledger import Mechanism
from genaudit.training.dp.clipping.module import BookKeepingModule
from genaudit.training.dp.clipping.whole import slope
from genaudit.training.dp.selfcheck.ours import (
    DELTA,
    FamilyTrainer,
    ModuleTrainer,
    OurTrainer,
    logistic,
)
from genaudit.training.dp.selfcheck.protocol import PrivateTrainer
from genaudit.training.dp.step import Streams

WIDTH, N = 10, 240


@dataclass(frozen=True)
class Mutant:
    """A trainer with one fault. part: what an alarm must name. check: which alarm it must be."""

    make: Callable[..., PrivateTrainer]
    part: str
    check: str

    @property
    def name(self) -> str:
        """Of the factory."""
        return self.make.__name__


MUTANTS: list[Mutant] = []


def mutant(part: str, check: str) -> Callable[[Any], Any]:
    """Enter a factory into the list."""

    def enter(make: Any) -> Any:
        MUTANTS.append(Mutant(make, part, check))
        return make

    return enter


def records(n: int = N, *shape: int) -> torch.Tensor:
    """Made-up numbers, the same every time."""
    rng = np.random.default_rng(5)
    return torch.as_tensor(rng.normal(size=(n, *(shape or (WIDTH,)))), dtype=torch.float32)


def mlp(seed: int, width: int = WIDTH) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(width, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(),
                         nn.Linear(24, 1))  # fmt: skip


def plain(seed: int = 0, **options: Any) -> ModuleTrainer:
    """A correct trainer of a small network, which most mutants change."""
    return ModuleTrainer(mlp(seed), records(), **options)


# Clipping


def _clipping(trainer: OurTrainer, kind: type[BookKeepingModule]) -> OurTrainer:
    trainer.stepper.step._watched.__class__ = kind
    return trainer


@mutant("clipping", "clipping.bound")
def no_clipping(seed: int = 0) -> OurTrainer:
    """Noise without a bound on what it hides (dp-cgans 0.3)."""
    trainer = plain(seed)
    trainer.stepper.step._watched.max_grad_norm = float("inf")
    return trainer


def _parted(trainer: OurTrainer) -> OurTrainer:
    """With a bound for the noise that is not the clip's: each can be wrong alone."""
    trainer.stepper.step.optimizer.watched = None
    return trainer


@mutant("clipping", "clipping.bound")
def bound_ignored(seed: int = 0) -> OurTrainer:
    """The engine clips at a bound of its own (Opacus PR #664)."""
    trainer = _parted(plain(seed, max_grad_norm=0.1))
    trainer.stepper.step._watched.max_grad_norm = 1.0
    return trainer


class _Guarded(BookKeepingModule):
    """Clips in a way of its own; units that are not finite are left out as they should be."""

    def summed(self, factors: Any) -> None:
        raise NotImplementedError

    def _clip(self, factors: Any, values: torch.Tensor, cap: int) -> torch.Tensor:
        norms = super()._clip(factors, values, cap)
        self.summed([(p, f.take(torch.isfinite(norms))) for p, f in factors])
        return norms


class _AfterSum(_Guarded):
    def summed(self, factors: Any) -> None:
        for parameter, factor in factors:
            parameter.grad = factor.weighted(torch.ones_like(factor.norms()))
        nn.utils.clip_grad_norm_(self._module.parameters(), self.max_grad_norm)


@mutant("clipping", "clipping.bound")
def clips_the_first_part(seed: int = 0) -> OurTrainer:
    """A batch is summed in parts, and only the first of 32 units is clipped."""
    trainer = _parted(plain(seed))
    step = trainer.stepper.step
    accumulate = step.accumulate

    def in_parts(rows: Any, filled: Any = None) -> None:
        kept: list[Any] = [0.0] * len(step.optimizer.params)
        for part, bound in ((slice(0, 32), 1.0), (slice(32, None), 1e9)):
            step._watched.max_grad_norm = bound
            accumulate(tuple(r[part] for r in rows), None if filled is None else filled[part])
            kept = [k + p.grad for k, p in zip(kept, step.optimizer.params, strict=True)]
        for k, p in zip(kept, step.optimizer.params, strict=True):
            p.grad = k

    step.accumulate = in_parts  # type: ignore[method-assign]
    return trainer


@mutant("clipping", "clipping.bound")
def clip_after_sum(seed: int = 0) -> OurTrainer:
    """The gradient of the batch is clipped, not each unit's."""
    return _clipping(plain(seed), _AfterSum)


class _PerLayer(_Guarded):
    def summed(self, factors: Any) -> None:
        for parameter, factor in factors:
            own = factor.norms()
            parameter.grad = factor.weighted((self.max_grad_norm / own).clamp(max=1.0))


@mutant("clipping", "clipping.bound")
def per_layer_without_root(seed: int = 0) -> OurTrainer:
    """Each parameter is clipped to C and the noise is for one C, not for the root of their sum."""
    return _clipping(plain(seed), _PerLayer)


class _NormOfTheLast(_Guarded):
    def summed(self, factors: Any) -> None:
        last = sum(f.norms() ** 2 for _, f in factors[-2:]) ** 0.5
        for parameter, factor in factors:
            parameter.grad = factor.weighted((self.max_grad_norm / last).clamp(max=1.0))


@mutant("clipping", "clipping.bound")
def norm_of_some_layers(seed: int = 0) -> OurTrainer:
    """A ghost norm that forgets layers."""
    return _clipping(plain(seed), _NormOfTheLast)


@mutant("clipping", "clipping.bound")
def rows_of_a_person_alone(seed: int = 0) -> OurTrainer:
    """A person's rows are clipped one by one (Opacus #366)."""
    trainer = FamilyTrainer("cgan", seed=seed, cap=3)
    trainer.stepper.step.cap = 1
    grads = type(trainer).per_sample_grads

    def summed(units: Any) -> np.ndarray:
        trainer.stepper.step.cap = 3
        try:
            return grads(trainer, units)
        finally:
            trainer.stepper.step.cap = 1

    trainer.per_sample_grads = summed  # type: ignore[method-assign]
    return trainer


@mutant("clipping", "clipping.bound")
def penalty_outside_the_clip(seed: int = 0) -> OurTrainer:
    """A gradient penalty on real rows is added to the clipped sum (Opacus #31)."""
    trainer = plain(seed)
    step = trainer.stepper.step
    accumulate = step.accumulate

    def with_penalty(rows: Any, filled: Any = None) -> None:
        accumulate(rows, filled)
        x = rows[0][rows[0].abs().amax(1) < 1e6].clone().requires_grad_(True)
        if not len(x):
            return
        (at,) = torch.autograd.grad(trainer.phase.private(x).sum(), x, create_graph=True)
        penalty = (at.norm(dim=1) - 1).square().sum() * 10
        parameters = list(trainer.phase.private.parameters())
        for p, g in zip(
            parameters, torch.autograd.grad(penalty, parameters, allow_unused=True), strict=True
        ):
            if g is not None:
                p.grad += g

    step.accumulate = with_penalty  # type: ignore[method-assign]
    return trainer


class _NoGuard(BookKeepingModule):
    def _clip(self, factors: Any, values: torch.Tensor, cap: int) -> torch.Tensor:
        norms = super()._clip(factors, values, cap)
        for parameter, factor in factors:
            parameter.grad = factor.weighted((self.max_grad_norm / (norms + 1e-6)).clamp(max=1.0))
        return norms


@mutant("not finite units", "clipping.not_finite")
def nan_survives(seed: int = 0) -> OurTrainer:
    """A unit that is not finite makes the sum so (Opacus, SmartNoise, dpmm, synthcity)."""
    return _clipping(plain(seed), _NoGuard)


# Modules that mix units


class _Mixing(nn.Module):
    def __init__(self, seed: int, width: int = WIDTH) -> None:
        super().__init__()
        self.net = mlp(seed, width)

    def mixed(self, x: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(self.mixed(x))


class _Normalised(_Mixing):
    def mixed(self, x: torch.Tensor) -> torch.Tensor:
        return (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-2).sqrt()


class _Packed(_Mixing):
    def mixed(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, x.roll(1, 0)], 1)


class _Attending(_Mixing):
    def mixed(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.softmax(x @ x.T / WIDTH**0.5, 1) @ x


class _Spread(_Mixing):
    def mixed(self, x: torch.Tensor) -> torch.Tensor:
        spread = x.std(0, unbiased=False).mean() if len(x) else x.new_zeros(())
        return torch.cat([x, spread.expand(len(x), 1)], 1)


def _unseen(trainer: OurTrainer) -> OurTrainer:
    """Without the module's own look at what mixes: the check has to find it."""
    watched = trainer.stepper.step._watched
    watched.tape._check_apart = lambda *_: {}
    watched._tried = lambda *_, **__: None
    return trainer


@mutant("module", "clipping.influence")
def batch_norm(seed: int = 0) -> OurTrainer:
    """Each unit is normalised by the others, by hand, where no validator sees a layer."""
    return _unseen(ModuleTrainer(_Normalised(seed), records()))


@mutant("module", "clipping.influence")
def packs(seed: int = 0) -> OurTrainer:
    """The network looks at a unit and its neighbour (PacGAN)."""
    return _unseen(ModuleTrainer(_Packed(seed, 2 * WIDTH), records()))


@mutant("module", "clipping.influence")
def attention_across_the_batch(seed: int = 0) -> OurTrainer:
    """Units attend to each other."""
    return _unseen(ModuleTrainer(_Attending(seed), records()))


@mutant("module", "clipping.influence")
def minibatch_deviation(seed: int = 0) -> OurTrainer:
    """The spread of the batch is a feature of each unit."""
    return _unseen(ModuleTrainer(_Spread(seed, WIDTH + 1), records()))


# Noise


def _noised(trainer: OurTrainer, noise: Callable[[int, torch.Tensor], torch.Tensor]) -> OurTrainer:
    """`noise(index of the parameter, its sum)` in the place of Opacus's own."""
    optimizer = trainer.stepper.step.optimizer

    def add_noise() -> None:
        for i, p in enumerate(optimizer.params):
            p.grad = p.summed_grad + noise(i, p.summed_grad)

    optimizer.add_noise = add_noise
    return trainer


#: The operating system's entropy, as no fault but one is about seeds.
FRESH = torch.Generator()
FRESH.seed()


def _normal(trainer: OurTrainer, like: torch.Tensor) -> torch.Tensor:
    """The noise as it should be."""
    return torch.randn(like.shape, generator=FRESH) * _deviation(trainer)


def _deviation(trainer: OurTrainer) -> float:
    optimizer = trainer.stepper.step.optimizer
    return float(optimizer.noise_multiplier * optimizer.max_grad_norm)


@mutant("noise", "noise.scale")
def no_noise(seed: int = 0) -> OurTrainer:
    trainer = plain(seed)
    return _noised(trainer, lambda _, p: torch.zeros_like(p))


@mutant("noise", "noise.scale")
def half_the_noise(seed: int = 0) -> OurTrainer:
    trainer = plain(seed)
    trainer.stepper.step.optimizer.noise_multiplier *= 0.5
    return trainer


@mutant("noise", "noise.scale")
def a_tenth_less_noise(seed: int = 0) -> OurTrainer:
    trainer = plain(seed)
    trainer.stepper.step.optimizer.noise_multiplier *= 0.9
    return trainer


@mutant("noise", "noise.scale")
def noise_on_the_average(seed: int = 0) -> OurTrainer:
    """Noise for a sum is divided once more (tf-privacy #153)."""
    trainer = plain(seed)
    trainer.stepper.step.optimizer.noise_multiplier /= trainer.promise.divisor
    return trainer


@mutant("noise", "noise.scale")
def variance_for_deviation(seed: int = 0) -> OurTrainer:
    """Root of the deviation, as if it were a variance (smartnoise-core #316)."""
    trainer = plain(seed)
    trainer.stepper.step.optimizer.noise_multiplier **= 0.5
    return trainer


@mutant("noise", "noise.scale")
def noise_on_the_last_layer(seed: int = 0) -> OurTrainer:
    trainer = plain(seed)
    last = len(trainer.stepper.step.optimizer.params) - 2
    return _noised(
        trainer,
        lambda i, p: _normal(trainer, p) if i >= last else torch.zeros_like(p),
    )


@mutant("noise", "noise.scale")
def every_second_step_without(seed: int = 0) -> OurTrainer:
    """Gradients are accumulated, and one of two steps has no noise."""
    trainer = plain(seed)
    steps = [0]

    def noise(i: int, p: torch.Tensor) -> torch.Tensor:
        steps[0] += i == 0
        return _normal(trainer, p) * (steps[0] % 2)

    return _noised(trainer, noise)


@mutant("noise", "noise.independence")
def frozen_noise(seed: int = 0) -> OurTrainer:
    """The stream is seeded anew at every step, by the operating system once."""
    trainer = plain(seed)
    start = torch.Generator().seed()
    streams: dict[str, torch.Generator] = {}

    def noise(i: int, p: torch.Tensor) -> torch.Tensor:
        if i == 0:
            streams["now"] = torch.Generator().manual_seed(start)
        return torch.randn(p.shape, generator=streams["now"]) * _deviation(trainer)

    return _noised(trainer, noise)


@mutant("noise", "noise.independence")
def noise_of_an_epoch(seed: int = 0) -> OurTrainer:
    """Noise is drawn for an epoch, and used again in the next."""
    trainer = plain(seed)
    drawn: dict[tuple[int, int], torch.Tensor] = {}
    steps = [0]

    def noise(i: int, p: torch.Tensor) -> torch.Tensor:
        steps[0] += i == 0
        key = (steps[0] % 5, i)
        if key not in drawn:
            drawn[key] = _normal(trainer, p)
        return drawn[key]

    return _noised(trainer, noise)


@mutant("noise", "noise.independence")
def one_number_for_all(seed: int = 0) -> OurTrainer:
    """A scalar of noise is broadcast (dp-cgans 0.3: a lambda that binds the last bias)."""
    trainer = plain(seed)
    return _noised(trainer, lambda _, p: _normal(trainer, p[:1].sum()).expand(p.shape))


@mutant("noise", "noise.independence")
def same_noise_for_every_layer(seed: int = 0) -> OurTrainer:
    """The stream is rewound for each parameter."""
    trainer = plain(seed)
    start = [0]

    def noise(i: int, p: torch.Tensor) -> torch.Tensor:
        if i == 0:
            start[0] = torch.Generator().seed()
        stream = torch.Generator().manual_seed(start[0])
        return torch.randn(p.shape, generator=stream) * _deviation(trainer)

    return _noised(trainer, noise)


@mutant("noise", "noise.shape")
def laplace_noise(seed: int = 0) -> OurTrainer:
    """Laplace noise of the same deviation, accounted for as Gaussian."""
    trainer = plain(seed)

    def noise(_: int, p: torch.Tensor) -> torch.Tensor:
        # The difference of two exponentials; each has the deviation 1.
        two = torch.empty(2, *p.shape).exponential_(generator=FRESH)
        return (two[0] - two[1]) / 2**0.5 * _deviation(trainer)

    return _noised(trainer, noise)


@mutant("noise", "noise.shape")
def truncated_noise(seed: int = 0) -> OurTrainer:
    """Numbers beyond three deviations are cut off, as outliers: the tails are what δ counts."""
    trainer = plain(seed)
    most = 3 * _deviation(trainer)
    return _noised(trainer, lambda _, p: _normal(trainer, p).clamp(-most, most))


@mutant("noise", "noise.mean")
def shifted_noise(seed: int = 0) -> OurTrainer:
    trainer = plain(seed)
    return _noised(trainer, lambda _, p: _normal(trainer, p) + 0.1 * _deviation(trainer))


@mutant("empty batches", "noise.empty_batch")
def empty_batch_without_noise(seed: int = 0) -> OurTrainer:
    """An empty batch is seen by what does not happen (old Opacus #161; its DPDDP)."""
    trainer = plain(seed)
    accumulate, size = trainer.stepper.step.accumulate, [0]

    def counting(rows: Any, filled: Any = None) -> None:
        size[0] = len(rows[0])
        accumulate(rows, filled)

    trainer.stepper.step.accumulate = counting  # type: ignore[method-assign]
    return _noised(trainer, lambda _, p: _normal(trainer, p) * bool(size[0]))


def _by_batch(trainer: OurTrainer, factor: Callable[[torch.Tensor], float]) -> OurTrainer:
    """Noise that is multiplied by something of the batch."""
    accumulate, now = trainer.stepper.step.accumulate, [1.0]

    def looking(rows: Any, filled: Any = None) -> None:
        now[0] = factor(rows[0])
        accumulate(rows, filled)

    trainer.stepper.step.accumulate = looking  # type: ignore[method-assign]
    return _noised(trainer, lambda _, p: _normal(trainer, p) * now[0])


@mutant("noise", "noise.scale")
def large_batches_without_noise(seed: int = 0) -> OurTrainer:
    """Beyond what fits at once another path is taken, which forgets the noise (Opacus PR #707)."""
    return _by_batch(plain(seed, epsilon=0.5), lambda x: float(len(x) <= 26))


@mutant("noise", "noise.scale")
def less_noise_in_large_batches(seed: int = 0) -> OurTrainer:
    """Noise is a tenth where there are more than 40 units."""
    return _by_batch(plain(seed), lambda x: 0.1 if len(x) > 40 else 1.0)


@mutant("whole training", "canary")
def batches_with_outliers_without_noise(seed: int = 0) -> OurTrainer:
    """Numbers out of range are mended in another path, which forgets the noise."""
    return _by_batch(plain(seed, epsilon=0.5), lambda x: float(not (x.abs() > 8).any()))


@mutant("empty batches", "noise.empty_batch")
def empty_batch_raises(seed: int = 0) -> OurTrainer:
    """A loss that is an average over the batch, of which there may be none."""
    trainer = plain(seed)
    accumulate = trainer.stepper.step.accumulate

    def refusing(rows: Any, filled: Any = None) -> None:
        if not len(rows[0]):
            raise ZeroDivisionError("division by zero")
        accumulate(rows, filled)

    trainer.stepper.step.accumulate = refusing  # type: ignore[method-assign]
    return trainer


@mutant("divisor", "step.divisor")
def divided_by_the_batch(seed: int = 0) -> OurTrainer:
    """The divisor is the number of units that were drawn (smartnoise-core #355)."""
    trainer = plain(seed)
    optimizer = trainer.stepper.step.optimizer
    accumulate = trainer.stepper.step.accumulate

    def counting(rows: Any, filled: Any = None) -> None:
        optimizer.expected_batch_size = max(1, len(rows[0]))
        accumulate(rows, filled)

    trainer.stepper.step.accumulate = counting  # type: ignore[method-assign]
    return trainer


# Steps of the training, unlike those on units that are given


@mutant("training steps", "step.training")
def noise_stops_late(seed: int = 0) -> OurTrainer:
    """A schedule of the noise ends at half of the steps."""
    trainer = plain(seed)
    return _noised(trainer, lambda _, p: _normal(trainer, p) * (trainer._done <= 20))


@mutant("training steps", "step.training")
def noise_decays(seed: int = 0) -> OurTrainer:
    """Noise is halved over the training, and charged as if it were not."""
    trainer = plain(seed)
    return _noised(trainer, lambda _, p: _normal(trainer, p) * (1 - trainer._done / 80))


@mutant("training steps", "step.training")
def trains_on_others(seed: int = 0) -> OurTrainer:
    """A batch is drawn, and another one trained on."""
    trainer = plain(seed)
    take = trainer.stepper.take

    def another(chosen: np.ndarray) -> None:
        take(np.random.default_rng().permutation(chosen))

    object.__setattr__(trainer.stepper, "take", another)
    return trainer


@mutant("training steps", "step.training")
def training_without_clipping(seed: int = 0) -> OurTrainer:
    """The bound is on where the engine is asked for a sum, and off where it trains."""
    trainer = _parted(plain(seed, max_grad_norm=0.1))
    watched, take = trainer.stepper.step._watched, trainer.stepper.take

    def unbounded(chosen: np.ndarray) -> None:
        bound, watched.max_grad_norm = watched.max_grad_norm, float("inf")
        take(chosen)
        watched.max_grad_norm = bound

    object.__setattr__(trainer.stepper, "take", unbounded)
    return trainer


# Draws


def _drawing(trainer: OurTrainer, draws: Iterator[np.ndarray]) -> OurTrainer:
    trainer.draw = lambda: next(draws)  # type: ignore[method-assign]
    return trainer


@mutant("sampler", "sampler.poisson")
def shuffled(seed: int = 0) -> OurTrainer:
    """Batches of a shuffled epoch, accounted for as Poisson (synthcity, smartnoise DPGAN)."""

    def draws() -> Iterator[np.ndarray]:
        while True:
            yield from np.array_split(np.random.default_rng().permutation(N), 5)

    return _drawing(plain(seed), draws())


@mutant("sampler", "sampler.poisson")
def with_replacement(seed: int = 0) -> OurTrainer:
    def draws() -> Iterator[np.ndarray]:
        while True:
            yield np.random.default_rng().integers(0, N, N // 5)

    return _drawing(plain(seed), draws())


@mutant("sampler", "sampler.poisson")
def fixed_size(seed: int = 0) -> OurTrainer:
    """A batch of exactly so many, without replacement."""

    def draws() -> Iterator[np.ndarray]:
        while True:
            yield np.random.default_rng().permutation(N)[: N // 5]

    return _drawing(plain(seed), draws())


@mutant("sampler", "sampler.poisson")
def blocks(seed: int = 0) -> OurTrainer:
    """Coins are tossed for runs of four neighbours."""

    def draws() -> Iterator[np.ndarray]:
        while True:
            coins = np.random.default_rng().random(N // 4) < 0.2
            yield np.flatnonzero(np.repeat(coins, 4))

    return _drawing(plain(seed), draws())


@mutant("sampler", "sampler.rate")
def wrong_rate(seed: int = 0) -> OurTrainer:
    """The rate of the accountant is that of another loader (Opacus #600, #813)."""
    trainer = plain(seed)
    honest = trainer.stepper
    trainer.stepper = replace(honest, sampling_rate=1.25 * honest.sampling_rate)
    return trainer


@mutant("sampler", "sampler.equal")
def rare_levels_more_often(seed: int = 0) -> OurTrainer:
    """Training by sampling: units of rare levels are drawn more often (DPCTGAN)."""
    chance = np.where(np.arange(N) % 8 == 0, 0.6, 0.2 - 0.4 / 7)

    def draws() -> Iterator[np.ndarray]:
        while True:
            yield np.flatnonzero(np.random.default_rng().random(N) < chance)

    return _drawing(plain(seed), draws())


@mutant("streams", "streams.draws")
def seeded_draws(seed: int = 0) -> OurTrainer:
    honest, known = Streams.of("cpu"), Streams.of("cpu", seed=seed)
    return plain(seed, streams=replace(honest, draws=known.draws))


@mutant("streams", "streams.noise")
def seeded_noise(seed: int = 0) -> OurTrainer:
    honest, known = Streams.of("cpu"), Streams.of("cpu", seed=seed)
    return plain(seed, streams=replace(honest, noise=known.noise))


@mutant("streams", "streams.noise")
def noise_of_the_global_seed(seed: int = 0) -> OurTrainer:
    """Noise from torch's global stream, which a script seeds for its weights."""
    trainer = plain(seed)
    return _noised(trainer, lambda _, p: torch.randn(p.shape) * _deviation(trainer))


# Charges and claims


@mutant("charges", "accounting.charged")
def critic_steps_uncharged(seed: int = 0) -> OurTrainer:
    """Several steps of the critic are charged as one (synthcity)."""
    trainer = plain(seed)
    step = type(trainer).step

    def five(units: Any = None) -> np.ndarray:
        if units is None:
            for _ in range(4):
                trainer._take(trainer.stepper.take)
        return step(trainer, units)

    trainer.step = five  # type: ignore[method-assign]
    return trainer


@mutant("charges", "accounting.charged")
def empty_batches_uncharged(seed: int = 0) -> OurTrainer:
    """A step without units is not charged, though that it was one is private."""
    trainer = ModuleTrainer(mlp(seed), records(60), sampling_rate=0.02)
    charge = trainer._before
    trainer._before = lambda _: None
    take = trainer.stepper.take

    def charging(chosen: np.ndarray) -> None:
        if chosen.any():
            charge(0)
        take(chosen)

    object.__setattr__(trainer.stepper, "take", charging)
    return trainer


@mutant("charges", "accounting.charged")
def charged_by_the_epoch(seed: int = 0) -> OurTrainer:
    """The budget is looked at when an epoch is over (smartnoise DPCTGAN)."""
    trainer = plain(seed)
    charge = trainer._before
    trainer._before = lambda step: [charge(i) for i in range(5)] if step % 5 == 4 else None
    return trainer


@mutant("charges", "accounting.charged")
def resumed_accountant_forgets(seed: int = 0) -> OurTrainer:
    """A checkpoint brings back an accountant of earlier (Opacus)."""
    trainer = plain(seed)
    charge = trainer._before

    def before(step: int) -> None:
        if step == 20:
            del trainer._paid[10:]
        charge(step)

    trainer._before = before
    return trainer


@mutant("charges", "accounting.charged")
def goes_on_beyond_the_budget(seed: int = 0) -> OurTrainer:
    """The check comes after the step that was one too many (DPWGAN)."""
    trainer = plain(seed)
    charge = trainer._before
    trainer._before = lambda step: charge(step) if step < trainer.promise.steps else None
    return trainer


@mutant("charges", "accounting.charged")
def charged_at_half_the_rate(seed: int = 0) -> OurTrainer:
    """The rate is that of a larger data set."""
    trainer = plain(seed)
    charged = trainer._charged
    trainer._charged = lambda: [
        m.model_copy(update={"sampling_rate": m.sampling_rate / 2}) for m in charged()
    ]
    return trainer


@mutant("claim", "accounting.claim")
def noise_for_fewer_steps(seed: int = 0) -> OurTrainer:
    """Noise was solved for a quarter of the steps that are taken."""
    trainer = plain(seed)
    sigma = noise_multiplier(1.0, DELTA, sampling_rate=0.2, steps=10)
    trainer.stepper.step.optimizer.noise_multiplier = sigma
    trainer.promise = replace(trainer.promise, noise_multiplier=sigma)
    return trainer


@mutant("claim", "accounting.claim")
def preprocessing_beside_the_budget(seed: int = 0) -> OurTrainer:
    """A histogram spends ε that the claim leaves out (smartnoise #569)."""
    trainer = plain(seed)
    charged = trainer._charged
    trainer._charged = lambda: [Mechanism(name="pure", epsilon=0.2), *charged()]
    return trainer


@mutant("accountant", "accounting.accountants")
def accountant_without_its_log(seed: int = 0) -> OurTrainer:
    """Its own accountant leaves out log(1/δ) (smartnoise #621, synthcity #276)."""
    trainer = plain(seed)
    trainer.epsilon = lambda _: 0.3  # type: ignore[attr-defined]
    return trainer


# What is released


@mutant("generator", "release.handle")
def feature_matching(seed: int = 0) -> OurTrainer:
    """The generator is pulled to features of the last real batch, with no noise on them."""
    trainer = FamilyTrainer("gan", seed=seed)
    phase, last = trainer.phase, {}
    rows = phase.rows

    def kept(given: torch.Tensor, conditions: torch.Tensor, rng: torch.Generator) -> Any:
        last["real"] = given
        return rows(given, conditions, rng)

    def public_step() -> Any:
        _ = phase.private(last["real"]).mean(0) if len(last["real"]) else 0.0
        return phase.public_step()

    trainer.phase = replace(phase, rows=kept, public_step=public_step)
    trainer.stepper.step.phase = trainer.phase
    return trainer


@mutant("generator", "release.handle")
def real_rows_as_reference(seed: int = 0) -> OurTrainer:
    """The family keeps the records as what its made ones are compared with."""
    trainer = FamilyTrainer("vae", seed=seed)
    trainer.phase.public_step.__self__.reference_rows = trainer.records
    return trainer


class _Leaky(FamilyTrainer):
    """Writes more than it should beside the model."""

    def save(self, folder: Path) -> None:
        super().save(folder)
        self.add(folder)

    def add(self, folder: Path) -> None:
        raise NotImplementedError


class _KeepsRows(_Leaky):
    def add(self, folder: Path) -> None:
        self.rows().head(40).to_csv(folder / "sampler.csv", index=False)


class _KeepsCodes(_Leaky):
    def add(self, folder: Path) -> None:
        np.savez_compressed(folder / "state.npz", x=self.records.numpy())

    rows = None  # type: ignore[assignment]


class _KeepsBounds(_Leaky):
    def add(self, folder: Path) -> None:
        amount = self.data.frame["amount"]
        bounds = {"amount": [float(amount.min()), float(amount.max())]}
        (folder / "bounds.json").write_text(json.dumps(bounds))


@mutant("bundle", "release.bundle")
def sampler_with_rows(seed: int = 0) -> OurTrainer:
    """The model's folder has the table that conditions are drawn from (CTGAN's sampler)."""
    return _KeepsRows("gan", seed=seed)


@mutant("bundle", "release.bundle")
def packed_codes(seed: int = 0) -> OurTrainer:
    """Encoded records in a packed array."""
    return _KeepsCodes("gan", seed=seed)


@mutant("bundle", "release.bundle")
def bounds_of_the_data(seed: int = 0) -> OurTrainer:
    """The smallest and the largest value, as they are (synthcity #278)."""
    return _KeepsBounds("gan", seed=seed)


# Correct trainers


class _Conv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2), nn.GroupNorm(2, 4), nn.LeakyReLU(0.2),
            nn.Conv2d(4, 6, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(6, 1),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


class _Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru, self.out = nn.GRU(3, 8, batch_first=True), nn.Linear(8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.gru(x)[0][:, -1])


class _Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.norm, self.out = nn.Embedding(30, 6), nn.LayerNorm(6), nn.Linear(6, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.norm(self.words(x).mean(1)))


def _penalised(module: nn.Module, x: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    norms = slope(lambda rows: module(rows).squeeze(1), x).flatten(1)
    return logistic(module, x, targets) + (norms.square().sum(1) + 1e-9).sqrt()


def _seeded(seed: int, make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(seed)
    return make()


def _charged_as_gaussian(seed: int = 0) -> OurTrainer:
    """All units in every step, and the plain name for it in the events."""
    trainer = plain(seed, sampling_rate=1.0)
    charged = trainer._charged
    trainer._charged = lambda: [
        m.model_copy(update={"name": "gaussian", "sampling_rate": None}) for m in charged()
    ]
    return trainer


CORRECT: dict[str, Callable[..., PrivateTrainer]] = {
    "gan": lambda seed=0: FamilyTrainer("gan", seed=seed),
    "cgan": lambda seed=0: FamilyTrainer("cgan", seed=seed, noise="hardened"),
    "vae": lambda seed=0: FamilyTrainer("vae", seed=seed),
    "persons": lambda seed=0: FamilyTrainer("cgan", seed=seed, cap=3),
    "network": plain,
    "hardened": lambda seed=0: plain(seed, hardened=True),
    "small bound": lambda seed=0: plain(seed, max_grad_norm=0.01),
    "large bound": lambda seed=0: plain(seed, max_grad_norm=50.0, epsilon=2.0),
    "empty batches": lambda seed=0: ModuleTrainer(
        mlp(seed), records(200), sampling_rate=0.005, steps=60
    ),
    "convolution": lambda seed=0: ModuleTrainer(_seeded(seed, _Conv), records(N, 1, 8, 8)),
    "recurrent": lambda seed=0: ModuleTrainer(_seeded(seed, _Recurrent), records(N, 5, 3)),
    "embedding": lambda seed=0: ModuleTrainer(
        _seeded(seed, _Words), (records(N, 6).abs() * 10).long().clamp(max=29)
    ),
    "one parameter": lambda seed=0: ModuleTrainer(
        _seeded(seed, lambda: nn.Linear(1, 1, bias=False)), records(N, 1)
    ),
    "full batch": _charged_as_gaussian,
    "slope penalty": lambda seed=0: plain(seed, losses=_penalised),
}
