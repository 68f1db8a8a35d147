"""Copies: counts on paper, planted copies found, fresh rows never accused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from subjects import broken, case_of, judged, make_case, population

from genaudit.audits.privacy.copies import Counts, copies, count
from genaudit.data.schema import Schema
from genaudit.modalities.table.space import Keys, exact_hits
from genaudit.result import LADDER, Verdict


def _keys(*rows):
    return Keys(np.array(rows, dtype=np.uint64), np.zeros((len(rows), 0), dtype=np.uint64))


def test_counts_on_paper():
    """Of 1 2 3 3 against 4 5 2, only 1, 4 and 5 occur once; samples 1 1 1 3 4 hit 1 and 4."""
    counts = count(_keys(1, 2, 3, 3), _keys(4, 5, 2), _keys(1, 1, 1, 3, 4), exact_hits)

    assert counts == Counts(
        n_members=1, n_controls=2, members_hit=1, controls_hit=1, n_all_members=4, n_samples=5,
        members_repeated=2, controls_repeated=0,
    )  # fmt: skip


def test_value_subtracts_chance():
    """60 of 100 members and 20 of 100 controls: 50 copies and 10 of the other 50 members."""
    counts = Counts(100, 100, 60, 20, n_all_members=200, n_samples=400)

    assert np.isclose(counts.value(), 50 / 400 / 0.5)


def test_one_row_repeated_is_one_copy_at_the_low_end_and_many_at_the_high_end():
    """A generator that says one training row 500 times proves one copy and excludes no more."""
    low, high = Counts(1000, 1000, 1, 0, 1000, 500, members_repeated=499).interval(0.95)

    assert low == 0
    assert high == 1


@pytest.mark.parametrize(
    ("rows", "each", "warned"), [(1, 400, True), (4, 30, True), (40, 3, False)]
)
def test_few_rows_that_fill_the_samples_are_a_warning(rows, each, warned):
    """No verdict, as chance may favour a few rows; but who reads the report is told to look."""
    train, holdout, fresh = (population(n, s) for n, s in ((800, 1), (800, 2), (800, 3)))
    seen = train.dropna().head(rows)
    made = pd.concat([fresh.head(800 - rows * each), *[seen] * each], ignore_index=True)
    found = copies(case_of(made, train, holdout)).findings[0]
    calm = copies(case_of(fresh, train, holdout)).findings[0]

    assert (found.warning is not None) == warned
    assert calm.warning is None


def test_interval_covers_planted_copies():
    """The share of copies lies inside the 90% interval at least that often; ends nest."""
    rng, inside = np.random.default_rng(0), 0
    for _ in range(300):
        copied = rng.binomial(1000, 0.05)
        hit = np.zeros(6000, dtype=bool)
        hit[rng.choice(6000, 60, replace=False)] = True
        hit[rng.choice(4000, copied, replace=False)] = True
        counts = Counts(4000, 2000, hit[:4000].sum(), hit[4000:].sum(), 4000, 1000)
        low, high = counts.interval(0.9)
        inside += low <= 0.05 <= high

    assert inside / 300 >= 0.9
    ends = [counts.interval(c) for c in LADDER]
    assert all(low <= high for low, high in ends)
    assert ends == sorted(ends, key=lambda e: -e[0])


def test_copies_are_flagged():
    """Copycat and half-copy are outside both limits at every seed."""
    for kind in ("copycat", "half_copy"):
        for seed in range(4):
            exact, _ = judged("privacy.copies", make_case(kind, seed))

            assert exact.verdict is Verdict.OUTSIDE


def test_near_copies_are_flagged():
    """Training rows with one column drawn anew are no exact copies, but near ones."""
    train, holdout, fresh = (population(800, s) for s in (1, 2, 3))
    samples = train.assign(income=fresh["income"])
    exact, near = judged("privacy.copies", case_of(samples, train, holdout))

    assert exact.verdict is not Verdict.OUTSIDE
    assert near.verdict is Verdict.OUTSIDE


@pytest.mark.parametrize("column", ["age", "income"])
def test_copies_that_always_differ_in_one_column_are_covered(column):
    """A fifth of the samples is copied but for one column: below the upper end, and power says so.

    Rows that need that column to be told apart hide their copies, so that what would be found
    is more than if any column had been altered.
    """
    for seed in range(3):
        train, holdout, fresh = (population(1200, 3 * seed + i) for i in range(3))
        altered = train[:240].assign(**{column: fresh[column][:240]})
        _, near = judged("privacy.copies", case_of(pd.concat([altered, fresh[240:]]), train,
                                                   holdout, seed=seed))  # fmt: skip

        assert near.estimate.low <= 0.2 <= near.estimate.high
        assert near.verdict is Verdict.OUTSIDE or near.detectable > 0.2


def test_what_is_not_seen_widens_the_upper_end():
    """Where the altered column leaves a tenth of the rows apart, ten times as many copies fit."""
    counts = Counts(1000, 1000, 20, 0, 1000, 1000)
    hidden = replace(counts, least_rows=100)

    assert np.isclose(hidden.interval(0.95)[1], 10 * counts.interval(0.95)[1])
    assert hidden.interval(0.95)[0] == counts.interval(0.95)[0]
    assert hidden.value() == counts.value()
    assert replace(counts, least_rows=0).interval(0.95)[1] == 1


def test_fresh_rows_are_never_accused():
    """Twenty honest subjects: nothing outside, no doubt, and hardly a null above zero."""
    nulls = 0
    for seed in range(20):
        for finding in judged("privacy.copies", make_case("honest", seed)):
            nulls += finding.null.low > 0

            assert finding.verdict is not Verdict.OUTSIDE
            assert finding.doubt is None
    assert nulls <= 3  # of 40 at 2.5% each


def test_duplicates_by_chance_raise_no_alarm(arrests):
    """On arrests half of the rows are duplicates: no accusation, and the power is printed."""
    frame = arrests.to_frame().astype(object)
    for seed in range(5):
        rows = frame.sample(frac=1, random_state=seed)
        case = case_of(rows[:1300], rows[1300:3900], rows[3900:], schema=arrests.schema, seed=seed)
        exact, near = judged("privacy.copies", case)

        assert Verdict.OUTSIDE not in (exact.verdict, near.verdict)
        assert 0.01 < exact.detectable < 0.3
        assert 0.05 < exact.ceiling <= 1
        assert exact.note.params["shared"] != "0"


def test_a_holdout_from_elsewhere_makes_doubt():
    """Where unseen rows match train and holdout unequally, nothing is judged."""
    odd = population(500, 2)
    # Pairs that differ in one column alone: halves of this holdout nearly repeat each other.
    holdout = pd.concat([odd, odd.assign(remote=~odd["remote"])])
    case = case_of(population(800, 3), population(1000, 1), holdout)
    near = judged("privacy.copies", case)[1]

    assert near.doubt.id == "privacy.copies.unlike"
    assert near.verdict is Verdict.CANNOT_TELL


def test_a_seen_holdout_makes_doubt():
    """Samples that repeat the holdout are not within any limit."""
    train, holdout = population(800, 1), population(800, 2)
    exact, _ = judged("privacy.copies", case_of(holdout[:400], train, holdout))

    assert exact.verdict is Verdict.CANNOT_TELL
    assert exact.doubt.id == "privacy.copies.holdout_seen"


def test_small_counts_are_not_printed():
    """A handful of hits stands in the note as fewer than ten."""
    train, holdout = population(400, 1), population(400, 2)
    samples = pd.concat([population(400, 3), train[:3]])
    exact, _ = judged("privacy.copies", case_of(samples, train, holdout))

    assert exact.note.params["members_hit"] == "<10"


def test_tables_without_singletons_cannot_be_judged():
    """If every row occurs twice there is nothing to look for, and the finding says so."""
    schema = Schema.from_dict(
        {"columns": {"a": {"kind": "boolean"}, "b": {"kind": "boolean"}}}
    )  # fmt: skip
    rows = pd.DataFrame({"a": [True, False] * 20, "b": [True, True, False, False] * 10})
    for finding in judged("privacy.copies", case_of(rows, rows, rows, schema=schema)):
        assert finding.estimate.value is None
        assert finding.verdict is Verdict.CANNOT_TELL
        assert finding.reason is not None


PERSONS = Schema.from_dict(
    {
        "columns": {
            "who": {"kind": "categorical", "role": "person"},
            "x": {"kind": "numeric", "bounds": [0, 1]},
            "y": {"kind": "numeric", "bounds": [0, 1]},
        }
    }
)


def _persons(name, n, each, seed):
    """Persons with so many rows each, all different, shape (n * each, 3)."""
    rng = np.random.default_rng(seed)
    who = [f"{name}{i // each}" for i in range(n * each)]
    return pd.DataFrame({"who": who, "x": rng.random(n * each), "y": rng.random(n * each)})


def test_persons_count_once():
    """250 copied rows of 50 persons are 50 draws at the low end, and 250 copies in the value."""
    train, holdout = _persons("t", 200, 5, 1), _persons("h", 200, 5, 2)
    exact, _ = judged("privacy.copies", case_of(train[:250], train, holdout, schema=PERSONS))

    assert exact.note.params["n_train"] == "200"
    assert exact.note.params["members_hit"] == "50"
    assert exact.estimate.value == 1
    assert 0.1 < exact.estimate.low < 0.2
    assert exact.verdict is Verdict.OUTSIDE


@pytest.mark.parametrize("rows", ["any", "last"])
def test_copies_of_persons_with_many_rows_are_found(rows):
    """5% copies count as 5%, however many rows a person has and whichever of them are copied."""
    for seed in range(3):
        train, holdout = _persons("t", 100, 20, 3 * seed), _persons("h", 100, 20, 3 * seed + 1)
        samples = _persons("s", 100, 20, 3 * seed + 2)
        copied = train if rows == "any" else train[19::20]
        samples[:100] = copied.sample(100, random_state=seed)
        case = case_of(samples.drop(columns="who"), train, holdout, schema=PERSONS, seed=seed)
        exact, _ = judged("privacy.copies", case)

        assert exact.estimate.low <= 0.05 <= exact.estimate.high
        assert np.isclose(exact.estimate.value, 0.05, atol=0.01)
        assert exact.verdict is Verdict.OUTSIDE


def test_fresh_rows_of_persons_are_never_accused():
    """Persons whose rows are alike: honest samples are neither outside nor in doubt."""
    for seed in range(10):
        train, holdout, made = (_persons(n, 100, 8, [seed, i]) for i, n in enumerate("ths"))
        for table in (train, holdout, made):
            table["x"] = table.groupby("who")["x"].transform("first").round(2)
            table["y"] = table["y"].round(1)
        case = case_of(made.drop(columns="who"), train, holdout, schema=PERSONS, seed=seed)
        for finding in judged("privacy.copies", case):
            assert finding.verdict is not Verdict.OUTSIDE
            assert finding.doubt is None


def test_unreadable_columns_count_as_absent():
    """Copies with two misspelt columns are found like copies without these columns."""
    train, holdout = population(600, 1), population(600, 2)
    misspelt = train.assign(sex=train["sex"].str.upper(), region=train["region"].str.upper())
    case = case_of(misspelt, train, holdout)
    absent = case_of(train.drop(columns=["sex", "region"]), train, holdout)
    emptied = case_of(train.assign(sex=None, region=None), train, holdout)
    estimates = [[f.estimate for f in judged("privacy.copies", c)] for c in (case, absent, emptied)]

    assert {f.verdict for f in judged("privacy.copies", case)} == {Verdict.OUTSIDE}
    assert estimates[0] == estimates[1] == estimates[2]
    [said] = copies(case).not_measured
    assert said.id == "privacy.copies.unread"
    assert said.params["columns"] == "sex, region"


@pytest.mark.parametrize("n_cells", [1, 2])
def test_broken_cells_hide_no_copies(n_cells):
    """Copies with broken cells, other ones in each row, are never within: they may be copies."""
    train, holdout = population(1500, 1), population(1500, 2)
    samples = pd.concat([broken(train[:150], n_cells), population(1350, 3)])
    case = case_of(samples, train, holdout)
    outcome = copies(case)
    exact, near = judged("privacy.copies", case)

    assert exact.estimate.high > 0.07
    assert exact.verdict is Verdict.CANNOT_TELL
    assert n_cells == 1 or near.estimate.high > 0.1
    # Which of the missing incomes are broken ones is not known, so that some honest ones count.
    assert 150 <= int(outcome.not_measured[0].params["n"]) <= 150 * n_cells


@pytest.mark.slow
def test_copies_in_adult(adult):
    """5% copies among 1,000 samples are found at 5 of 5 seeds, fresh rows never accused."""
    schema = Schema.read("adult")
    train, rest = adult("train"), adult("holdout")
    for seed in range(5):
        rows = rest.sample(frac=1, random_state=seed)
        copies = train.sample(50, random_state=seed)
        for copied, samples in ((True, pd.concat([rows[:950], copies])), (False, rows[:1000])):
            case = case_of(samples, train, rows[1000:], schema=schema, seed=seed)
            exact, _ = judged("privacy.copies", case)

            assert (exact.verdict is Verdict.OUTSIDE) == copied
