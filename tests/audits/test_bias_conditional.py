"""Columns within groups: distances on paper, honest intervals, and no few people told of."""

import math

import numpy as np
import pytest
from scipy.stats import wasserstein_distance
from subjects import SCHEMA, case_of, judged, population

from genaudit.audits.bias._groups import Grouping
from genaudit.audits.bias._likeness import Coded, Likeness, _merged, level_distance, number_distance
from genaudit.audits.bias.conditional import DISPARITY, EXCESS, conditional
from genaudit.data.schema import Schema
from genaudit.result import Verdict

NAME = "bias.conditional"


def people(n_men, n_women, seed, shift=(0.0, 0.0)):
    """Men and women of other ages; either moved by so many deviations of age, and by regions."""
    rng = np.random.default_rng([seed, 0xC0])
    rows = population(n_men + n_women, seed)
    women = np.arange(len(rows)) < n_women
    moved = np.where(women, *shift)
    return rows.assign(
        sex=np.where(women, "Female", "Male"),
        age=np.clip((rows["age"] + 8 * women + 13 * moved).round(), 18, 90),
        region=np.where(rng.random(len(rows)) < 0.3 * moved, "north", rows["region"]),
    )


def planted(seed, n=(400, 80), shift=(0.0, 0.0)):
    """A case with as many rows of each group on each side; the generated ones are moved."""
    made = people(*n, 9 * seed + 1, shift)
    return case_of(made, people(*n, 9 * seed + 2), people(*n, 9 * seed + 3), seed=seed)


def estimates(case):
    """Metric and group -> estimate."""
    return {(f.metric, f.group["sex"]): f.estimate for f in conditional(case).findings}


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_distances_are_the_known_ones(missing):
    """Of numbers Wasserstein's, of levels half the sum of differences; missing values are added."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 40, 200), rng.integers(5, 50, 300)
    places = np.sort(rng.random(50)) * 3
    a, b = (np.where(rng.random(len(c)) < m, -1, c) for c, m in ((x, missing), (y, missing / 2)))
    p, q = (np.bincount(c, minlength=50) / len(c) for c in (x, y))
    known = wasserstein_distance(places[a[a >= 0]], places[b[b >= 0]])
    apart = abs((a < 0).mean() - (b < 0).mean())

    assert np.isclose(level_distance(x, y, 50).value, np.abs(p - q).sum() / 2)
    assert np.isclose(number_distance(a, b, places).value, known + apart)


def test_a_few_stated_numbers_are_not_compared():
    """With three stated values on one side, only the shares of missing values are."""
    one, other = np.array([0, 1, 2] + [-1] * 97), np.arange(100)

    assert number_distance(one, other, np.arange(100) * 1.0).value == 0.97


def test_training_rows_are_as_near_as_training_rows():
    """Whoever sells training rows has an excess of zero, and no disparity."""
    train = people(300, 100, 1)
    found = estimates(case_of(train, train, people(300, 100, 2)))

    assert {k: e.value for k, e in found.items()} == {
        (DISPARITY, "all groups"): pytest.approx(found[DISPARITY, "all groups"].value),
        (EXCESS, "Female"): pytest.approx(0.0),
        (EXCESS, "Male"): pytest.approx(0.0),
    }
    assert found[DISPARITY, "all groups"].low < 0 < found[DISPARITY, "all groups"].high


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.5, 0.5)])
def test_groups_that_are_described_alike_differ_by_chance(shift):
    """Eighty women and 400 men, both described as well or as badly: zero is held as promised."""
    both = [estimates(planted(seed, shift=shift)) for seed in range(60)]
    found = [e[DISPARITY, "all groups"] for e in both]
    missed = [not e.low <= 0 <= e.high for e in found]
    error = 2 * math.sqrt(0.05 * 0.95 / len(found))

    assert np.mean(missed) <= 0.05 + error
    assert not any(e.p_above(0.05) <= 0.005 for e in found)
    # The intervals are no wider than they have to be.
    width = np.mean([(e.high - e.low) / 3.92 for e in found])
    assert width < 1.5 * np.std([e.value for e in found])
    # And the excess of the small group is about its mean over subjects, 0 of honest ones.
    women = [e[EXCESS, "Female"] for e in both]
    centre = np.mean([e.value for e in women]) if any(shift) else 0.0
    assert np.mean([not e.low <= centre <= e.high for e in women]) <= 0.05 + error


def test_the_group_that_is_described_worse_is_named():
    """Women moved by a deviation are found, outside, by name, with the columns that moved."""
    findings = judged(NAME, planted(1, (1500, 300), (1.0, 0.0)))
    worst = next(f for f in findings if f.metric == DISPARITY)
    women = next(f for f in findings if f.group["sex"] == "Female")

    assert worst.verdict is Verdict.OUTSIDE
    assert worst.note.params["worst"] == "Female"
    assert women.estimate.low > 0.05
    assert {"age", "region"} <= set(women.note.params["columns"].split(", "))
    assert women.null.low <= 0 <= women.null.high


def test_a_largest_group_that_is_described_worst_is_no_disparity():
    """Men moved by a deviation: below zero, not outside."""
    worst = next(f for f in judged(NAME, planted(1, (900, 300), (0.0, 1.0)))
                 if f.metric == DISPARITY)  # fmt: skip

    assert worst.estimate.high < 0
    assert worst.verdict is Verdict.WITHIN


@pytest.mark.parametrize("kept", [0, 20])
def test_a_group_that_is_gone_lets_nothing_pass(kept):
    """People who state no sex are as many as others, and (nearly) none of them are generated."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
    columns["sex"]["nullable"] = True
    schema = Schema.from_dict({"columns": columns})
    made, train, holdout = (people(1200, 800, seed) for seed in (1, 2, 3))
    rows = [r.assign(sex=r["sex"].mask(r.index % 5 == 4)) for r in (made, train, holdout)]
    rows[0] = rows[0].drop(rows[0].index[rows[0]["sex"].isna()][kept:])
    [worst] = (f for f in judged(NAME, case_of(*rows, schema=schema)) if f.metric == DISPARITY)

    assert worst.estimate.high < 0.1
    assert (worst.doubt.id, worst.hollow) == ("bias.pairs.untold", True)
    assert worst.verdict is Verdict.CANNOT_TELL
    assert "(not stated)" in worst.note.english


def test_groups_of_a_few_are_not_told_of():
    """Nine women are not estimable by name; nor are those whose number others leave over."""
    nine = conditional(case_of(people(300, 100, 1), people(300, 9, 2), people(300, 100, 3)))
    found = {f.group["sex"]: f for f in nine.findings if f.metric == EXCESS}

    assert found["Female"].estimate.reason.id == "bias.too_few"
    assert found["Male"].estimate.value is None, "what is left over tells as much"
    assert next(f for f in nine.findings if f.metric == DISPARITY).estimate.value is None
    assert nine.figures == ()


def test_twenty_people_are_shown_without_a_verdict():
    """Twenty women are enough for a number, too few for a judgement, and take no part."""
    findings = judged(NAME, planted(1, (300, 20)))
    found = {f.group["sex"]: f for f in findings if f.metric == EXCESS}

    assert found["Female"].estimate.value is not None
    assert found["Female"].doubt.id == "bias.few"
    assert next(f for f in findings if f.metric == DISPARITY).estimate.value is None


def test_rare_levels_are_one():
    """Three of a level are merged with others until the merged ones are ten."""
    column = SCHEMA.columns[1]
    counts = {"north": 60, "east": 25, "south": 3, "west": 0, "centre": 12}

    def table(seed):
        rows = population(100, seed)
        return rows.assign(region=np.repeat(list(counts), list(counts.values())))

    case = case_of(table(1), table(2), table(3))
    coded = Coded.of(column, case.samples, case.train, case.holdout)
    every = tuple(np.arange(100) for _ in range(3))
    merged = _merged(coded, every, 100)

    assert np.bincount(merged.codes[1]).tolist() == [60, 25, 15]
    assert _merged(coded, every, 20) is None


def test_absent_columns_are_named():
    """A column that the samples lack is in the note; without the sensitive one nothing is told."""
    tables = [people(300, 100, seed) for seed in (1, 2, 3)]
    outcome = conditional(case_of(tables[0].drop(columns="income"), *tables[1:]))
    without = conditional(case_of(tables[0].drop(columns="sex"), *tables[1:]))

    assert "income" in outcome.findings[1].note.params["left_out"]
    assert {f.estimate.reason.id for f in without.findings} == {"bias.absent"}


def test_people_who_do_not_say_are_a_group():
    """Missing sexes are described, too."""
    columns = {c.name: c.model_dump(exclude={"name"}) for c in SCHEMA.columns}
    columns["sex"]["nullable"] = True
    tables = [people(300, 100, seed).astype({"sex": object}) for seed in (1, 2, 3)]
    for rows in tables:
        rows.loc[:49, "sex"] = None
    outcome = conditional(case_of(*tables, schema=Schema.from_dict({"columns": columns})))

    assert [f.group["sex"] for f in outcome.findings] == [
        "all groups", "Female", "Male", "(not stated)",
    ]  # fmt: skip


def test_the_chart_has_each_column_of_each_group():
    """Six columns of two groups, each with an interval that holds its value."""
    chart = conditional(planted(1)).figures[-1]

    assert chart.kind == "heatmap"
    assert len(chart.rows) == 12
    assert all(low <= value <= high for *_, value, low, high in chart.rows)


def test_parts_of_a_large_group_are_disjoint():
    """A group is compared at the size of the smaller one, in as many parts as there are."""
    case = planted(1, (400, 80))
    likeness = Likeness.of(case, Grouping.of(SCHEMA.sensitive[0], case.train))
    one, other = likeness.pair(0, 1)

    assert (one.n, other.n) == (80, 80)
    assert other.together[0][1] == 399
