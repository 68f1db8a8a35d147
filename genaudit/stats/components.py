"""Errors with more than one source: holdout rows on one side, training rows on the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata, t

from genaudit.stats.intervals import Interval


def component_interval(
    value: float, components: Sequence[tuple[float, float]], confidence: float
) -> Interval:
    """Student's t interval of a statistic whose variance is a sum of separate estimates.

    Args:
        value: The statistic.
        components: (variance, degrees of freedom) of each source; infinite where known well.
        confidence: Two-sided, in (0, 1).

    Source: Satterthwaite 1946, Biometrics Bulletin 2, equation 17.

    >>> low, high = component_interval(0.0, [(1.0, 4)], 0.95)
    >>> round(high, 3)  # Student's t with 4 degrees of freedom
    2.776
    """
    variance = sum(v for v, _ in components)
    if variance <= 0:
        return value, value
    inverse = sum(v**2 / df for v, df in components)
    # Satterthwaite's approximation may fall below the smallest of its parts only by rounding.
    df = variance**2 / inverse if inverse > 0 else math.inf
    half = float(t.isf((1 - confidence) / 2, df)) * math.sqrt(variance)
    return value - half, value + half


def jackknife_variance(leave_one_out: np.ndarray) -> float:
    """Variance of a statistic of K units from its values without each of them, shape (K,).

    Source: Efron & Tibshirani 1993, equation 11.5 squared.

    >>> x = np.array([1.0, 2.0, 6.0])
    >>> means = (x.sum() - x) / 2
    >>> bool(np.isclose(jackknife_variance(means), x.var(ddof=1) / 3))
    True
    """
    k = len(leave_one_out)
    return float((k - 1) / k * np.sum((leave_one_out - leave_one_out.mean()) ** 2))


def auc_influence(scores: np.ndarray, positive: np.ndarray) -> tuple[float, np.ndarray]:
    """Area under the ROC curve, and how much each row moves it, shape (n,).

    Ties count one half. The squares of the influences of all rows add up to DeLong's variance (with
    n in place of n - 1), and influences of several scores on the same rows add up before squaring,
    which is what makes a comparison paired. NaN where one class is empty.

    Args:
        scores: Shape (n,), higher = positive.
        positive: Bools, shape (n,).

    Source: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44, equation 5; ranks as Sun & Xu 2014.

    >>> auc, influence = auc_influence(np.array([1.0, 2.0, 2.0, 3.0]), np.array([0, 0, 1, 1]) > 0)
    >>> auc, round(float(influence.sum()), 12)
    (0.875, 0.0)
    """
    n_pos, n_neg = int(positive.sum()), int((~positive).sum())
    influence = np.full(len(scores), np.nan)
    if min(n_pos, n_neg) == 0:
        return math.nan, influence
    everywhere = rankdata(scores)
    beaten = (everywhere[positive] - rankdata(scores[positive])) / n_neg
    beaten_by = 1 - (everywhere[~positive] - rankdata(scores[~positive])) / n_pos
    auc = float(beaten.mean())
    influence[positive] = (beaten - auc) / n_pos
    influence[~positive] = (beaten_by - auc) / n_neg
    return auc, influence
