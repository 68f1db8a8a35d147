"""How far any two groups have come apart: on paper, and against draws whose truth is known."""

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import norm

from genaudit.stats.intervals import Interval
from genaudit.stats.maxima import Maxima, Source
from genaudit.stats.widening import widening, widening_interval


def pairs(n):
    """Every difference of two of n cells."""
    one = np.eye(n)
    return np.array([one[i] - one[j] for i, j in permutations(range(n), 2)])


def limits(values, se):
    """Normal limits of independent errors of one size."""
    return lambda tail: (values - norm.isf(tail) * se, values + norm.isf(tail) * se)


@pytest.mark.parametrize(
    ("real", "made", "apart"),
    [
        ((0.5, 0.5), (0.6, 0.5), 0.1),  # opened
        ((0.4, 0.5), (0.3, 0.5), 0.1),  # grown
        ((0.4, 0.5), (0.5, 0.5), 0.0),  # closed
        ((0.4, 0.6), (0.6, 0.5), 0.1),  # turned: as far as it is now
        ((0.5, 0.5, 0.8, 0.2), (0.6, 0.4, 0.8, 0.2), 0.2),  # hidden from the extremes
        ((0.5, 0.54, 0.46), (0.5, 0.46, 0.54), 0.08),
    ],
)
def test_on_paper(real, made, apart):
    """What opened, grew or turned counts; what closed does not, whatever the extremes do."""
    w = pairs(len(real))
    assert np.isclose(widening([w @ np.subtract(made, real), w @ made]), apart)


def test_the_interval_on_paper():
    """Of two pairs: lower ends at half of the error, upper ends at all of it for one quantity."""
    of_two = np.array([0.3, 0.1])
    low, high = widening_interval([limits(of_two, 0.1)], 0.9)

    assert np.isclose(low, 0.3 - 0.1 * norm.isf(0.025))
    assert np.isclose(high, 0.3 + 0.1 * norm.isf(0.05))
    both: Interval = widening_interval([limits(of_two, 0.1), limits(of_two - 0.05, 0.1)], 0.9)
    assert np.allclose(both, (0.25 - 0.1 * norm.isf(0.025), 0.25 + 0.1 * norm.isf(0.025)))


def test_closer_groups_came_not_apart():
    """Where every pair is surely closer than before nothing is left to doubt."""
    interval = widening_interval([limits(np.array([0.4, -0.4]), 0.01),
                                  limits(np.array([-0.2, 0.2]), 0.01)], 0.95)  # fmt: skip
    assert interval == (0.0, 0.0)


@pytest.mark.parametrize(
    ("real", "made"),
    [
        ((0.5, 0.5), (0.5, 0.5)),
        ((0.5,) * 6, (0.5,) * 6),
        ((0.2, 0.5, 0.9), (0.2, 0.5, 0.9)),
        ((0.5, 0.5, 0.5), (0.65, 0.5, 0.5)),
        ((0.3, 0.6, 0.5), (0.6, 0.35, 0.5)),
    ],
)
def test_intervals_cover(real, made):
    """Each end errs in at most 2.5% of 1,500 draws (and 2 errors), for equal and unequal groups."""
    rng, w, se = np.random.default_rng(3), pairs(len(real)), 0.05
    truth = widening([w @ np.subtract(made, real), w @ made])
    n = len(real)
    cov = np.eye(2 * n) * se**2
    below = above = 0
    for _ in range(1500):
        one, two = (rng.normal(side, se) for side in (made, real))
        found = Maxima(one, two, w, [Source(cov)])
        low, high = widening_interval([found.changes, found.firsts], 0.95)
        below += low > truth + 1e-12
        above += high < truth - 1e-12

    assert max(below, above) / 1500 <= 0.025 + 2 * np.sqrt(0.025 * 0.975 / 1500)
