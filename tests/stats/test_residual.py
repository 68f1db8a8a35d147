"""Residual risk: a naive twin of the interval, values on paper, and its level under the null."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from genaudit.stats.residual import residual_interval, residual_risk

#: Right guesses and guesses about members and controls.
COUNTS = [(60, 100, 20, 100), (3, 40, 1, 90), (5, 200, 9, 150), (90, 100, 95, 120)]


def naive_score(k1, n1, k2, n2, ratio):
    """The score statistic with the rates of failure found by maximising their likelihood."""
    x1, x2 = n1 - k1, n2 - k2

    def deviance(p2):
        p1 = ratio * p2
        return -(x1 * math.log(p1) + k1 * math.log1p(-p1) + x2 * math.log(p2)
                 + k2 * math.log1p(-p2))  # fmt: skip

    top = min(1.0, 1 / ratio) - 1e-12
    p2 = minimize_scalar(deviance, bounds=(1e-12, top), method="bounded",
                         options={"xatol": 1e-12}).x  # fmt: skip
    p1, n = ratio * p2, n1 + n2
    variance = (p1 * (1 - p1) / n1 + ratio**2 * p2 * (1 - p2) / n2) * n / (n - 1)
    return (x1 / n1 - ratio * x2 / n2) / math.sqrt(variance)


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("confidence", [0.9, 0.99, 0.9999])
def test_ends_are_where_the_score_says(counts, confidence):
    """At both ends a score that is worked out by brute force is as large as the confidence asks."""
    z = norm.isf((1 - confidence) / 2)
    low, high = residual_interval(*counts, confidence)

    assert low < residual_risk(*counts) < high <= 1
    assert naive_score(*counts, 1 - high) == pytest.approx(z, abs=2e-3)
    assert naive_score(*counts, 1 - low) == pytest.approx(-z, abs=2e-3)


def test_values_on_paper():
    """Half of what was left is 0.5; as many wrong is 0; twice as many wrong is -1; none is 1."""
    assert residual_risk(60, 100, 20, 100) == pytest.approx(0.5)
    assert residual_risk(20, 100, 20, 100) == pytest.approx(0)
    assert residual_risk(0, 100, 50, 100) == pytest.approx(-1)
    assert residual_risk(100, 100, 50, 100) == 1
    assert math.isnan(residual_risk(50, 100, 100, 100))
    assert math.isnan(residual_risk(0, 0, 1, 2))


def test_edges():
    """All right, none right, or no trials: the interval says what can be said."""
    low, high = residual_interval(100, 100, 20, 100, 0.95)
    assert high == 1
    assert 0.9 < low < 1
    low, high = residual_interval(0, 100, 0, 100, 0.95)
    assert low < 0 < high
    assert residual_interval(100, 100, 100, 100, 0.95) == (-math.inf, 1)
    assert residual_interval(5, 5, 0, 0, 0.95) == (-math.inf, 1)
    with pytest.raises(ValueError, match="confidence"):
        residual_interval(1, 2, 1, 2, 1.0)


@pytest.mark.parametrize(
    ("rate", "n1", "n2"),
    [(0.002, 2000, 2000), (0.01, 2000, 1000), (0.5, 300, 100), (0.95, 400, 400)],
)
def test_level_under_the_null(rate, n1, n2):
    """Where both rates are one, zero is below the low end about as often as promised, no more."""
    rng = np.random.default_rng(7)
    n = 400
    pairs = zip(rng.binomial(n1, rate, n), rng.binomial(n2, rate, n), strict=True)
    ends = [residual_interval(a, n1, b, n2, 0.9) for a, b in pairs]
    most = 0.05 + 3 * math.sqrt(0.05 * 0.95 / n)

    assert np.mean([low > 0 for low, _ in ends]) <= most
    assert np.mean([high < 0 for _, high in ends]) <= most
