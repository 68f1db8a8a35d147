"""An attack with everything in hand: canaries whose presence shows in the noisy gradients, or not.

The attacker chooses canaries, sees every noisy gradient and all weights, knows every other record
and when it was drawn, and guesses for each canary whether a fair coin had put it into the data.
What is guessed right more often than ε allows refutes ε.

Source: Steinke, Nasr, Jagielski 2023 (one run); Nasr et al. 2023 (gradient canaries).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.linalg import qr

from genaudit.accounting import epsilon
from genaudit.ledger import Mechanism
from genaudit.result import Message, message
from genaudit.stats.epsilon import one_run_bound, one_run_chance
from genaudit.training.dp.selfcheck.bench import (
    ALPHA,
    Bench,
    as_units,
    count,
    joined,
    matrix,
    offers,
    positions,
    scaled,
    take,
    vector,
)
from genaudit.training.dp.selfcheck.outcome import cannot_tell, failed
from genaudit.training.dp.selfcheck.protocol import Units

#: Fewest and most canaries, and steps that are watched at most.
_CANARIES, _STEPS = (96, 1024), 60

#: δ of the audit: for the guesses to tell anything it must be far below the level over them.
_DELTA = 1e-10

#: How much steeper canaries may be than ordinary units, so that each fills its bound.
_FACTORS = (1.0, 3.0, 10.0)

#: Numbers that gradients of all candidates may have.
_MOST = 2**26


def bound(bench: Bench) -> Message:
    """The lower bound on ε from one watched training stays below the claim."""
    trainer = bench.unused()
    rng = bench.rng(4)
    claimed = _claimed(bench)
    canaries, steep = _chosen(bench, trainer, _wanted(claimed), rng)
    members = rng.random(len(canaries)) < 0.5
    scores = _watched(bench, trainer, canaries, steep, members)
    if not np.isfinite(scores).all():
        raise failed("canary_not_finite", "with canaries in it the training is not finite")
    low, ceiling = one_run_bound(scores, members, _DELTA, ALPHA)
    p_value = one_run_chance(scores, members, claimed, _DELTA, ALPHA)
    if p_value < ALPHA:
        raise failed(
            "canary",
            "guesses about {m:integer} canaries show that ε is at least {low:number} at δ = "
            "{delta}, where the claim is {claimed:number}",
            p_value=p_value, m=len(canaries), low=round(low, 3), claimed=round(claimed, 3),
            delta=f"{_DELTA:g}",
        )  # fmt: skip
    if ceiling <= claimed:
        raise cannot_tell(
            "canary_ceiling",
            "{m:integer} canaries could show ε = {ceiling:number} at most at δ = {delta}, where "
            "the claim is {claimed:number}",
            m=len(canaries), ceiling=round(ceiling, 3), claimed=round(claimed, 3),
            delta=f"{_DELTA:g}",
        )  # fmt: skip
    return message(
        "selfcheck.canary_ok",
        "guesses about {m:integer} canaries show ε ≥ {low:number} (they could show "
        "{ceiling:number}) at δ = {delta}, where the claim is {claimed:number}",
        m=len(canaries), low=round(low, 3), ceiling=round(ceiling, 3), claimed=round(claimed, 3),
        delta=f"{_DELTA:g}",
    )  # fmt: skip


def _claimed(bench: Bench) -> float:
    """What the claimed noise, rate and steps allow at the δ of the audit."""
    promise = bench.promise
    assert promise.noise_multiplier is not None
    assert promise.sampling_rate is not None
    assert promise.steps is not None
    steps = min(_STEPS, promise.steps)
    return epsilon(
        [Mechanism(name="poisson_gaussian", noise_multiplier=promise.noise_multiplier,
                   sampling_rate=promise.sampling_rate, steps=steps)],
        _DELTA,
    )  # fmt: skip


def _wanted(epsilon: float) -> int:
    """Canaries enough to refute this ε twice over, if all of them were guessed right."""
    each = math.log1p(math.exp(-epsilon))
    return int(np.clip(2 * math.log(4 / ALPHA) / max(each, 1e-9), *_CANARIES))


def _chosen(
    bench: Bench, trainer: Any, m: int, rng: np.random.Generator
) -> tuple[np.ndarray, Units]:
    """Canaries whose gradients overlap least: their positions, and what stands there instead.

    Candidates are units at several factors; a QR with pivots takes them in the order of what is new
    in each (Keinan et al. 2025: interference is what limits a one-run audit).
    """
    bound, units = bench.promise.max_grad_norm, bench.pool(4)
    assert bound is not None
    n = count(units)
    width = len(vector(trainer.clipped_sum(take(units, slice(0, 0)))))
    some = rng.permutation(n)[: max(4, min(n, _MOST // (len(_FACTORS) * width)))]
    grown = [scaled(take(units, some), factor) for factor in _FACTORS]
    grads = np.concatenate([_clipped(trainer, g, bound) for g in grown])
    (_, order) = qr(grads.T, mode="r", pivoting=True)
    picked: dict[int, int] = {}  # position among some -> which factor
    for candidate in order:
        picked.setdefault(int(candidate % len(some)), int(candidate // len(some)))
        if len(picked) == min(m, n // 2):
            break
    steep = joined(*(take(grown[f], slice(i, i + 1)) for i, f in picked.items()))
    return some[list(picked)], steep


def _watched(
    bench: Bench, trainer: Any, canaries: np.ndarray, steep: Units, members: np.ndarray
) -> np.ndarray:
    """How much of each canary the noisy gradients hold, shape (canaries,)."""
    promise = bench.promise
    assert promise.max_grad_norm is not None
    assert promise.divisor is not None
    assert promise.sampling_rate is not None
    units = as_units(trainer.units())
    others = np.setdiff1d(np.arange(count(units)), canaries)
    place = np.full(count(units), -1)
    place[canaries] = np.arange(len(canaries))
    steps = min(_STEPS, promise.steps or _STEPS)
    m = len(canaries)
    scores, rate = np.zeros(m), promise.sampling_rate
    for _ in range(steps):
        drawn = np.unique(positions(trainer.draw()))
        plain = take(units, drawn[np.isin(drawn, others)])
        inside = place[drawn]
        inside = inside[inside >= 0]
        batch = joined(plain, take(steep, inside[members[inside]]))
        known = vector(trainer.clipped_sum(plain))
        directions = _clipped(trainer, steep, promise.max_grad_norm)
        rest = vector(trainer.step(batch)) * promise.divisor - known
        scores += _present(directions, rest, rate / 2)
    return scores


def _present(directions: np.ndarray, rest: np.ndarray, chance: float) -> np.ndarray:
    """Which directions a noisy sum holds, each with this chance, by ridge regression.

    The noise is what is found where no direction leads, so less noise than claimed is made use of.

    Args:
        directions: Shape (m, parameters).
        rest: The sum of some of them with noise, shape (parameters,).
        chance: That one is in the sum, in (0, 1).
    """
    m, width = directions.shape
    gram = directions @ directions.T
    hits = directions @ (rest - chance * directions.sum(0))
    inside = float(hits @ np.linalg.pinv(gram, rcond=1e-9, hermitian=True) @ hits)
    whole = rest - chance * directions.sum(0)
    free = max(1, width - m)
    noise = max(float(whole @ whole) - inside, 1e-12) / free
    penalty = noise / (chance * (1 - chance))
    found: np.ndarray = np.linalg.solve(gram + penalty * np.eye(m), hits)
    return found


def _clipped(trainer: Any, units: Units, most: float) -> np.ndarray:
    """What each unit adds to a clipped sum, shape (n, parameters)."""
    if offers(trainer, "per_sample_grads"):
        grads = matrix(trainer.per_sample_grads(units), count(units))
        grads = np.where(np.isfinite(grads), grads, 0.0)
        norms = np.linalg.norm(grads, axis=1, keepdims=True)
        return grads * np.minimum(1.0, most / np.maximum(norms, 1e-12))
    nobody = vector(trainer.clipped_sum(take(units, slice(0, 0))))
    return np.stack([
        vector(trainer.clipped_sum(take(units, slice(i, i + 1)))) - nobody
        for i in range(count(units))
    ])  # fmt: skip
