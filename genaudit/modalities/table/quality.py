"""How far two tables are apart, cell by cell, and the simplest generator to compare with.

Records come in as cells (`genaudit.modalities.table.cells`), so every distance is one between
shares of cells, whatever the types of the columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.modalities.table.cells import Grid


@dataclass(frozen=True, eq=False)
class Distance:
    """A mean of total variation distances between two tables, and what each row adds to it.

    values: distance of each column or pair, shape (k,). one, other: influence of each row of the
    two tables on the mean, shapes (n,) and (m,); their variances over n and m add up to the
    squared standard error (the delta method, with the sign of each difference taken as known).
    """

    values: np.ndarray
    one: np.ndarray
    other: np.ndarray

    @property
    def value(self) -> float:
        """The mean distance, in [0, 1]."""
        return float(self.values.mean()) if len(self.values) else float("nan")

    @property
    def standard_error(self) -> float:
        """Error of the mean distance under sampling of rows of both tables."""
        parts = (side.var() / max(len(side), 1) for side in (self.one, self.other))
        return float(np.sqrt(sum(parts)))


@dataclass(frozen=True, eq=False)
class CellTable:
    """Records as cells: codes of shape (n, columns), each in [0, size of its column)."""

    codes: np.ndarray
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, data: Dataset, grid: Grid, max_cells: int | None = None) -> CellTable:
        """The cells of a data set; one more cell a column holds values that have none.

        With `max_cells`, all later cells of a column are one: learned grids list frequent levels
        first, so what is merged is rare.
        """
        codes = grid.encode(data)
        columns, sizes = [], []
        for j, column in enumerate(grid.columns):
            code = np.where(codes[:, j] < 0, column.size, codes[:, j])
            size = column.size + 1
            if max_cells is not None and column.levels:
                size = min(size, max_cells)
            columns.append(np.minimum(code, size - 1))
            sizes.append(size)
        return cls(np.column_stack(columns), tuple(sizes))

    def __len__(self) -> int:
        return len(self.codes)


def one_way(one: CellTable, other: CellTable) -> Distance:
    """Mean over columns of the total variation distance between shares of cells."""
    return _distance(one, other, [(j,) for j in range(len(one.sizes))])


def two_way(one: CellTable, other: CellTable, pairs: Sequence[tuple[int, int]]) -> Distance:
    """Mean over pairs of columns of the total variation distance between shares of cells."""
    return _distance(one, other, pairs)


def column_distances(one: CellTable, other: CellTable) -> list[Distance]:
    """The distance of each column on its own, with its error."""
    return [_distance(one, other, [(j,)]) for j in range(len(one.sizes))]


def pairs_of(n_columns: int, most: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """All pairs of columns, or `most` of them drawn at random, in order."""
    pairs = list(combinations(range(n_columns), 2))
    if len(pairs) <= most:
        return pairs
    return [pairs[i] for i in sorted(rng.choice(len(pairs), most, replace=False))]


def _distance(one: CellTable, other: CellTable, sets: Sequence[tuple[int, ...]]) -> Distance:
    values, influence_one, influence_other = [], np.zeros(len(one)), np.zeros(len(other))
    for columns in sets:
        cells_one, size = _joint(one, columns)
        cells_other, _ = _joint(other, columns)
        p = np.bincount(cells_one, minlength=size) / max(len(one), 1)
        q = np.bincount(cells_other, minlength=size) / max(len(other), 1)
        # Equal shares are as likely to come out one way as the other; taken as neither, a table
        # that happens to match would have no error at all.
        sign = np.where(p == q, np.where(np.arange(size) % 2, -1.0, 1.0), np.sign(p - q)) / 2
        values.append(float(np.abs(p - q).sum()) / 2)
        influence_one += sign[cells_one] / len(sets)
        influence_other += sign[cells_other] / len(sets)
    return Distance(np.array(values), influence_one, influence_other)


def _joint(table: CellTable, columns: tuple[int, ...]) -> tuple[np.ndarray, int]:
    """Joint cell of some columns, shape (n,), and how many there are."""
    cells, size = np.zeros(len(table), dtype=np.int64), 1
    for j in columns:
        cells, size = cells * table.sizes[j] + table.codes[:, j], size * table.sizes[j]
    return cells, size


def distinct_rate(records: pd.DataFrame) -> float:
    """Share of the records that differ from all before them."""
    return 1.0 - float(records.duplicated().mean())


def shuffled_columns(data: Dataset, n: int, rng: np.random.Generator) -> Dataset:
    """Some records whose columns are drawn independently from those of `data`."""
    frame = {
        name: data.frame[name].iloc[rng.integers(len(data), size=n)].reset_index(drop=True)
        for name in data.schema.names
    }
    return Dataset(data.schema, pd.DataFrame(frame))


def noisy_marginals(
    data: Dataset, grid: Grid, n: int, noise: np.ndarray, rng: np.random.Generator
) -> Dataset:
    """Some records whose columns are drawn independently from noisy counts of cells.

    Args:
        data: Real records.
        grid: Cells, from the schema alone where the result is to be private.
        n: Records to make.
        noise: Added to the counts of all cells, columns one after the other, shape (sum of sizes,).
        rng: Draws records from the noisy counts.
    """
    codes = grid.encode(data)
    columns, start = [], 0
    for j, size in enumerate(grid.sizes):
        counts = np.bincount(codes[codes[:, j] >= 0, j], minlength=size).astype(float)
        noisy = np.maximum(counts + noise[start : start + size], 0.0)
        start += size
        shares = noisy / noisy.sum() if noisy.sum() > 0 else np.full(size, 1 / size)
        columns.append(rng.choice(size, size=n, p=shares))
    return grid.decode(np.column_stack(columns), data.schema, rng)
