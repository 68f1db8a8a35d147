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
    assert marginals.distance([np.array([0.25, 0.25, 0.5])], found) == pytest.approx(0.5)
    assert [t.tolist() for t in found.one_way] == [[0.25, 0.75, 0.0], [0.5, 0.5]]
    assert [t.tolist() for t in found.two_way] == [[[0.25, 0.0], [0.25, 0.5], [0.0, 0.0]]]


class _Recorded:
    """A source of noise that notes the scales it is asked for."""

    def __init__(self) -> None:
        self.scales: list[float] = []

    def normal(self, _: float, scale: float, shape: tuple[int, ...]) -> np.ndarray:
        self.scales.append(scale)
        return np.zeros(shape)


@pytest.mark.parametrize("condition", [(), ("a",), ("b", "a")])
@pytest.mark.parametrize("cap", [1, 3])
def test_all_histograms_are_one_gaussian_mechanism(condition: tuple[str, ...], cap: int) -> None:
    """A unit's rows move all counts, each in units of its noise, by 1 / multiplier together.

    Twice as many rows in every histogram is what the noise must hide; counts come out exactly here,
    as the noise is nought.
    """
    layout = Layout(Grid((*GRID.columns, ColumnCells("c", levels=("s", "t")))), condition)
    one = np.array([[1, 2, 0]] * cap)
    counted = []
    for codes in (one, np.concatenate([one, one])):
        digits, joint = layout.split(codes)
        rng = _Recorded()
        found = marginals.noisy(
            layout, digits, joint, n=1, noise_multiplier=7.0, rng=rng, cap=cap, focus="b"  # type: ignore[arg-type]
        )  # fmt: skip
        counted.append((found, rng.scales, len(codes)))
    (_, scales, n_one), (_, _, n_two) = counted
    histograms = [*layout.sizes, *layout.pairs, *(["joint"] if condition else [])]

    # Every histogram counts every row in one cell, so its L2 change is the number of rows.
    moved = [(n_two - n_one) / scale for scale, _ in zip(scales, histograms, strict=False)]
    assert np.sqrt(np.sum(np.square(moved))) == pytest.approx(1 / 7.0)


def test_noise_has_the_scale_that_is_told() -> None:
    """The spread of noisy shares over draws is `deviations`; tables with the focus are closer."""
    layout = Layout(Grid((*GRID.columns, ColumnCells("c", levels=("s", "t")))))
    codes = np.array([[0, 0, 0], [1, 1, 1]] * 5_000)
    digits, joint = layout.split(codes)
    rng = np.random.default_rng(0)

    draws = [
        marginals.noisy(
            layout, digits, joint, n=10_000, noise_multiplier=5.0, rng=rng, focus="c"
        )
        for _ in range(600)
    ]  # fmt: skip

    for k, deviation in enumerate(draws[0].deviations):
        seen = np.stack([[*d.one_way, *d.two_way][k].ravel() for d in draws])
        assert seen.std(axis=0) == pytest.approx(np.full(seen.shape[1], deviation), rel=0.15)
        assert abs(seen.mean()) == pytest.approx(1 / seen.shape[1], abs=deviation)
    plain, close = draws[0].deviations[3], draws[0].deviations[4:]
    assert (close < plain).all()


def test_without_condition_the_joint_is_one_cell() -> None:
    """An unconditional layout has one cell and pays no histogram for it."""
    layout = Layout(GRID)
    digits, joint = layout.split(np.array([[0, 0], [1, 2]]))

    noisy = marginals.noisy(
        layout, digits, joint, n=2, noise_multiplier=1.0, rng=np.random.default_rng(0)
    )

    assert noisy.joint.tolist() == [1.0]


def test_low_digits_of_missing_values_are_not_counted() -> None:
    """A low digit's histogram is that of the records that have one, with noise and without."""
    grid = Grid((ColumnCells("town", levels=tuple(map(str, range(144))), nullable=True),))
    layout = Layout(grid)
    digits, joint = layout.split(np.array([[3]] * 6000 + [[16]] * 2000 + [[144]] * 2000))

    exact = marginals.exact(layout, digits, joint)
    noisy = marginals.noisy(
        layout, digits, joint, n=10_000, noise_multiplier=1.0, rng=np.random.default_rng(0)
    )

    for found in (exact, noisy):
        assert found.blocks[0][[0, 1, 12]] == pytest.approx([0.6, 0.2, 0.2], abs=0.002)
        assert found.blocks[1][[3, 4]] == pytest.approx([0.75, 0.25], abs=0.002)
