"""Correlations at lags against loops, and alarms that are as rare as they say."""

import numpy as np
import pytest

from genaudit.stats.independence import binomial_moments, lag_p_value, variance_p_value


def _naive(values):
    """The largest correlation by loops, and its bound."""
    rows, columns = values.shape
    worst = 1.0
    for lag in range(1, columns):
        total = sum(values[r, i] * values[r, i + lag]
                    for r in range(rows) for i in range(columns - lag))  # fmt: skip
        pairs = rows * (columns - lag)
        # The u at which sqrt(2 N u) + 2 u reaches the sum, by bisection.
        low, high = 0.0, 1e6
        for _ in range(200):
            u = (low + high) / 2
            low, high = (u, high) if np.sqrt(2 * pairs * u) + 2 * u < abs(total) else (low, u)
        worst = min(worst, np.exp(-low))
    return min(1.0, 2 * (columns - 1) * worst)


@pytest.mark.parametrize("copied", [False, True])
def test_lags_agree_with_loops(copied):
    """The fast transform and the closed form are the loops and the bisection."""
    values = np.random.default_rng(0).normal(size=(6, 9))
    if copied:
        values[:, 5:] = values[:, :4]

    assert lag_p_value(values) == pytest.approx(_naive(values), rel=1e-6)


def test_alarms_are_rare():
    """Of 2,000 tables of noise at most 1% + 2 standard errors are below 1%."""
    rng = np.random.default_rng(1)
    below = sum(lag_p_value(rng.normal(size=(8, 20))) < 0.01 for _ in range(2000))
    coins = (rng.random((2000, 12, 30)) < 0.1) / 0.3 - 0.1 / 0.3
    also = sum(lag_p_value(c, scale=9 / 3) < 0.01 for c in coins)

    assert below <= 20 + 2 * np.sqrt(20)
    assert also <= 20 + 2 * np.sqrt(20)


def test_variance_of_binomials():
    """Batch sizes of Poisson draws are as spread as they should be at the level that is asked."""
    rng = np.random.default_rng(9)
    n, q, batches = 300, 0.02, 200
    sizes = rng.binomial(n, q, (4000, batches))
    squares = np.square(sizes - n * q) / (n * q * (1 - q))
    variance, skewness = binomial_moments(n, q)
    p = np.array([variance_p_value(s.sum(keepdims=True), batches, variance=variance,
                                   skewness=skewness) for s in squares])  # fmt: skip

    assert squares.var() == pytest.approx(variance, rel=0.02)
    assert (p < 0.01).mean() <= 0.01 + 2 * np.sqrt(0.01 / 4000)
    assert (p < 0.5).mean() > 0.45


def test_nothing_to_compare():
    """One column has no lag, no table has a correlation."""
    assert lag_p_value(np.ones((5, 1))) == 1.0
    assert lag_p_value(np.empty((0, 4))) == 1.0
    assert variance_p_value(np.array([]), 3) == 1.0
