"""Series whose course, length and level are known, for the tests here."""

from __future__ import annotations

import numpy as np

from genaudit.data.record import as_column
from genaudit.data.schema import Column, Kind

COLUMN = Column(
    name="series", kind=Kind.SEQUENCE, channels=("a", "b"), channel_bounds=((-2, 2), (0, 100)),
    max_length=8, entity="who", time="when",
)  # fmt: skip


def walks(n: int, seed: int = 0, slope: float = 0.0) -> np.ndarray:
    """Series of 3 to 8 steps that walk at random, shape (n,)."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        length = rng.integers(3, 9)
        a = np.clip(rng.normal() / 2 + np.cumsum(rng.normal(slope, 0.1, length)), -2, 2)
        b = np.clip(50 + 10 * np.cumsum(rng.normal(0, 0.3, length)), 0, 100)
        found.append(np.stack([a, b], 1).astype(np.float32))
    return as_column(found).to_numpy()
