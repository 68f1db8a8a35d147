"""Whether train and holdout share what they must not share.

Equal rows are normal in tables, so they are counted, not refused: only a person or id on both
sides, or far more equal rows than train has with itself, makes a holdout that is none.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Role
from genaudit.errors import DataError


def check_disjoint(train: Dataset, holdout: Dataset) -> None:
    """Refuse a holdout that was seen in training.

    Raises:
        DataError: a person or id value is in both, or the share of holdout rows that equal a train
            row exceeds the share of train rows that equal another train row beyond chance
            (one-sided, z = 3.29, clusters of equal rows counted as one draw).
    """
    for column in (*train.schema.by_role(Role.PERSON), *train.schema.by_role(Role.ID)):
        both = set(train.frame[column.name].dropna()) & set(holdout.frame[column.name].dropna())
        if both:
            raise DataError(
                f"{len(both):,} values of {column.role} column {column.name!r} are in both train "
                "and holdout; expected none. Split by that column and train anew."
            )
    mine, other = row_hashes(train.records), row_hashes(holdout.records)
    shared, chance, error = _shared_rates(mine, other)
    if shared > chance + 3.29 * error + 1 / len(other):
        raise DataError(
            f"{shared:.1%} of the holdout rows equal a train row, but only {chance:.1%} of the "
            "train rows equal another train row; expected about as many. Bring rows that were not "
            "trained on."
        )


def row_hashes(records: pd.DataFrame) -> np.ndarray:
    """A 64-bit hash of each row, shape (n,); equal rows have equal hashes."""
    plain = pd.DataFrame(
        {
            str(i): series.astype(object)
            if isinstance(series.dtype, pd.CategoricalDtype)
            else series
            for i, (_, series) in enumerate(records.items())
        }
    )
    return pd.util.hash_pandas_object(plain, index=False).to_numpy()


def _shared_rates(mine: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Share of `other` found in `mine`, of `mine` found in its rest, and the standard error."""
    _, counts = np.unique(mine, return_counts=True)
    repeated = counts[counts > 1].astype(float)
    chance = float(repeated.sum() / len(mine))
    found = np.isin(other, mine)
    shared = float(found.mean())
    _, clusters = np.unique(other[found], return_counts=True)
    variance = (repeated**2).sum() / len(mine) ** 2 + (clusters**2).sum() / len(other) ** 2
    return shared, chance, float(np.sqrt(variance))
