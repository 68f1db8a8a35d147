"""Images as a few numbers each, for audits that compare columns: coarse pixels, then main axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genaudit.data.schema import Column, Kind

#: Most cells of the coarse picture along a side, most features, and most images that axes are of.
_COARSE, MAX_FEATURES, _MOST_FITTED = 16, 32, 2000

#: Images that are looked at in one go.
_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Features:
    """Coordinates on the main axes of coarse pictures; the first is where images differ most.

    centre: mean coarse picture, shape (k,). axes: orthonormal, shape (k, d), d <= 32.
    """

    size: tuple[int, int, int]
    centre: np.ndarray
    axes: np.ndarray

    @classmethod
    def fit(cls, column: Column, records: np.ndarray) -> Features:
        """The axes of images, an array of objects of shape (n,), n >= 1; the first 2,000 at most.

        An axis points to where its largest weight is positive, so that the same images give the
        same numbers.
        """
        assert column.kind is Kind.IMAGE
        size = records[0].shape
        coarse = _coarse(records[:_MOST_FITTED])
        centre = coarse.mean(0)
        _, scales, axes = np.linalg.svd(coarse - centre, full_matrices=False)
        axes = axes[:MAX_FEATURES][scales[:MAX_FEATURES] > 1e-9].T
        largest = np.abs(axes).argmax(0)
        signs = np.sign(axes[largest, np.arange(axes.shape[1])])
        return cls((size[0], size[1], size[2]), centre, axes * signs)

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each feature."""
        return tuple(f"axis {i + 1}" for i in range(self.axes.shape[1]))

    def encode(self, records: np.ndarray) -> np.ndarray:
        """Features of images of the same size, float64, shape (n, d)."""
        if len(records) == 0:
            return np.empty((0, self.axes.shape[1]))
        parts = [records[i : i + _CHUNK] for i in range(0, len(records), _CHUNK)]
        return np.concatenate([(_coarse(part) - self.centre) @ self.axes for part in parts])


def _coarse(records: np.ndarray) -> np.ndarray:
    """Means of pixels from 0 to 1 over a grid of at most 16x16 cells, shape (n, k)."""
    pixels = np.stack(list(records)).astype(np.float64) / 255
    for axis in (1, 2):
        side = pixels.shape[axis]
        starts = np.linspace(0, side, min(side, _COARSE), endpoint=False).astype(int)
        counts = np.diff(np.append(starts, side))
        shape = [1, 1, 1, 1]
        shape[axis] = -1
        pixels = np.add.reduceat(pixels, starts, axis=axis) / counts.reshape(shape)
    return pixels.reshape(len(pixels), -1)
