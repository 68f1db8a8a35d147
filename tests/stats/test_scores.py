"""Score intervals of mean scores: Wilson's of two kinds, and what a naive search finds of more."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from genaudit.stats.intervals import wilson
from genaudit.stats.scores import mean_score


@pytest.mark.parametrize(("k", "n"), [(0, 40), (2, 40), (3, 7), (40, 40), (1, 100_000), (2.5, 9.5)])
def test_of_two_kinds_it_is_wilson(k, n):
    """Whatever the scores; a third kind of the same score changes nothing."""
    low, high = (3 + 2 * x for x in wilson(k, n, 0.95))

    assert np.allclose(mean_score(np.array([n - k, k]), np.array([3.0, 5.0]), 0.95), (low, high))
    assert np.allclose(
        mean_score(np.array([n - k, k / 2, k / 2]), np.array([3.0, 5.0, 5.0]), 0.95), (low, high)
    )


def searched(counts, scores, confidence):
    """Largest mean score by a general search over all rates, from several of them."""
    p, k = counts / counts.sum(), len(counts)
    most = 1 + norm.ppf((1 + confidence) / 2) ** 2 / counts.sum()
    near = [
        {"type": "eq", "fun": lambda q: q.sum() - 1},
        {"type": "ineq", "fun": lambda q: most - (p**2 / np.maximum(q, 1e-12)).sum()},
    ]
    rng, found = np.random.default_rng(0), []
    for _ in range(20):
        start = 0.8 * (p + 0.01) / (1 + 0.01 * k) + 0.2 * rng.dirichlet(np.ones(k))
        end = minimize(lambda q: -q @ scores, start, bounds=[(1e-9, 1)] * k, constraints=near)
        found += [-end.fun] if end.success else []
    return max(found)


@pytest.mark.parametrize(
    "counts", [[10, 0, 19, 11], [16, 24, 0, 0], [18, 0, 5, 17], [0, 0, 0, 40], [1, 1, 1, 1]]
)
def test_it_is_what_a_search_finds(counts):
    """Both ends, kinds that never came up included; equal scores have no width."""
    counts, scores = np.array(counts, float), np.array([-1.2, 0.3, 0.1, -0.4])
    low, high = mean_score(counts, scores, 0.95)

    assert abs(high - searched(counts, scores, 0.95)) < 1e-3
    assert abs(low + searched(counts, -scores, 0.95)) < 1e-3
    assert low < counts @ scores / counts.sum() < high
    assert mean_score(counts, np.full(4, 2.0), 0.95) == (2.0, 2.0)


def test_it_covers_the_mean_of_rare_kinds():
    """One in fifty has another score, and forty are seen."""
    rates, scores = np.array([0.02, 0.02, 0.96]), np.array([1.0, 0.05, 0.06])
    drawn = np.random.default_rng(0).multinomial(40, rates, size=2000)
    held = [low <= rates @ scores <= high for low, high in
            (mean_score(counts, scores, 0.95) for counts in drawn)]  # fmt: skip

    assert np.mean(held) >= 0.935
