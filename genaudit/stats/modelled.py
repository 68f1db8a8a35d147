"""Bounds on epsilon that hold if the mechanism is what a model says: print them as model-based.

A Gaussian mechanism of shift mu is the model of DP-SGD's noise on one canary. Where it is wrong the
bounds may be too high; `stats.epsilon` has those that suppose nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist

import numpy as np
from scipy.optimize import brentq
from scipy.stats import beta, norm

#: Shifts beyond this are not told apart: a guess of so large a one errs once in 10⁵⁶.
_MAX_SHIFT = 32.0

#: Where the search for a shift ends.
_NEAR = 1e-4

_NORMAL = NormalDist()


def gaussian_epsilon(shift: float, delta: float) -> float:
    """Epsilon at delta of a Gaussian mechanism whose output moves by `shift` standard deviations.

    Args:
        shift: mu >= 0 of Gaussian differential privacy.
        delta: In (0, 1).

    Source: Dong, Roth, Su 2022, corollary 2.13.

    >>> [round(gaussian_epsilon(mu, 1e-6), 3) for mu in (1, 2, 4)]
    [4.887, 10.997, 26.357]
    """
    if shift <= 0 or gaussian_delta(shift, 0.0) <= delta:
        return 0.0
    high = shift**2 / 2 + shift * float(norm.isf(delta)) + 1
    return float(brentq(lambda e: gaussian_delta(shift, e) - delta, 0.0, high, xtol=1e-9))


def gaussian_delta(shift: float, epsilon: float) -> float:
    """Delta at epsilon of a Gaussian mechanism (the same corollary)."""
    far = epsilon + float(norm.logcdf(-epsilon / shift - shift / 2))
    return float(norm.cdf(-epsilon / shift + shift / 2)) - math.exp(far)


def gaussian_shift(n_candidates: int, n_right: int, alpha: float) -> float:
    """Lower bound on mu where all candidates of one run are guessed, half of them as members.

    Each guess errs with chance Φ(-mu / 2) at least, one independently of the other.

    Args:
        n_candidates: Each a member by its own fair coin.
        n_right: Right guesses about them.
        alpha: Chance of a bound above the true mu.

    >>> round(gaussian_epsilon(gaussian_shift(1000, 691, 0.05), 1e-6), 2)  # mu = 1
    4.11
    """
    n_wrong = n_candidates - n_right
    if n_right == 0:
        return 0.0
    most = float(beta.isf(alpha, n_wrong + 1, n_right))
    return max(0.0, -2 * float(norm.ppf(most)))


def gaussian_shift_of_sums(members: np.ndarray, others: np.ndarray, alpha: float) -> float:
    """Lower bound on mu from the mean scores of members and others, in the noise's own units.

    For scores that are normal with variance 1 around 0 and mu (log-likelihood ratios of a noise
    that is known), no guess has to be made at all.

    Args:
        members: Scores, shape (m,), m >= 1.
        others: Scores, shape (k,), k >= 1.
        alpha: Chance of a bound above the true mu.

    >>> round(gaussian_shift_of_sums(np.full(50, 2.0), np.full(50, 1.0), 0.05), 3)
    0.671
    """
    apart = float(np.mean(members) - np.mean(others))
    error = math.sqrt(1 / len(members) + 1 / len(others))
    return max(0.0, apart - float(norm.isf(alpha)) * error)


def one_run_refutes(m: int, r: int, v: int, shift: float, alpha: float) -> bool:
    """Whether v of r right guesses in one run are too many for a mechanism no worse than Gaussian.

    Guesses need not be independent: the trade-off curve alone is supposed, for all candidates
    together. The chance of the worst output is followed from v right guesses down to none; it is
    refuted where the parts of all numbers of right guesses would sum to more than one.

    Args:
        m: Candidates, each a member by its own fair coin.
        r: Guesses, chosen without looking at the coins.
        v: Right ones.
        shift: mu of the trade-off curve, >= 0.
        alpha: Chance of refuting what is true.

    Source: Mahloujifar, Melis, Chaudhuri 2024, Auditing f-Differential Privacy in One Run, the
    recursion of its algorithm for a numerical upper bound, with two choices for each candidate.

    >>> one_run_refutes(100, 100, 60, 0.0, 0.05), one_run_refutes(100, 100, 55, 0.0, 0.05)
    (True, False)
    """
    right, wrong = alpha * v / m, alpha * (r - v) / m
    for i in range(v - 1, -1, -1):
        if right + wrong > r / m or right >= 1:
            return True
        if right > 0:
            worse = _NORMAL.cdf(_NORMAL.inv_cdf(right) - shift)
            if worse > wrong:
                right += i / (r - i) * (worse - wrong)
                wrong = worse
    return right + wrong > r / m


def one_run_shift(m: int, counts: Iterable[tuple[int, int]], alpha: float) -> float:
    """Lower bound on mu from guesses in one run, of a mechanism no worse than a Gaussian.

    Args:
        m: Candidates, each a member by its own fair coin.
        counts: Guesses and right ones, by how many are guessed; that was settled before the scores.
        alpha: Chance of a bound above the true mu; each number of guesses has its share.

    >>> round(gaussian_epsilon(one_run_shift(1000, [(1000, 691)], 0.05), 1e-6), 2)  # mu = 1
    1.48
    """
    tried = [(r, v) for r, v in counts if r > 0]
    best = 0.0
    for r, v in tried:
        each = alpha / len(tried)
        low, high = best, _MAX_SHIFT
        if not one_run_refutes(m, r, v, low, each):
            continue
        while high - low > _NEAR:
            middle = (low + high) / 2
            refuted = one_run_refutes(m, r, v, middle, each)
            low, high = (middle, high) if refuted else (low, middle)
        best = low
    return best
