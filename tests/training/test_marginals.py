"""Marginals: projections on paper, noise of the promised scale."""

from __future__ import annotations

import numpy as np
import pytest

from genaudit.modalities.table.cells import ColumnCells, Grid
from genaudit.modalities.table.layout import Layout
from genaudit.training import marginals

GRID = Grid((ColumnCells("a", levels=("x", "y")), ColumnCells("b", levels=("p", "q", "r"))))


@pytest.mark.parametrize(
    ("values", "shares"),
    [
        ([0.2, 0.8], [0.2, 0.8]),
        ([0.7, 0.7], [0.5, 0.5]),
        ([1.5, -0.5], [1.0, 0.0]),
        ([-3.0, -3.0, -4.0], [0.5, 0.5, 0.0]),
        ([0.0, 0.0], [0.5, 0.5]),
    ],
)
def test_simplex(values: list[float], shares: list[float]) -> None:
    """The nearest shares, worked out by hand."""
    assert marginals.simplex(np.array(values)) == pytest.approx(shares)


def test_exact_marginals_and_distance() -> None:
    """Counts over n, and the total variation distance from them."""
    layout = Layout(GRID, ("a",))
    digits, joint = layout.split(np.array([[0, 0], [0, 1], [1, 1], [1, 1]]))

    found = marginals.exact(layout, digits, joint)

    assert found.blocks[0].tolist() == [0.25, 0.75, 0.0]
    assert found.joint.tolist() == [0.5, 0.5]
    assert marginals.distance(np.array([0.25, 0.25, 0.5]), found) == pytest.approx(0.5)


def test_noise_scale() -> None:
    """With k histograms the noise of each count has k times the variance."""
    layout = Layout(GRID)
    codes = np.array([[0, 0], [1, 1]] * 50_000)
    digits, joint = layout.split(codes)
    rng = np.random.default_rng(0)

    draws = [
        marginals.noisy(layout, digits, joint, n=100_000, noise_multiplier=50.0, rng=rng).blocks[0]
        for _ in range(800)
    ]

    # Two cells projected on the simplex: the difference keeps the noise of both, halved.
    expected = 50 * np.sqrt(2) * np.sqrt(2) / 2
    assert np.std([d[0] * 100_000 for d in draws]) == pytest.approx(expected, rel=0.1)


def test_without_condition_the_joint_is_one_cell() -> None:
    """An unconditional layout has one cell and pays no histogram for it."""
    layout = Layout(GRID)
    digits, joint = layout.split(np.array([[0, 0], [1, 2]]))

    noisy = marginals.noisy(
        layout, digits, joint, n=2, noise_multiplier=1.0, rng=np.random.default_rng(0)
    )

    assert marginals.n_histograms(layout) == 2
    assert noisy.joint.tolist() == [1.0]


def test_low_digits_of_missing_values_are_not_counted() -> None:
    """A low digit's histogram is that of the records that have one, with noise and without."""
    grid = Grid((ColumnCells("town", levels=tuple(map(str, range(100))), nullable=True),))
    layout = Layout(grid)
    digits, joint = layout.split(np.array([[3]] * 6000 + [[14]] * 2000 + [[100]] * 2000))

    exact = marginals.exact(layout, digits, joint)
    noisy = marginals.noisy(
        layout, digits, joint, n=10_000, noise_multiplier=1.0, rng=np.random.default_rng(0)
    )

    for found in (exact, noisy):
        assert found.blocks[0][[0, 1, 10]] == pytest.approx([0.6, 0.2, 0.2], abs=0.002)
        assert found.blocks[1][[3, 4]] == pytest.approx([0.75, 0.25], abs=0.002)
