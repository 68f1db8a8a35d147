"""Intervals of the mean score of a few kinds of records, counted by kind."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from genaudit.stats.intervals import Interval


def mean_score(counts: np.ndarray, scores: np.ndarray, confidence: float) -> Interval:
    """Score interval of Σ q·s, where q are the rates at which kinds come up.

    It holds the mean of all rates that Pearson's statistic does not reject. With two kinds it is
    Wilson's interval, whatever the scores; with more it keeps the skewness of rare kinds, of which
    none may have been seen, too.

    Args:
        counts: How often each kind came up, shape (K,), not all 0; they need not be whole.
        scores: Of each kind, shape (K,).
        confidence: Two-sided, in (0, 1).

    Source: Wilson 1927, JASA 22, for two kinds; the same inversion under the constraint Σ q·s.

    >>> low, high = mean_score(np.array([50, 50, 0]), np.array([0.0, 1.0, 1.0]), 0.95)
    >>> round(low, 4), round(high, 4)  # `wilson(50, 100, 0.95)`
    (0.4038, 0.5962)
    """
    rates = np.asarray(counts, dtype=float) / np.sum(counts)
    most = 1 + float(norm.ppf((1 + confidence) / 2)) ** 2 / float(np.sum(counts))
    scores = np.asarray(scores, dtype=float)
    return -_largest(rates, -scores, most), _largest(rates, scores, most)


def _largest(rates: np.ndarray, scores: np.ndarray, most: float) -> float:
    """Largest Σ q·s where Σ rates² / q is at most `most`, which is 1 at the rates themselves.

    There q is as rates / √(a - s) for some a; a kind that never came up and has the top score takes
    what the others leave.
    """
    seen, top = rates > 0, float(scores.max())
    p, s = rates[seen], scores[seen]
    best = float(s.max())
    spread = top - float(s.min())
    if spread == 0:
        return top

    def shape(beyond: float) -> tuple[float, np.ndarray]:
        """Σ rates² / q where a is so far beyond the top score, and q."""
        root = np.sqrt(top - s + beyond)
        q = p / root
        return float((p @ root) * q.sum()), q / q.sum()

    if best < top:
        reached, q = shape(0.0)
        if reached <= most:
            rest = 1 - reached / most
            return float((1 - rest) * (q @ s) + rest * top)
    # In logarithms: near the top score all rates but one go to zero, far off nothing moves.
    beyond = brentq(
        lambda x: shape(math.exp(x))[0] - most,
        math.log(spread) - 200, math.log(spread) + 30, xtol=1e-12,
    )  # fmt: skip
    return float(shape(math.exp(beyond))[1] @ s)
