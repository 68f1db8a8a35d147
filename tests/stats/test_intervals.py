"""Intervals against their definitions: naive inversions of the tests that they stand for."""

from itertools import pairwise, product

import numpy as np
import pytest
from scipy.stats import binom, hypergeom, norm
from scipy.stats import poisson as poisson_law

from genaudit.result import LADDER
from genaudit.stats.intervals import (
    beyond_chance,
    clopper_pearson,
    miettinen_nurminen,
    newcombe,
    normal,
    poisson,
    wilson,
)


@pytest.mark.parametrize(("k", "n"), [(0, 7), (3, 7), (7, 7), (2, 400)])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99999])
def test_clopper_pearson_inverts_the_binomial_test(k, n, confidence):
    """At each end the tail beyond the observed count weighs exactly its share."""
    low, high = clopper_pearson(k, n, confidence)
    tail = (1 - confidence) / 2

    assert low == 0 if k == 0 else np.isclose(binom.sf(k - 1, n, low), tail)
    assert high == 1 if k == n else np.isclose(binom.cdf(k, n, high), tail)


@pytest.mark.parametrize("k", [0, 1, 12])
def test_poisson_inverts_the_poisson_test(k):
    """At each end the tail beyond the observed count weighs 2.5%."""
    low, high = poisson(k, 0.95)

    assert low == 0 if k == 0 else np.isclose(poisson_law.sf(k - 1, low), 0.025)
    assert np.isclose(poisson_law.cdf(k, high), 0.025)


@pytest.mark.parametrize(("k", "n"), [(0, 9), (4, 9), (9, 9)])
def test_wilson_inverts_the_score_test(k, n):
    """Inside the interval, and only there, the score test accepts."""
    low, high = wilson(k, n, 0.9)
    grid = np.linspace(0.0005, 0.9995, 1000)
    accepted = np.abs(k / n - grid) <= norm.isf(0.05) * np.sqrt(grid * (1 - grid) / n)

    assert abs(grid[accepted].min() - low) < 0.002
    assert abs(grid[accepted].max() - high) < 0.002


def _naive_error(k1, n1, k2, n2, delta):
    """Standard error at the difference delta by a search over p2."""
    p2 = np.linspace(max(0, -delta), min(1, 1 - delta), 20_001)[1:-1]
    p1 = p2 + delta
    likelihood = (
        k1 * np.log(p1) + (n1 - k1) * np.log1p(-p1) + k2 * np.log(p2) + (n2 - k2) * np.log1p(-p2)
    )
    i = likelihood.argmax()
    variance = p1[i] * (1 - p1[i]) / n1 + p2[i] * (1 - p2[i]) / n2
    return np.sqrt(variance * (n1 + n2) / (n1 + n2 - 1))


@pytest.mark.parametrize("counts", [(3, 20, 1, 30), (0, 10, 0, 20), (10, 10, 0, 20), (5, 50, 9, 9)])
def test_miettinen_nurminen_inverts_the_score_test(counts):
    """At both ends the observed difference lies z restricted errors away, found by brute force."""
    k1, n1, k2, n2 = counts
    z = norm.isf(0.025)

    for end in miettinen_nurminen(*counts, 0.95):
        gap = abs(k1 / n1 - k2 / n2 - end)
        assert abs(end) == 1 or np.isclose(gap, z * _naive_error(*counts, end), atol=1e-3)


def _errors(interval, sizes, rates, confidence):
    """Chance that each end lies on the wrong side of the truth, summed over all outcomes."""
    (n1, n2), (p1, p2) = sizes, rates
    low_wrong = high_wrong = 0.0
    for k1, k2 in product(range(n1 + 1), range(n2 + 1)):
        weight = binom.pmf(k1, n1, p1) * binom.pmf(k2, n2, p2)
        if weight > 1e-10:
            low, high = interval(k1, n1, k2, n2, confidence)
            low_wrong += weight * (low > p1 - p2 + 1e-12)
            high_wrong += weight * (high < p1 - p2 - 1e-12)
    return low_wrong, high_wrong


@pytest.mark.parametrize(("p1", "p2"), [(0.02, 0.01), (0.3, 0.3), (0.05, 0.0)])
def test_newcombe_errs_as_often_as_it_says(p1, p2):
    """Each end is wrong in at most about its share of all outcomes, few events included."""
    for confidence in (0.95, 0.99):
        tail = (1 - confidence) / 2

        assert max(_errors(newcombe, (40, 60), (p1, p2), confidence)) <= 1.25 * tail


def test_all_intervals_nest_along_the_ladder():
    """More confidence never makes an interval shorter, and none is inverted."""
    makers = [
        lambda c: clopper_pearson(2, 9, c),
        lambda c: wilson(2, 9, c),
        lambda c: poisson(2, c),
        lambda c: normal(0.3, 0.1, c),
        lambda c: newcombe(0, 9, 3, 8, c),
        lambda c: miettinen_nurminen(0, 9, 3, 8, c),
        lambda c: beyond_chance(9, 20, 1, 20, c),
    ]
    for make in makers:
        ends = [make(c) for c in LADDER]

        assert all(low <= high for low, high in ends)
        assert all(b[0] <= a[0] + 1e-12 and a[1] <= b[1] + 1e-12 for a, b in pairwise(ends))


def test_empty_denominators_know_nothing():
    """Without trials the interval is all that there is."""
    assert clopper_pearson(0, 0, 0.9) == (0, 1)
    assert wilson(0, 0, 0.9) == (0, 1)
    assert newcombe(0, 0, 1, 5, 0.9) == (-1, 1)
    assert miettinen_nurminen(1, 5, 0, 0, 0.9) == (-1, 1)
    assert beyond_chance(0, 0, 0, 0, 0.9) == (0, 0)


def test_confidence_is_checked():
    """A confidence outside (0, 1) is refused with its value."""
    with pytest.raises(ValueError, match=r"confidence=2\.0"):
        wilson(1, 2, 2.0)


def _naive_beyond(hits, n, control_hits, n_control, confidence):
    """All x whose hypergeometric tails both exceed their share."""
    tail, kept = (1 - confidence) / 2, []
    for x in range(hits + 1):
        law = hypergeom(n + n_control - x, n - x, hits + control_hits - x)
        if law.sf(hits - x - 1) > tail and law.cdf(hits - x) > tail:
            kept.append(x)
    return kept


def test_beyond_chance_inverts_the_hypergeometric_test():
    """The ends are the smallest and largest x that no tail rules out."""
    rng = np.random.default_rng(0)
    for _ in range(80):
        n, n_control = rng.integers(1, 60, 2)
        hits, control_hits = rng.integers(n + 1), rng.integers(n_control + 1)
        kept = _naive_beyond(hits, n, control_hits, n_control, 0.9)
        if kept:
            ends = beyond_chance(hits, n, control_hits, n_control, 0.9)

            assert ends == (min(kept), max(kept))


def test_beyond_chance_holds_its_level_whatever_hits():
    """Labels dealt at random over fixed hits: the low end exceeds 0 in at most its share."""
    rng = np.random.default_rng(1)
    labels = np.arange(300) < 200
    wrong = {0.9: 0, 0.98: 0}
    for _ in range(1500):
        hit = rng.permutation(labels)[:40]
        for confidence in wrong:
            low, _ = beyond_chance(hit.sum(), 200, (~hit).sum(), 100, confidence)
            wrong[confidence] += low > 0

    for confidence, count in wrong.items():
        tail = (1 - confidence) / 2
        assert count / 1500 <= tail + 2 * (tail / 1500) ** 0.5


def test_beyond_chance_covers_planted_copies():
    """30 copies among chance hits are inside the interval about as often as it says."""
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(1000):
        copied = rng.choice(200, 30, replace=False)
        chance = rng.choice(300, 50, replace=False)
        hit = np.union1d(copied, chance)
        n_new = len(np.setdiff1d(chance, copied))
        low, high = beyond_chance((hit < 200).sum(), 200, (hit >= 200).sum(), 100, 0.9)
        inside += low <= 30 <= high
        assert n_new + 30 == len(hit)

    assert inside / 1000 >= 0.9 - 2 * (0.09 / 1000) ** 0.5
