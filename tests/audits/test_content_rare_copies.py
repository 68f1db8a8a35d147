"""Copies of rare rows: who is rare, who was copied, and in which group."""

import numpy as np
import pandas as pd
import pytest
from subjects import SCHEMA, broken, case_of, judged, make_case, population

from genaudit.audits.content.rare_copies import _difference, _rarity, _taken_for, rare_copies
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import SMALL_CELL
from genaudit.data.schema import Schema
from genaudit.result import Verdict
from genaudit.stats.intervals import newcombe


def test_rarity_on_paper():
    """Rarity adds -log of the share of each cell, half a row added to each cell and to `unseen`."""
    schema = Schema.from_dict(
        {"columns": {"a": {"kind": "categorical", "categories": ["x", "y", "z"]}}}
    )
    reference = Dataset.of(pd.DataFrame({"a": ["x"] * 6 + ["y"] * 2}), schema)
    rarity = _rarity(reference, ())
    found = rarity(Dataset.of(pd.DataFrame({"a": ["x", "y", "z"]}), schema))

    assert np.allclose(found, -np.log(np.array([6.5, 2.5, 0.5]) / 10))


def test_copies_of_rare_rows_are_flagged():
    """Copycat and half-copy are outside at every seed."""
    for kind in ("copycat", "half_copy"):
        for seed in range(4):
            finding = judged("content.rare_copies", make_case(kind, seed))[0]

            assert finding.verdict is Verdict.OUTSIDE


def test_only_rare_rows_count():
    """A generator that copies common rows alone is not accused here."""
    for seed in range(3):
        case = make_case("honest", seed)
        rarity = _rarity(case.reference, ())(case.train)
        common = case.train.take(rarity < np.quantile(rarity, 0.6)).to_frame()
        raw = (case.train.to_frame(), case.holdout.to_frame())
        finding = judged("content.rare_copies", case_of(common, *raw, seed=seed))[0]

        assert finding.verdict is not Verdict.OUTSIDE


def test_honest_subjects_are_never_accused():
    """Twenty honest subjects: not outside, and the blind baseline shows nothing either."""
    for seed in range(20):
        finding = judged("content.rare_copies", make_case("honest", seed))[0]

        assert finding.verdict is not Verdict.OUTSIDE
        assert finding.baseline.low <= 0 <= finding.baseline.high


def groups_if_women_are(one_in):
    """Findings by group where so few rows are women's and a third of train is copied."""
    rows = {part: population(1500, seed) for part, seed in (("train", 1), ("holdout", 2))}
    for table in rows.values():
        table["sex"] = np.where(np.arange(1500) % one_in == 0, "Female", "Male")
    samples = rows["train"].sample(500, random_state=0)
    groups = judged("content.rare_copies", case_of(samples, **rows))[1:]

    assert all(f.verdict is Verdict.INFO for f in groups)
    assert all(f.estimate.n >= SMALL_CELL for f in groups)
    return {f.group["sex"]: f for f in groups}


def test_every_group_is_listed():
    """Each group of each sensitive column has a finding with its number."""
    found = groups_if_women_are(3)

    assert set(found) == {"Female", "Male"}
    assert all(f.estimate.value > 0.1 for f in found.values())


def test_tiny_groups_say_why_they_have_no_number():
    """A group of a few rare rows has no number, nor has the group that would tell of it."""
    found = groups_if_women_are(100)

    assert set(found) == {"Female", "Male"}
    assert all(f.estimate.value is None and f.estimate.reason is not None for f in found.values())


@pytest.mark.parametrize("hits", [(3, 0), (0, 4), (60, 5), (199, 0), (8, 7)])
def test_no_number_tells_of_a_few_copies(hits):
    """Value, interval and ladder are those of at least two other numbers of hits as well."""
    totals = (200, 300)
    shown = _difference(hits[0], 200, hits[1], 300, 1000)
    for place, n in enumerate(totals):
        near = [k for k in range(hits[place] - 9, hits[place] + 10) if 0 <= k <= n]
        pairs = [(k, hits[1]) if place == 0 else (hits[0], k) for k in near]
        taken = [_taken_for(a, 200, b, 300) for a, b in pairs]
        alike = [k for k, t in zip(near, taken, strict=True) if t == taken[near.index(hits[place])]]
        few = 0 < hits[place] < SMALL_CELL or 0 < n - hits[place] < SMALL_CELL
        other = pairs[near.index(alike[0])]

        assert len(alike) >= 3 if few else alike == [hits[place]]
        assert _difference(other[0], 200, other[1], 300, 1000) == shown


def test_hidden_numbers_keep_their_verdict():
    """Nine of 60 rare rows copied are beyond the limit beside 3,000 calm ones, one is not."""
    low = {k: _difference(k, 60, 0, 3000, 1000).p_above(0.01) for k in range(12)}

    assert low[1] == low[2] == low[3] > 0.005
    assert low[9] == low[8] == low[7] <= 0.005
    for k in range(1, 10):
        assert (low[k] <= 0.005) <= (newcombe(k, 60, 0, 3000, 0.99)[0] > 0.01)


def test_few_rare_rows_make_doubt():
    """With under 30 rare rows a side nothing is judged, even for a copycat."""
    case = make_case("copycat", 1, n_train=150, n_holdout=150, n_samples=150)
    finding = judged("content.rare_copies", case)[0]

    assert finding.verdict is Verdict.CANNOT_TELL
    assert finding.doubt is not None


def test_the_quantile_is_an_option():
    """A higher bar leaves fewer rare rows."""
    case = make_case("honest", 4)
    sizes = [
        rare_copies(case, rare_copies.configure({"quantile": q})).findings[0].estimate.n
        for q in (0.5, 0.9)
    ]

    assert sizes[0] > 2 * sizes[1]


def test_unreadable_columns_are_left_out():
    """Rare copies with two misspelt columns are found; the outcome names the columns."""
    train, holdout = population(800, 1), population(800, 2)
    misspelt = train.assign(sex=train["sex"].str.upper(), region=train["region"].str.upper())
    case = case_of(misspelt, train, holdout)

    assert judged("content.rare_copies", case)[0].verdict is Verdict.OUTSIDE
    assert rare_copies(case).not_measured[0].params["columns"] == "sex, region"


def test_broken_cells_hide_no_copies():
    """Rows that have lost two cells may be copies of rare rows: the upper end counts them."""
    train, holdout = population(800, 1), population(800, 2)
    case = case_of(broken(train, 2), train, holdout)
    finding = judged("content.rare_copies", case)[0]

    assert finding.estimate.high == 1
    assert finding.verdict is Verdict.CANNOT_TELL


def test_nothing_to_compare_is_not_estimable():
    """Samples of which no column can be read have no rate, and the reason is given."""
    train, holdout = population(200, 1), population(200, 2)
    finding = judged("content.rare_copies", case_of(train.map(lambda _: "??"), train, holdout))[0]

    assert finding.estimate.value is None
    assert finding.verdict is Verdict.CANNOT_TELL


def test_any_row_of_a_person_counts():
    """Copies of the last rows of persons are found, though one row stands for each person."""
    columns = [c.model_dump() for c in SCHEMA.columns]
    person = {"name": "who", "kind": "categorical", "role": "person"}
    schema = SCHEMA.replace(columns=[*columns, person])
    train, holdout = (
        population(2400, seed).assign(who=[f"{seed}-{i // 3}" for i in range(2400)])
        for seed in (1, 2)
    )
    last = train[2::3].drop(columns="who")
    finding = judged("content.rare_copies", case_of(last, train, holdout, schema=schema))[0]

    assert finding.estimate.low < 1 / 3 < finding.estimate.high
    assert finding.verdict is Verdict.OUTSIDE
