"""How closely a column of groups is tied to another column, with the influence of each row."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Association:
    """A squared association in [0, 1] without what chance adds, and how each row moves it.

    value: may fall a little below 0, as it is right on average. influence: shape (n,), mean 0 but
    for small cells; the mean of its squares over n is the variance of the value. chance: variance
    that is left where nothing is tied and no row moves it.
    """

    value: float
    influence: np.ndarray
    chance: float


def cramer(group: np.ndarray, level: np.ndarray, told: np.ndarray, few: int = 0) -> Association:
    """Cramér's V squared of two columns of codes, shape (n,) each.

    Args:
        group: Codes in [0, shape[0]).
        level: Codes in [0, shape[1]).
        told: Cells that count, bools of shape (groups, levels); the others are taken for what
            chance alone brings. Its smaller side, less 1, is what chi-squared is divided by.
        few: Counts from 1 to below it are taken for half of it, and the largest cell of their group
            for so many more or fewer that the group keeps its size. Shares of groups and of levels
            are those of that table, and rows count for what their cell does, so that whoever knows
            the sizes of groups and all other cells reads no count of a few people from the value or
            its error. Where a group has several large cells, the largest is taken for unknown.

    Source: Cramér 1946; bias corrected as Bergsma 2013, J. Korean Stat. Soc. 42, equation 8 (in the
    numerator alone, so that two tables stay comparable).

    >>> x = np.repeat([0, 1], 50)
    >>> round(cramer(x, x, np.ones((2, 2), bool)).value, 2)
    0.99
    """
    found = np.zeros(told.shape)
    np.add.at(found, (group, level), 1.0)
    counts = _without_small_cells(found, few)
    n = float(counts.sum())
    a, b = counts.sum(axis=1, keepdims=True) / n, counts.sum(axis=0, keepdims=True) / n
    p = np.where(told, counts / n, a * b)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(p / (a * b))
        worth = np.sqrt(np.nan_to_num(counts / found))
    squares = p * ratio
    by_row = np.nan_to_num(squares.sum(axis=1, keepdims=True) / np.where(a > 0, a, 1))
    by_column = np.nan_to_num(squares.sum(axis=0, keepdims=True) / np.where(b > 0, b, 1))
    moved = 2 * ratio - by_row - by_column
    moved = (moved - (counts * moved).sum() / n) * worth
    size = max(min(told.shape) - 1, 1)
    freedom = float((told * (1 - a) * (1 - b) * (a * b > 0)).sum())
    value = (float((squares - 2 * p + a * b).sum()) - freedom / max(n - 1, 1)) / size
    return Association(value, moved[group, level] / size, 2 * freedom / n**2 / size**2)


def _without_small_cells(counts: np.ndarray, few: int) -> np.ndarray:
    """The table with its small counts set to half of `few`, which the largest of a row makes good.

    How many a row has may be known, and then its other cells tell as much. A row of small cells
    alone does not keep its sum, as that is small itself.
    """
    table = counts.copy()
    for row in table:
        small = (row > 0) & (row < few)
        largest = int(row.argmax())
        if row[largest] >= few:
            row[largest] = max(row[largest] + row[small].sum() - small.sum() * few / 2, few / 2)
        row[small] = few / 2
    return table


def eta(group: np.ndarray, score: np.ndarray, n_groups: int) -> Association:
    """Share of the variance of a score that lies between groups, from shape (n,) each.

    With ranks as scores it is what the Kruskal-Wallis test measures, whatever the scale is.

    Source: Kelley 1935 (epsilon squared: without what chance adds); influence by the chain rule.

    >>> x = np.repeat([0, 1], 50)
    >>> round(eta(x, x + 0.0, 2).value, 2)
    1.0
    """
    n = len(group)
    counts = np.bincount(group, minlength=n_groups)
    means = np.bincount(group, score, n_groups) / np.maximum(counts, 1)
    whole, variance = float(score.mean()), float(score.var())
    present = int((counts > 0).sum())
    if variance <= 0 or n <= present:
        return Association(0.0, np.zeros(n), 2 * (n_groups - 1) / max(n, 1) ** 2)
    shares = counts / n
    square = float(shares @ means**2)
    between = square - whole**2
    share = between / variance
    mine = means[group]
    moved = 2 * mine * score - mine**2 - square - 2 * whole * (score - whole)
    influence = (moved - share * ((score - whole) ** 2 - variance)) / variance
    value = 1 - (1 - share) * (n - 1) / (n - present)
    return Association(value, influence - influence.mean(), 2 * (present - 1) / n**2)


def standard_error(found: Association, sums: np.ndarray) -> float:
    """Standard error from the sums of influences of independent units, shape (units,).

    Where nothing is tied, rows seem to move the value by twice what they do.
    """
    n = len(found.influence)
    linear = float(np.sum(sums**2)) / n**2
    return math.sqrt(max(linear - found.chance, found.chance))
