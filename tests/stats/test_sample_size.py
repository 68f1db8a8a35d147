"""Rows that would tell: with so many rows a normal interval does tell four times out of five."""

import numpy as np
import pytest
from scipy.stats import norm

from genaudit.stats.sample_size import sizes_that_tell


@pytest.mark.parametrize("sides", [[(1000, 2e-4)], [(1000, 2e-4), (400, 1e-4)]])
@pytest.mark.parametrize(("distance", "tail"), [(0.03, 0.025), (0.01, 0.025), (0.03, 0.001)])
def test_so_many_rows_tell(sides, distance, tail):
    """Draws of a normal estimate at that size keep clear of the limit in about 80%."""
    sizes = sizes_that_tell(sides, distance, tail)
    se = np.sqrt(sum(v * n / m for (n, v), m in zip(sides, sizes, strict=True)))
    drawn = np.random.default_rng(0).normal(0, se, 4000)
    told = np.mean(drawn + norm.isf(tail) * se <= distance)

    assert 0.78 <= told <= 0.86  # rounded up to two digits


def test_one_side_grows_alone_where_it_can():
    """The first side takes all the work, unless the others alone are too wide."""
    assert sizes_that_tell([(1000, 2e-4), (500, 1e-5)], 0.03, 0.025)[1] == 500
    assert sizes_that_tell([(1000, 1e-5), (500, 2e-4)], 0.03, 0.025)[1] > 500


def test_no_number_tells_at_the_limit():
    """A value at its limit, or as good as at it, needs more rows than there are."""
    assert sizes_that_tell([(1000, 2e-4)], 0.0, 0.025) is None
    assert sizes_that_tell([(1000, 2e-4)], 1e-6, 0.025) is None
