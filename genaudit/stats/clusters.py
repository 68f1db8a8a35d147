"""Rows that come in clusters (several of one person): how many independent rows they are worth.

Rows of one person may be alike, at worst all the same. A statistic that takes rows as independent
is then too sure of itself.
"""

from __future__ import annotations

import numpy as np


def equal_worth(units: np.ndarray) -> float:
    """Independent rows that clustered rows are worth if all rows of a cluster are the same.

    The variance of their mean is then that of so many independent rows, whatever is averaged, as
    long as it has nothing to do with the sizes of clusters.

    Args:
        units: Number of the cluster of each row, shape (n,).

    Source: Kish 1965, Survey Sampling, section 11.7.

    >>> equal_worth(np.array([0, 1, 2, 3])), equal_worth(np.array([0, 0, 0, 1]))
    (4.0, 1.6)
    """
    sizes = _sizes(units)
    return float(sizes.sum() ** 2 / max((sizes**2).sum(), 1))


def rate_worth(hit: np.ndarray, units: np.ndarray) -> float:
    """Independent rows that clustered rows are worth for the share of hits among them.

    The smaller of `equal_worth` and of what the spread of the hits between clusters says, which is
    less where large clusters hold other shares than small ones.

    Args:
        hit: Bools, shape (n,).
        units: Number of the cluster of each row, shape (n,).

    Source: Cochran 1977, Sampling Techniques, equation 9.24 (a share over clusters).

    >>> rate_worth(np.array([1, 1, 0, 0]) > 0, np.arange(4))
    4.0
    >>> round(rate_worth(np.array([1, 1, 1, 0, 0]) > 0, np.array([0, 0, 0, 1, 2])), 2)
    1.85
    """
    bound = equal_worth(units)
    share = float(np.mean(hit)) if len(hit) else 0.0
    variance = mean_variance(np.asarray(hit, dtype=float), units)
    if bound == len(units) or not variance > 0:
        return bound
    return min(bound, share * (1 - share) / variance)


def mean_variance(values: np.ndarray, units: np.ndarray) -> float:
    """Squared error of the mean of clustered rows; with a row in each cluster var(ddof=1) / n.

    Source: Cochran 1977, equation 9.24.

    >>> x = np.array([1.0, 2.0, 6.0])
    >>> bool(np.isclose(mean_variance(x, np.arange(3)), x.var(ddof=1) / 3))
    True
    """
    sums = cluster_sums(values - values.mean(), units) if len(values) else np.zeros(0)
    k = len(sums)
    return float(np.sum(sums**2)) / len(values) ** 2 * k / (k - 1) if k > 1 else float("nan")


def cluster_sums(values: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Sum of the values of each cluster that has any rows, shape (clusters,)."""
    _, codes = np.unique(units, return_inverse=True)
    return np.bincount(codes, values)


def n_units(cells: np.ndarray, units: np.ndarray | None, n_cells: int) -> np.ndarray:
    """Clusters with a row in each cell, shape (n_cells,); rows where each row stands alone.

    >>> n_units(np.array([0, 0, 1, 1]), np.array([7, 7, 7, 8]), 3).tolist()
    [1, 2, 0]
    """
    if units is not None:
        cells = np.unique(np.column_stack([cells, units]), axis=0)[:, 0]
    return np.bincount(cells, minlength=n_cells)


def _sizes(units: np.ndarray) -> np.ndarray:
    return np.unique(units, return_counts=True)[1].astype(float)
