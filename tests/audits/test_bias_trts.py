"""Models of real rows asked about samples: gaps by Fairlearn, noise of one group, honest rows."""

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    false_positive_rate,
    true_positive_rate,
)
from sklearn.metrics import accuracy_score
from subjects import case_of, judged, make_case, population

from genaudit.audits.bias._groups import Grouping
from genaudit.audits.bias.trts import (
    ACCURACY,
    FALSE_POSITIVES,
    METRICS,
    TRUE_POSITIVES,
    Answers,
    answers,
    gap_change,
)
from genaudit.audits.learners import comparison
from genaudit.modalities.table.learner import Target
from genaudit.result import Verdict

NAME = "bias.trts"

FAIRLEARN = {
    ACCURACY: accuracy_score,
    TRUE_POSITIVES: true_positive_rate,
    FALSE_POSITIVES: false_positive_rate,
}


def side(n, seed, k=1, lift=0.0):
    """Answers of k learners about n rows of two groups; `lift` favours the second one."""
    rng = np.random.default_rng(seed)
    group, y = rng.integers(0, 2, n), rng.integers(0, 2, n)
    decided = rng.random((k, n)) < 0.2 + 0.4 * y + lift * group
    return Answers(group, y, decided, np.where(decided.mean(axis=0) > 0.5, 5.0, -5.0))


def found_of(case):
    """Metric -> finding about women, who are compared with men."""
    return {f.metric: f for f in judged(NAME, case)}


@pytest.mark.parametrize("metric", METRICS)
def test_gaps_equal_fairlearn_on_rows(metric):
    """One learner: the change is that of Fairlearn's rates by group, sample side minus real."""
    made, real = side(700, 1, lift=0.2), side(500, 2)

    def gap(a):
        rates = MetricFrame(metrics=FAIRLEARN[metric], y_true=a.y, y_pred=a.decided[0],
                            sensitive_features=a.group).by_group  # fmt: skip
        return rates[1] - rates[0]

    estimate = gap_change(metric, made, real, 1, 0, np.random.default_rng(0))

    assert np.isclose(estimate.value, gap(made) - gap(real))


def test_the_error_of_rows_is_that_of_refilled_rows():
    """The interval is as wide as a naive bootstrap of both sides says."""
    made, real = side(500, 1), side(400, 2)
    rng, naive = np.random.default_rng(3), []
    for _ in range(400):
        drawn = [s.take(rng.integers(0, len(s.y), len(s.y))) for s in (made, real)]
        right = [(s.group, s.decided[0] == (s.y == 1)) for s in drawn]
        a, b, c, d = (hit[group == g].mean() for group, hit in right for g in (1, 0))
        naive.append(a - b - (c - d))

    estimate = gap_change(ACCURACY, made, real, 1, 0, rng)

    assert abs((estimate.high - estimate.low) / 3.92 / np.std(naive) - 1) < 0.15


def test_learners_move_both_sides_together():
    """What a learner does to both sides alike is no error of the difference."""
    rng = np.random.default_rng(0)
    bold = np.array([0.2, 0.8, 0.3, 0.7])[:, None]
    sides = []
    for n in (40_000, 40_000):
        group = np.arange(n) % 2
        decided = (rng.random((4, n)) < np.where(group, bold, 0.5)).astype(bool)
        sides.append(Answers(group, np.ones(n, int), decided, np.full(n, 9.0)))
    estimate = gap_change(ACCURACY, *sides, 1, 0, rng)

    assert sides[0].decided[:, sides[0].group == 1].mean(axis=1).std() > 0.2
    assert estimate.high - estimate.low < 0.05


def test_learners_are_those_of_the_comparison():
    """Asked about the holdout again, they say what they said: nothing is fitted a second time."""
    case = make_case("honest", 1, n_train=900, n_holdout=400, n_samples=900)
    found = comparison(case, Target.of(case.schema.target, case.train))

    assert comparison(case, found.target) is found
    assert np.array_equal(found.asks(case.holdout)[:, found.rows], found.real)


def test_noisy_labels_of_one_group_are_found():
    """A coin decides about women: models of real rows are less often right about them."""
    samples, train, holdout = (population(2000, s) for s in (1, 2, 3))
    coin = np.where(np.random.default_rng(4).random(2000) < 0.5, "yes", "no")
    noisy = samples.assign(hired=np.where(samples["sex"] == "Female", coin, samples["hired"]))
    found = found_of(case_of(noisy, train, holdout))

    assert found[ACCURACY].estimate.high < -0.03
    assert found[ACCURACY].null.low < 0 < found[ACCURACY].null.high
    assert found[ACCURACY].verdict is Verdict.INFO


def test_lucky_labels_of_one_group_are_found():
    """Nearly all women hired: fewer of those are recognised, compared with men."""
    samples, train, holdout = (population(2000, s) for s in (1, 2, 3))
    lucky = (samples["sex"] == "Female") & (np.arange(2000) % 10 > 0)
    made = samples.assign(hired=np.where(lucky, "yes", samples["hired"]))
    found = found_of(case_of(made, train, holdout))

    assert found[TRUE_POSITIVES].estimate.high < 0
    assert found[ACCURACY].estimate.high < -0.1


def test_small_groups_are_listed():
    """A group of five samples, or of five holdout rows, is not estimable and not left out."""
    samples, train, holdout = (population(900, s) for s in (1, 2, 3))

    def few(rows):
        return rows.drop(rows.index[rows["sex"] == "Female"][5:])

    for case in (case_of(few(samples), train, holdout), case_of(samples, train, few(holdout))):
        found = found_of(case)

        assert set(found) == set(METRICS)
        assert all(f.estimate.value is None for f in found.values())


def test_no_group_or_no_label_is_said():
    """Samples without the group, and without the outcome: findings without a number, and why."""
    samples, train, holdout = (population(400, s) for s in (1, 2, 3))
    reasons = set()
    for column in ("sex", "hired"):
        found = found_of(case_of(samples.drop(columns=column), train, holdout))
        reasons |= {f.estimate.reason.id for f in found.values()}

    assert reasons == {"bias.absent", "learners.no_target"}


def test_persons_are_not_rows():
    """Rows of a person, repeated five times, prove no more than the person does."""
    case = make_case("honest", 1, n_train=900, n_holdout=400, n_samples=900)
    target = Target.of(case.schema.target, case.train)
    grouping = Grouping.of(case.schema.sensitive[0], case.train, case.holdout)
    made, real, _ = answers(case, grouping, comparison(case, target), target)
    rows = np.repeat(np.arange(len(made.y)), 5)
    again = made.take(rows)
    same = Answers(again.group, again.y, again.decided, again.lead, person=rows)
    one, other = (
        gap_change(ACCURACY, s, real, 0, 1, np.random.default_rng(0)) for s in (made, same)
    )

    assert np.isclose(one.value, other.value)
    assert np.isclose(one.high, other.high, atol=1e-3)


@pytest.mark.slow
def test_intervals_of_honest_samples_hold_zero():
    """Of 100 honest subjects 90% or more for each of the three, and none far from zero."""
    held = pd.DataFrame(
        [
            {m: f.estimate.low <= 0 <= f.estimate.high for m, f in found_of(case).items()}
            for case in (
                make_case("honest", 500 + s, n_train=1200, n_holdout=1200, n_samples=1200)
                for s in range(100)
            )
        ]
    )

    assert (held.mean() >= 0.9).all()
