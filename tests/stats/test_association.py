"""Associations: equal to known statistics, right on average, and silent about a few people."""

import math

import numpy as np
import pytest
from scipy.stats import chi2_contingency, kruskal

from genaudit.stats.association import cramer, eta, standard_error


def columns(n, seed, tie=0.3):
    """Groups of two and levels of four that follow them with some chance."""
    rng = np.random.default_rng(seed)
    group = (rng.random(n) < 0.3).astype(int)
    level = np.where(rng.random(n) < tie, group, rng.integers(0, 4, n))
    return group, level


def rows_of(table):
    """Codes of the rows of a table of counts."""
    cells = [(i, j) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]
    return tuple(np.array(cells).T)


def test_cramer_is_chi_squared():
    """Chi-squared over n, less what chance adds."""
    group, level = columns(500, 0)
    counts = np.histogram2d(group, level, bins=(2, 4))[0]
    chi = chi2_contingency(counts, correction=False)[0]

    assert np.isclose(cramer(group, level, np.ones((2, 4), bool)).value, chi / 500 - 3 / 499)


def test_eta_is_kruskal_and_wallis():
    """Of ranks it is (H - k + 1) / (n - k)."""
    rng = np.random.default_rng(1)
    group, x = np.repeat([0, 1, 2], [50, 60, 70]), rng.normal(size=180)
    x[:50] += 0.5
    h = kruskal(*(x[group == g] for g in range(3)))[0]

    assert np.isclose(eta(group, x.argsort().argsort() + 1.0, 3).value, (h - 2) / 177)


@pytest.mark.parametrize("kind", ["levels", "numbers"])
def test_influences_are_derivatives(kind):
    """A row more moves the value by its influence over n, but for terms of order 1 / n²."""
    group, level = columns(4000, 2)

    def value(rows):
        if kind == "levels":
            return cramer(group[rows], level[rows], np.ones((2, 4), bool))
        return eta(group[rows], level[rows] * 1.0, 2)

    whole = value(np.arange(4000))
    for i in (0, 7, 100):
        more = value(np.append(np.arange(4000), i))

        assert abs(4001 * (more.value - whole.value) - whole.influence[i]) < 0.01


@pytest.mark.parametrize("kind", ["levels", "numbers"])
@pytest.mark.parametrize("tie", [0.0, 0.1, 0.5])
def test_differences_of_equal_ties_hold_zero(kind, tie):
    """Of 400 pairs of tables of 600 and 300 rows, at most 5% and two errors miss zero."""
    told, missed = np.ones((2, 4), bool), []
    for seed in range(400):
        pair = []
        for n, s in ((600, 2 * seed), (300, 2 * seed + 1)):
            group, level = columns(n, s, tie)
            found = cramer(group, level, told) if kind == "levels" else eta(group, level * 1.0, 2)
            pair.append((found.value, standard_error(found, found.influence)))
        (a, e), (b, f) = pair
        missed.append(abs(a - b) > 1.96 * math.hypot(e, f))

    assert np.mean(missed) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize("few", range(1, 10))
def test_a_small_cell_is_any_small_cell(few):
    """Nobody who knows all other counts reads one of a few people from the value or its error."""

    def told(k):
        groups, levels = rows_of([[120, 280], [k, 200 - k], [60, 140]])
        found = cramer(groups, levels, np.ones((3, 2), bool), 10)
        return found.value, standard_error(found, found.influence)

    assert told(few) == pytest.approx(told(5), abs=1e-12)
    assert told(5)[0] != pytest.approx(told(12)[0], abs=1e-3)


def test_a_group_of_a_few_is_any_group_of_a_few():
    """Nor how many there are of a group that has small cells alone."""
    values = {round(cramer(*rows_of([[120, 280], [90, 110], [k, 2]]), np.ones((3, 2), bool), 10)
                    .value, 9) for k in (1, 3, 7)}  # fmt: skip
    assert len(values) == 1


def test_cells_that_do_not_count_are_independence():
    """A table of which no cell counts is not tied, whatever it holds."""
    group, level = columns(500, 0)

    assert np.isclose(cramer(group, level, np.zeros((2, 4), bool)).value, 0.0)
