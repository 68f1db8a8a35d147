"""Sentences that fit one sample alone, and whether they fit one person alone.

A predicate is a conjunction of ranges, one for each column that it speaks of. Columns are coded by
the order of their values in all tables together, so that a range is a pair of codes; -1 is a
missing value and lies in no range but its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Column

#: Columns that a predicate of several speaks of, at least and at most.
LEAST_COLUMNS, MOST_COLUMNS = 2, 6

#: Half the width of the range of a number, as a share of the samples.
_WIDTH = 0.025

#: Predicates that are drawn for each one that is wanted: many fit more than one sample.
_DRAWN = 4

#: Cells that are compared in one go.
_BLOCK = 4_000_000


@dataclass(frozen=True, eq=False)
class Predicates:
    """Ranges of codes: low <= code <= high where `asked`, each of shape (n, columns)."""

    asked: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def __len__(self) -> int:
        return len(self.asked)

    def take(self, rows: np.ndarray) -> Predicates:
        """Some of them (positions or a mask)."""
        return Predicates(self.asked[rows], self.low[rows], self.high[rows])

    def isolated(self, codes: np.ndarray) -> np.ndarray:
        """The one row of a table that each predicate fits, -1 where it fits none or several.

        Args:
            codes: Of the table, shape (rows, columns).

        Returns:
            Positions, shape (n,).
        """
        found = np.full(len(self), -1)
        step = max(1, _BLOCK // max(len(codes), 1))
        columns = np.ascontiguousarray(codes.T)
        for start in range(0, len(self), step):
            part = self.take(np.arange(start, min(start + step, len(self))))
            fits = part._fits(columns)
            once = fits.sum(axis=1) == 1
            found[start : start + step][once] = fits[once].argmax(axis=1)
        return found

    def _fits(self, columns: np.ndarray) -> np.ndarray:
        """Which rows fit which predicate, shape (n, rows)."""
        fits = np.ones((len(self), columns.shape[1]), dtype=bool)
        for j, x in enumerate(columns):
            some = np.flatnonzero(self.asked[:, j])
            low, high = self.low[some, j], self.high[some, j]
            fits[some] &= (x >= low[:, None]) & (x <= high[:, None])
        return fits


def coded(tables: Sequence[Dataset], columns: Sequence[Column]) -> list[np.ndarray]:
    """Codes of the cells of some tables, shape (rows, columns) each, in the order of values."""
    ends = np.cumsum([len(t) for t in tables])[:-1]
    codes = np.empty((sum(len(t) for t in tables), len(columns)), dtype=np.int32)
    for j, column in enumerate(columns):
        values = pd.concat([t.frame[column.name].astype(object) for t in tables])
        numeric = not column.discrete and column.modelled
        codes[:, j] = pd.factorize(values.astype(float) if numeric else values, sort=numeric)[0]
    return np.split(codes, ends)


def of_one_column(
    samples: np.ndarray, ordered: Sequence[bool], n: int, rng: np.random.Generator
) -> Predicates:
    """Different predicates of one column that fit one sample alone, at most n.

    A value that one sample has; of a number also all that is not above the least of the samples,
    and all that is not below the greatest.

    Args:
        samples: Codes, shape (rows, columns).
        ordered: Whether each column is of numbers.
        n: Predicates.
        rng: Draws them.
    """
    found = []
    for j, is_ordered in enumerate(ordered):
        values, times = np.unique(samples[:, j], return_counts=True)
        once = values[times == 1]
        found.append(np.column_stack([np.full(len(once), j), once, once]))
        present, held = values[values >= 0], times[values >= 0]
        if is_ordered and len(present) > 1:
            ends = ((j, 0, present[0]), (j, present[-1], np.iinfo(np.int32).max))
            found.append(np.array(ends)[[held[0] == 1, held[-1] == 1]])
    ranges = rng.permutation(np.concatenate(found))[:n]
    empty = np.zeros((len(ranges), samples.shape[1]), dtype=np.int32)
    at = np.arange(len(ranges)), ranges[:, 0]
    asked, low, high = empty.astype(bool), empty, empty.copy()
    asked[at], low[at], high[at] = True, ranges[:, 1], ranges[:, 2]
    return Predicates(asked, low, high)


def of_several_columns(
    samples: np.ndarray, ordered: Sequence[bool], n: int, rng: np.random.Generator
) -> Predicates:
    """Predicates of several columns that fit one sample alone, at most n.

    Each describes a random sample in random columns: levels as they are, numbers by a range around
    them that holds about a twentieth of the samples, missing values as missing.
    """
    width = samples.shape[1]
    most = min(MOST_COLUMNS, width)
    rows = np.resize(rng.permutation(len(samples)), min(_DRAWN * n, 4 * len(samples)))
    size = rng.integers(min(LEAST_COLUMNS, most), most + 1, len(rows))
    asked = rng.random((len(rows), width)).argsort(axis=1).argsort(axis=1) < size[:, None]
    low, high = samples[rows].copy(), samples[rows].copy()
    for j in np.flatnonzero(ordered):
        present = np.sort(samples[samples[:, j] >= 0, j])
        of = np.flatnonzero(low[:, j] >= 0)
        if not len(of):
            continue
        more = round(_WIDTH * len(present))
        first = np.searchsorted(present, low[of, j], side="left") - more
        last = np.searchsorted(present, high[of, j], side="right") - 1 + more
        low[of, j] = present[np.maximum(first, 0)]
        high[of, j] = present[np.minimum(last, len(present) - 1)]
    drawn = Predicates(asked, low, high)
    once = np.flatnonzero(drawn.isolated(samples) >= 0)[:n]
    return drawn.take(once)
