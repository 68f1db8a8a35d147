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
LEAST_COLUMNS, MOST_COLUMNS = 2, 12

#: Half the width of the range of a number, as a share of the samples.
_WIDTH = 0.025

#: Times that as many predicates are drawn as are wanted: many fit more than one sample.
_ROUNDS = 8

#: Predicates that are tried in one go, and cells that are compared.
_STEP, _BLOCK = 4096, 4_000_000


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
        for start in range(0, len(self), _STEP):
            part = self.take(np.arange(start, min(start + _STEP, len(self))))
            fits = part._fits(codes)
            once = np.flatnonzero(np.bitwise_count(fits).sum(axis=1, dtype=int) == 1)
            rows = np.unpackbits(fits[once], axis=1).argmax(axis=1)
            found[start + once] = rows
        return found

    def _fits(self, codes: np.ndarray) -> np.ndarray:
        """Which rows fit each predicate, a bit each, bytes of shape (n, rows / 8)."""
        fits = np.full((len(self), -(-len(codes) // 8)), 255, dtype=np.uint8)
        for j, x in enumerate(np.ascontiguousarray(codes.T)):
            some = np.flatnonzero(self.asked[:, j])
            # Few ranges of a column differ, so they are looked up instead of compared anew.
            pairs = np.column_stack([self.low[some, j], self.high[some, j]])
            ranges, which = np.unique(pairs, axis=0, return_inverse=True)
            bits = np.zeros((len(ranges), fits.shape[1]), dtype=np.uint8)
            step = max(1, _BLOCK // max(len(x), 1))
            for start in range(0, len(ranges), step):
                low, high = ranges[start : start + step].T[:, :, None]
                bits[start : start + step] = np.packbits((x >= low) & (x <= high), axis=1)
            fits[some] &= bits[which.ravel()]
        return fits


def coded(tables: Sequence[Dataset], columns: Sequence[Column]) -> list[np.ndarray]:
    """Codes of the cells of some tables, shape (rows, columns) each, in the order of values."""
    ends = np.cumsum([len(t) for t in tables])[:-1]
    codes = np.empty((sum(len(t) for t in tables), len(columns)), dtype=np.int32)
    for j, column in enumerate(columns):
        values = pd.concat([t.frame[column.name].astype(object) for t in tables])
        if column.modelled and not column.discrete:
            values = values.astype(float)
        else:
            values = values.astype(str).where(values.notna())
        codes[:, j] = pd.factorize(values, sort=True)[0]
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

    Each describes another random sample in random columns, drawn anew where they fit more samples:
    levels as they are, numbers by a range around them that holds about a twentieth of the samples,
    missing values as missing.
    """
    columns = [np.sort(x[x >= 0]) if is_ordered else None
               for x, is_ordered in zip(samples.T, ordered, strict=True)]  # fmt: skip
    left, found = rng.permutation(len(samples)), []
    for _ in range(_ROUNDS):
        tried, left = left[:n], left[n:]
        drawn = _around(samples[tried], columns, rng)
        once = drawn.isolated(samples) >= 0
        found.append(drawn.take(once))
        left = np.concatenate([left, tried[~once]])
        if sum(map(len, found)) >= n or not len(left):
            break
    return Predicates(
        *(
            np.concatenate([getattr(p, part) for p in found])[:n]
            for part in ("asked", "low", "high")
        )
    )


def _around(
    rows: np.ndarray, columns: Sequence[np.ndarray | None], rng: np.random.Generator
) -> Predicates:
    """A predicate for each row, of random columns; of numbers `columns` has all codes in order."""
    width = rows.shape[1]
    most = min(MOST_COLUMNS, width)
    size = rng.integers(min(LEAST_COLUMNS, most), most + 1, len(rows))
    asked = rng.random(rows.shape).argsort(axis=1).argsort(axis=1) < size[:, None]
    low, high = rows.copy(), rows.copy()
    for j, present in enumerate(columns):
        of = np.flatnonzero(rows[:, j] >= 0)
        if present is None or not len(of):
            continue
        more = round(_WIDTH * len(present))
        first = np.searchsorted(present, rows[of, j], side="left") - more
        last = np.searchsorted(present, rows[of, j], side="right") - 1 + more
        low[of, j] = present[np.maximum(first, 0)]
        high[of, j] = present[np.minimum(last, len(present) - 1)]
    return Predicates(asked, low, high)
