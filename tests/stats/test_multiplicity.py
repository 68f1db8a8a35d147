"""Holm's procedure against its definition."""

from itertools import product

import numpy as np

from genaudit.stats.multiplicity import holm


def _naive(p_values, alpha):
    """Adjusted p-values by definition: running maximum of (m - k) * p."""
    ordered = sorted(p_values, key=lambda k: (p_values[k], k))
    running, rejected = 0.0, set()
    for k, key in enumerate(ordered):
        running = max(running, (len(ordered) - k) * p_values[key])
        if running <= alpha:
            rejected.add(key)
    return rejected


def test_equals_the_adjusted_p_values():
    """Step-down rejection and adjusted p-values give the same set."""
    for ps in product((0.001, 0.004, 0.012, 0.3), repeat=4):
        p_values = dict(enumerate(ps))

        assert holm(p_values, 0.0123) == _naive(p_values, 0.0123)


def test_family_wise_error():
    """On pure noise any rejection is as rare as promised."""
    rng = np.random.default_rng(0)
    wrong = sum(bool(holm(dict(enumerate(rng.random(10))), 0.05)) for _ in range(2000))

    assert wrong / 2000 <= 0.05 + 2 * (0.05 * 0.95 / 2000) ** 0.5


def test_nothing_to_test():
    """No p-values, no rejections."""
    assert holm({}, 0.01) == set()
