"""Proxies: cross-fitted skill and ties of columns, signed against real rows."""

import math

import numpy as np
import pytest
from subjects import NUMBERS, SCHEMA, case_of, make_case, population, with_numbers

from genaudit.audits.bias._groups import Grouping
from genaudit.audits.bias.proxies import AUC, TIE, Asked, _auc_finding, auc_change, proxies
from genaudit.audits.quality.utility import skill
from genaudit.data.schema import Schema


def found(case):
    """Column (None for all together) -> finding."""
    return {f.group.get("column"): f for f in proxies(case).findings}


def sides(seed, n=(400, 250), k=4, skill_of=0.5):
    """Learners of two sides that tell two groups alike, each side on its own rows."""
    rng = np.random.default_rng(seed)
    made = []
    for m in n:
        y = (rng.random(m) < 0.4).astype(int)
        score = skill_of * y + rng.normal(size=m) + 0.2 * rng.normal(size=(k, m))
        p = 1 / (1 + np.exp(-score))
        made.append(skill(np.stack([1 - p, p], axis=2), y))
    return made


def test_a_proxy_that_grew_is_named():
    """Men get another region among the samples: the column and all together give sex away more."""
    made, train, holdout = (population(1500, seed) for seed in (1, 2, 3))
    rng = np.random.default_rng(0)
    moved = (made["sex"] == "Male") & (rng.random(1500) < 0.3)
    made["region"] = np.where(moved, "centre", made["region"])
    f = found(case_of(made, train, holdout))

    assert f[None].estimate.low > 0
    assert f["region"].estimate.low > 0
    assert f["region"].warning is not None
    assert [c for c in f if f[c].warning] == ["region"]


def test_a_proxy_that_is_lost_is_below_zero():
    """Independent columns give nothing away; nothing is named."""
    made, train, holdout = (population(1500, seed) for seed in (1, 2, 3))
    made["income"] = np.random.default_rng(0).permutation(made["income"].to_numpy())
    f = found(case_of(made, train, holdout))

    assert f["income"].estimate.high < 0
    assert not [c for c in f if f[c].warning]


def test_strongest_ties_stand_first():
    """In the order of real rows: income, then whether one is hired."""
    assert list(found(make_case("honest", 21, n_train=3000, n_holdout=3000)))[:3] == [
        None, "income", "hired",
    ]  # fmt: skip


def test_equal_skills_hold_zero():
    """Of 300 pairs of sides with the same skill at most 5%, and two errors, miss zero."""
    missed = []
    for seed in range(300):
        e = auc_change(*sides(seed))
        missed.append(not e.low <= 0 <= e.high)

    assert np.mean(missed) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


def honest(seed):
    """A subject whose samples are fresh rows, 400 a side."""
    return make_case("honest", 500 + seed, n_train=400, n_holdout=400, n_samples=400)


def test_honest_subjects_have_no_proxies():
    """Of 20 honest subjects hardly one has a column named."""
    named = [any(x.warning for x in found(honest(seed)).values()) for seed in range(20)]

    assert np.mean(named) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 20)


@pytest.mark.slow
def test_the_skill_of_honest_subjects_is_that_of_real_rows():
    """Of 250 honest subjects at most 5%, and two errors, miss zero."""
    missed = []
    for seed in range(250):
        case = honest(seed)
        asked = Asked.of(case, Grouping.of(case.schema.sensitive[0], case.train, case.holdout))
        e = _auc_finding(case, asked).estimate
        missed.append(not e.low <= 0 <= e.high)

    assert np.mean(missed) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 250)


def test_what_real_rows_say_owes_nothing_to_the_samples():
    """The tie among real rows is the same whatever the samples are."""
    train, holdout = population(800, 2), population(800, 3)
    notes = [
        {c: x.note.params["real"] for c, x in found(case_of(made, train, holdout)).items() if c}
        for made in (population(800, 1), population(800, 4).assign(age=30, income=9.0))
    ]

    assert notes[0] == notes[1]


def test_a_number_has_no_groups_and_is_named():
    """Age is a number: nothing is cut, and the report says that it was not measured."""
    outcome = proxies(with_numbers(make_case("honest", 1)))

    assert [m.params["column"] for m in outcome.not_measured] == ["age"]
    assert {f.metric for f in outcome.findings} == {AUC, TIE}
    assert not any("age" in f.group for f in outcome.findings)
    assert NUMBERS.columns[2].role.value == "sensitive"


def test_rare_groups_take_no_part_by_name():
    """Twenty people of a third group are left out, and the note says so."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
    columns["sex"]["categories"] = ["Female", "Male", "Other"]
    tables = [population(600, seed) for seed in (1, 2, 3)]
    for rows in tables:
        rows.loc[:19, "sex"] = "Other"
    case = case_of(*tables, schema=Schema.from_dict({"columns": columns}))
    asked = Asked.of(case, Grouping.of(case.schema.sensitive[0], case.train))

    assert asked.target.classes == ("Female", "Male")
    assert found(case)[None].note.params["groups"] == "Other"


@pytest.mark.parametrize("column", ["sex", "income"])
def test_absent_columns_are_not_estimable(column):
    """Without the sensitive column nothing is told; without another one only that is not."""
    tables = [population(600, seed) for seed in (1, 2, 3)]
    f = found(case_of(tables[0].drop(columns=column), *tables[1:]))
    lost = {c for c, x in f.items() if x.estimate.reason and x.estimate.reason.id == "bias.absent"}

    assert lost == ({"income"} if column == "income" else set(f))
