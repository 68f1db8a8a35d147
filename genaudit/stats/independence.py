"""Are numbers that should be independent so: correlations at every lag of a table, and sums.

Under the null each number has mean 0 and variance 1 and tells nothing of any other. Noise that is
drawn once and used twice, a batch that is shuffled instead of sampled: both show at some lag.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import binom, gamma


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


def variance_p_value(
    totals: np.ndarray, terms: int, *, variance: float = 2.0, skewness: float = math.sqrt(8)
) -> float:
    """Two-sided chance of the farthest of several sums of squares, by Bonferroni.

    Args:
        totals: Sums of `terms` independent numbers of mean 1, any shape.
        terms: How many numbers are in each sum.
        variance: Of one of them; 2 for squares of normals.
        skewness: Of one of them; the root of 8 for squares of normals, where the result is exact
            (chi-squared). Else a gamma law with the same three moments stands for the sum (Pearson
            type III).

    >>> round(variance_p_value(np.array([3.84]), 1), 3)
    0.1
    >>> variance_p_value(np.array([1.0, 0.0]), 50) < 1e-10
    True
    """
    totals = np.asarray(totals, dtype=float)
    if not totals.size:
        return 1.0
    shape = 4 * terms / skewness**2
    x = np.maximum(shape + (totals - terms) * math.sqrt(shape / (variance * terms)), 0.0)
    each = np.minimum(gamma.cdf(x, shape), gamma.sf(x, shape))
    return float(min(1.0, 2 * each.min() * each.size))


def binomial_moments(trials: int, rate: float) -> tuple[float, float]:
    """Variance and skewness of the squared deviation of a binomial, in units of its variance.

    >>> [round(x, 2) for x in binomial_moments(100_000, 0.5)]  # nearly those of a squared normal
    [2.0, 2.83]
    """
    mean, deviation = trials * rate, math.sqrt(trials * rate * (1 - rate))
    reach = 40 * (deviation + 1)
    k = np.arange(max(0, math.floor(mean - reach)), min(trials, math.ceil(mean + reach)) + 1)
    chance, squares = binom.pmf(k, trials, rate), np.square((k - mean) / deviation)
    variance = float(chance @ np.square(squares - 1))
    return variance, float(chance @ (squares - 1) ** 3) / variance**1.5
