"""Lower bounds on epsilon from guesses about membership that a recorded coin decided."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

#: Of the candidates on each side, how many are guessed: more tells more, unless errors come in.
SHARES = (1 / 2, 2 / 5, 1 / 3, 1 / 4)

#: Beyond this no number of guesses tells one epsilon from another.
_MAX_EPSILON = 50.0


def one_run_p_value(m: int, r: int, v: int, epsilon: float, delta: float) -> float:
    """Chance that an (epsilon, delta)-private run lets at least v of r guesses be right.

    Args:
        m: Candidates, each a member by its own fair coin.
        r: Guesses, chosen without looking at the coins.
        v: Right ones.
        epsilon: Add/remove-one record, at delta; >= 0.
        delta: In [0, 1).

    Source: Steinke, Nasr, Jagielski 2023, theorem 5.2 (its proof gives this computable form).

    >>> round(one_run_p_value(10, 10, 10, 0.0, 0.0), 6)  # ten coins called right
    0.000977
    """
    q = 1 / (1 + math.exp(-epsilon))
    beta = float(binom.sf(v - 1, r, q))
    if delta == 0 or v == 0:
        return beta
    i = np.arange(1, v + 1)
    steepest = max(0.0, float(((binom.sf(v - i - 1, r, q) - beta) / i).max()))
    return min(1.0, beta + 2 * m * delta * steepest)


def one_run_epsilon(m: int, r: int, v: int, delta: float, alpha: float) -> float:
    """The largest epsilon that these guesses refute at level alpha, 0 where none.

    >>> round(one_run_epsilon(100, 100, 100, 0.0, 0.05), 3)
    3.493
    """
    if one_run_p_value(m, r, v, 0.0, delta) >= alpha:
        return 0.0
    if one_run_p_value(m, r, v, _MAX_EPSILON, delta) < alpha:
        return _MAX_EPSILON
    return float(
        brentq(lambda e: one_run_p_value(m, r, v, e, delta) - alpha, 0.0, _MAX_EPSILON, xtol=1e-6)
    )


def one_run_counts(
    scores: np.ndarray, members: np.ndarray, shares: Sequence[float] = SHARES
) -> list[tuple[int, int]]:
    """Guesses and right ones: a share of highest scores as members, one of lowest as none.

    Args:
        scores: Attack scores, shape (m,), higher = member; ties are broken by position.
        members: Boolean, shape (m,).
        shares: Of the candidates, each at most a half; fixed before scores are seen.

    >>> one_run_counts(np.array([3.0, 1.0, 2.0, 0.0]), np.array([True, True, False, False]), (0.5,))
    [(4, 2)]
    """
    order = np.argsort(scores, kind="stable")
    found = []
    for share in shares:
        k = int(share * len(scores))
        right = int(members[order[len(order) - k :]].sum()) + int((~members[order[:k]]).sum())
        found.append((2 * k, right))
    return found


def one_run_chance(scores: np.ndarray, members: np.ndarray, epsilon: float, delta: float) -> float:
    """Chance of guesses this good under (epsilon, delta), the choice of how many paid for.

    Args:
        scores: Attack scores, shape (m,), higher = member.
        members: What each coin decided, boolean, shape (m,).
        epsilon: Of the claim, at delta.
        delta: Of the claim.
    """
    counts = one_run_counts(scores, members)
    each = [one_run_p_value(len(scores), r, v, epsilon, delta) for r, v in counts]
    return min(1.0, len(counts) * min(each))


def one_run_bound(
    scores: np.ndarray, members: np.ndarray, delta: float, alpha: float
) -> tuple[float, float]:
    """A lower bound on epsilon, and the largest that this many candidates could have shown.

    alpha is split evenly over how many of the candidates are guessed (`SHARES` on each
    side), so that the choice is paid for.

    Args:
        scores: Attack scores, shape (m,), higher = member.
        members: What each coin decided, boolean, shape (m,).
        delta: Of the claim.
        alpha: Chance of a bound above the true epsilon.
    """
    m, counts = len(scores), one_run_counts(scores, members)
    share = alpha / len(counts)
    low = max(one_run_epsilon(m, r, v, delta, share) for r, v in counts)
    ceiling = max(one_run_epsilon(m, r, r, delta, share) for r, _ in counts)
    return low, ceiling
