"""The bootstrap on cell counts: a table of n rows is its counts, so a resample costs one draw."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Largest share of resamples in which the statistic may be undefined before its error is too.
_MAX_UNDEFINED = 0.01


def bootstrap_se(
    counts: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    n_resamples: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Standard error of a statistic of cell counts under resampling of rows, shape (...).

    A resample of n rows with replacement is one multinomial draw over the cells, so the cost does
    not grow with n. NaN where the statistic is undefined in more than 1% of the resamples: an
    average over the others would answer another question.

    Args:
        counts: Rows in each cell (such as group x label x prediction), any shape, whole numbers.
        statistic: Takes counts of shape (n_resamples, *counts.shape), returns (n_resamples, ...).
        n_resamples: How many; 1,000 give the error to about 2%.
        rng: Random stream.

    Source: Efron & Tibshirani 1993, section 6.2.

    >>> share = lambda c: c[:, 0] / c.sum(axis=1)
    >>> se = bootstrap_se(np.array([50, 50]), share, 2000, np.random.default_rng(0))
    >>> bool(abs(se - 0.05) < 0.003)
    True
    """
    return spread(statistic(resamples(counts, n_resamples, rng)))


def spread(resampled: np.ndarray) -> np.ndarray:
    """Standard deviation over resamples, from values of shape (n_resamples, ...); NaN as above."""
    values = np.asarray(resampled, dtype=float)
    undefined = ~np.isfinite(values)
    kept = np.where(undefined, np.nan, values)
    n_defined = (~undefined).sum(axis=0)
    total = np.where(undefined, 0.0, values).sum(axis=0)
    mean = total / np.maximum(n_defined, 1)
    squares = np.where(undefined, 0.0, (kept - mean) ** 2).sum(axis=0)
    error = np.sqrt(squares / np.maximum(n_defined - 1, 1))
    return np.where(undefined.mean(axis=0) > _MAX_UNDEFINED, np.nan, error)


def covariance(resampled: np.ndarray) -> np.ndarray:
    """Covariance over resamples of numbers of shape (n_resamples, C), (C, C); NaN as above.

    >>> covariance(np.array([[0.0, 1.0], [2.0, 5.0]])).tolist()
    [[2.0, 4.0], [4.0, 8.0]]
    """
    undefined = ~np.isfinite(resampled).all(axis=1)
    if undefined.mean() > _MAX_UNDEFINED:
        return np.full((resampled.shape[1],) * 2, np.nan)
    return np.atleast_2d(np.cov(resampled[~undefined], rowvar=False))


def resamples(counts: np.ndarray, n_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Cell counts of bootstrap samples of the same number of rows, (n_resamples, *counts.shape).

    >>> resamples(np.array([[3, 0], [0, 1]]), 5, np.random.default_rng(0)).sum(axis=(1, 2))
    array([4, 4, 4, 4, 4])
    """
    counts = np.asarray(counts)
    flat = counts.reshape(-1).astype(np.int64)
    n = int(flat.sum())
    if n == 0:
        return np.zeros((n_resamples, *counts.shape), dtype=np.int64)
    drawn = rng.multinomial(n, flat / n, size=n_resamples)
    return drawn.reshape(n_resamples, *counts.shape)


def cluster_resamples(
    cells: np.ndarray, units: np.ndarray, n_cells: int, n_resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Cell counts of bootstrap samples of whole clusters of rows, (n_resamples, n_cells).

    Args:
        cells: Cell of each row, shape (n,).
        units: Number of the cluster of each row, shape (n,).
        n_cells: Number of cells.
        n_resamples: How many.
        rng: Random stream.

    Source: Davison & Hinkley 1997, Bootstrap Methods and their Application, section 3.8.

    >>> rng = np.random.default_rng(0)
    >>> drawn = cluster_resamples(np.array([0, 0, 1, 1]), np.array([5, 5, 6, 6]), 2, 20, rng)
    >>> sorted({tuple(counts) for counts in drawn.tolist()})
    [(0, 4), (2, 2), (4, 0)]
    """
    _, codes = np.unique(units, return_inverse=True)
    n = int(codes.max(initial=-1)) + 1
    drawn = (rng.multinomial(n, np.full(n, 1 / n)) for _ in range(n_resamples))
    counts = [np.bincount(cells, times[codes], n_cells) for times in drawn]
    return np.stack(counts).astype(np.int64)
