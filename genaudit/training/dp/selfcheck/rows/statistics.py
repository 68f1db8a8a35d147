"""Exact statistics of columns in what is released: means, deviations, ends, with no noise on them.

Two of them side by side, in all their digits, are no chance: the same of two neighbouring columns,
or two of one column.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import poisson

from genaudit.training.dp.selfcheck.rows import rounding
from genaudit.training.dp.selfcheck.rows.matching import mixed

#: Chance below which pairs that are found are no accident, in any of thousands of arrays.
_LEVEL = 1e-7

#: Different numbers from which on a column has statistics that are nobody else's: those of levels
#: and codes are fractions, and stand in any grid.
_DISTINCT = 50

#: Records up to which noise, which is one record's share or more, shows in single precision.
_FEW = 10_000

#: Digits that are compared where there are more records.
_DIGITS = 11

#: Columns that are known, and numbers of an array that are looked at.
_WIDE, _NUMBERS = 4096, 20_000_000


class Statistics:
    """What the columns of one table have, to be found again.

    Args:
        table: A data frame, or an array of shape (n, width).
    """

    def __init__(self, table: pd.DataFrame | np.ndarray) -> None:
        few = len(table) <= _FEW
        self._round = rounding.single if few else partial(rounding.significant, n=_DIGITS)
        # Numbers of one kind lie within a few powers of two of each other.
        self._chance = 2.0**-22 if few else 10.0 ** (1 - _DIGITS)
        columns = [_statistics(c) for c in _columns(table) if _is_telling(c)]
        codes = [self._coded(a, b) for a, b in _beside(np.array(columns))]
        self._known = rounding.distinct(np.concatenate(codes)) if codes else np.zeros(0, np.uint64)

    def held(self, array: np.ndarray) -> bool:
        """Whether more pairs of them stand in an array of numbers than by chance."""
        if not len(self._known) or not array.ndim or array.dtype.kind != "f":
            return False
        if not 1 < array.size <= _NUMBERS:
            return False
        plain = np.atleast_2d(array.reshape(-1, array.shape[-1]).astype(float))
        codes = rounding.distinct(np.concatenate([
            self._coded(plain[:, :-1].ravel(), plain[:, 1:].ravel()),
            self._coded(plain[:-1].ravel(), plain[1:].ravel()),
        ]))  # fmt: skip
        found = int(rounding.among(codes, self._known).sum())
        by_chance = len(codes) * len(self._known) * self._chance**2
        return bool(found and poisson.sf(found - 1, by_chance) < _LEVEL)

    def _coded(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """One code for each pair in which both have many digits."""
        kept = rounding.telling(first) & rounding.telling(second)
        return mixed([rounding.codes(n[kept], self._round) for n in (first, second)])


def numbers(table: pd.DataFrame) -> np.ndarray:
    """The columns of numbers of a table side by side, shape (n, columns)."""
    kept = table.select_dtypes("number")
    return np.asarray(kept.to_numpy(dtype=float, na_value=np.nan))


def _columns(table: pd.DataFrame | np.ndarray) -> Iterator[np.ndarray]:
    plain = numbers(table) if isinstance(table, pd.DataFrame) else table
    if plain.dtype.kind in "fiu":
        yield from (c[np.isfinite(c)] for c in plain[:, :_WIDE].T.astype(float))


def _is_telling(column: np.ndarray) -> bool:
    """Whether it has so many different numbers that their mean tells of them."""
    return bool(len(column) > 2 and len(rounding.distinct(column)) >= _DISTINCT)


def _statistics(column: np.ndarray) -> list[float]:
    with np.errstate(all="ignore"):  # squares may be too large
        return [
            column.mean(), column.std(), column.std(ddof=1), column.var(), column.var(ddof=1),
            column.sum(), column.min(), column.max(), *np.quantile(column, (0.25, 0.5, 0.75)),
        ]  # fmt: skip


def _beside(columns: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Statistics that may stand side by side.

    Args:
        columns: Shape (columns, statistics).
    """
    if not columns.size:
        return
    yield columns[:-1].ravel(), columns[1:].ravel()
    for shift in range(1, columns.shape[1]):
        yield columns.ravel(), np.roll(columns, shift, axis=1).ravel()
