"""What samples do not show: columns left out when rows are compared, and cells that were lost.

A level that the schema does not know becomes a missing value, so that a copied row with such a
cell equals no real row. Absence of a match proves nothing there, and these counts say how often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Column, Role
from genaudit.modalities.table.space import Keys

#: Share of a column's cells that samples may lose before rows are compared without the column.
MAX_LOST = 0.5


def compared(samples: Dataset, *real: Dataset) -> tuple[Column, ...]:
    """Columns in which rows are compared: those that a generator makes and the samples show.

    A column that samples lack, or of which they show too little (`MAX_LOST`), is not compared: in
    it no sample could equal a real row. An ignored column is compared where every table has values
    in it. Ids and persons are not: a copied row under a new id is a copy.
    """

    def used(column: Column) -> bool:
        known = column.modelled and column.name not in samples.absent
        if column.role is Role.IGNORED:
            known = all(t.frame[column.name].notna().any() for t in (samples, *real))
        return known and _n_lost(samples, column, real) <= MAX_LOST * len(samples)

    return tuple(c for c in samples.schema.columns if used(c))


def not_compared(samples: Dataset, columns: Sequence[Column]) -> tuple[str, ...]:
    """Columns that a generator makes and in which rows were not compared, and samples have them."""
    return tuple(
        c.name for c in samples.schema.modelled if c not in columns and c.name not in samples.absent
    )


@dataclass(frozen=True, eq=False)
class Gaps:
    """Cells that samples may have lost: what stood there is not to be read under the schema.

    cells: shape (n, columns). Where a column may have missing values, which of them are lost ones
        is not known, so that all are marked.
    most: lost cells at most.
    """

    cells: np.ndarray
    most: int

    @classmethod
    def of(cls, samples: Dataset, columns: Sequence[Column], *real: Dataset) -> Gaps:
        """The gaps of samples in the columns in which they are compared with real rows."""
        lost = [_n_lost(samples, column, real) for column in columns]
        cells = [samples.frame[c.name].isna().to_numpy() & (n > 0)
                 for c, n in zip(columns, lost, strict=True)]  # fmt: skip
        return cls(np.array(cells, bool).reshape(len(columns), len(samples)).T, sum(lost))

    def n_rows(self, least: int = 1) -> int:
        """Number of samples with so many lost cells, at most."""
        return min(int((self.cells.sum(axis=1) >= least).sum()), self.most // least)

    def n_hiding(self, samples: Keys, real: Keys) -> int:
        """Number of samples that may equal a real row in the cells that are lost, at most."""
        per_row = self.cells.sum(axis=1)
        hiding = per_row > 1
        for j in range(self.cells.shape[1]):
            one = (per_row == 1) & self.cells[:, j]
            hiding[one] = np.isin(samples.near[one, j], real.near[:, j])
        return min(int(hiding.sum()), self.most)


def _n_lost(samples: Dataset, column: Column, real: Sequence[Dataset]) -> int:
    """Cells of a column that samples do not show, though real rows would.

    Not allowed by the schema, or missing where real rows are not: by more than three standard
    errors beyond the real table that misses most.
    """
    n = len(samples)
    missing = int(samples.frame[column.name].isna().sum())
    excess = missing
    for table in (t for t in real if len(t)):
        gone = int(table.frame[column.name].isna().sum())
        pooled = (missing + gone) / (n + len(table))
        error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / len(table)))
        more = missing / n - gone / len(table)
        excess = min(excess, math.ceil(more * n) if more > 3 * error else 0)
    return max(min(samples.invalid.get(column.name, 0), missing), excess)
