"""Rows cut into boxes, so that a search for the nearest row passes over boxes that are too far.

A box knows the least and the greatest number of each column and the levels that occur in it; no row
in it is nearer than what those allow, which is cheap to know for all boxes at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Levels of a column that boxes tell apart; of more some share a place, which only weakens bounds.
_TOLD_APART = 1024

#: Rows of a node by which it is decided where it is cut.
_LOOKED_AT = 400


@dataclass(frozen=True, eq=False)
class Boxes:
    """Rows in an order in which each box is a run of them.

    order: rows (positions), shape (n,). starts: where each box begins in that order, and n, shape
        (boxes + 1,). low, high: of the numbers in a box, shape (numbers, boxes); infinite where all
        are missing. gone: whether one is missing, likewise. held: for each column of codes which
        boxes have a level, shape (levels + 1, boxes); the last stands for code -1, which equals
        none, so that no box has it. unit: difference of numbers that weighs as much as a level.
    """

    order: np.ndarray
    starts: np.ndarray
    low: np.ndarray
    high: np.ndarray
    gone: np.ndarray
    held: tuple[np.ndarray, ...]
    unit: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @classmethod
    def of(
        cls, numbers: np.ndarray, codes: np.ndarray, n_levels: Sequence[int], unit: int, size: int
    ) -> Boxes:
        """Boxes of at most `size` rows, more only where all are equal; O(rows log rows).

        Args:
            numbers: shape (n, numbers), NaN = missing.
            codes: shape (n, codes), each below its number of levels; -1 equals none.
            n_levels: Of each column of codes.
            unit: See `Boxes`.
            size: Rows.
        """
        values = np.hstack([np.where(np.isnan(numbers), 2 * unit, numbers), codes])
        values = values.astype(np.float32).T.copy()
        parts = _cut(values, numbers.shape[1], unit, size)
        order = np.concatenate(parts) if parts else np.arange(0)
        starts = np.cumsum([0, *map(len, parts)])
        low, high, gone = _ranges(numbers[order], starts)
        box = np.repeat(np.arange(len(parts)), np.diff(starts))
        held = tuple(_held(codes[order, j], box, n, len(parts)) for j, n in enumerate(n_levels))
        return cls(order, starts, low, high, gone, held, unit)

    def bounds(self, numbers: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Squared distance that no row of a box is below, shape (rows, boxes)."""
        lacking = np.zeros((len(numbers), len(self)), dtype=np.int32)
        for j, held in enumerate(self.held):
            lacking += ~held[_place(codes[:, j], len(held) - 1)]
        least = lacking.astype(np.float32) * np.float32(self.unit**2)
        x, gone = numbers.astype(np.float32), np.isnan(numbers)
        for j in range(numbers.shape[1]):
            gap = np.maximum(self.low[j] - x[:, [j]], x[:, [j]] - self.high[j])
            np.clip(gap, 0, self.unit, out=gap)
            if gone[:, j].any():
                gap[gone[:, j]] = np.where(self.gone[j], 0, self.unit)
            gap *= gap
            least += gap
        return least


def _cut(values: np.ndarray, n_numbers: int, unit: int, size: int) -> list[np.ndarray]:
    """Rows of each box: halves of halves, each cut where its rows differ most."""
    waiting, done = [np.arange(values.shape[1])], []
    while waiting:
        rows = waiting.pop()
        if len(rows) <= size or (low := _lower(values, rows, n_numbers, unit)) is None:
            if len(rows):
                done.append(rows)
            continue
        waiting += [rows[~low], rows[low]]
    return done


def _lower(values: np.ndarray, rows: np.ndarray, n_numbers: int, unit: int) -> np.ndarray | None:
    """One half of some rows, by the column that keeps most rows off a half; None if all agree."""
    seen = values[:, rows[:: max(1, len(rows) // _LOOKED_AT)]]
    half = seen.shape[1] // 2
    gap = np.abs(seen[:n_numbers, :half] - seen[:n_numbers, half : 2 * half])
    gap = (np.minimum(gap / unit, 1) ** 2).mean(axis=1)
    for j in np.argsort(-np.append(gap, _recurring(seen[n_numbers:])), kind="stable"):
        column = values[j, rows]
        low = column < np.median(seen[j]) if j < n_numbers else np.isin(column, _half(seen[j]))
        if not 0 < low.sum() < len(rows):
            low = column > column.min()
        if low.any():
            return np.asarray(low)
    return None


def _recurring(codes: np.ndarray) -> np.ndarray:
    """Of each column the share of pairs of rows that differ in a level which occurs again.

    A level of one row alone sets nearly all queries off from every box, wherever its column is cut:
    that keeps none off one half more than off the other.

    Args:
        codes: shape (columns, rows).
    """
    columns, n = codes.shape
    ordered = np.sort(codes, axis=1)
    starts = np.ones(codes.shape, dtype=bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    at = np.flatnonzero(starts)
    size = np.diff(at, append=codes.size)
    pairs = np.where(size > 1, size * (n - size), 0)
    return np.bincount(at // max(n, 1), weights=pairs, minlength=columns) / max(n, 1) ** 2


def _half(codes: np.ndarray) -> np.ndarray:
    """Levels, the most frequent first, that hold about half of the rows."""
    levels, counts = np.unique(codes, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    return np.asarray(levels[order][before < len(codes) / 2][: max(1, len(levels) - 1)])


def _ranges(numbers: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Least, greatest, and whether one is missing, of each run of rows; shape (numbers, runs)."""
    gone = np.isnan(numbers)
    if len(starts) < 2:
        return tuple(np.zeros((numbers.shape[1], 0), dtype=np.float32) for _ in range(3))
    low = np.minimum.reduceat(np.where(gone, np.inf, numbers), starts[:-1])
    high = np.maximum.reduceat(np.where(gone, -np.inf, numbers), starts[:-1])
    any_gone = np.logical_or.reduceat(gone, starts[:-1])
    return low.T.astype(np.float32), high.T.astype(np.float32), any_gone.T


def _held(codes: np.ndarray, box: np.ndarray, n_levels: int, n_boxes: int) -> np.ndarray:
    held = np.zeros((min(n_levels, _TOLD_APART) + 1, n_boxes), dtype=bool)
    held[_place(codes, len(held) - 1), box] = True
    held[-1] = False
    return held


def _place(codes: np.ndarray, n: int) -> np.ndarray:
    return np.where(codes < 0, n, codes % n)
