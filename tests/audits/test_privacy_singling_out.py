"""Singling out: predicates on paper, a naive twin, near-unique columns that must not alarm."""

import numpy as np
import pandas as pd
import pytest
from subjects import SCHEMA, case_of, make_case, population

from genaudit.audits.privacy._predicates import (
    Predicates,
    coded,
    of_one_column,
    of_several_columns,
)
from genaudit.audits.privacy.singling_out import SinglingOutOptions, _first, singling_out
from genaudit.data.dataset import Dataset


def test_predicates_of_one_column_on_paper():
    """Values that one sample has, and the ends of a number that one sample holds."""
    samples = np.array([[0, 3], [1, 3], [1, 7], [-1, 9], [1, 9]])
    made = of_one_column(samples, [False, True], 100, np.random.default_rng(0))
    found = {(int(a.argmax()), int(lo[a][0]), int(hi[a][0]))
             for a, lo, hi in zip(made.asked, made.low, made.high, strict=True)}  # fmt: skip

    assert found == {(0, 0, 0), (0, -1, -1), (1, 7, 7)}


@pytest.mark.parametrize("make", [of_one_column, of_several_columns])
def test_isolation_has_a_naive_twin(make):
    """Every predicate fits one sample alone, and rows that it fits alone elsewhere are the ones."""
    tables = [Dataset.of(population(n, seed), SCHEMA) for n, seed in ((150, 1), (203, 2))]
    samples, other = coded(tables, SCHEMA.columns)
    ordered = [c.kind in ("integer", "numeric") for c in SCHEMA.columns]
    made = make(samples, ordered, 60, np.random.default_rng(0))

    assert 20 < len(made) <= 60
    assert (made.isolated(samples) >= 0).all()
    for j, row in enumerate(made.isolated(other)):
        asked = made.asked[j]
        fits = ((other >= made.low[j]) & (other <= made.high[j]))[:, asked].all(axis=1)
        assert row == (np.flatnonzero(fits)[0] if fits.sum() == 1 else -1)


def test_missing_values_lie_in_no_range():
    """A range of numbers holds no missing value; a missing value is described as missing."""
    table = np.array([[-1], [0], [5]])
    low, high = np.array([[0], [-1], [0]]), np.array([[4], [-1], [9]])
    made = Predicates(np.ones((3, 1), bool), low, high)

    assert made.isolated(table).tolist() == [1, 0, -1]


def test_nobody_is_singled_out_twice():
    """Only the first of several descriptions of one row counts."""
    assert _first(np.array([4, -1, 2, 4, -1, 2, 0])).tolist() == [
        True, False, True, False, False, False, True,
    ]  # fmt: skip


def test_copies_are_found_and_nobody_accused():
    """Half of the samples are training rows: both kinds of description single members out."""
    leak, honest = (singling_out(make_case(kind, 4)).findings for kind in ("half_copy", "honest"))

    for risk, calm in zip(leak, honest, strict=True):
        assert risk.estimate.low > 0.2
        assert risk.doubt is None
        assert calm.estimate.low <= 0 <= calm.estimate.high


def test_near_unique_columns_do_not_alarm():
    """A number that nearly everybody has for themselves is hit by chance, members or not."""

    def rows(seed, n=1500):
        rng = np.random.default_rng(seed)
        return population(n, seed).assign(gain=rng.integers(1, 4000, n))

    univariate, _ = singling_out(case_of(rows(1), rows(2), rows(3))).findings
    right = univariate.note.params["control"].replace(",", "")

    assert int(right) > 100
    assert univariate.estimate.low <= 0 <= univariate.estimate.high


def test_a_smaller_holdout_is_no_evidence():
    """Members are as many as controls, so that train is not easier for being larger."""
    case = make_case("honest", 6, n_train=3000, n_holdout=600, n_samples=3000)
    for finding in singling_out(case).findings:
        assert finding.estimate.low <= 0 <= finding.estimate.high
        assert finding.estimate.high > 5 * finding.estimate.value


def test_rows_in_both_tables_are_no_risk():
    """Half of train is in the holdout too, and the samples are those rows: no leak."""
    shared = population(400, 1)
    train, holdout = (pd.concat([shared, population(400, seed)], ignore_index=True)
                      for seed in (2, 3))  # fmt: skip
    for finding in singling_out(case_of(shared, train, holdout)).findings:
        assert finding.estimate.low <= 0


def test_options_cap_the_work():
    """As many descriptions as the options say."""
    found = singling_out(make_case("honest", 1), SinglingOutOptions(max_attacks=30)).findings

    assert [f.estimate.n for f in found] == [60, 60]


def test_samples_without_a_description():
    """Where no sample differs from all others in anything there is nothing to say."""
    rows = population(1, 9)
    found = singling_out(case_of(pd.concat([rows] * 300), population(300, 1), population(300, 2)))
    for finding in found.findings:
        assert finding.estimate.value is None
        assert finding.estimate.reason is not None


def test_a_person_is_one_row():
    """Of persons with three equal rows each, copied all, one row each is sought and found."""
    who = {"name": "who", "kind": "categorical", "role": "person"}
    schema = SCHEMA.replace(columns=[*(c.model_dump() for c in SCHEMA.columns), who])
    train, holdout = (
        population(400, seed).loc[np.repeat(np.arange(400), 3)].reset_index(drop=True)
        .assign(who=[f"{seed}-{i // 3}" for i in range(1200)])
        for seed in (1, 2)
    )  # fmt: skip
    made = train.drop_duplicates("who").drop(columns="who")
    for finding in singling_out(case_of(made, train, holdout, schema=schema)).findings:
        assert finding.estimate.low > 0.5
