"""Distances between tables: by hand, against loops, beside chance and independent marginals."""

import numpy as np
import pandas as pd
import pytest
from subjects import SCHEMA, case_of, judged, make_case, population

from genaudit.audits.quality import _baseline
from genaudit.audits.quality.fidelity import (
    COLUMN,
    ONE_WAY,
    TWO_WAY,
    _estimate,
    fidelity,
)
from genaudit.case import AuditCase
from genaudit.data.dataset import Dataset
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.quality import (
    CellTable,
    View,
    distance,
    large_cells,
    noisy_marginals,
    pairs_of,
    shuffled_columns,
)
from genaudit.policy import Policy
from genaudit.result import Claim, Limit, Section, Status, Verdict
from genaudit.run import judge
from genaudit.subject import Subject

NAME = "quality.fidelity"


def cells(*rows):
    """A table of two columns of three cells, the last for values that have none."""
    return CellTable(np.array(rows), (3, 3), (2, 2))


def view(*columns):
    """Every joint cell of columns of three cells on its own."""
    size = 3 ** len(columns)
    return View(columns, np.arange(size), size)


def far(one, other, *views):
    """The distance of two tables, with halves from a fixed stream."""
    return distance(one, other, views, np.random.default_rng(0))


def test_distances_on_paper():
    """First column (1/2, 1/2) against (1, 0): 0.5; second equal: 0; both together: 0.5."""
    one, other = cells((0, 0), (1, 1)), cells((0, 0), (0, 1))

    assert np.isclose(far(one, other, view(0), view(1)).plain.mean(), 0.25)
    assert np.allclose(far(one, other, view(0), view(1)).plain, [0.5, 0])
    assert np.isclose(far(one, other, view(0, 1)).plain[0], 0.5)


def test_distances_equal_a_loop():
    """Joint cells by arithmetic equal joint cells by counting pairs."""
    rng = np.random.default_rng(0)
    one, other = (cells(*rng.integers(0, 3, (50, 2))) for _ in range(2))
    shares = [pd.Series(map(tuple, t.codes.tolist())).value_counts(normalize=True) for t in
              (one, other)]  # fmt: skip
    naive = shares[0].sub(shares[1], fill_value=0).abs().sum() / 2

    assert np.isclose(far(one, other, view(0, 1)).plain[0], naive)


def test_errors_equal_a_bootstrap():
    """Where the tables differ clearly, the delta method's error is that of resampled rows."""
    rng = np.random.default_rng(1)
    one = cells(*rng.choice(3, (400, 2), p=(0.6, 0.3, 0.1)))
    other = cells(*rng.choice(3, (300, 2), p=(0.2, 0.5, 0.3)))
    naive = [
        far(
            cells(*one.codes[rng.integers(0, 400, 400)]),
            cells(*other.codes[rng.integers(0, 300, 300)]),
            view(0),
            view(1),
        ).plain.mean()
        for _ in range(800)
    ]

    assert abs(far(one, other, view(0), view(1)).above[1] / np.std(naive) - 1) < 0.12


def test_a_match_by_chance_has_an_error():
    """Equal shares in two samples do not mean that the distance is known to be zero."""
    table = cells(*[(0, 0), (1, 1)] * 50)
    found = far(table, table, view(0))

    assert found.above[1] > 0.02
    assert found.below[1] > 0.02


def test_a_clear_distance_is_told_whole():
    """Where chance changes no direction, the corrected distance is the plain one: 0.5."""
    one, other = cells(*[(0, 0)] * 500, *[(1, 0)] * 500), cells(*[(0, 0)] * 1000)
    found = far(one, other, view(0))

    assert np.isclose(found.value, 0.5, atol=0.02)
    assert np.isclose(found.below[0], 0.5, atol=0.02)
    assert found.plain[0] == 0.5


@pytest.mark.parametrize(("n", "m"), [(400, 400), (4000, 4000), (1000, 400)])
@pytest.mark.parametrize("shift", [0.0, 0.01, 0.04])
def test_intervals_cover(n, m, shift):
    """95% intervals hold the true distance of 0, 0.1 or 0.4 in at least 95% of 100 draws.

    Three columns of 20 cells each that hang together: half of the cells gain what others lose.
    """
    rng = np.random.default_rng([n, m, int(100 * shift)])
    other = np.full(20, 0.05)
    one = other + shift * np.where(np.arange(20) % 2, 1, -1)
    views = [View((j,), np.arange(21), 20) for j in range(3)]
    held = []
    for _ in range(100):
        tables = [_three_columns(rng, k, p) for k, p in ((n, one), (m, other))]
        found = _estimate(distance(*tables, views, rng))
        held.append(found.low <= 10 * shift <= found.high)
        assert found.low <= found.value <= found.high

    assert np.mean(held) >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / 100)


def _three_columns(rng, n, p):
    """Twice one column, so that their distances err together, and one on its own."""
    one, other = (rng.choice(20, n, p=p) for _ in range(2))
    return CellTable(np.column_stack([one, one, other]), (21,) * 3, (20,) * 3)


def test_values_without_a_cell_have_one():
    """What the schema does not allow is a cell of its own, not nothing, and merged with none."""
    train = Dataset.of(population(500, 1), SCHEMA)
    grid = Grid.learned(train, 10)
    broken = Dataset.of_samples(population(500, 2).assign(region="atlantis"), SCHEMA)
    real, table, j = (
        CellTable.of(train, grid),
        CellTable.of(broken, grid),
        grid.names.index("region"),
    )
    large = large_cells((j,), real, [real], 25, 10)

    assert far(table, real, large).plain[0] == 1
    assert np.isclose(far(table, real, large).value, 1, atol=0.01)


def test_rare_levels_are_merged():
    """With few cells allowed, all later levels share the last one."""
    train = Dataset.of(population(500, 1), SCHEMA)
    grid = Grid.learned(train, 10)
    table = CellTable.of(train, grid, max_cells=3)
    j = grid.names.index("region")

    assert table.sizes[j] == 4
    assert set(table.codes[:, j]) == {0, 1, 2}


def test_small_cells_are_merged():
    """Cells of 30, 7 and 3 rows beside one of 60: the small ones are one cell of ten rows."""
    codes = np.repeat([0, 1, 2, 3], [60, 30, 7, 3])[:, None]
    table = CellTable(codes, (5,), (4,))
    ten, none = (large_cells((0,), table, [table], 25, k) for k in (10, 11))

    assert np.bincount(ten.of(table)).tolist() == [60, 30, 10]
    assert np.bincount(none.of(table)).tolist() == [60, 40]
    assert (ten.n_real, none.n_real) == (3, 2)


def test_a_cell_that_is_small_in_one_real_table_is_merged():
    """Large among the rows that decide, but of four rows in the holdout: it joins another cell."""
    reference = CellTable(np.repeat([0, 1], [50, 50])[:, None], (3,), (2,))
    holdout = CellTable(np.repeat([0, 1], [96, 4])[:, None], (3,), (2,))

    assert large_cells((0,), reference, [reference], 25, 10).n_real == 2
    assert large_cells((0,), reference, [reference, holdout], 25, 10).n_real == 1


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
        views = [View((j,), np.arange(n), n) for j, n in enumerate(tables[0].sizes)]
        off.append(far(*tables, *views).value)

    assert off[1] > 2 * off[0]


def test_honest_samples_are_as_near_as_real_rows():
    """Fresh rows are as far from the holdout as training rows are; marginals miss the pairs."""
    findings = {f.metric: f for f in judged(NAME, make_case("honest", 2, n_train=2000,
                n_samples=2000, n_holdout=2000)) if f.metric != COLUMN}  # fmt: skip

    for finding in findings.values():
        assert abs(finding.estimate.value - finding.null.value) < 0.012
        assert finding.estimate.low == 0
    assert findings[TWO_WAY].baseline.value > findings[TWO_WAY].null.value + 0.01
    assert set(findings) == {ONE_WAY, TWO_WAY}


def test_honest_samples_are_rarely_accused():
    """Under a limit of 0.05 fresh rows are outside in none of 3 draws, dropped modes are."""
    policy = Policy(name="u", owner="u", limits=tuple(
        Limit(metric=m, value=0.05, owner="u", rationale="r") for m in (ONE_WAY, TWO_WAY)
    ))  # fmt: skip
    for kind, n, draws in (("honest", 400, 3), ("mode_dropper", 1000, 1)):
        for seed in range(draws):
            case = make_case(kind, seed, n_train=n, n_holdout=n, n_samples=n)
            section = Section(audit=NAME, title=fidelity.title, status=Status.RAN,
                              findings=fidelity(case).findings)  # fmt: skip
            found = {f.verdict for f in judge([section], policy)[0].findings}

            assert (Verdict.OUTSIDE in found) == (kind == "mode_dropper")


def test_no_number_tells_of_a_few_people():
    """Four remote people in the holdout, or in train: their column is not estimable."""
    samples, train, holdout = (population(600, s) for s in (1, 2, 3))
    few = np.arange(600) < 4
    for parts in ((train, holdout.assign(remote=few)), (train.assign(remote=few), holdout)):
        findings = judged(NAME, case_of(samples, *parts))
        column = next(f for f in findings if f.group == {"column": "remote"})
        overall = next(f for f in findings if f.metric == ONE_WAY)

        assert column.estimate.value is None
        assert column.null is None
        assert "fewer than" in column.estimate.reason.text_en
        assert overall.note.params == {"k": 1, "n": 7}


def test_dropped_modes_are_found_by_column():
    """The columns that lost their regions and high incomes come first."""
    case = make_case("mode_dropper", 2, n_train=2000, n_samples=2000, n_holdout=2000)
    findings = [f for f in judged(NAME, case) if f.metric == COLUMN]

    assert {f.group["column"] for f in findings[:2]} == {"income", "region"}
    assert all(f.estimate.low > 0.05 for f in findings[:2])


def test_fewer_samples_say_less():
    """A hundred samples leave a wider interval than two thousand, and no larger distance."""
    train, holdout = population(2000, 1), population(2000, 2)
    found = [
        next(f for f in judged(NAME, case_of(population(n, 3), train, holdout))
             if f.metric == ONE_WAY).estimate
        for n in (2000, 100)
    ]  # fmt: skip

    assert [e.low for e in found] == [0, 0]
    assert found[1].high > 2 * found[0].high
