"""Residual risk: how often an attack is right about members, beyond what it is right about others.

With a and c the shares of right guesses about members and about controls it is (a - c) / (1 - c):
0 where the generator taught the attacker nothing about members, 1 where every guess is right, and
below 0 where members are guessed worse. It is 1 less the ratio of the two rates of failure, so its
interval is that of a ratio of rates.

Source: Giomi, Boenisch, Wehmeyer & Tasnádi 2023, A Unified Framework for Quantifying Privacy Risk
in Synthetic Data, equation 1. They clip at 0 and take a first-order error of the difference; here
nothing is clipped, so that the value is centred at 0 where nothing leaks.
"""

from __future__ import annotations

import math
from functools import lru_cache

from scipy.optimize import brentq
from scipy.special import ndtri

from genaudit.stats.intervals import Interval


def residual_risk(k1: float, n1: float, k2: float, n2: float) -> float:
    """(a - c) / (1 - c) of a = k1 / n1 and c = k2 / n2; NaN where c is 1 or there are no trials.

    >>> residual_risk(60, 100, 20, 100)
    0.5
    """
    if min(n1, n2) == 0 or k2 >= n2:
        return math.nan
    return 1 - (n1 - k1) / n1 / ((n2 - k2) / n2)


@lru_cache(maxsize=4096)  # the worst of many parts asks for the same as each part
def residual_interval(k1: float, n1: float, k2: float, n2: float, confidence: float) -> Interval:
    """Score interval of the residual risk of two independent rates, within (-inf, 1].

    Inverts the score test of a ratio of rates whose variance is that of the most likely rates with
    this ratio, so that it keeps its level with few right guesses and with few wrong ones.

    Args:
        k1: Right guesses of `n1` about members. Counts need not be whole.
        n1: Guesses about members.
        k2: Right guesses of `n2` about controls.
        n2: Guesses about controls.
        confidence: Two-sided, in (0, 1).

    Source: Miettinen & Nurminen 1985, Statistics in Medicine 4, equations 8 and 10 (the ratio of
    two rates); Koopman 1984, Biometrics 40.

    >>> low, high = residual_interval(60, 100, 20, 100, 0.95)
    >>> round(low, 3), round(high, 3)
    (0.36, 0.619)
    """
    if not 0 < confidence < 1:
        raise ValueError(f"Expected confidence={confidence} in (0, 1).")
    if min(n1, n2) == 0:
        return -math.inf, 1.0
    z = -float(ndtri((1 - confidence) / 2))
    x1, x2 = n1 - k1, n2 - k2  # failures

    def score(share: float) -> float:
        """How far the ratio share / (1 - share) lies below what was observed, in errors."""
        return _score(x1, n1, x2, n2, share / (1 - share))

    least, most = 1e-12, 1 - 1e-12  # of a ratio that may be anything: as a share of itself and 1
    low = 0.0 if score(least) <= z else brentq(lambda s: score(s) - z, least, most, xtol=1e-13)
    high = 1.0 if score(most) >= -z else brentq(lambda s: score(s) + z, least, most, xtol=1e-13)
    return (-math.inf if high == 1 else 1 - high / (1 - high)), 1 - low / (1 - low)


def _score(x1: float, n1: float, x2: float, n2: float, ratio: float) -> float:
    """Failures of members beyond `ratio` times those of controls, in restricted errors."""
    # Quadratic of the restricted likelihood in the rate of the controls (their equation 11).
    a, b, c = (n1 + n2) * ratio, (x2 + n1) * ratio + x1 + n2, x1 + x2
    p2 = min(1.0, 2 * c / (b + math.sqrt(max(b * b - 4 * a * c, 0.0))))
    p1 = min(1.0, ratio * p2)
    n = n1 + n2
    variance = (p1 * (1 - p1) / n1 + ratio**2 * p2 * (1 - p2) / n2) * n / (n - 1)
    gap = x1 / n1 - ratio * x2 / n2
    if variance > 0:
        return gap / math.sqrt(variance)
    return 0.0 if gap == 0 else math.copysign(math.inf, gap)
