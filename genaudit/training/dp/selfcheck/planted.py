"""Canaries in one whole training of our own: each an axis of its own, its coin on record.

A parameter is put beside the model's, with one number for each canary. The gradient of a canary
lies along its number alone, and is steeper than the bound, so the step's own clipping makes its
norm the bound. The step is the one of every training: it draws, clips, sums and adds noise.
The attacker sees all noisy gradients, and guesses every coin.

Source: Nasr et al. 2023 (gradient canaries); Steinke, Nasr, Jagielski 2023 (one run); Keinan,
Shenfeld, Ligett 2025 (canaries along axes of their own do not interfere).
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from genaudit.accounting import epsilon
from genaudit.errors import OptionError
from genaudit.ledger import Mechanism
from genaudit.models.base import Phase, Rows
from genaudit.models.threads import one_thread
from genaudit.result import Message, message
from genaudit.stats.epsilon import one_run_bound
from genaudit.stats.modelled import gaussian_epsilon, gaussian_shift
from genaudit.stats.sampled import Watched, noise_bound, step_scores
from genaudit.training.dp.selfcheck.bench import ALPHA
from genaudit.training.dp.selfcheck.examine import Progress
from genaudit.training.dp.selfcheck.ours import FamilyTrainer, OurTrainer, made_up
from genaudit.training.dp.selfcheck.outcome import Outcome, SelfcheckReport, Status

#: How much steeper than the bound a canary is.
STEEP = 10.0

#: Ordinary units beside them.
_ORDINARY = 500

#: What is examined at the command line: claims at δ, and steps of each training.
_CLAIMS, _DELTA, _STEPS = (1.0, 4.0), 1e-6, 200

#: Fewest canaries there.
FEWEST = 200

#: Part of ε for the marginals, which show no canary.
_MARGINALS = 0.05


class Axes(nn.Module):
    """A module with one more number for each canary; the first is nobody's."""

    def __init__(self, inner: nn.Module, n: int) -> None:
        super().__init__()
        self.numbers = nn.Embedding(n + 1, 1)
        self.inner = inner
        nn.init.zeros_(self.numbers.weight)


@dataclass(frozen=True, eq=False)
class Plant:
    """Canaries to be planted: the last units of a training, as many as there are members.

    members: what each coin decided, boolean, shape (m,). steep: norm of a canary's gradient before
    it is clipped.
    """

    members: np.ndarray
    steep: float

    @classmethod
    def tossed(cls, m: int, bound: float, rng: np.random.Generator) -> Plant:
        """So many canaries, each a member by its own fair coin, under a bound on gradients."""
        return cls(rng.random(m) < 0.5, STEEP * bound)

    def __call__(self, phase: Phase, conditions: torch.Tensor) -> tuple[Phase, torch.Tensor]:
        """The phase with canaries, and the conditions, whose last column says who is one."""
        axes = Axes(phase.private, len(self.members))
        # Whatever weight it has, its gradient is the same: it stays where it is.
        phase.optimizer.add_param_group({"params": [*axes.numbers.parameters()], "lr": 0.0})
        included = torch.as_tensor(1 + np.flatnonzero(self.members))
        marks = torch.zeros(len(conditions), 1, dtype=conditions.dtype)
        marks[len(marks) - len(included) :, 0] = included.to(marks.dtype)
        rows, losses = self._rows(phase), self._losses(phase, axes)
        planted = replace(phase, private=axes, rows=rows, losses=losses, penalty=None)
        return planted, torch.cat([conditions, marks], dim=1)

    def _rows(self, phase: Phase) -> Callable[..., Rows]:
        def rows(records: torch.Tensor, conditions: torch.Tensor, rng: torch.Generator) -> Rows:
            found = phase.rows(records, conditions[:, :-1], rng)
            marks = torch.zeros(len(found[0]), dtype=torch.long)
            marks[: len(records)] = conditions[:, -1].long()
            return (*found, marks)

        return rows

    def _losses(self, phase: Phase, axes: Axes) -> Callable[..., torch.Tensor]:
        def losses(*rows: torch.Tensor) -> torch.Tensor:
            canary = (rows[-1] > 0).float()
            along = self.steep * axes.numbers(rows[-1]).squeeze(1)
            return (1 - canary) * phase.losses(*rows[:-1]) + canary * along

        return losses


@dataclass(frozen=True)
class Bounds:
    """What one training shows of its ε, beside what it claims; each bound has a level of its own.

    n: canaries. claimed: ε of the training's steps at delta. free: supposes nothing but the coins;
    ceiling: the largest that it could be. gaussian: if the whole is a Gaussian mechanism, from
    guesses about all coins. sampled: if each step is a Poisson-sampled Gaussian, by the accountant.
    """

    n: int
    claimed: float
    free: float
    ceiling: float
    gaussian: float
    sampled: float


def trainer(
    family: str = "vae", *, canaries: int, seed: int = 0, rng: np.random.Generator | None = None,
    ordinary: int = _ORDINARY, sampling_rate: float = 0.2, **fields: Any,
) -> tuple[OurTrainer, Plant]:  # fmt: skip
    """A private training of a family with canaries among its units, and who they are.

    Args:
        family: Of generators.
        canaries: How many, half of them by chance in the training.
        seed: Initial weights and made records, never noise or draws.
        rng: The coins; the operating system's by default.
        ordinary: Units that are none.
        sampling_rate: Chance of each unit to be in a batch.
        fields: Of the recipe: epsilon, delta, steps, ...
    """
    settled = {"max_grad_norm": 1.0, "marginal_fraction": _MARGINALS, **fields}
    plant = Plant.tossed(canaries, settled["max_grad_norm"], rng or np.random.default_rng())
    n = ordinary + int(plant.members.sum())
    made = FamilyTrainer(
        family, seed=seed, data=made_up(n), planted=plant,
        **{"batch_size": round(sampling_rate * n), **settled},
    )  # fmt: skip
    return made, plant


def bounds(trained: OurTrainer, plant: Plant, *, delta: float, alpha: float = 0.05) -> Bounds:
    """What one whole training shows of its ε: it is taken from its first step to its last.

    Args:
        trained: Of `trainer`, before its first step.
        plant: Its canaries.
        delta: At which ε is told; for the bound that supposes nothing, far below alpha / canaries.
        alpha: Chance of each bound to be above the true ε.
    """
    with one_thread():
        watched = watch(trained, plant)
    return told(watched, delta=delta, alpha=alpha)


def watch(trained: OurTrainer, plant: Plant) -> Watched:
    """Take all steps, and add up what each shows of each canary."""
    promise, members = trained.promise, plant.members
    noise, rate, steps = promise.noise_multiplier, promise.sampling_rate, promise.steps
    assert noise is not None
    assert rate is not None
    assert steps is not None
    assert promise.divisor is not None
    assert promise.max_grad_norm is not None
    scores, squares = np.zeros(len(members)), 0.0
    for _ in range(steps):
        sums = trained.step()[1 : len(members) + 1] * promise.divisor
        seen = sums / promise.max_grad_norm
        scores += step_scores(seen, noise, rate)
        squares += float(np.square(seen[~members]).sum())
    n = steps * int((~members).sum())
    return Watched(scores, members, squares / n, n, noise, rate, steps)


def told(watched: Watched, *, delta: float, alpha: float) -> Bounds:
    """What was seen as bounds on ε."""
    n = len(watched.members)

    def of(noise: float) -> float:
        if math.isinf(noise):
            return 0.0
        step = Mechanism(name="poisson_gaussian", noise_multiplier=noise,
                         sampling_rate=watched.rate, steps=watched.steps)  # fmt: skip
        return epsilon([step], delta)

    # Half of the canaries are called members, by their order alone: no coin is looked at.
    called = watched.scores > np.median(watched.scores)
    right = int((called == watched.members).sum())
    free, ceiling = one_run_bound(watched.scores, watched.members, delta, alpha)
    return Bounds(
        n, of(watched.noise), free, ceiling,
        gaussian_epsilon(gaussian_shift(n, right, alpha), delta),
        of(noise_bound(watched, alpha)),
    )  # fmt: skip


def examined(canaries: int, *, seed: int = 0, progress: Progress | None = None) -> SelfcheckReport:
    """What canaries show of whole trainings of our own, beside what these claim.

    An alarm has the level 1e-4, and must come twice; the bounds that are printed have 95%.

    Raises:
        OptionError: there are too few canaries to tell anything.
    """
    if canaries < FEWEST:
        raise OptionError(
            f"Expected at least {FEWEST} canaries, got {canaries}: fewer tell nothing; 40000 show "
            "nearly all of ε."
        )
    rng, outcomes = np.random.default_rng(secrets.randbits(128)), []
    for i, claim in enumerate(_CLAIMS):
        if progress is not None:
            progress(f"vae: canary at ε = {claim:g}", i, len(_CLAIMS))
        outcomes.append(_outcome(claim, canaries, seed, rng))
    return SelfcheckReport(trainer="vae with canaries", outcomes=tuple(outcomes))


def _outcome(claim: float, canaries: int, seed: int, rng: np.random.Generator) -> Outcome:
    for _ in range(2):
        trained, plant = trainer(
            canaries=canaries, seed=seed, rng=rng, epsilon=claim, delta=_DELTA, steps=_STEPS
        )
        with one_thread():
            watched = watch(trained, plant)
        sure, shown = (told(watched, delta=_DELTA, alpha=alpha) for alpha in (ALPHA, 0.05))
        if max(sure.free, sure.sampled) <= sure.claimed:
            return Outcome(check="canary.planted", part="whole training", status=Status.PASSED,
                           said=_said(shown))  # fmt: skip
    return Outcome(check="canary.planted", part="whole training", status=Status.FAILED,
                   said=_said(shown), p_value=ALPHA**2)  # fmt: skip


def _said(found: Bounds) -> Message:
    return message(
        "selfcheck.planted",
        "{n:integer} canaries with a gradient of their own show ε ≥ {free:number} whatever the "
        "mechanism, and ε ≥ {sampled:number} if steps are Poisson-sampled Gaussians (model-based), "
        "at δ = {delta}, where the steps claim {claimed:number}",
        n=found.n, free=round(found.free, 3), sampled=round(found.sampled, 3),
        claimed=round(found.claimed, 3), delta=f"{_DELTA:g}",
    )  # fmt: skip
