"""Intervals of sums of rates: textbook numbers, naive twin, coverage."""

import numpy as np
import pytest

from genaudit.stats.contrast import rate_contrast
from genaudit.stats.intervals import newcombe, wilson


def test_two_rates_are_newcombe():
    """With coefficients 1 and -1 the interval is Newcombe's, at every confidence."""
    for confidence in (0.9, 0.95, 0.9999):
        expected = newcombe(7, 30, 60, 80, confidence)

        assert np.allclose(rate_contrast([(1, 7, 30), (-1, 60, 80)], confidence), expected)


def test_one_rate_is_wilson():
    """One rate gives its own interval; a coefficient of 2 doubles it, -1 mirrors it."""
    low, high = wilson(3, 40, 0.95)

    assert np.allclose(rate_contrast([(1, 3, 40)], 0.95), (low, high))
    assert np.allclose(rate_contrast([(2, 3, 40)], 0.95), (2 * low, 2 * high))
    assert np.allclose(rate_contrast([(-1, 3, 40)], 0.95), (-high, -low))


def test_no_trials_are_refused():
    """A rate without a denominator has no interval."""
    with pytest.raises(ValueError, match="at least 1"):
        rate_contrast([(1, 0, 0)], 0.95)


@pytest.mark.parametrize(
    ("rates", "trials"),
    [
        ((0.5, 0.35, 0.5, 0.35), (480, 320, 480, 320)),
        ((0.3, 0.1, 0.25, 0.12), (5000, 40, 5000, 30)),
        ((0.9, 0.8, 0.88, 0.85), (400, 60, 300, 50)),
    ],
)
def test_covers_a_change_of_gap(rates, trials):
    """95% intervals of (p1 - p2) - (p3 - p4) hold the truth in 93 to 97% of 1,500 draws."""
    rng = np.random.default_rng(4)
    signs = (1, -1, -1, 1)
    truth = sum(s * p for s, p in zip(signs, rates, strict=True))
    draws = rng.binomial(trials, rates, size=(1500, 4)).tolist()
    held = 0
    for counts in draws:
        low, high = rate_contrast(list(zip(signs, counts, trials, strict=True)), 0.95)
        held += low <= truth <= high

    assert 0.93 <= held / len(draws) <= 0.97
