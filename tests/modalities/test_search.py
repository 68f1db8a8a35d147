"""The nearest rows: boxes and products against plain comparison of all pairs."""

import numpy as np
import pytest

from genaudit.modalities.table import boxes, search
from genaudit.modalities.table.boxes import Boxes
from genaudit.modalities.table.search import Encoded, Scale, Search, few_nearest

UNIT, LEVELS = 300, (3, 9, 90, 1500)
SCALE = Scale(UNIT, 3, LEVELS)


def _rows(n, seed, *, alike=0.0):
    """Numbers with gaps and ties, and levels, some unknown; a share of rows repeats the first."""
    rng = np.random.default_rng(seed)
    numbers = np.round(UNIT * rng.beta(0.5, 1, (n, 3)))
    numbers[rng.random((n, 3)) < 0.1] = np.nan
    codes = np.column_stack([(k * rng.random(n) ** 2).astype(np.int32) for k in LEVELS])
    codes[rng.random(codes.shape) < 0.03] = -1
    same = rng.random(n) < alike
    numbers[same], codes[same] = numbers[0], codes[0]
    return Encoded(numbers, codes)


def _all_pairs(queries, pool):
    """Squared distances on the integer scale, column by column."""
    total = np.zeros((len(queries), len(pool)))
    for x, y in zip(queries.numbers.T, pool.numbers.T, strict=True):
        gone = np.isnan(x)[:, None].astype(int) + np.isnan(y)
        apart = np.nan_to_num(x)[:, None] - np.nan_to_num(y)
        total += np.where(gone == 0, apart**2, np.where(gone == 1, UNIT**2, 0))
    for c, d in zip(queries.codes.T, pool.codes.T, strict=True):
        total += UNIT**2 * ((c[:, None] != d) | (c[:, None] < 0))
    return total


def _distance(queries, pool):
    return np.sqrt(_all_pairs(queries, pool).min(axis=1) / (7 * UNIT**2))


@pytest.mark.parametrize("n", [1, 40, 3000])
@pytest.mark.parametrize("alike", [0.0, 0.7])
def test_nearest_is_exact(n, alike):
    """Not a bit is lost, with missing and unknown values, ties, many levels and repeated rows."""
    queries, pool = _rows(900, 1), _rows(n, 2, alike=alike)

    assert (Search(SCALE, pool).nearest(queries) == _distance(queries, pool)).all()


def test_queries_in_many_groups_find_the_same(monkeypatch):
    """Which queries are sought together does not matter."""
    queries, pool = _rows(900, 1), _rows(2000, 2)
    monkeypatch.setattr(search, "_TOGETHER", 100)

    assert (Search(SCALE, pool).nearest(queries) == _distance(queries, pool)).all()


@pytest.mark.parametrize("n_levels", [126, 127, 128, 129, 32_767, 32_768, 70_000])
def test_the_last_level_is_told_apart(n_levels):
    """Codes are compared in as few bytes as hold them, and none is taken for another or unknown."""
    scale = Scale(UNIT, 1, (n_levels,))
    codes = np.array([[n_levels - 1], [n_levels - 2], [0], [-1]], dtype=np.int32)
    rows = Encoded(np.zeros((4, 1)), codes)
    [(_, apart)] = scale.blocks(rows, rows)

    assert (apart == UNIT**2 * (1 - np.diag([1, 1, 1, 0]))).all()


def test_sides_need_not_be_kept(monkeypatch):
    """A pool too large to keep a side of the product finds the same rows."""
    queries, pool = _rows(300, 1), _rows(2000, 2)
    monkeypatch.setattr(search, "_KEPT", 0)

    assert (Search(SCALE, pool).nearest(queries) == _distance(queries, pool)).all()


def test_no_row_is_nearer_than_its_box():
    """Boxes hold each row once and few rows, and no row is below the bound of its box."""
    queries, pool = _rows(200, 1), _rows(3000, 2)
    cut = Boxes.of(pool.numbers, pool.codes, LEVELS, UNIT, 50)
    least = cut.bounds(queries.numbers, queries.codes)
    apart = _all_pairs(queries, pool.take(cut.order))

    assert (np.sort(cut.order) == np.arange(3000)).all()
    assert np.diff(cut.starts).max() <= 50
    assert (least <= np.minimum.reduceat(apart, cut.starts[:-1], axis=1)).all()
    # A bound that is always 0 would hold too.
    assert (least > 0).mean() > 0.9


def test_boxes_of_equal_rows_are_not_cut():
    """Rows that nothing tells apart stay in one box, whatever its size."""
    cut = Boxes.of(np.full((60, 1), np.nan), np.zeros((60, 1), dtype=np.int32), (2,), UNIT, 10)

    assert len(cut) == 1
    assert cut.starts.tolist() == [0, 60]


def test_a_rare_row_is_cut_off():
    """A difference that the rows looked at do not show is found in the others."""
    numbers = np.zeros((5000, 1))
    numbers[4321] = UNIT
    cut = Boxes.of(numbers, np.zeros((5000, 0), dtype=np.int32), (), UNIT, 10)

    assert sorted(np.diff(cut.starts)) == [1, 4999]


def test_most_pairs_are_passed_over(monkeypatch):
    """Where rows lie close together few boxes are looked into."""
    pairs = []
    plain = Scale.apart
    monkeypatch.setattr(
        Scale, "apart", lambda *args: pairs.append(len(args[1]) * args[2].shape[1]) or plain(*args)
    )
    rng = np.random.default_rng(3)
    pool, near = _rows(20_000, 2), _rows(20_000, 2)
    near.numbers[:] = np.clip(near.numbers + rng.integers(-5, 6, near.numbers.shape), 0, UNIT)
    near = near.take(rng.permutation(20_000)[:500])
    Search(SCALE, pool).nearest(near)

    assert sum(pairs) < 0.1 * 500 * 20_000


def test_boxes_are_not_cut_by_levels_of_one_row(monkeypatch):
    """A column in which all rows differ, of the pool and of queries, parts nothing."""
    pairs = []
    plain = Scale.apart
    monkeypatch.setattr(
        Scale, "apart", lambda *args: pairs.append(len(args[1]) * args[2].shape[1]) or plain(*args)
    )
    rng = np.random.default_rng(5)
    kinds = rng.integers(0, 8, (40, 6))
    queries, pool = (
        Encoded(np.zeros((n, 0)), np.column_stack([ids, kinds[rng.integers(0, 40, n)]]))
        for n, ids in ((500, np.arange(500)), (4000, np.arange(500, 4500)))
    )
    found = Search(Scale(UNIT, 0, (4500, *[8] * 6)), pool).nearest(queries)

    assert found == pytest.approx(np.sqrt(1 / 7))
    assert sum(pairs) < 0.1 * 500 * 4000


def test_equal_rows_are_compared_once(monkeypatch):
    """However many rows are equal, no more distances are held than of a box."""
    widths = []
    plain = Scale.apart
    monkeypatch.setattr(
        Scale, "apart", lambda *args: widths.append(args[2].shape[1]) or plain(*args)
    )
    queries, pool = _rows(300, 1), _rows(5000, 2, alike=0.9)

    assert (Search(SCALE, pool).nearest(queries) == _distance(queries, pool)).all()
    assert max(widths) <= 256


def test_beyond_a_size_the_recall_is_measured(monkeypatch):
    """Few boxes are tried first; the recall stated is near the true one, and above what was asked.

    Numbers without structure, in which no box can be passed over for sure.
    """
    rng = np.random.default_rng(4)
    queries, pool = (
        Encoded(np.round(UNIT * rng.random((n, 8))), np.zeros((n, 0), dtype=np.int32))
        for n in (4000, 6000)
    )
    seek = Search(Scale(UNIT, 8, ()), pool)
    exact = seek.nearest(queries)
    assert seek.sought(queries).measured_on == 0
    monkeypatch.setattr(search, "EXACT", 4000 * 300)
    found = seek.sought(queries)
    missed = found.distance != exact

    assert found.measured_on >= 1000
    assert 0 < missed.mean() < 0.02
    assert found.recall == pytest.approx(1 - missed.mean(), abs=0.01)
    assert (found.distance >= exact).all()


def test_few_boxes_make_distances_too_large():
    """With one box a query finds the nearest of it; with all the nearest."""
    queries, pool = _rows(500, 1), _rows(3000, 2)
    seek, true = Search(SCALE, pool), _distance(queries, pool)
    one, all_of_them = seek.nearest(queries, 1), seek.nearest(queries, 10**6)

    assert (all_of_them == true).all()
    assert (one >= true).all()
    assert (one > true).any()


def test_levels_beyond_those_told_apart(monkeypatch):
    """Levels that share a place in the boxes are still told apart in the end."""
    monkeypatch.setattr(boxes, "_TOLD_APART", 4)
    queries, pool = _rows(300, 1), _rows(2000, 2)

    assert (Search(SCALE, pool).nearest(queries) == _distance(queries, pool)).all()


@pytest.mark.parametrize(("m", "k"), [(5, 5), (37, 4), (4000, 20)])
def test_the_few_nearest_are_those_of_a_sort(m, k):
    """Values and positions of a stable sort of each row, many ties included."""
    squared = np.random.default_rng(5).integers(0, 60, (50, m)).astype(np.float32)
    who, near = few_nearest(squared, k)

    assert (who == np.argsort(squared, axis=1, kind="stable")[:, :k]).all()
    assert (near == np.sort(squared, axis=1)[:, :k]).all()
