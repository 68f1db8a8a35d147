"""The bootstrap on counts against a bootstrap on rows."""

import numpy as np

from genaudit.stats.resampling import bootstrap_se, resamples


def _rate_gap(counts):
    rates = counts[..., 1] / counts.sum(axis=-1)
    return rates[..., 0] - rates[..., 1]


def test_counts_agree_with_rows():
    """The standard error from counts equals that of a naive bootstrap of rows."""
    counts = np.array([[40, 20], [70, 30]])
    rows = [(g, y) for g in (0, 1) for y in (0, 1) for _ in range(counts[g, y])]
    rng = np.random.default_rng(1)
    naive = []
    for _ in range(1500):
        table = np.zeros((1, 2, 2))
        for i in rng.integers(len(rows), size=len(rows)):
            table[(0, *rows[i])] += 1
        naive.append(_rate_gap(table)[0])

    fast = bootstrap_se(counts, _rate_gap, 4000, np.random.default_rng(2))

    assert abs(fast - np.std(naive)) < 0.006


def test_statistics_of_any_shape():
    """A statistic with two values has two errors."""
    counts = np.array([25, 75])
    both = bootstrap_se(
        counts,
        lambda c: np.stack([c[:, 0] / 100, c[:, 1] / 100], axis=1),
        500,
        np.random.default_rng(0),
    )

    assert both.shape == (2,)
    assert np.isclose(both[0], both[1])


def test_undefined_is_not_averaged_away():
    """A rate whose denominator is empty in a third of the resamples has no error."""
    counts = np.array([[1, 0], [500, 499]])
    with np.errstate(invalid="ignore"):
        error = bootstrap_se(counts, _rate_gap, 300, np.random.default_rng(0))

    assert np.isnan(error)


def test_empty_tables_stay_empty():
    """No rows give no rows."""
    assert resamples(np.zeros((2, 2)), 3, np.random.default_rng(0)).sum() == 0
