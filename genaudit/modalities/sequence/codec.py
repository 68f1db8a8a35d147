"""Series as arrays of one length: channels on [-1, 1] by their bounds, and a mask of steps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from genaudit.data.schema import Column


@dataclass(frozen=True, eq=False)
class SequenceCodec:
    """Codes of shape (n, max_length, channels + 1); the last number of a step is 1 where one is.

    column: declares channels, their bounds and the most steps.
    """

    column: Column

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the codes of one series: steps, and channels with the mask."""
        assert self.column.max_length is not None
        return self.column.max_length, len(self._bounds) + 1

    def encode(self, records: np.ndarray) -> np.ndarray:
        """Codes, shape (n, steps, channels + 1), float32; 0 beyond the end of a series.

        Args:
            records: Series in canonical form, an array of objects, shape (n,).
        """
        codes = np.zeros((len(records), *self.shape), dtype=np.float32)
        low, high = self._bounds.T
        for code, record in zip(codes, records, strict=True):
            code[: len(record), :-1] = np.clip(2 * (record - low) / (high - low) - 1, -1.0, 1.0)
            code[: len(record), -1] = 1.0
        return codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Series within their bounds, an array of objects, shape (n,); none is without a step.

        A series ends where its mask first does.
        """
        records = np.empty(len(codes), dtype=object)
        low, high = self._bounds.T
        # In float32 the sum of a bound and a width may lie just beyond the other bound.
        least, most = (b.astype(np.float32) for b in (low, high))
        for i, code in enumerate(codes):
            there = code[:, -1] > 0.5
            length = max(1, int(there.argmin()) if not there.all() else len(there))
            share = (np.clip(code[:length, :-1].astype(float), -1.0, 1.0) + 1) / 2
            records[i] = np.clip((low + share * (high - low)).astype(np.float32), least, most)
        return records

    def n_bytes(self, n: int) -> int:
        """Memory that the codes of n series take."""
        steps, width = self.shape
        return 4 * n * steps * width

    def decoded_bytes(self, n: int) -> int:
        """Memory that decoding n codes takes: codes and series."""
        return 2 * self.n_bytes(n)

    @cached_property
    def _bounds(self) -> np.ndarray:
        """Low and high of each channel, shape (channels, 2)."""
        assert self.column.channel_bounds is not None
        return np.asarray(self.column.channel_bounds, dtype=float)


def codec(column: Column) -> SequenceCodec:
    """The codec of a column of series that is wholly declared."""
    return SequenceCodec(column)
