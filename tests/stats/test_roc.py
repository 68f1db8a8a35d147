"""ROC statistics against pair counting, and their intervals against simulation."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from genaudit.result import LADDER
from genaudit.stats.roc import auc, roc_points, tpr_at_fpr


def _naive_auc(members, non_members):
    """Placement values pair by pair, as DeLong et al. define them."""
    wins = (members[:, None] > non_members) + 0.5 * (members[:, None] == non_members)
    by_member, by_other = wins.mean(axis=1), wins.mean(axis=0)
    variance = by_member.var(ddof=1) / len(members) + by_other.var(ddof=1) / len(non_members)
    return wins.mean(), np.sqrt(variance)


def test_auc_counts_pairs():
    """Ranks give the same area and error as counting all pairs, ties included."""
    rng = np.random.default_rng(0)
    members, non_members = rng.integers(0, 8, 40) * 1.0, rng.integers(0, 6, 25) * 1.0
    found = auc(members, non_members)

    assert np.allclose((found.value, found.se), _naive_auc(members, non_members))


def test_auc_interval_covers():
    """The 95% and 99% intervals miss a known area about as often as they say, on each side."""
    rng = np.random.default_rng(1)
    truth = norm.cdf(0.5 / np.sqrt(2))
    missed = {0.95: [0, 0], 0.99: [0, 0]}
    for _ in range(1500):
        found = auc(rng.normal(0.5, 1, 60), rng.normal(0, 1, 90))
        for confidence, (below, above) in missed.items():
            low, high = found.interval(confidence)
            missed[confidence] = [below + (high < truth), above + (low > truth)]

    for confidence, counts in missed.items():
        tail = (1 - confidence) / 2
        assert max(counts) / 1500 <= tail + 3 * (tail / 1500) ** 0.5


@pytest.mark.parametrize(
    ("members", "non_members", "value"),
    [
        ([2.0, 3.0, 4.0] * 12, [0.0, 1.0] * 15, 1.0),
        ([0.0] * 30, [1.0] * 30, 0.0),
        ([1.0] * 40, [1.0] * 40, 0.5),
    ],
)
def test_auc_without_spread_keeps_its_interval(members, non_members, value):
    """Full separation and constant scores have an error of 0, yet no interval of width 0."""
    found = auc(np.array(members), np.array(non_members))
    ends = [found.interval(c) for c in LADDER]

    assert found.value == value
    assert all(0 <= low <= value <= high <= 1 and high - low > 0.09 for low, high in ends)


def test_auc_of_few_records_knows_nothing():
    """Under 30 records on a side have an area but no interval; none has no area."""
    assert auc(np.array([1.0]), np.array([0.0])).interval(0.9) == (0, 1)
    assert auc(np.arange(29.0), np.arange(99.0) % 2).interval(0.9) == (0, 1)
    assert auc(np.arange(30.0), np.arange(99.0) % 2).interval(0.9) != (0, 1)
    assert np.isnan(auc(np.array([]), np.array([0.0])).value)


def test_auc_of_tied_scores_keeps_its_level():
    """Two scores and 30 records on one side: a fair coin is seldom beyond the 95% interval."""
    rng = np.random.default_rng(3)
    beyond = sum(
        auc(rng.integers(0, 2, 500) * 1.0, rng.integers(0, 2, 30) * 1.0).interval(0.95)[0] > 0.5
        for _ in range(1000)
    )

    assert beyond / 1000 <= 0.025 + 3 * (0.025 / 1000) ** 0.5


def test_tpr_is_a_step_function():
    """At most the allowed non-members are accused, and nothing is interpolated."""
    members = np.array([10.0, 7.0, 3.0, 3.0])
    non_members = np.array([8.0, 5.0, 3.0, 1.0])

    at = [tpr_at_fpr(members, non_members, fpr) for fpr in (0.25, 0.49, 0.5)]
    assert [(a.value, a.achieved_fpr) for a in at] == [(0.5, 0.25), (0.5, 0.25), (0.5, 0.5)]


def test_tpr_is_refused_under_the_achievable_rate():
    """1% cannot be reached with 99 non-members, and can with 100."""
    members = np.arange(10.0)

    assert tpr_at_fpr(members, np.arange(99.0), 0.01) is None
    assert tpr_at_fpr(members, np.arange(100.0), 0.01) is not None
    assert tpr_at_fpr(np.array([]), np.arange(100.0), 0.01) is None


def test_tpr_interval_pays_for_its_threshold():
    """Few non-members set the threshold and many members are counted: both errors are covered."""
    rng = np.random.default_rng(2)
    too_high = too_low = 0
    for _ in range(1500):
        found = tpr_at_fpr(rng.normal(0, 1, 2000), rng.normal(0, 1, 300), 0.05)
        low, high = found.interval(0.9)
        too_high += low > 0.05
        too_low += high < 0.05

    assert max(too_high, too_low) / 1500 <= 0.05


def test_tpr_ceiling_is_that_of_a_perfect_attack():
    """With enough non-members the ceiling nears 1; with too few it is 0."""
    perfect = tpr_at_fpr(np.full(500, 9.0), np.arange(5000.0) / 5000, 0.01)
    poor = tpr_at_fpr(np.full(500, 9.0), np.arange(100.0) / 100, 0.01)

    assert perfect.at_low_end(0.5, 0.99) > 0.4
    assert poor.at_low_end(0.5, 0.99) == 0
    assert perfect.interval(0.99)[0] == perfect.ceiling(0.99) > 0.98
    assert poor.value == 1
    assert poor.ceiling(0.99) == 0 == poor.interval(0.99)[0]


@pytest.mark.parametrize("n", [300, 800, 3000])
@pytest.mark.parametrize("tpr", [0.05, 0.2, 0.6])
def test_what_is_left_of_a_tpr_at_the_low_end_is_that_of_normal_scores(n, tpr):
    """Members above the stricter threshold, in the mean over draws of shifted normal scores."""
    rng = np.random.default_rng(0)
    shift = norm.ppf(tpr) - norm.ppf(0.01)
    left = []
    for _ in range(400):
        found = tpr_at_fpr(rng.normal(shift, 1, 100), rng.normal(0, 1, n), 0.01)
        strict = found.non_members[found.strict(0.99) or 0]
        left.append(norm.sf(strict - shift))
    expected = found.at_low_end(tpr, 0.99)

    if found.strict(0.99) is None:
        assert expected == 0
    else:
        assert np.mean(left) == pytest.approx(expected, abs=0.02)
    assert expected < tpr


def test_roc_points_leave_out_what_cannot_be_reached():
    """Only rates of at least 1 / n stand on the curve, and it never falls."""
    points = roc_points(np.arange(50.0), np.arange(20.0), (0.01, 0.05, 0.1, 0.5, 0.9))

    assert [fpr for fpr, _ in points] == [0.05, 0.1, 0.5, 0.9]
    assert all(a[1] <= b[1] for a, b in pairwise(points))
