"""Bounds where the truth is known: on epsilon of answers that keep exactly what they promise.

A bound alarms where it lies above the truth, which each may do in one run of twenty. A rate that
worlds are too small to show stands here under its metric, with scores that know nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from genaudit.audits.privacy._membership import rate_estimate
from genaudit.audits.privacy.distance import TPR_01
from genaudit.calibration import LEVEL
from genaudit.stats.epsilon import DYADIC, many_runs_epsilon, one_run_bound, one_run_counts
from genaudit.stats.modelled import gaussian_shift, gaussian_shift_of_sums, one_run_shift
from genaudit.stats.split import of_coins

#: Candidates of one run; runs with and without a record; delta of the claims.
_M, _RUNS, _DELTA = 1000, 500, 1e-6


def _coins(rng: np.random.Generator, m: int = _M) -> np.ndarray:
    return rng.random(m) < 0.5


def _answers(coins: np.ndarray, epsilon: float, rng: np.random.Generator) -> np.ndarray:
    """Coins told truly with chance e^ε / (1 + e^ε): randomised response, whose epsilon is exact."""
    true = rng.random(len(coins)) < 1 / (1 + math.exp(-epsilon))
    return np.where(coins == true, 1.0, -1.0)


def _one_run(rng: np.random.Generator, epsilon: float, delta: float = _DELTA) -> bool:
    coins = _coins(rng)
    scores = _answers(coins, epsilon, rng) + 1e-3 * rng.random(len(coins))
    return one_run_bound(scores, coins, delta, LEVEL)[0] > epsilon


def _many_runs(rng: np.random.Generator, epsilon: float) -> bool:
    found, accused = (
        int((_answers(np.full(_RUNS, member), epsilon, rng) > 0).sum()) for member in (True, False)
    )
    return many_runs_epsilon(_RUNS, found, _RUNS, accused, 0.0, LEVEL) > epsilon


def _gaussian(rng: np.random.Generator, shift: float) -> bool:
    coins = _coins(rng)
    scores = rng.normal(shift * coins, 1.0)
    right = int(((scores > shift / 2) == coins).sum())
    return gaussian_shift(len(coins), right, LEVEL) > shift


def _gaussian_sums(rng: np.random.Generator, shift: float) -> bool:
    coins = _coins(rng)
    scores = rng.normal(shift * coins, 1.0)
    return gaussian_shift_of_sums(scores[coins], scores[~coins], LEVEL) > shift


def _by_curve(rng: np.random.Generator, shift: float) -> bool:
    coins = _coins(rng)
    counts = one_run_counts(rng.normal(shift * coins, 1.0), coins, DYADIC)
    return one_run_shift(len(coins), counts, LEVEL) > shift


def _rare_rate(rng: np.random.Generator) -> bool:
    """A rate at one false accusation in a thousand, which worlds are too small to show."""
    members, others = rng.normal(size=(2, 1500))
    return rate_estimate(members, others, 0.001).p_above(0.001) <= LEVEL


def _coin_matches(rng: np.random.Generator) -> bool:
    coins = _coins(rng)
    hit = rng.random(_M) < 0.05
    return of_coins(hit[coins], hit[~coins]).epsilon(_DELTA, LEVEL) > 0


#: Name -> whether the bound lay above the truth in one run.
BOUNDS: dict[str, Callable[[np.random.Generator], bool]] = {
    "epsilon.one_run, pure noise": lambda rng: _one_run(rng, 0.0),
    "epsilon.one_run, epsilon = 1": lambda rng: _one_run(rng, 1.0),
    "epsilon.one_run, alpha spending": lambda rng: _one_run(rng, 1.0, 1e-5),
    "epsilon.many_runs, pure noise": lambda rng: _many_runs(rng, 0.0),
    "epsilon.many_runs, epsilon = 1": lambda rng: _many_runs(rng, 1.0),
    "gaussian.guesses, pure noise": lambda rng: _gaussian(rng, 0.0),
    "gaussian.guesses, mu = 1": lambda rng: _gaussian(rng, 1.0),
    "gaussian.sums, mu = 1": lambda rng: _gaussian_sums(rng, 1.0),
    "f-DP.one_run, pure noise": lambda rng: _by_curve(rng, 0.0),
    "f-DP.one_run, mu = 1": lambda rng: _by_curve(rng, 1.0),
    "matches of coins, pure noise": _coin_matches,
    TPR_01: _rare_rate,
}
