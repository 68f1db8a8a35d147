"""Verdicts about bias hold: few false alarms, intervals that cover, power where others have none.

Few draws of what `tests/benchmarks/bench_bias.py` draws often.
"""

import math
import time

import numpy as np
import pandas as pd
import pytest
import verdicts
from fairlearn.metrics import MetricFrame, equalized_odds_difference, selection_rate
from verdicts import tally

from genaudit.audits.bias._gaps import odds_gap, parity_gap
from genaudit.stats.resampling import resamples

#: Two large groups of ten, so that the largest gap of all pairs is that of the small ones.
SKEWED = (9000, 4500, 2000, 900, 400, 200, 100, 60, 40, 30)
_SHARES = tuple(n / sum(SKEWED) for n in SKEWED)
_EVEN = (0.1,) * 10
_EDGE = tuple(p + 0.02 * (-1) ** i for i, p in enumerate(_EVEN))
_RATES = (0.31, 0.11, 0.25, 0.2, 0.3, 0.25, 0.25, 0.25, 0.25, 0.25)
_SMALL = (40, 40, 40)

NULL = [
    verdicts.shares("two", (0.7, 0.3), (0.7, 0.3), 3000, 4000),
    verdicts.shares("ten skewed", _SHARES, _SHARES, 17230, 20000),
    verdicts.shares("crossed", _EVEN, _EVEN, 3000, 4000, crossed=True),
    verdicts.shares("crossed, at the limit", _EDGE, _EVEN, 3000, 4000, 0.02, crossed=True),
    verdicts.gaps("three small", _SMALL, (0.25,) * 3),
    verdicts.gaps("ten skewed", SKEWED, (0.25,) * 10),
    verdicts.changes("small", (_SMALL, _SMALL), ((0.31, 0.2, 0.25),) * 2),
    verdicts.changes("ten skewed", (SKEWED, SKEWED), (_RATES, _RATES)),
]


@pytest.mark.parametrize("scenario", NULL, ids=lambda s: s.name)
def test_verdicts_hold_where_nothing_is_beyond(scenario):
    """Any false alarm in 5%, intervals that cover 95% and `within` at the limit in 5% at most."""
    n = 120
    found = tally(scenario, n, np.random.default_rng(7))
    se = math.sqrt(0.05 * 0.95 / n)

    assert found.outside / n <= 0.055 + 3 * se
    assert 0.935 - 2 * se <= found.coverage[0] <= 0.965 + 2 * se
    assert found.wrong <= (0.05 + 2 * se) * max(found.n_wrong, 1)


#: Rates of two large and six small groups: all alike, and two of them 6 pp apart.
_ALIKE, _APART = (0.25,) * 8, (0.28, 0.22, *(0.25,) * 6)


@pytest.mark.slow
def test_a_widened_gap_of_learners_is_not_preserved():
    """Among real rows small groups seem as far apart by chance, so that a widening is swallowed."""
    n, sizes = 40, (5000, 5000, *(300,) * 6)
    scenario = verdicts.learners("widened", sizes, (_APART, _ALIKE), 0.05)
    found = tally(scenario, n, np.random.default_rng(3))
    se = math.sqrt(0.05 * 0.95 / n)

    assert found.wrong / n <= 0.05 + 2 * se
    assert found.coverage[0] >= 0.95 - 2 * se


def test_a_gap_of_learners_that_has_grown_is_outside():
    """7 pp beyond the limit, between two groups of thousands."""
    far = verdicts.learners("far", (3000, 1500), ((0.42, 0.1), (0.3, 0.1)), 0.05)
    assert tally(far, 20, np.random.default_rng(5)).outside >= 18


@pytest.mark.slow
def test_a_gap_of_learners_between_two_groups_is_as_sure_as_it_says():
    """Where it is clear which groups are furthest apart, the interval is no wider than that."""
    n = 400
    apart = verdicts.learners("two", (3000, 1500), ((0.3, 0.1),) * 2)
    found = tally(apart, n, np.random.default_rng(0))
    se = math.sqrt(0.05 * 0.95 / n)

    assert 0.935 - 2 * se <= found.coverage[0] <= 0.965 + 2 * se


#: How far any two groups have come apart: the interval is of a largest of many, so wider.
_MID = ((0.525, 0.475, 0.8, 0.2), (0.5, 0.5, 0.8, 0.2))
APART = [
    verdicts.apart("turned, two", ((3000, 1500),) * 2, ((0.11, 0.31), (0.31, 0.11)), 0.05),
    verdicts.apart("none, ten skewed", (SKEWED, SKEWED), (_RATES, _RATES)),
    verdicts.apart("at the limit", ((3000,) * 3,) * 2, ((0.5, 0.525, 0.475), (0.5,) * 3), 0.05),
    verdicts.learners("none", (3000, 1500), ((0.25, 0.25),) * 2, any_two=True),
    verdicts.learners("in the middle, at the limit", (1500,) * 4, _MID, 0.05, any_two=True),
]


@pytest.mark.parametrize("scenario", APART, ids=lambda s: s.name)
def test_any_two_groups_are_said_to_be_apart_rightly(scenario):
    """No more than 5% false alarms and wrong `within`, and intervals that hold 95% and more."""
    n = 100
    found = tally(scenario, n, np.random.default_rng(11))
    se = math.sqrt(0.05 * 0.95 / n)

    assert scenario.null is False or found.outside / n <= 0.05 + 2 * se
    assert found.coverage[0] >= 0.95 - 2 * se
    assert found.wrong <= (0.05 + 2 * se) * max(found.n_wrong, 1)


def test_what_the_extremes_hide_is_outside():
    """Two groups in the middle come apart by 14 points, and so do two others of three."""
    middle = verdicts.learners("middle", (1500,) * 4, ((0.57, 0.43, 0.8, 0.2), _MID[1]), 0.05,
                               any_two=True)  # fmt: skip
    others = verdicts.apart("others", ((4000,) * 2,) * 2, ((0.57, 0.43), (0.5, 0.5)), 0.05)
    for scenario in (middle, others):
        assert tally(scenario, 20, np.random.default_rng(5)).outside >= 18


def test_small_groups_hide_no_gap_of_large_ones():
    """9,000 at .31 and 4,500 at .11 are found where the largest gap of all ten sees a quarter."""
    rates = (0.31, 0.11, *(0.25,) * 8)
    found = tally(verdicts.gaps("large", SKEWED, rates), 40, np.random.default_rng(1))

    assert found.outside == 40
    rng, n = np.random.default_rng(2), np.array(SKEWED)
    seen = 0
    for _ in range(60):
        k = rng.binomial(n, rates)
        dealt = rng.multivariate_hypergeometric(n, int(k.sum()), size=200) / n
        seen += np.mean(np.ptp(dealt, axis=1) >= np.ptp(k / n)) <= 0.05
    assert seen / 60 < 0.6, "the permutation test of the largest gap is the weak one"


def _decisions(n=30_000, groups=10):
    rng = np.random.default_rng(1)
    g = rng.choice(groups, n, p=np.arange(1, groups + 1) / np.arange(1, groups + 1).sum())
    y = (rng.random(n) < 0.2 + 0.02 * g).astype(int)
    said = np.where(rng.random(n) < 0.8, y, 1 - y)
    return pd.DataFrame({"group": g, "y": y, "said": said})


def test_resamples_of_counts_are_fast_and_fairlearns():
    """2,000 resamples of 30,000 rows cost less than one of Fairlearn's, for the same numbers."""
    rows = _decisions()
    frame = MetricFrame(metrics=selection_rate, y_true=rows["y"], y_pred=rows["said"],
                        sensitive_features=rows["group"])  # fmt: skip
    odds = equalized_odds_difference(rows["y"], rows["said"], sensitive_features=rows["group"])
    clock = time.process_time()
    code = (rows["group"] * 2 + rows["y"]) * 2 + rows["said"]
    counts = np.bincount(code, minlength=40).reshape(10, 2, 2)
    drawn = resamples(counts, 2000, np.random.default_rng(0))
    parity, both = (gap(drawn[..., 1], drawn.sum(-1)) for gap in (parity_gap, odds_gap))
    seconds = time.process_time() - clock

    assert parity.shape == both.shape == (2000,)
    assert np.isclose(parity_gap(counts[..., 1], counts.sum(-1)), frame.difference())
    assert np.isclose(odds_gap(counts[..., 1], counts.sum(-1)), odds)
    assert seconds <= 0.5
