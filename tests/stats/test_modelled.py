"""Bounds under a Gaussian model: its curve, and how often they exceed the truth."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from scipy.stats import norm

from genaudit.stats.epsilon import many_runs_epsilon
from genaudit.stats.modelled import (
    gaussian_delta,
    gaussian_epsilon,
    gaussian_shift,
    gaussian_shift_of_sums,
)

ALPHA, RUNS = 0.05, 400
MOST = ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / RUNS)


@pytest.mark.parametrize("shift", [0.2, 1.0, 3.0])
def test_curve_of_a_gaussian(shift: float) -> None:
    """The hockey-stick divergence of two normal distributions, by the trapezoid rule."""
    x = np.linspace(-12, 12 + shift, 400_001)
    for epsilon in (0.0, 1.0):
        apart = (norm.pdf(x, shift) - exp(epsilon) * norm.pdf(x)).clip(min=0)
        assert gaussian_delta(shift, epsilon) == pytest.approx(np.trapezoid(apart, x), abs=1e-8)
    assert gaussian_delta(shift, gaussian_epsilon(shift, 1e-5)) == pytest.approx(1e-5, rel=1e-4)


def test_edges_of_the_curve() -> None:
    """No shift, or a δ that pays for all of it, is worth nothing."""
    assert gaussian_epsilon(0.0, 1e-6) == 0.0
    assert gaussian_epsilon(0.1, 0.5) == 0.0


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_false_alarms_of_shifts(shift: float) -> None:
    """Guesses at the median, and mean scores: above the true shift as often as the level says."""
    rng, guessed, summed = np.random.default_rng(1), 0, 0
    for _ in range(RUNS):
        members = rng.random(300) < 0.5
        scores = rng.normal(size=300) + shift * members
        right = int(((scores > shift / 2) == members).sum())
        guessed += gaussian_shift(300, right, ALPHA) > shift
        summed += gaussian_shift_of_sums(scores[members], scores[~members], ALPHA) > shift

    assert guessed / RUNS <= MOST
    assert summed / RUNS <= MOST
    assert gaussian_shift(300, 0, ALPHA) == 0.0


@pytest.mark.parametrize("epsilon", [0.0, 1.0])
def test_false_alarms_of_many_runs(epsilon: float) -> None:
    """Randomised response is as bad as its epsilon, and no worse."""
    rng, told = np.random.default_rng(2), exp(epsilon) / (1 + exp(epsilon))
    found, accused = rng.binomial(200, told, RUNS), rng.binomial(200, 1 - told, RUNS)
    bounds = [
        many_runs_epsilon(200, f, 200, a, 0.0, ALPHA) for f, a in zip(found, accused, strict=True)
    ]

    assert np.mean(np.array(bounds) > epsilon) <= MOST
    assert max(bounds) > 0.0
    assert many_runs_epsilon(200, 0, 200, 200, 0.0, ALPHA) == 0.0


def test_many_runs_by_either_error() -> None:
    """A record that is never missed tells as much as one that is never seen where it is not."""
    assert many_runs_epsilon(500, 500, 500, 0, 0.0, ALPHA) == pytest.approx(4.91, abs=0.01)
    assert many_runs_epsilon(500, 250, 500, 0, 0.0, ALPHA) == pytest.approx(
        many_runs_epsilon(500, 500, 500, 250, 0.0, ALPHA), abs=1e-9
    )
