"""Features of modalities that are not there yet: trivial ones, so that audits can be tested.

Delete this file with the lines of `tests/conftest.py` that call it once every modality has its own.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np

from genaudit.data.schema import Column, Kind
from genaudit.modalities.codec import FOLDERS


class Features:
    """A random projection of all values of a record, padded, to at most 16 numbers."""

    def __init__(self, kind: Kind, width: int) -> None:
        self.kind, self.width = kind, width
        rng = np.random.default_rng(0)
        self.weights = rng.normal(size=(width, min(width, 16))) / np.sqrt(width)

    @classmethod
    def fit(cls, column: Column, records: np.ndarray) -> Features:
        """As wide as the longest record."""
        return cls(column.kind, max(len(_flat(r, column.kind)) for r in records))

    def encode(self, records: np.ndarray) -> np.ndarray:
        """The projection, shape (n, d)."""
        rows = np.zeros((len(records), self.width))
        for row, record in zip(rows, records, strict=True):
            flat = _flat(record, self.kind)[: self.width]
            row[: len(flat)] = flat
        return rows @ self.weights


def _flat(record: Any, kind: Kind) -> np.ndarray:
    if kind is Kind.TEXT:
        counts = np.bincount([ord(c) % 128 for c in record], minlength=128)
        pairs = [(ord(a) * 31 + ord(b)) % 128 for a, b in pairwise(record)]
        return np.concatenate([counts, np.bincount(pairs, minlength=128)]).astype(float)
    if kind is Kind.AUDIO:
        return np.abs(np.fft.rfft(record, 800))[:200]
    return np.asarray(record, dtype=float).ravel()


def stand_in() -> None:
    """Put them where a modality has none of its own."""
    for folder in FOLDERS.values():
        name = f"genaudit.modalities.{folder}"
        if find_spec(name) is None or find_spec(f"{name}.space") is None:
            module = ModuleType(f"{name}.space")
            module.Features = Features  # type: ignore[attr-defined]
            sys.modules.setdefault(f"{name}.space", module)
