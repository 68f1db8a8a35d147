"""Rows in clusters: their worth, the error of their mean, and bootstrap samples of clusters."""

import numpy as np

from genaudit.stats.clusters import cluster_sums, equal_worth, mean_variance, n_units, rate_worth
from genaudit.stats.intervals import miettinen_nurminen
from genaudit.stats.resampling import cluster_resamples, spread


def test_worth_on_paper():
    """Ten clusters of five are worth ten rows; one of 90 and ten of 1 little more than one."""
    assert equal_worth(np.repeat(np.arange(10), 5)) == 10
    assert np.isclose(equal_worth(np.repeat(np.arange(11), [90] + [1] * 10)), 100**2 / 8110)
    assert equal_worth(np.arange(7)) == 7


def test_a_share_that_goes_with_size_is_worth_less():
    """Where large clusters hold all hits, a share is worth less than if sizes told nothing."""
    units = np.repeat(np.arange(102), [10] * 2 + [1] * 100)
    hit = units < 2

    assert rate_worth(hit, units) < equal_worth(units) / 3
    assert rate_worth(np.ones(120, bool), units) == equal_worth(units)


def test_units_equal_a_loop():
    """Sums and counts by cluster are those of a loop over clusters."""
    rng = np.random.default_rng(0)
    units, cells, x = rng.integers(0, 9, 80) * 7, rng.integers(0, 4, 80), rng.normal(size=80)

    assert np.allclose(cluster_sums(x, units), [x[units == u].sum() for u in np.unique(units)])
    naive = [len({u for u, c in zip(units, cells, strict=True) if c == cell}) for cell in range(4)]
    assert n_units(cells, units, 4).tolist() == naive
    assert n_units(cells, None, 5).tolist() == [*np.bincount(cells), 0]


def test_shares_of_clustered_rows_cover():
    """95% intervals with worths instead of rows hold the difference 0 in at least 93% of 400."""
    rng, held = np.random.default_rng(1), []
    for _ in range(400):
        sizes = rng.geometric(0.3, 150)
        units, member = np.repeat(np.arange(150), sizes), rng.random(150) < 0.4
        hit = member[units]
        worth = rate_worth(hit, units) / len(hit)
        made = rng.binomial(500, 0.4)
        low, high = miettinen_nurminen(made, 500, worth * hit.sum(), worth * len(hit), 0.95)
        held.append(low <= 0 <= high)

    assert np.mean(held) >= 0.93


def test_clusters_are_drawn_whole():
    """The error of a mean from resampled clusters is that of its formula, and three times naive."""
    rng = np.random.default_rng(2)
    units = np.repeat(np.arange(100), 9)
    hit = (rng.random(100) < 0.5)[units]
    drawn = cluster_resamples(hit.astype(int), units, 2, 2000, rng)
    error = float(spread(drawn[:, 1] / drawn.sum(axis=1)))

    assert np.isclose(error, np.sqrt(mean_variance(hit.astype(float), units)), rtol=0.06)
    assert np.isclose(error, 3 * np.sqrt(0.25 / 900), rtol=0.1)
