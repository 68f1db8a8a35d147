"""The small-cell rule: a report prints no count of a few people."""

from __future__ import annotations

import math

import pytest

from genaudit.data.disclosure import SMALL_CELL, shown_count, shown_share


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
