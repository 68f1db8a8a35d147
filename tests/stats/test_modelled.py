"""Bounds under a Gaussian model: its curve, and how often they exceed the truth."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from scipy.stats import norm

from genaudit.stats.epsilon import DYADIC, many_runs_epsilon, one_run_bound, one_run_counts
from genaudit.stats.modelled import (
    gaussian_delta,
    gaussian_epsilon,
    gaussian_shift,
    gaussian_shift_of_sums,
    one_run_refutes,
    one_run_shift,
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


@pytest.mark.parametrize(
    ("m", "r", "v", "shift"),
    [(100, 100, 60, 0.0), (100, 100, 58, 0.0), (400, 50, 45, 1.0), (400, 50, 48, 1.0),
     (400, 400, 300, 0.8), (1000, 20, 20, 1.5), (1000, 20, 20, 3.5), (10, 4, 0, 0.0)],
)  # fmt: skip
def test_the_recursion_as_it_is_written(m: int, r: int, v: int, shift: float) -> None:
    """Arrays of h and r by the paper's lines, with scipy's normal."""
    h, right = np.zeros(v + 1), np.zeros(v + 1)
    right[v], h[v] = ALPHA * v / m, ALPHA * (r - v) / m
    for i in range(v - 1, -1, -1):
        h[i] = max(h[i + 1], norm.cdf(norm.ppf(right[i + 1]) - shift))
        right[i] = min(1.0, right[i + 1] + i / (r - i) * (h[i] - h[i + 1]))

    assert one_run_refutes(m, r, v, shift, ALPHA) == (right[0] + h[0] > r / m)


@pytest.mark.parametrize(
    ("m", "r", "v", "epsilon"),
    [(1000, 1000, 691, 1.4766), (1000, 100, 90, 2.7687), (5000, 5000, 3457, 1.4859),
     (400, 50, 48, 3.5766), (1000, 20, 20, 2.6655)],
)  # fmt: skip
def test_the_bound_of_an_established_library(m: int, r: int, v: int, epsilon: float) -> None:
    """What jax-privacy 2.0.0 finds at 5% and δ = 1e-6 by the same algorithm."""
    found = gaussian_epsilon(one_run_shift(m, [(r, v)], ALPHA), 1e-6)

    assert epsilon - 1e-3 < found <= epsilon


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_false_alarms_of_the_curve(shift: float) -> None:
    """Not above the truth more often than the level says, and below what independence gives."""
    rng, above = np.random.default_rng(4), 0
    for _ in range(RUNS):
        members = rng.random(300) < 0.5
        scores = rng.normal(size=300) + shift * members
        above += one_run_shift(300, one_run_counts(scores, members, DYADIC), ALPHA) > shift

    assert above / RUNS <= MOST


@pytest.mark.parametrize("shift", [1, 2, 4])
def test_the_curve_proves_more_than_no_model_and_less_than_the_truth(shift: int) -> None:
    """On ideal scores of Gaussian noise, 2,500 a side."""
    at = norm.ppf((np.arange(2500) + 0.5) / 2500)
    scores, members = np.r_[at + shift, at], np.arange(5000) < 2500
    found = one_run_shift(5000, one_run_counts(scores, members, DYADIC), ALPHA)

    free = one_run_bound(scores, members, 1e-6, ALPHA)[0]
    assert free < gaussian_epsilon(found, 1e-6) < gaussian_epsilon(shift, 1e-6)


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
