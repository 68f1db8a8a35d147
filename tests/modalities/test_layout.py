"""Layouts: cells to digits and condition, and back."""

from __future__ import annotations

import numpy as np
import pytest

from genaudit.errors import OptionError
from genaudit.modalities.table.cells import ColumnCells, Grid
from genaudit.modalities.table.layout import Layout


def _grid() -> Grid:
    sizes = {"a": 2, "town": 200, "b": 3, "y": 2}
    return Grid(tuple(ColumnCells(n, levels=tuple(map(str, range(k)))) for n, k in sizes.items()))


@pytest.mark.parametrize("condition", [(), ("y",), ("y", "a"), ("town",)])
def test_split_and_join(condition: tuple[str, ...]) -> None:
    """Cells come back exactly, whichever columns are the condition."""
    layout = Layout(_grid(), condition)
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.integers(0, k, 500) for k in _grid().sizes])

    digits, joint = layout.split(codes)

    assert digits.shape == (500, len(layout.blocks))
    assert joint.max() < layout.n_joint
    assert np.array_equal(layout.join(digits, joint, rng), codes)


def test_joint_cells_by_hand() -> None:
    """The joint of y and a: y counts twice as much as a."""
    layout = Layout(_grid(), ("y", "a"))

    assert layout.cells.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert layout.split(np.array([[1, 199, 2, 0]]))[1].tolist() == [1]
    assert layout.blocks == (14, 15, 3)


def test_a_cell_beyond_the_last_is_drawn_anew() -> None:
    """Two digits of 131 levels reach 132 cells; beyond the last one any level may come."""
    grid = Grid((ColumnCells("x", levels=tuple(map(str, range(131)))),))
    layout = Layout(grid)
    high, low = layout.blocks
    digits = np.tile([[high - 1, low - 1]], (4000, 1))

    made = layout.join(digits, np.zeros(4000, dtype=int), np.random.default_rng(0))

    assert high * low > 131
    assert set(made[:, 0]) == set(range(131))


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (("zzz",), "'zzz'"),
        (("a", "a"), "twice"),
        (("a", "town", "b", "y"), "not a condition"),
        (("a", "town", "b"), "1,200 cells"),
    ],
)
def test_refused(condition: tuple[str, ...], says: str) -> None:
    """Unknown, repeated, too many columns or cells."""
    with pytest.raises(OptionError, match=says):
        Layout(_grid(), condition)


def test_missing_has_a_high_digit_of_its_own() -> None:
    """A missing value of a column with many levels has no low digit; it comes back as missing."""
    grid = Grid((
        ColumnCells("a", levels=("x", "y")),
        ColumnCells("town", levels=tuple(map(str, range(144))), nullable=True),
    ))  # fmt: skip
    layout = Layout(grid)
    codes = np.array([[0, 0], [1, 67], [0, 143], [1, 144]])

    digits, joint = layout.split(codes)

    assert layout.blocks == (2, 13, 12)
    assert layout.gates == (None, None, 1)
    assert digits[:, 1:].tolist() == [[0, 0], [5, 7], [11, 11], [12, -1]]
    rng = np.random.default_rng(0)
    assert np.array_equal(layout.join(digits, joint, rng), codes)
    digits[3, 2] = 4  # a network draws some low digit all the same
    assert np.array_equal(layout.join(digits, joint, rng), codes)


def test_pairs_of_blocks() -> None:
    """All pairs of a small table; of a wide one those of narrow blocks, and of digits."""
    layout = Layout(_grid(), ("y",))
    wide = Grid(tuple(ColumnCells(f"c{i}", levels=tuple(map(str, range(128)))) for i in range(40)))
    digits = ColumnCells("town", levels=tuple(map(str, range(40_000))))

    assert layout.sizes == (2, 14, 15, 3, 2)
    assert layout.owners == (0, 1, 1, 2, 3)
    assert layout.blocks_of("town") == (1, 2)
    assert layout.blocks_of("nobody") == ()
    assert len(layout.pairs) == 10
    kept = Layout(Grid((*wide.columns, digits))).pairs
    assert {i for pair in kept[:-1] for i in pair} == set(range(32))
    assert kept[-1] == (40, 41)


def test_intervals_are_ordered() -> None:
    """Neighbouring cells are those of intervals: no level, no spike, not "missing", no digit."""
    number = ColumnCells("x", spikes=(0.0, 5.0), edges=(0.0, 1.0, 2.0, 9.0), nullable=True)
    many = ColumnCells("z", edges=tuple(map(float, range(200))))
    level = ColumnCells("g", levels=("u", "v"))

    assert Layout(Grid((number, level, many))).ordered == ((2, 5), None, None, None)
