"""Are numbers that should be independent so: correlations at every lag of a table, and sums.

Under the null each number has mean 0 and variance 1 and tells nothing of any other. Noise that is
drawn once and used twice, a batch that is shuffled instead of sampled: both show at some lag.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import chi2


def lag_p_value(values: np.ndarray, *, scale: float = 2.0) -> float:
    """Chance of the largest correlation at any lag along the last axis, by Bonferroni.

    The sum over products of N pairs exceeds sqrt(2 N u) + scale * u with chance at most exp(-u).
    For normals that is exact for every N, as the products of one lag are a quadratic form whose
    eigenvalues are at most 1; for bounded numbers it is Bernstein's inequality.

    Args:
        values: Shape (rows, columns); lags go along columns, and rows are added up.
        scale: 2 for normals; a third of the largest square for bounded numbers.

    Source: Laurent & Massart 2000, lemma 1 (quadratic forms); Boucheron, Lugosi, Massart 2013,
    theorem 2.10 (Bernstein).

    >>> noise = np.random.default_rng(0).normal(size=(50, 40))
    >>> lag_p_value(noise) > 0.01
    True
    >>> lag_p_value(np.tile(noise, 2)) < 1e-4  # every number twice, 40 columns apart
    True
    """
    rows, columns = values.shape
    if columns < 2 or not rows:
        return 1.0
    size = 2 ** math.ceil(math.log2(2 * columns))  # room enough that no lag wraps around
    spectrum = np.zeros(size // 2 + 1)
    for row in values:
        spectrum += np.abs(np.fft.rfft(row, size)) ** 2
    sums = np.abs(np.fft.irfft(spectrum, size)[1:columns])
    pairs = rows * np.arange(columns - 1, 0, -1)
    # Solves sums = sqrt(2 * pairs * u) + scale * u for u.
    root = 2 * sums / (np.sqrt(2 * pairs) + np.sqrt(2 * pairs + 4 * scale * sums))
    return min(1.0, 2 * (columns - 1) * math.exp(-float((root**2).max())))


def variance_p_value(squares: np.ndarray, freedom: float, *, excess: float = 0.0) -> float:
    """Two-sided chance of the farthest of several sums of squares, by Bonferroni.

    Args:
        squares: Sums of `freedom` squares of independent numbers of variance 1, any shape.
        freedom: How many squares are in each sum.
        excess: Excess kurtosis of the numbers, 0 for normals; the chi-squared law is then stretched
            to the same mean and variance (Satterthwaite 1946).

    >>> round(variance_p_value(np.array([3.84]), 1), 3)
    0.1
    >>> variance_p_value(np.array([1.0, 0.0]), 50) < 1e-10
    True
    """
    stretch = 1 + excess / 2
    shape = freedom / stretch
    each = np.minimum(
        chi2.cdf(np.asarray(squares) / stretch, shape),
        chi2.sf(np.asarray(squares) / stretch, shape),
    )
    return float(min(1.0, 2 * each.min() * each.size)) if each.size else 1.0
