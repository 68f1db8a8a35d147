"""Features of series, and how far two sets of them are apart."""

from __future__ import annotations

import numpy as np
import pytest

from genaudit.data.record import as_column
from genaudit.modalities.sequence import judge, quality
from genaudit.modalities.sequence.space import Features
from tests.modalities.sequence.made import COLUMN, walks

REAL, TWIN, OTHER = walks(300), walks(300, seed=1), walks(300, seed=2, slope=0.3)


def test_features() -> None:
    """Features are few, finite, of unit scale on the reference, and the same for equal series."""
    features = Features.fit(COLUMN, REAL)
    found = features.encode(REAL)

    assert found.shape[1] <= 64
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(features.encode(REAL[:3]), found[:3], atol=1e-9)
    assert features.encode(REAL[:0]).shape == (0, found.shape[1])


def test_distances_find_what_differs() -> None:
    """A twin is near, series with a slope are far, and a set is at no distance from itself."""
    rng = np.random.default_rng(0)
    same, near, far = (quality.distances(COLUMN, REAL, r, rng) for r in (REAL, TWIN, OTHER))

    assert (same.steps, same.memory, same.lengths) == (0, 0, 0)
    assert near.steps < 0.15 < far.steps
    assert near.memory < 0.04 < far.memory
    assert near.mmd < 0.01 < far.mmd


def test_lengths() -> None:
    """Half of the series one step longer are half of the way."""
    one, other = (
        as_column([np.zeros((n, 1), dtype=np.float32) for n in lengths]).to_numpy()
        for lengths in ((2, 2, 2, 2), (2, 2, 3, 3))
    )
    assert quality.length_distance(one, other) == 0.5


def test_memory_on_paper() -> None:
    """A series that turns at every step has a memory of -3/4 at lag one, of four steps."""
    turning = as_column([np.array([[1], [-1], [1], [-1]], dtype=np.float32)]).to_numpy()
    flat = as_column([np.ones((4, 1), dtype=np.float32)]).to_numpy()
    assert quality.memory_error(turning, flat, lags=1) == pytest.approx(0.75)


def test_utility() -> None:
    """A learner of true labels tells them, one of shuffled labels does not."""
    x = as_column([*TWIN, *OTHER]).to_numpy()
    y = np.repeat(["flat", "steep"], 300)
    shuffled = np.random.default_rng(0).permutation(y)
    found = quality.utility(COLUMN, (x[::2], y[::2]), (x[::2], shuffled[::2]), (x[1::2], y[1::2]))

    assert found.chance == 0.5
    assert found.made < 0.7
    assert found.real > 0.8


def test_a_judge() -> None:
    """A judge tells series with a slope and not a twin; the same seed gives the same score."""

    def score(made: np.ndarray) -> judge.Score:
        halves = (REAL[:150], REAL[150:]), (made[:150], made[150:])
        return judge.discriminative(COLUMN, *halves, iterations=100, repeats=2)

    assert score(TWIN).mean < 0.1
    assert score(OTHER).mean > 0.15
    assert score(TWIN) == score(TWIN)
