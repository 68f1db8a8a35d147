"""Confidence intervals for rates, differences of rates and counts, at every confidence in (0, 1).

Each function takes counts and a two-sided confidence, and returns (low, high); each end errs with a
chance of about (1 - confidence) / 2, exactly at most that where the docstring says "exact".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from scipy.optimize import brentq
from scipy.stats import beta, chi2, hypergeom, norm

Interval = tuple[float, float]


def clopper_pearson(k: int, n: int, confidence: float) -> Interval:
    """Exact interval of a rate from k successes in n trials; (0, 1) where n is 0.

    Source: Clopper & Pearson 1934, Biometrika 26.

    >>> low, high = clopper_pearson(0, 100, 0.95)
    >>> low, round(high, 4)
    (0.0, 0.0362)
    """
    tail = _tail(confidence)
    low = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(beta.isf(tail, k + 1, n - k))
    return low, high


def wilson(k: float, n: float, confidence: float) -> Interval:
    """Score interval of a rate: shorter than the exact one, right on average over rates.

    Counts need not be whole: clustered rows are worth fewer independent ones.

    Source: Wilson 1927, JASA 22; (0, 1) where n is 0.

    >>> low, high = wilson(50, 100, 0.95)
    >>> round(low, 4), round(high, 4)
    (0.4038, 0.5962)
    """
    if n == 0:
        return 0.0, 1.0
    z = _z(confidence)
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    return (
        0.0 if k == 0 else max(0.0, centre - half),
        1.0 if k == n else min(1.0, centre + half),
    )


def poisson(k: int, confidence: float) -> Interval:
    """Exact interval of the mean of a Poisson count k.

    Source: Garwood 1936, Biometrika 28.

    >>> round(poisson(0, 0.9)[1], 4)  # the rule of three
    2.9957
    """
    tail = _tail(confidence)
    low = 0.0 if k == 0 else float(chi2.ppf(tail, 2 * k)) / 2
    return low, float(chi2.isf(tail, 2 * k + 2)) / 2


def normal(value: float, se: float, confidence: float) -> Interval:
    """Interval of a statistic that is normal with standard error `se` (such as from a bootstrap).

    >>> low, high = normal(1.0, 0.5, 0.95)
    >>> round(low, 2), round(high, 2)
    (0.02, 1.98)
    """
    half = _z(confidence) * se
    return value - half, value + half


def newcombe(k1: int, n1: int, k2: int, n2: int, confidence: float) -> Interval:
    """Interval of p1 - p2 for two independent rates, from their Wilson intervals.

    Never outside [-1, 1], never of width 0; (-1, 1) where a denominator is empty.

    Source: Newcombe 1998, Statistics in Medicine 17, method 10.

    >>> low, high = newcombe(56, 70, 48, 80, 0.95)  # Newcombe's own example
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    if min(n1, n2) == 0:
        return -1.0, 1.0
    p1, p2 = k1 / n1, k2 / n2
    low1, high1 = wilson(k1, n1, confidence)
    low2, high2 = wilson(k2, n2, confidence)
    difference = p1 - p2
    return (
        difference - math.hypot(p1 - low1, high2 - p2),
        difference + math.hypot(high1 - p1, p2 - low2),
    )


def miettinen_nurminen(k1: float, n1: float, k2: float, n2: float, confidence: float) -> Interval:
    """Score interval of p1 - p2 for two independent rates; keeps its level with few events.

    Inverts the score test whose variance is that of the most likely rates with the given
    difference. (-1, 1) where a denominator is empty. Counts need not be whole.

    Source: Miettinen & Nurminen 1985, Statistics in Medicine 4, equations 7 and 9.

    >>> low, high = miettinen_nurminen(56, 70, 48, 80, 0.95)
    >>> round(low, 4), round(high, 4)
    (0.0528, 0.3382)
    """
    if min(n1, n2) == 0:
        return -1.0, 1.0
    z = _z(confidence)
    difference = k1 / n1 - k2 / n2

    return _score_interval(difference, lambda d: _mn_error(k1, n1, k2, n2, d), z)


def beyond_chance(
    hits: int, n: int, control_hits: int, n_control: int, confidence: float
) -> tuple[int, int]:
    """Exact interval of the number of hits that chance does not explain.

    n records of interest and n_control records are one pool with labels dealt at random; `hits`
    and `control_hits` of them were hit. If x of the hits have a cause and the others fall
    anywhere in the pool, then the chance hits among the records of interest are hypergeometric
    whatever the hitting process is, so an x whose tail is too thin is ruled out. With x = 0 this is
    Fisher's exact test.

    >>> beyond_chance(50, 1000, 0, 1000, 0.95)  # six heads in a row are too many
    (45, 50)
    >>> beyond_chance(50, 1000, 48, 1000, 0.95)
    (0, 20)
    """
    tail = _tail(confidence)
    total = hits + control_hits

    def pool(x: int) -> tuple[int, int, int]:
        return n + n_control - x, n - x, total - x

    def too_many_left(x: int) -> bool:
        return bool(hypergeom.sf(hits - x - 1, *pool(x)) <= tail)

    def enough_left(x: int) -> bool:
        return bool(hypergeom.cdf(hits - x, *pool(x)) > tail)

    low = _first(lambda x: not too_many_left(x), hits)
    # One fewer than the first x that leaves too few chance hits; 0 where even x = 0 does.
    high = max(_first(lambda x: x > 0 and not enough_left(x), hits + 1) - 1, 0)
    return low, max(high, low)


def _first(true_from: Callable[[int], bool], end: int) -> int:
    """Smallest x in [0, end] from which on a condition holds; `end` where it never does."""
    low, high = 0, end
    while low < high:
        middle = (low + high) // 2
        if true_from(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _tail(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"Expected confidence={confidence} in (0, 1).")
    return (1 - confidence) / 2


@cache  # asked of few levels, many times
def _z(confidence: float) -> float:
    return float(norm.isf(_tail(confidence)))


def _mn_error(k1: float, n1: float, k2: float, n2: float, delta: float) -> float:
    """Standard error of the difference at the most likely rates with p1 - p2 = delta."""
    n, k = n1 + n2, k1 + k2
    # Cubic of the restricted likelihood in p2, solved in closed form (their appendix I).
    l2 = (n1 + 2 * n2) * delta - n - k
    l1 = (n2 * delta - n - 2 * k2) * delta + k
    l0 = k2 * delta * (1 - delta)
    q = (l2 / (3 * n)) ** 3 - l1 * l2 / (6 * n * n) + l0 / (2 * n)
    root = math.sqrt(max((l2 / (3 * n)) ** 2 - l1 / (3 * n), 0.0))
    p = math.copysign(root, q)
    cosine = 0.0 if p == 0 else min(max(q / p**3, -1.0), 1.0)
    p2 = 2 * p * math.cos((math.pi + math.acos(cosine)) / 3) - l2 / (3 * n)
    p2 = min(max(p2, 0.0, -delta), 1.0, 1 - delta)
    p1 = min(max(p2 + delta, 0.0), 1.0)
    return math.sqrt((p1 * (1 - p1) / n1 + p2 * (1 - p2) / n2) * n / (n - 1))


def _score_interval(difference: float, error: Callable[[float], float], z: float) -> Interval:
    """Differences in [-1, 1] that lie within z restricted standard errors of the observed one."""
    gap = 1e-9  # the error may vanish at the observed difference itself, never beside it

    def excess(delta: float) -> float:
        return abs(difference - delta) - z * error(delta)

    def end(edge: float, near: float) -> float:
        if abs(difference - edge) <= gap or excess(edge) <= 0:
            return edge
        return float(brentq(excess, edge, near, xtol=1e-12)) if excess(near) < 0 else difference

    return end(-1.0, difference - gap), end(1.0, difference + gap)
