"""Intervals of sums and differences of several independent rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

from genaudit.stats.intervals import Interval, wilson


def rate_contrast(parts: Sequence[tuple[float, float, float]], confidence: float) -> Interval:
    """Interval of Σ c·p over independent rates p = k / n, from their Wilson intervals.

    Each rate adds the distance to its own bound on the side that matters ("method of variance
    estimates recovery"), so small and extreme rates keep their skewness and no interval has width
    0. With two rates and coefficients (1, -1) this is Newcombe's interval.

    Args:
        parts: (coefficient, successes k, trials n) of each rate, n > 0. They need not be whole:
            clustered rows are worth fewer independent ones.
        confidence: Two-sided, in (0, 1).

    Source: Zou & Donner 2008, Statistics in Medicine 27, equations 7 and 8.

    >>> low, high = rate_contrast([(1, 56, 70), (-1, 48, 80)], 0.95)
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    few = next((n for _, _, n in parts if n <= 0), None)
    if few is not None:
        raise ValueError(f"Expected trials of at least 1 in every rate, got {few}.")
    return contrast([(c, k / n, wilson(k, n, confidence)) for c, k, n in parts])


def contrast(parts: Sequence[tuple[float, float, Interval]]) -> Interval:
    """Interval of Σ c·x over independent estimates x, from their own intervals, as `rate_contrast`.

    Args:
        parts: (coefficient, estimate, its interval) of each; the confidence is that of them all.

    Source: Zou & Donner 2008, Statistics in Medicine 27, equations 7 and 8.
    """
    value = below = above = 0.0
    for coefficient, x, (low, high) in parts:
        down, up = coefficient * (x - low), coefficient * (high - x)
        if coefficient < 0:
            down, up = up, down
        value += coefficient * x
        below += down**2
        above += up**2
    return value - math.sqrt(below), value + math.sqrt(above)


def difference(one: float, of_one: Interval, other: float, of_other: Interval) -> Interval:
    """Interval of one - other for two independent estimates, from their own intervals.

    Each adds the distance to its own bound on the side that matters, as in `rate_contrast`, so that
    skewness is kept; the confidence is that of the two intervals.

    Args:
        one: Estimate.
        of_one: Its interval.
        other: Estimate that is taken from it.
        of_other: Its interval, at the same confidence.

    Source: Zou & Donner 2008, Statistics in Medicine 27, equation 5.

    >>> low, high = difference(0.5, (0.4, 0.6), 0.5, (0.4, 0.6))
    >>> round(low, 4), round(high, 4)
    (-0.1414, 0.1414)
    """
    value = one - other
    below = math.hypot(one - of_one[0], of_other[1] - other)
    return value - below, value + math.hypot(of_one[1] - one, other - of_other[0])
