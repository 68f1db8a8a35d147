"""What a series looks like in a few numbers: its course, level, spread, memory and length.

Distances and simple learners work on these; no network is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genaudit.data.schema import Column

#: Steps that every series is brought to, ends included.
_STEPS = 12

#: Most numbers of a series.
_WIDTH = 64

#: Features that never vary stay 0.
_FLAT = 1e-9


@dataclass(frozen=True, eq=False)
class Features:
    """Features of series, fitted on reference series that are never attacked.

    column: declares the channels. centre, spread: of the raw features, shape (raw,).
    axes: directions of most variance, shape (raw, d), d <= 64.
    """

    column: Column
    centre: np.ndarray
    spread: np.ndarray
    axes: np.ndarray

    @classmethod
    def fit(cls, column: Column, records: np.ndarray) -> Features:
        """Features whose scale and directions come from `records`, an array of objects, (n,)."""
        raw = described(column, records)
        centre, spread = raw.mean(0), raw.std(0)
        spread = np.where(spread > _FLAT, spread, np.inf)
        _, _, axes = np.linalg.svd((raw - centre) / spread, full_matrices=False)
        axes = axes[:_WIDTH]
        # A direction and its opposite are the same; the largest part decides for one.
        sign = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])
        return cls(column, centre, spread, (axes * np.where(sign == 0, 1, sign)[:, None]).T)

    def encode(self, records: np.ndarray) -> np.ndarray:
        """Features of series, shape (n, d)."""
        found: np.ndarray = (described(self.column, records) - self.centre) / self.spread
        return found @ self.axes


def described(column: Column, records: np.ndarray) -> np.ndarray:
    """Raw features of series, shape (n, raw): course, then mean, spread and memory, then length.

    Memory is the correlation with the series one and two steps before, 0 where nothing varies.
    """
    if not len(records):
        return np.zeros((0, len(column.channels or (0,)) * (_STEPS + 4) + 1))
    bounds = np.asarray(column.channel_bounds, dtype=float)
    longest = column.max_length or max(map(len, records))
    return np.stack([_describe(np.asarray(r, dtype=float), bounds, longest) for r in records])


def _describe(record: np.ndarray, bounds: np.ndarray, longest: int) -> np.ndarray:
    x = 2 * (record - bounds[:, 0]) / (bounds[:, 1] - bounds[:, 0]) - 1
    at = np.linspace(0, len(x) - 1, _STEPS)
    below = np.floor(at).astype(int)
    above = np.minimum(below + 1, len(x) - 1)
    part = (at - below)[:, None]
    course = (1 - part) * x[below] + part * x[above]
    centred = x - x.mean(0)
    power = np.square(centred).sum(0)
    memory = [
        np.where(power > _FLAT, (centred[k:] * centred[:-k]).sum(0) / np.maximum(power, _FLAT), 0.0)
        for k in (1, 2)
    ]
    numbers = [course.ravel(), x.mean(0), x.std(0), *memory, [len(x) / longest]]
    return np.concatenate(numbers)
