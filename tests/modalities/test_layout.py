"""Layouts: cells to digits and condition, and back."""

from __future__ import annotations

import numpy as np
import pytest

from genaudit.errors import OptionError
from genaudit.modalities.table.cells import ColumnCells, Grid
from genaudit.modalities.table.layout import Layout


def _grid() -> Grid:
    sizes = {"a": 2, "town": 100, "b": 3, "y": 2}
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
    assert layout.split(np.array([[1, 99, 2, 0]]))[1].tolist() == [1]
    assert layout.blocks == (10, 10, 3)


def test_a_cell_beyond_the_last_is_drawn_anew() -> None:
    """Two digits of 65 levels reach 72 cells; beyond the last one any level may come."""
    grid = Grid((ColumnCells("x", levels=tuple(map(str, range(65)))),))
    layout = Layout(grid)
    high, low = layout.blocks
    digits = np.tile([[high - 1, low - 1]], (2000, 1))

    made = layout.join(digits, np.zeros(2000, dtype=int), np.random.default_rng(0))

    assert high * low > 65
    assert set(made[:, 0]) == set(range(65))


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        (("zzz",), "'zzz'"),
        (("a", "a"), "twice"),
        (("a", "town", "b", "y"), "not a condition"),
        (("a", "town", "b"), "600 cells"),
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
        ColumnCells("town", levels=tuple(map(str, range(100))), nullable=True),
    ))  # fmt: skip
    layout = Layout(grid)
    codes = np.array([[0, 0], [1, 57], [0, 99], [1, 100]])

    digits, joint = layout.split(codes)

    assert layout.blocks == (2, 11, 10)
    assert layout.gates == (None, None, 1)
    assert digits[:, 1:].tolist() == [[0, 0], [5, 7], [9, 9], [10, -1]]
    rng = np.random.default_rng(0)
    assert np.array_equal(layout.join(digits, joint, rng), codes)
    digits[3, 2] = 4  # a network draws some low digit all the same
    assert np.array_equal(layout.join(digits, joint, rng), codes)
