"""The small-cell rule: a report prints no count of a few people."""

from __future__ import annotations

import math

import numpy as np
import pytest

from genaudit.data.disclosure import (
    SMALL_CELL,
    in_tens,
    is_lifted,
    lifted,
    shown_cells,
    shown_count,
    shown_parts,
    shown_share,
    taken_for,
)


@pytest.mark.parametrize(("n", "shown"), [(0, 0), (1, None), (9, None), (10, 10), (10**6, 10**6)])
def test_counts(n: int, shown: int | None) -> None:
    """Zero and ten are shown, what lies between is not."""
    assert SMALL_CELL == 10
    assert shown_count(n) == shown


@pytest.mark.parametrize(("count", "n", "shown"), [
    (0, 100, 0.0), (9, 100, None), (10, 100, 0.1), (100, 100, 1.0), (0, 0, None), (5, 0, None),
    (91, 100, None), (90, 100, 0.9), (99, 100, None),
])  # fmt: skip
def test_shares(count: int, n: int, shown: float | None) -> None:
    """A share tells its count, and the count of those left over: both must be large, or none."""
    assert shown_share(count, n) == shown


def test_the_limit_can_be_set() -> None:
    """Another house has another rule."""
    assert shown_count(4, minimum=3) == 4
    assert shown_share(4, 100, minimum=3) == 0.04
    assert math.isclose(shown_share(97, 100, minimum=3) or 0, 0.97)


@pytest.mark.parametrize(("counts", "shown"), [
    ([40, 60, 100], [True, True, True]), ([0, 60, 100], [True, True, True]),
    ([9, 60, 100], [False, False, True]), ([4, 5, 60, 100], [False, False, False, True]),
    ([5, 6, 60], [False, False, True]), ([3, 0], [False, True]), ([9, 991], [False, False]),
])  # fmt: skip
def test_parts_of_a_total(counts: list[int], shown: list[bool]) -> None:
    """What is hidden is never a single part, nor fewer than ten people together."""
    assert shown_parts(np.array(counts)).tolist() == shown


def test_cells_with_known_margins() -> None:
    """In every row and column, what is hidden has a partner; tables without small cells are shown.

    On 200 random tables, none of which can be completed by subtraction.
    """
    rng = np.random.default_rng(0)
    for _ in range(200):
        counts = rng.integers(0, 40, size=rng.integers(2, 6, size=2))
        shown = shown_cells(counts)
        for line, seen in [*zip(counts, shown, strict=True), *zip(counts.T, shown.T, strict=True)]:
            positive = line[line > 0]

            assert seen[line == 0].all()
            assert not seen[(line > 0) & (line < SMALL_CELL)].any()
            left = line[~seen]
            assert not len(left) or len(left) == len(positive) or (
                len(left) > 1 and left.sum() >= SMALL_CELL
            )  # fmt: skip
    assert shown_cells(np.full((3, 4), 10)).all()


def test_the_rule_is_lifted_inside_alone() -> None:
    """Inside, every count is as it is; afterwards the rule holds again."""
    cells = np.array([[3, 40], [60, 7]])
    with lifted():
        assert is_lifted()
        assert shown_count(3) == 3
        assert shown_share(3, 100) == 0.03
        assert taken_for(3, 200) == (3, 3)
        assert in_tens(996, 1000) == 996
        assert shown_parts(cells[0]).all()
        assert shown_cells(cells).all()
        with lifted(lift=False):
            assert shown_count(3) is None

    assert shown_count(3) is None
    assert not is_lifted()


def test_an_error_inside_does_not_leave_it_lifted() -> None:
    with pytest.raises(KeyError, match="lost"), lifted():
        raise KeyError("lost")

    assert not is_lifted()
