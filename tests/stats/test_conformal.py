"""Conformal accusations: the naive twin, refusals, and the promised rate."""

import numpy as np
import pytest

from genaudit.stats.conformal import accused


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5])
def test_the_naive_twin(rate):
    """A score is accused where one more than the ordinary ones as high are few enough; ties too."""
    rng = np.random.default_rng(1)
    scores, ordinary = rng.integers(0, 40, 200), rng.integers(0, 38, 99)
    p_values = [(1 + sum(o >= s for o in ordinary)) / 100 for s in scores]

    assert accused(scores, ordinary, rate).tolist() == [p <= rate for p in p_values]


def test_too_few_ordinary_ones_accuse_nobody():
    """998 ordinary records cannot give a p-value of one in a thousand; 999 can."""
    assert accused(np.ones(3), np.zeros(998), 0.001) is None
    assert accused(np.ones(3), np.zeros(999), 0.001).all()


def test_the_rate_is_kept():
    """Over many sets of ordinary records, another such one is accused at the rate at most."""
    rng = np.random.default_rng(2)
    hit = np.mean([accused(rng.random(50), rng.random(99), 0.05).mean() for _ in range(2000)])

    assert hit == pytest.approx(0.05, abs=0.003)
