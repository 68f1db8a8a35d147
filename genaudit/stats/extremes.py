"""The largest of several quantities: its interval, where the one that looks largest was chosen."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from genaudit.stats.intervals import Interval

#: Rows of a draw in the tail below which a quantile of draws is no better than a bound.
_TAIL = 10


def largest_interval(
    values: np.ndarray, se: np.ndarray, errors: np.ndarray, confidence: float
) -> Interval:
    """Interval of max θ from normal estimates of each θ, valid however many are equal.

    The largest estimate lies too high by how many could have been it. The low end is the largest of
    all one-sided bounds that hold at once for those that may be the largest; the high end need hold
    for one alone, as that one is the largest in truth. So each end errs by (1 - confidence) / 2 at
    most, and by about that where one quantity leads.

    Args:
        values: Estimates, shape (J,).
        se: Their standard errors, shape (J,), > 0.
        errors: Draws of their errors in standard errors, shape (R, J).
        confidence: Two-sided, in (0, 1).

    Source: Chernozhukov, Lee & Rosen 2013, Econometrica 81, section 3.2 (selection as in their
    equation 3.7 with a bound in place of a simulated one); the high end is the pointwise one.

    >>> one = np.random.default_rng(0).standard_normal((2000, 1))
    >>> low, high = largest_interval(np.array([1.0]), np.array([0.5]), one, 0.9)
    >>> round(high, 2), abs(low - (1 - 0.5 * 1.645)) < 0.05
    (1.82, True)
    """
    tail = (1 - confidence) / 2
    kept = _may_be_largest(values, se)
    reach = _quantile(errors[:, kept], tail)
    low = float(np.max(values[kept] - reach * se[kept]))
    return low, float(np.max(values + norm.isf(tail) * se))


def _may_be_largest(values: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Those of which chance may be all that keeps them from being the largest, bools (J,)."""
    # Their γ = 1 - 0.1 / log n at some thousand rows, over all J.
    reach = float(norm.isf(0.01 / len(values)))
    kept: np.ndarray = values + 2 * reach * se >= np.max(values - reach * se)
    return kept


def _quantile(errors: np.ndarray, tail: float) -> float:
    """What the largest error exceeds with the chance `tail`."""
    bound = float(norm.isf(tail / errors.shape[1]))
    if tail * len(errors) < _TAIL:
        return bound
    drawn = float(np.quantile(errors.max(axis=1), 1 - tail))
    return max(min(drawn, bound), float(norm.isf(tail)), 0.0)
