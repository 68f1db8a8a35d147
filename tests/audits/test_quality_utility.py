"""Usefulness for training models: the learner, its comparison, planted and honest subjects."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from subjects import SCHEMA, case_of, judged, make_case, population

from genaudit.audits.quality.utility import (
    LOSS,
    TRTR,
    TSTR,
    WORTH,
    auc_difference,
    skill,
    utility,
)
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.modalities.table.learner import Features, Target, fit_predict
from genaudit.result import Claim, Verdict

NAME = "quality.utility"


def dataset(values, **column):
    """One target column."""
    schema = Schema.from_dict({"columns": {"y": {"role": "target", **column}}})
    return Dataset.of(pd.DataFrame({"y": values}), schema)


def test_the_favoured_class_is_the_last_level():
    """Levels are classes in their declared order, whatever comes first in the file."""
    data = dataset(["high", "low", "low"], kind="categorical", categories=["low", "high"])
    target = Target.of(data.schema.target, data)

    assert target.outcome == "y = high"
    assert target.encode(data).tolist() == [1, 0, 0]


def test_a_number_is_cut_at_the_median():
    """Above the real median is favoured; where nobody is above, the largest value is."""
    data = dataset([1, 2, 3, 9], kind="integer", bounds=[0, 10])
    heap = dataset([1, 5, 5, 5], kind="integer", bounds=[0, 10])

    assert Target.of(data.schema.target, data).encode(data).tolist() == [0, 0, 1, 1]
    assert Target.of(heap.schema.target, heap).encode(heap).tolist() == [0, 1, 1, 1]


def test_many_levels_are_one_against_the_rest():
    """More than ten levels are learned as the last one against all others."""
    levels = [f"v{i:02}" for i in range(12)]
    data = dataset(levels, kind="categorical", categories=levels)
    target = Target.of(data.schema.target, data)

    assert len(target.classes) == 2
    assert target.encode(data).tolist() == [0] * 11 + [1]


def test_labels_that_are_missing_have_no_class():
    """A missing label is -1 and takes no part."""
    data = dataset([1.0, None, 3.0], kind="numeric", bounds=[0, 10], nullable=True)

    assert Target.of(data.schema.target, data).encode(data).tolist() == [0, -1, 1]


def test_features_leave_out_the_target():
    """Codes follow the declared levels; missing numbers stay missing."""
    data = Dataset.of(population(300, 1), SCHEMA)
    matrix = Features.of(data, "hired").encode(data)

    assert matrix.shape == (300, 6)
    assert np.array_equal(matrix[:, 0] == 1, data.frame["sex"] == "Male")
    assert np.array_equal(np.isnan(matrix[:, 3]), data.frame["income"].isna())


@pytest.mark.parametrize("y", [np.zeros(50, int), np.arange(50) % 3])
def test_the_learner_takes_what_comes(y):
    """One label, absent classes and columns without any value end in probabilities."""
    x = np.column_stack([np.arange(50.0), np.full(50, np.nan)])
    for matrix in (x, x[:, 1:], x[:2]):
        p = fit_predict(matrix, y[: len(matrix)], 4, x[:, : matrix.shape[1]], 0)

        assert p.shape == (50, 4)
        assert np.allclose(p.sum(axis=1), 1)
        assert np.all(p[:, 3] == 0)


def test_the_learner_learns():
    """A column that is the label is found; the same seed gives the same probabilities."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    y = (x[:, 0] > 0).astype(int)
    one, again = (fit_predict(x, y, 2, x, 0) for _ in range(2))

    assert np.mean(one.argmax(1) == y) > 0.95
    assert np.array_equal(one, again)


def test_skill_on_paper():
    """A perfect learner and a reversed one average to 0.5; several classes are averaged too."""
    y = np.repeat([0, 0, 1, 1], 10)
    good = np.repeat([0.1, 0.2, 0.8, 0.9], 10)
    p = np.stack([np.column_stack([1 - s, s]) for s in (good, 1 - good)])

    assert np.allclose(skill(p, y).aucs, [1, 0])
    assert skill(p, np.zeros(40, int)) is None
    three = np.eye(3)[np.repeat([0, 1, 2, 0], 10)][None]
    assert np.isclose(skill(three, np.repeat([0, 1, 2, 0], 10)).value, 1)


def test_no_area_tells_of_a_few_people():
    """An area counts the rows of its classes: one of nine rows is left out, one of ten is not."""
    for few in (9, 10):
        y = np.repeat([0, 1, 2], [40, 40, few])
        p = np.eye(3)[y][None]
        one_of_two = skill(p[:, :, [0, 2]], (y == 2).astype(int))

        assert skill(p, y).n_min == (40 if few == 9 else 10)
        assert (one_of_two is None) == (few == 9)


def test_equal_learners_do_not_differ():
    """The same predictions on both sides: no loss, and still an interval."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    p = rng.random((4, 200, 1)).repeat(2, axis=2)
    side = skill(p, y)

    estimate = auc_difference(side, side)

    assert estimate.value == 0
    assert estimate.low < 0 < estimate.high


def test_labels_by_a_coin_are_useless():
    """Samples whose label is a coin lose all skill, as independent marginals do."""
    samples, train, holdout = (population(3000, s) for s in (31, 32, 33))
    coin = np.where(np.random.default_rng(0).random(3000) < 0.5, "yes", "no")
    findings = {f.metric: f for f in judged(NAME, case_of(samples.assign(hired=coin), train,
                                                          holdout))}  # fmt: skip

    assert findings[LOSS].verdict is Verdict.OUTSIDE
    assert findings[TRTR].estimate.low > 0.55
    assert findings[TSTR].estimate.low < 0.52
    assert abs(findings[LOSS].estimate.value - findings[LOSS].baseline.value) < 0.05
    assert findings[LOSS].null.low < 0 < findings[LOSS].null.high


def test_honest_samples_keep_their_use():
    """Fresh rows are as good as training rows: within the limit, not merely unproven."""
    case = make_case("honest", 4, n_train=3000, n_samples=3000, n_holdout=3000)
    loss = next(f for f in judged(NAME, case) if f.metric == LOSS)

    assert loss.verdict is Verdict.WITHIN
    assert loss.estimate.low < 0 < loss.estimate.high


def test_no_target_is_not_measured():
    """Without a target column there is nothing to predict, and the outcome says so."""
    columns = [{**c.model_dump(), "role": "feature"} for c in SCHEMA.columns]
    parts = [population(100, s) for s in (1, 2, 3)]
    outcome = utility(case_of(*parts, schema=SCHEMA.replace(columns=columns)))

    assert not outcome.findings
    assert outcome.not_measured


@pytest.mark.parametrize("change", [{"hired": None}, {"hired": "maybe"}])
def test_samples_without_labels_have_no_estimate(change):
    """No usable label among the samples: not estimable, with the reason."""
    samples, train, holdout = (population(200, s) for s in (1, 2, 3))
    (loss,) = judged(NAME, case_of(samples.assign(**change), train, holdout))

    assert loss.estimate.value is None
    assert loss.estimate.reason is not None
    assert loss.verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize("unlike", [0, 4, 196])
def test_a_holdout_of_one_class_has_no_estimate(unlike):
    """Where all holdout rows but a few have one label no area is defined, or none may be shown."""
    samples, train, holdout = (population(200, s) for s in (1, 2, 3))
    hired = np.where(np.arange(200) < unlike, "no", "yes")
    (loss,) = judged(NAME, case_of(samples, train, holdout.assign(hired=hired)))

    assert loss.estimate.value is None
    assert loss.estimate.reason.id == "quality.utility.few"


@pytest.mark.slow
def test_null_losses_cover_zero():
    """Fresh rows differ from training rows by zero within 95% intervals in 90 to 100% of 60."""
    held = []
    for seed in range(60):
        case = make_case("honest", 700 + seed, n_train=1600, n_samples=1600, n_holdout=1600)
        e = next(f for f in judged(NAME, case) if f.metric == LOSS).estimate
        held.append(e.low <= 0 <= e.high)

    assert np.mean(held) >= 0.9


def _sure(seed):
    """Rows in which age decides."""
    rows = population(1500, seed)
    return rows.assign(hired=np.where(rows["age"] > 42, "yes", "no"))


def _claimed(samples, epsilon=3.0):
    """A case whose subject promises something."""
    case = case_of(samples, _sure(61), _sure(62))
    subject = dataclasses.replace(case.subject, claim=Claim(epsilon=epsilon, delta=1e-5))
    return dataclasses.replace(case, subject=subject)


def test_a_claim_that_buys_nothing_is_a_warning():
    """Labels by a coin are no better than marginals at the same ε, and the report says so."""
    rng = np.random.default_rng(0)
    coin = _sure(63).assign(hired=rng.choice(["no", "yes"], 1500))
    bad, good = (_tstr(_claimed(rows)) for rows in (coin, _sure(63)))

    assert bad.warning.id == "quality.utility.no_better"
    assert bad.warning.params["epsilon"] == 3
    assert good.warning is None
    assert good.baseline.value < good.estimate.value - WORTH
    assert _tstr(case_of(coin, _sure(61), _sure(62))).warning is None


def _tstr(case):
    return next(f for f in utility(case).findings if f.metric == TSTR)
