"""Attributes and outcomes that are numbers: nothing is cut, and intervals are honest."""

import math

import numpy as np
import pytest
from scipy.stats import ks_2samp
from subjects import NUMBERS, SCHEMA, case_of, make_case, population, with_numbers

from genaudit.audits.bias.continuous import (
    AHEAD,
    CURVE,
    GAP,
    SLOPE,
    Part,
    Relation,
    _curve_distance,
    _gap_change,
    _slope_change,
    _superiority_change,
    continuous,
    ks_influence,
)
from genaudit.data.schema import Schema
from genaudit.policy import Policy
from genaudit.result import Limit, Section, Status, Verdict, message
from genaudit.run import judge

AGE = Schema.from_dict(
    {
        "columns": {
            "age": {"kind": "integer", "role": "sensitive", "bounds": [18, 90]},
            "hired": {"kind": "boolean", "role": "target", "categories": ["no", "yes"]},
        }
    }
)


def found(case):
    """Metric -> finding."""
    return {f.metric: f for f in continuous(case).findings}


def hired(n, seed, slope=0.0):
    """Ages and whether one is hired: by a coin, or more often the older one is."""
    rng = np.random.default_rng(seed)
    rows = population(n, seed)[["age"]]
    chance = np.clip(0.5 + slope * (rows["age"] - 42) / 13, 0.02, 0.98)
    return rows.assign(hired=np.where(rng.random(n) < chance, "yes", "no"))


def missed_too_often(missed):
    """Whether more than 5%, and two errors of the simulation, missed."""
    return np.mean(missed) > 0.05 + 2 * math.sqrt(0.05 * 0.95 / len(missed))


def test_the_slope_is_that_of_least_squares():
    """Its sandwich error is near that of a bootstrap of rows."""
    rng = np.random.default_rng(0)
    x = rng.exponential(size=400)
    y = np.clip(0.2 * x + 0.1 * (1 + x) * rng.normal(size=400), 0, 1)
    value, (variance, _) = Relation(x, y, None, 1.0).slope()
    drawn = [np.polyfit(x[i], y[i], 1)[0] for i in rng.integers(0, 400, (300, 400))]

    assert np.isclose(value, np.polyfit(x, y, 1)[0])
    assert abs(math.sqrt(variance) / np.std(drawn) - 1) < 0.2


def test_the_distance_is_kolmogorovs():
    """And each row moves it by its influence."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=80), rng.normal(size=120) + 0.5

    assert np.isclose(ks_influence(x, y)[0], ks_2samp(x, y).statistic)
    assert all(abs(moved.mean()) < 1e-12 for moved in ks_influence(x, y)[1])


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_equal_relations_hold_zero(slope):
    """Of 100 honest subjects: slopes hold zero, courses are not apart, as often as promised."""
    case = case_of(*(hired(300, s) for s in (1, 2, 3)), schema=AGE)
    slopes, apart = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        sides = []
        for s, n in ((0, 300), (1, 200)):
            rows = hired(n, 2 * seed + s, slope)
            y = (rows["hired"] == "yes").to_numpy(float)
            sides.append(Relation(rows["age"].to_numpy(float) / 13, y, None, 1.0))
        change = _slope_change(case, *sides)
        slopes.append(not change.low <= 0 <= change.high)
        apart.append(_curve_distance(case, *(s.process(rng) for s in sides)).low > 0)

    assert not missed_too_often(slopes)
    assert not missed_too_often(apart)


@pytest.mark.parametrize("gap", [0.0, 0.8])
def test_equal_outcomes_hold_zero(gap):
    """Two groups as far apart on either side, of other sizes: zero is held as promised."""
    case, missed = make_case("honest", 1), {GAP: [], AHEAD: []}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        made, real = ((Part(rng.normal(size=n) + gap, None, 1.0),
                       Part(rng.normal(size=4 * n), None, 1.0)) for n in (60, 100))  # fmt: skip
        for metric, change in ((GAP, _gap_change), (AHEAD, _superiority_change)):
            e = change(case, made, real)
            missed[metric].append(not e.low <= 0 <= e.high)

    assert not any(missed_too_often(m) for m in missed.values())


def test_a_turned_slope_is_found():
    """Among the samples the young are hired, in truth the old: slope and course say so."""
    tables = hired(1000, 1, -0.3), hired(1000, 2, 0.3), hired(1000, 3, 0.3)
    f = found(case_of(*tables, schema=AGE))

    assert f[SLOPE].estimate.high < -0.4
    assert f[CURVE].estimate.low > 0.1
    assert min(f[SLOPE].null.p_below(0.0), f[SLOPE].null.p_above(0.0)) > 0.001
    assert f[CURVE].null.p_above(0.0) > 0.001


def test_a_bend_has_no_slope_and_is_found():
    """Hired in the middle of life: no slope shows it, the course does."""
    made = hired(2000, 1)
    rng = np.random.default_rng(0)
    middle = (made["age"] - 42).abs() < 9
    made["hired"] = np.where(rng.random(2000) < np.where(middle, 0.8, 0.2), "yes", "no")
    f = found(case_of(made, hired(2000, 2), hired(2000, 3), schema=AGE))

    assert abs(f[SLOPE].estimate.value) < 0.05
    assert f[CURVE].estimate.low > 0.03


def test_a_pay_gap_that_grew_is_found():
    """Women's pay halved: the distributions lie further apart, and a woman has more less often."""
    made, train, holdout = (population(1500, seed) for seed in (1, 2, 3))
    made["income"] *= np.where(made["sex"] == "Female", 0.5, 1.0)
    f = found(with_numbers(case_of(made, train, holdout)))

    assert f[GAP].estimate.low > 0.1
    assert f[AHEAD].estimate.high < -0.1
    assert f[GAP].group == {"sex": "Female"}


def _with_income(made, *others):
    return with_numbers(case_of(made, *others))


def test_an_attribute_of_one_value_is_not_estimable():
    """Five hundred times the same age, which no rounding makes a spread."""
    made = hired(500, 1).assign(age=41)
    f = found(case_of(made, hired(500, 2), hired(500, 3), schema=AGE))

    assert {f[m].estimate.reason.id for m in (SLOPE, CURVE)} == {"bias.continuous.few_values"}


def test_a_pay_gap_the_other_way_round_is_no_pass():
    """As far apart as before with the sexes swapped; one pay for all: doubts of a pass alone."""
    made, train, holdout = (population(3000, seed) for seed in (1, 2, 3))
    for rows in (made, train, holdout):
        rows["income"] *= np.where(rows["sex"] == "Female", 0.8, 1.0)
    honest = found(_with_income(made, train, holdout))[GAP]
    swapped = made.assign(sex=np.where(made["sex"] == "Female", "Male", "Female"))
    traded = found(_with_income(swapped, train, holdout))
    one = found(_with_income(made.assign(income=float(made["income"].iloc[0])), train, holdout))

    assert honest.doubt is None
    assert honest.total.value > 0
    assert abs(traded[GAP].estimate.value) < 0.1
    assert (traded[GAP].doubt.id, traded[GAP].hollow) == ("bias.continuous.traded", True)
    assert traded[AHEAD].doubt is None
    for metric in (GAP, AHEAD):
        assert (one[metric].doubt.id, one[metric].hollow) == ("bias.continuous.alike", True)


def test_a_pay_gap_that_is_gone_is_no_harm():
    """Smaller by more than an absolute limit: told as such, not as beyond it."""
    made, train, holdout = (population(3000, seed) for seed in (1, 2, 3))
    for rows in (train, holdout):
        rows["income"] *= np.where(rows["sex"] == "Female", 0.5, 1.0)
    gap = found(_with_income(made, train, holdout))[GAP]
    limit = Limit(metric=GAP, direction="abs", value=0.05, owner="o", rationale="r")
    section = Section(audit="bias.continuous", title=message("t", "T"), status=Status.RAN,
                      findings=(gap,))  # fmt: skip
    [judged] = judge([section], Policy(name="p", owner="o", limits=(limit,)))

    assert gap.estimate.high < -0.05
    assert judged.findings[0].verdict is Verdict.INFO


def test_nothing_is_cut():
    """A number's findings are about everybody, and no band is in any word of the outcome."""
    outcome = continuous(with_numbers(make_case("honest", 1)))
    groups = [f.group["age"] for f in outcome.findings if "age" in f.group]

    assert groups == ["all groups", "all groups"]
    assert "and above" not in str(outcome)
    assert "group.between" not in str(outcome)


def test_levels_alone_are_no_question():
    """With no number there is nothing to ask, and the report says so."""
    outcome = continuous(make_case("honest", 1))

    assert outcome.findings == ()
    assert [m.id for m in outcome.not_measured] == ["bias.continuous.no_number"]
    assert SCHEMA.target.discrete
    assert not NUMBERS.target.discrete


@pytest.mark.parametrize("k", [3, 9])
def test_a_few_hired_people_are_not_told_of(k):
    """Fewer than ten favoured people: neither a slope nor a curve."""
    train = hired(300, 2).assign(hired=np.where(np.arange(300) < k, "yes", "no"))
    outcome = continuous(case_of(hired(300, 1), train, hired(300, 3), schema=AGE))

    assert {f.estimate.reason.id for f in outcome.findings} == {"disclosure.hidden"}
    assert outcome.figures == ()


def test_steps_of_the_curve_are_no_small_cells():
    """Fewer points are drawn where a step would stand for a few people."""

    def points(n):
        outcome = continuous(case_of(*(hired(n, s) for s in (1, 2, 3)), schema=AGE))
        return len(outcome.figures[0].rows) // 2 - 1

    assert points(2000) == 20
    assert points(300) < 10
