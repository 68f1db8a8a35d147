"""Lower bounds on epsilon against a naive reading of the theorem, and their false alarms."""

from itertools import product
from math import comb, exp

import numpy as np
import pytest
from scipy.stats import binom, norm

from genaudit.stats.epsilon import (
    nested_p_value,
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
    assert one_run_chance(members * 1.0, members, low - 0.01, 1e-10, 1e-4) < 1e-4
    assert one_run_chance(members * 1.0, members, low + 0.01, 1e-10, 1e-4) > 1e-4
    assert one_run_bound(rng.random(100), members, 1e-10, 1e-4)[0] == 0.0
    assert one_run_epsilon(10, 10, 5, 0.0, 0.05) == 0.0


def test_false_alarms_of_randomised_response():
    """The bound exceeds the true epsilon at most as often as the level says."""
    rng, epsilon, alpha = np.random.default_rng(3), 1.0, 0.05
    over = 0
    for i in range(200):
        members = rng.random(200) < 0.5
        told = rng.random(200) < exp(epsilon) / (1 + exp(epsilon))
        scores = np.where(told, members, ~members) + 0.01 * rng.random(200)
        refuted = one_run_chance(scores, members, epsilon, 0.0, alpha) < alpha
        over += refuted
        if i < 20:
            assert (one_run_bound(scores, members, 0.0, alpha)[0] > epsilon) is refuted

    assert over / 200 <= alpha + 2 * np.sqrt(alpha / 200)


@pytest.mark.parametrize("counts", [[(2, 2), (6, 5)], [(2, 1), (4, 4), (8, 7)], [(8, 6)]])
@pytest.mark.parametrize("epsilon", [0.0, 0.7])
def test_nested_p_value_is_that_of_all_outcomes(counts, epsilon):
    """Every run of right and wrong guesses, weighed by coins of chance e^ε / (1 + e^ε)."""
    q, n = exp(epsilon) / (1 + exp(epsilon)), counts[-1][0]

    def least(rights):
        return min(binom.sf(sum(rights[:r]) - 1, r, q) for r, _ in counts)

    seen = min(binom.sf(v - 1, r, q) for r, v in counts)
    exact = sum(
        q ** sum(rights) * (1 - q) ** (n - sum(rights))
        for rights in product((0, 1), repeat=n)
        if least(rights) <= seen * (1 + 1e-9)
    )
    found = nested_p_value(100, counts, epsilon, 1e-5)
    assert found == pytest.approx(exact + 200 * 1e-5, rel=1e-9) or seen >= 0.5


#: Candidates a side, shift of their Gaussian scores, and what the bound has to reach.
GOALS = [
    (500, 1, 1.52), (500, 2, 3.23), (500, 4, 4.64), (2500, 1, 1.98), (2500, 2, 3.94),
    (2500, 4, 6.22), (10_000, 1, 2.33), (10_000, 2, 4.599), (10_000, 4, 7.49),
]  # fmt: skip


@pytest.mark.parametrize(("n", "shift", "least"), GOALS)
def test_bounds_on_gaussian_scores(n, shift, least):
    """Quantiles of two normal distributions; never above what the shift is worth."""
    quantiles = norm.ppf((np.arange(n) + 0.5) / n)
    scores, members = np.concatenate([quantiles + shift, quantiles]), np.arange(2 * n) < n
    low, ceiling = one_run_bound(scores, members, 1e-6, 0.05)

    assert least <= low <= {1: 4.887, 2: 10.997, 4: 26.357}[shift]
    assert low <= ceiling


@pytest.mark.parametrize("m", [60, 400, 2000])
def test_false_alarms_on_noise(m):
    """Scores that know nothing refute ε = 0 at most as often as the level says."""
    rng, alpha, runs = np.random.default_rng(m), 0.05, 400
    over = sum(
        one_run_chance(rng.normal(size=m), rng.random(m) < 0.5, 0.0, 1e-6, alpha) < alpha
        for _ in range(runs)
    )

    assert over / runs <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / runs)


def test_an_order_by_coins_proves_nothing() -> None:
    """Equal scores say nothing of candidates that stand sorted by what their coins decided."""
    members = np.arange(400) < 200
    for sorted_ in (members, ~members):
        assert one_run_bound(np.zeros(400), sorted_, 0.0, 0.05)[0] == 0
        assert one_run_chance(np.zeros(400), sorted_, 0.0, 1e-6, 0.05) > 0.05


def test_members_alone_are_guessed() -> None:
    """Where half of the members show and nobody else, that half proves more than all guesses."""
    members = np.arange(400) % 2 == 0
    scores = np.where(members & (np.arange(400) % 4 == 0), 1.0, 0.0)
    both, ceiling = one_run_bound(scores, members, 0.0, 0.05)
    top, most = one_run_bound(scores, members, 0.0, 0.05, top=True)

    assert one_run_counts(scores, members, (0.25,), top=True) == [(100, 100)]
    assert both + 0.5 < top < most
    assert most < ceiling
    assert one_run_chance(scores, members, top + 0.1, 0.0, 0.05, top=True) > 0.05
    assert one_run_chance(scores, members, top - 0.1, 0.0, 0.05, top=True) < 0.05
