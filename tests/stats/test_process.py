"""Outcomes added up over an attribute: the same whatever its scale, with honest bands."""

import math

import numpy as np
import pytest

from genaudit.stats.process import PLACES, largest_distance, surplus


def rows(n, seed, slope=0.5, *, power=1.0):
    """Whole numbers from 18 to 90, and outcomes that rise with their rank by `slope`."""
    rng = np.random.default_rng(seed)
    u = rng.random(n)
    return np.round(18 + 72 * u**power), (rng.random(n) < 0.25 + slope * u) * 1.0


def test_sums_are_those_of_sorted_rows():
    """Without ties, the surplus of the first k rows over n."""
    rng = np.random.default_rng(0)
    order, outcome = rng.normal(size=500), rng.random(500)
    naive = np.cumsum(outcome[np.argsort(order)] - outcome.mean()) / 500

    assert np.allclose(surplus(order, outcome, rng).sums, naive[5 * np.arange(1, PLACES + 1) - 1])


def test_only_the_order_counts():
    """Another scale of the attribute changes nothing."""
    order, outcome = rows(300, 1)
    one, other = (surplus(x, outcome, np.random.default_rng(0)) for x in (order, np.log(order)))

    assert np.allclose(one.sums, other.sums)
    assert np.allclose(one.errors, other.errors)


@pytest.mark.parametrize(("n", "m", "slope"), [(300, 300, 0.0), (800, 300, 0.5)])
def test_equal_relations_are_not_accused(n, m, slope):
    """Of 200 pairs at most 5%, and two errors, lie apart; the attribute's own shares may differ."""
    apart = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        tables = rows(n, 2 * seed, slope), rows(m, 2 * seed + 1, slope, power=1.3)
        one, other = (surplus(*t, rng) for t in tables)
        apart.append(largest_distance(one, other, 0.95)[1] > 0)

    assert np.mean(apart) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200)


def test_another_course_is_found():
    """A peak in the middle has the slope of none, and another course."""
    rng = np.random.default_rng(0)
    u = rng.random((2, 2000))
    flat = (rng.random(2000) < 0.5) * 1.0
    peak = (rng.random(2000) < 0.9 - 1.6 * np.abs(u[1] - 0.5)) * 1.0
    found = largest_distance(surplus(u[0], flat, rng), surplus(u[1], peak, rng), 0.999)

    assert found[1] > 0


def test_clustered_rows_are_worth_less():
    """Errors grow by the root of what a row is worth."""
    order, outcome = rows(300, 1)
    one, half = (surplus(order, outcome, np.random.default_rng(0), w) for w in (1.0, 0.5))

    assert np.allclose(half.errors, one.errors * math.sqrt(2))
