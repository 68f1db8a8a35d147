"""Lower bounds on epsilon against a naive reading of the theorem, and their false alarms."""

from math import comb, exp

import numpy as np
import pytest

from genaudit.stats.epsilon import (
    one_run_bound,
    one_run_chance,
    one_run_counts,
    one_run_epsilon,
    one_run_p_value,
)


def _naive(m, r, v, epsilon, delta):
    """The theorem, term by term."""
    q = exp(epsilon) / (1 + exp(epsilon))

    def chance(low, high):
        return sum(comb(r, k) * q**k * (1 - q) ** (r - k) for k in range(max(0, low), high))

    beta = chance(v, r + 1)
    steepest = max(chance(v - i, v) / i for i in range(1, v + 1))
    return min(1.0, beta + 2 * m * delta * steepest)


@pytest.mark.parametrize(("m", "r", "v"), [(10, 10, 8), (20, 10, 10), (12, 6, 3)])
@pytest.mark.parametrize("delta", [0.0, 1e-3])
def test_p_value_is_the_theorem(m, r, v, delta):
    """Binomial tails and the steepest slope, as they stand in the paper."""
    for epsilon in (0.0, 0.5, 2.0):
        assert one_run_p_value(m, r, v, epsilon, delta) == pytest.approx(
            _naive(m, r, v, epsilon, delta), rel=1e-9
        )


def test_counts_are_of_the_extremes():
    """Highest scores are called members and lowest none; a share is of all candidates."""
    scores = np.arange(8.0)
    members = scores > 3.5

    assert one_run_counts(scores, members, (0.5, 0.25)) == [(8, 8), (4, 4)]
    assert one_run_counts(-scores, members, (0.5, 0.25)) == [(8, 0), (4, 0)]


def test_bound_is_refused_at_zero_and_grows():
    """Coins give 0; all right gives the ceiling."""
    members = np.arange(100) % 2 == 0
    rng = np.random.default_rng(0)

    low, ceiling = one_run_bound(members + 0.1 * rng.random(100), members, 1e-10, 1e-4)
    assert low == ceiling > 2
    assert one_run_chance(members * 1.0, members, low - 0.01, 1e-10) < 1e-4
    assert one_run_chance(members * 1.0, members, low + 0.01, 1e-10) > 1e-4
    assert one_run_bound(rng.random(100), members, 1e-10, 1e-4)[0] == 0.0
    assert one_run_epsilon(10, 10, 5, 0.0, 0.05) == 0.0


def test_false_alarms_of_randomised_response():
    """The bound exceeds the true epsilon at most as often as the level says."""
    rng, epsilon, alpha = np.random.default_rng(3), 1.0, 0.05
    over = 0
    for _ in range(200):
        members = rng.random(200) < 0.5
        told = rng.random(200) < exp(epsilon) / (1 + exp(epsilon))
        scores = np.where(told, members, ~members) + 0.01 * rng.random(200)
        over += one_run_bound(scores, members, 0.0, alpha)[0] > epsilon

    assert over / 200 <= alpha + 2 * np.sqrt(alpha / 200)
