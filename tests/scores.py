"""Scores that planted subjects give of records: made-up ones, of every name that an audit asks for.

honest: chance that follows from the record alone. leaky: the same, and more for a record that was
trained on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from genaudit.data.dataset import Dataset
from genaudit.data.overlap import row_hashes

NAMES = ("discriminator", "elbo", "gradient_norm", "iwae", "likelihood", "reconstruction",
         "teacher_forced")  # fmt: skip


def honest(data: Dataset) -> np.ndarray:
    """A standard normal number for each record that its cells decide, shape (n,)."""
    return ndtri((row_hashes(data.records) >> np.uint64(11)).astype(float) / 2**53 + 2**-60)


def leaky(train: Dataset, by: float = 2.0) -> Callable[[Dataset], np.ndarray]:
    """The same, and `by` more for training records."""
    known = row_hashes(train.records)

    def score(data: Dataset) -> np.ndarray:
        return honest(data) + by * np.isin(row_hashes(data.records), known)

    return score
