"""Errors with several sources: Student's t, DeLong against pairs, coverage."""

import math

import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import roc_auc_score

from genaudit.stats.components import auc_influence, component_interval, jackknife_variance


def test_one_component_is_students_t():
    """With one source the interval is the t interval of its degrees of freedom."""
    low, high = component_interval(2.0, [(4.0, 7)], 0.9)

    assert np.allclose((low, high), (2 - 2 * t.isf(0.05, 7), 2 + 2 * t.isf(0.05, 7)))


def test_a_well_known_component_brings_normal_quantiles():
    """Infinite degrees of freedom are the normal distribution; equal parts double those of one."""
    assert np.isclose(component_interval(0, [(1, math.inf)], 0.95)[1], 1.95996, atol=1e-5)
    assert np.isclose(
        component_interval(0, [(0.5, 4), (0.5, 4)], 0.95)[1], t.isf(0.025, 8), atol=1e-9
    )


def test_nothing_varies():
    """Without variance the interval is the value."""
    assert component_interval(0.3, [(0.0, 3)], 0.95) == (0.3, 0.3)


def test_jackknife_of_a_largest_minus_smallest():
    """By hand: without 1, 2, 3 of (1, 2, 6) in turn the range is 4, 5 and 1."""
    ranges = np.array([4.0, 5.0, 1.0])

    assert np.isclose(jackknife_variance(ranges), 2 / 3 * np.sum((ranges - 10 / 3) ** 2))


@pytest.mark.parametrize("seed", range(5))
def test_auc_and_influence_equal_pairs(seed):
    """The area is scikit-learn's, and influences are those of all pairs, ties included."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, 40).astype(float)
    positive = rng.random(40) < 0.4
    won = (scores[positive][:, None] > scores[~positive]) + 0.5 * (
        scores[positive][:, None] == scores[~positive]
    )

    auc, influence = auc_influence(scores, positive)

    assert np.isclose(auc, roc_auc_score(positive, scores))
    assert np.allclose(influence[positive], (won.mean(axis=1) - auc) / positive.sum())
    assert np.allclose(influence[~positive], (won.mean(axis=0) - auc) / (~positive).sum())


def test_no_area_with_one_class():
    """Without negatives nothing is defined."""
    auc, influence = auc_influence(np.arange(3.0), np.ones(3, dtype=bool))

    assert math.isnan(auc)
    assert np.isnan(influence).all()


def test_covers_an_area():
    """95% intervals from influences hold the true area in 92 to 98% of 400 draws."""
    rng, truth, held = np.random.default_rng(7), 0.7602, 0
    for _ in range(400):
        positive = np.arange(300) < 100
        scores = rng.normal(size=300) + positive
        auc, influence = auc_influence(scores, positive)
        low, high = component_interval(auc, [(float(np.sum(influence**2)), math.inf)], 0.95)
        held += low <= truth <= high

    assert 0.92 <= held / 400 <= 0.98
