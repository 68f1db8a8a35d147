"""Distances between tables: by hand, against loops, beside chance and independent marginals."""

import numpy as np
import pandas as pd
import pytest
from subjects import SCHEMA, case_of, judged, make_case, population

from genaudit.audits.quality import _baseline
from genaudit.audits.quality.fidelity import COLUMN, ONE_WAY, TWO_WAY
from genaudit.case import AuditCase
from genaudit.data.dataset import Dataset
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.quality import (
    CellTable,
    column_distances,
    noisy_marginals,
    one_way,
    pairs_of,
    shuffled_columns,
    two_way,
)
from genaudit.result import Claim
from genaudit.subject import Subject

NAME = "quality.fidelity"


def cells(*rows):
    """A table of two columns of three cells."""
    return CellTable(np.array(rows), (3, 3))


def test_distances_on_paper():
    """First column (1/2, 1/2) against (1, 0): 0.5; second equal: 0; both together: 0.5."""
    one, other = cells((0, 0), (1, 1)), cells((0, 0), (0, 1))

    assert np.isclose(one_way(one, other).value, 0.25)
    assert np.allclose([d.value for d in column_distances(one, other)], [0.5, 0])
    assert np.isclose(two_way(one, other, [(0, 1)]).value, 0.5)


def test_distances_equal_a_loop():
    """Joint cells by arithmetic equal joint cells by counting pairs."""
    rng = np.random.default_rng(0)
    one, other = (CellTable(rng.integers(0, 3, (50, 2)), (3, 3)) for _ in range(2))
    shares = [pd.Series(map(tuple, t.codes.tolist())).value_counts(normalize=True) for t in
              (one, other)]  # fmt: skip
    naive = shares[0].sub(shares[1], fill_value=0).abs().sum() / 2

    assert np.isclose(two_way(one, other, [(0, 1)]).value, naive)


def test_errors_equal_a_bootstrap():
    """Where the tables differ clearly, the delta method's error is that of resampled rows."""
    rng = np.random.default_rng(1)
    one = CellTable(rng.choice(3, (400, 2), p=(0.6, 0.3, 0.1)), (3, 3))
    other = CellTable(rng.choice(3, (300, 2), p=(0.2, 0.5, 0.3)), (3, 3))
    naive = [
        one_way(
            CellTable(one.codes[rng.integers(0, 400, 400)], (3, 3)),
            CellTable(other.codes[rng.integers(0, 300, 300)], (3, 3)),
        ).value
        for _ in range(800)
    ]

    assert abs(one_way(one, other).standard_error / np.std(naive) - 1) < 0.12


def test_a_match_by_chance_has_an_error():
    """Equal shares in two samples do not mean that the distance is known to be zero."""
    table = cells(*[(0, 0), (1, 1)] * 50)

    assert one_way(table, table).standard_error > 0.02


def test_values_without_a_cell_have_one():
    """What the schema does not allow is a cell of its own, not nothing."""
    train = Dataset.of(population(500, 1), SCHEMA)
    grid = Grid.learned(train, 10)
    broken = Dataset.of_samples(population(500, 2).assign(region="atlantis"), SCHEMA)
    table = CellTable.of(broken, grid)
    distance = column_distances(table, CellTable.of(train, grid))[grid.names.index("region")]

    assert np.isclose(distance.value, 1)


def test_rare_levels_are_merged():
    """With few cells allowed, all later levels share the last one."""
    train = Dataset.of(population(500, 1), SCHEMA)
    grid = Grid.learned(train, 10)
    table = CellTable.of(train, grid, max_cells=3)
    j = grid.names.index("region")

    assert table.sizes[j] == 3
    assert set(table.codes[:, j]) == {0, 1, 2}


def test_pairs_are_all_or_a_draw():
    """Few columns give every pair, many a sorted draw of the given size."""
    assert pairs_of(3, 10, np.random.default_rng(0)) == [(0, 1), (0, 2), (1, 2)]
    drawn = pairs_of(50, 20, np.random.default_rng(0))
    assert len(set(drawn)) == 20
    assert drawn == sorted(drawn)


def test_shuffled_columns_keep_shares_and_lose_ties():
    """Each column keeps its distribution; what hung together no longer does."""
    train = Dataset.of(population(4000, 1), SCHEMA)
    made = shuffled_columns(train, 4000, np.random.default_rng(0))
    hired = [(d.frame["hired"] == "yes").groupby(d.frame["sex"], observed=True).mean()
             for d in (train, made)]  # fmt: skip

    assert abs(np.ptp(hired[0])) > 0.08
    assert abs(np.ptp(hired[1])) < 0.06
    assert np.isclose(made.frame["age"].mean(), train.frame["age"].mean(), atol=1)


def test_noise_is_added_to_counts():
    """Without noise the shares stay; a column drowned in negative noise becomes uniform."""
    train = Dataset.of(population(4000, 1), SCHEMA)
    grid = Grid.public(SCHEMA)
    silent = np.zeros(sum(grid.sizes))
    noise = silent.copy()
    noise[:2] = -1e6
    rng = np.random.default_rng(0)
    shares = [
        float((noisy_marginals(train, grid, 4000, n, rng).frame["sex"] == "Male").mean())
        for n in (silent, noise)
    ]

    assert np.isclose(shares[0], 0.6, atol=0.04)
    assert np.isclose(shares[1], 0.5, atol=0.04)


@pytest.mark.parametrize("delta", [1e-5, 0.0])
def test_the_baseline_spends_the_claim(delta):
    """A smaller ε gives worse independent marginals, with Gaussian and with Laplace noise."""
    case = make_case("honest", 1, n_train=1000, n_samples=1000)
    off = []
    for epsilon in (10.0, 0.1):
        subject = Subject("s", "samples", case.samples, claim=Claim(epsilon=epsilon, delta=delta))
        private = AuditCase(subject, case.data)
        grid = Grid.learned(case.train, 20)
        tables = [CellTable.of(d, grid) for d in (_baseline.independent_marginals(private),
                                                  case.holdout)]  # fmt: skip
        off.append(one_way(*tables).value)

    assert off[1] > 2 * off[0]


def test_honest_samples_are_at_the_floor():
    """Fresh rows are as far from the holdout as training rows are; marginals miss the pairs."""
    findings = {f.metric: f for f in judged(NAME, make_case("honest", 2, n_train=2000,
                n_samples=2000, n_holdout=2000)) if f.metric != COLUMN}  # fmt: skip

    for finding in findings.values():
        assert abs(finding.estimate.value - finding.null.value) < 0.012
        assert "Chance alone" in finding.note.text_en
    assert findings[TWO_WAY].baseline.value > findings[TWO_WAY].null.value + 0.01
    assert set(findings) == {ONE_WAY, TWO_WAY}


def test_dropped_modes_are_found_by_column():
    """The columns that lost their regions and high incomes come first."""
    case = make_case("mode_dropper", 2, n_train=2000, n_samples=2000, n_holdout=2000)
    findings = [f for f in judged(NAME, case) if f.metric == COLUMN]

    assert {f.group["column"] for f in findings[:2]} == {"income", "region"}
    assert all(f.estimate.low > f.null.high for f in findings[:2])


def test_fewer_samples_raise_the_floor():
    """The floor is made from as many rows as there are samples."""
    train, holdout = population(2000, 1), population(2000, 2)
    floors = []
    for n in (2000, 100):
        findings = judged(NAME, case_of(population(n, 3), train, holdout))
        floors.append(next(f for f in findings if f.metric == ONE_WAY).null)

    assert floors[1].value > 2 * floors[0].value
    assert floors[1].n == 100
