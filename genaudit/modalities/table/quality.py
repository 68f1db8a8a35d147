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
class Side:
    """What the rows of one table add to a mean distance, shape (n,) each.

    half: which half a row was dealt to. all_rows: with the direction of each difference as all rows
    show it. crossed: as the rows of the other half show it, so that it owes nothing to this row.
    """

    half: np.ndarray
    all_rows: np.ndarray
    crossed: np.ndarray

    @property
    def variance(self) -> float:
        """Squared error of the mean over all rows."""
        return float(self.all_rows.var()) / max(len(self.half), 1)

    def of_half(self, half: int) -> tuple[float, float, int]:
        """Mean of the crossed influence in a half, its squared error, and rows in the half."""
        rows = self.crossed[self.half == half]
        if not len(rows):
            return 0.0, 0.0, 0
        return float(rows.mean()), float(rows.var()) / len(rows), len(rows)


@dataclass(frozen=True, eq=False)
class Distance:
    """A mean of total variation distances between two tables of independent rows.

    The distance between two samples of one population is never 0, so the plain distance is too
    large, by more the fewer rows there are. Halves of both tables tell how much too large: chance
    alone adds sqrt(2) times as much to their distance (`values`). And halves give a bound from
    below: which cells differ upwards and which downwards is read off one half, by how much off the
    other, a mean of independent terms that is right or too small on average.

    plain, values: distance of each column or pair, as it is and without what chance adds, (k,).
    """

    plain: np.ndarray
    values: np.ndarray
    one: Side
    other: Side

    @property
    def value(self) -> float:
        """The mean distance without what chance adds, in [0, 1]."""
        if not len(self.values):
            return float("nan")
        bound, _ = self.below
        return float(np.clip(self.values.mean(), max(bound, 0.0), self.plain.mean()))

    @property
    def above(self) -> tuple[float, float]:
        """A mean that is at least the distance on average, and its standard error: all rows."""
        # No sample can rule out cells that hold less than about a row or two.
        least = 2 / max(min(len(self.one.half), len(self.other.half)), 1)
        error = max(float(np.sqrt(self.one.variance + self.other.variance)), least)
        return float(self.plain.mean()), error

    @property
    def below(self) -> tuple[float, float]:
        """A mean that is at most the distance on average, and a bound of its standard error.

        The errors of the halves are added as if they were one: at a distance of 0 they nearly are,
        as each half is judged by the directions that the other shows.

        Source: Kim, Ramdas, Singh & Wasserman 2021, Annals of Statistics 49 (a distance as the
        accuracy of a classifier on rows that it has not seen).
        """
        bound = error = 0.0
        for half in (0, 1):
            (one, v, n), (other, w, m) = self.one.of_half(half), self.other.of_half(half)
            bound += (one - other) / 2
            error += max(float(np.sqrt(v + w)), 1 / max(min(n, m), 1)) / 2
        return bound, error


@dataclass(frozen=True, eq=False)
class CellTable:
    """Records as cells: codes of shape (n, columns), each in [0, size of its column).

    no_cell: code of a value without a cell, for each column.
    """

    codes: np.ndarray
    sizes: tuple[int, ...]
    no_cell: tuple[int, ...]

    @classmethod
    def of(cls, data: Dataset, grid: Grid, max_cells: int | None = None) -> CellTable:
        """The cells of a data set; one more cell a column holds values that have none.

        With `max_cells`, all later levels of a column are one: learned grids list frequent levels
        first, so what is merged is rare.
        """
        codes = grid.encode(data)
        columns, sizes = [], []
        for j, column in enumerate(grid.columns):
            most = column.size
            if max_cells is not None and column.levels:
                most = min(most, max_cells)
            columns.append(np.where(codes[:, j] < 0, most, np.minimum(codes[:, j], most - 1)))
            sizes.append(most + 1)
        return cls(np.column_stack(columns), tuple(sizes), tuple(n - 1 for n in sizes))

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True, eq=False)
class View:
    """Some columns of a table as one partition of its rows.

    columns: positions. classes: class of each joint cell, shape (cells,). n_real: classes that hold
        real rows; one or none says nothing about how the rows are distributed.
    """

    columns: tuple[int, ...]
    classes: np.ndarray
    n_real: int

    @property
    def size(self) -> int:
        """Number of classes."""
        return int(self.classes.max()) + 1

    def of(self, table: CellTable) -> np.ndarray:
        """Class of each row, shape (n,)."""
        return self.classes[_joint(table, self.columns)[0]]


def large_cells(
    columns: tuple[int, ...],
    reference: CellTable,
    real: Sequence[CellTable],
    expected: int,
    smallest: int,
) -> View:
    """A view that merges small cells, and keeps values without a cell apart.

    A class of its own is what is expected to hold enough rows of each real table; all other cells
    are one class. What then still holds a few rows of a real table goes to another class: the
    distance between a table that anybody can count and a real one tells the counts of the latter.

    Args:
        columns: Positions of the columns that are looked at together.
        reference: Rows that decide which cells are large. They are no part of `real`: cells chosen
            by the rows that are counted later would look too large among them.
        real: Tables whose counts are guarded.
        expected: Rows of each real table that a large cell holds, by its share of the reference.
        smallest: Fewest rows of a real table in a class that has any.
    """
    cells, size = _joint(reference, columns)
    n = min(len(table) for table in real)
    share = np.bincount(cells, minlength=size) / max(len(reference), 1)
    large = np.flatnonzero(share * n >= expected)
    strange = _strange(reference, columns)
    classes = np.full(size, len(large))
    classes[large] = np.arange(len(large))
    classes[strange] = len(large) + 1
    counts = np.stack([
        np.bincount(classes[_joint(table, columns)[0]], minlength=len(large) + 2) for table in real
    ])  # fmt: skip
    merged = _merge(counts, smallest)
    kept, classes = np.unique(merged[classes], return_inverse=True)
    filled = {int(merged[c]) for c in range(len(large) + 1) if counts[:, c].any()}
    return View(columns, classes, len(filled & set(kept.tolist())))


def _strange(table: CellTable, columns: tuple[int, ...]) -> np.ndarray:
    """Joint cells in which any column has a value without a cell, bools (cells,)."""
    strange = np.zeros((), dtype=bool)
    for j in columns:
        last = np.arange(table.sizes[j]) == table.no_cell[j]
        strange = np.logical_or.outer(strange, last)
    return strange.ravel()


def _merge(counts: np.ndarray, smallest: int) -> np.ndarray:
    """For each class the class that it becomes part of, shape (classes,).

    counts: rows of each real table, shape (tables, classes). Classes with a few rows of any table
    join the next larger one until none is left.
    """
    into, counts = np.arange(counts.shape[1]), counts.copy()
    while True:
        total = counts.sum(axis=0)
        few = np.flatnonzero(((counts > 0) & (counts < smallest)).any(axis=0))
        others = np.flatnonzero(total)
        if not len(few) or len(others) < 2:
            return into
        one = few[np.argmin(total[few])]
        others = others[others != one]
        other = others[np.argmin(total[others])]
        counts[:, other] += counts[:, one]
        counts[:, one] = 0
        into[into == one] = other


def pairs_of(n_columns: int, most: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """All pairs of columns, or `most` of them drawn at random, in order."""
    pairs = list(combinations(range(n_columns), 2))
    if len(pairs) <= most:
        return pairs
    return [pairs[i] for i in sorted(rng.choice(len(pairs), most, replace=False))]


def distance(
    one: CellTable, other: CellTable, views: Sequence[View], rng: np.random.Generator
) -> Distance:
    """Mean over views of the total variation distance between shares of classes.

    The rows of each table are dealt into halves by `rng`, so they may stand in any order.
    """
    tables = (one, other)
    halves = [_deal(len(table), rng) for table in tables]
    all_rows, crossed = ([np.zeros(len(t)) for t in tables] for _ in range(2))
    plain, values = [], []
    for view in views:
        classes = [view.of(table) for table in tables]
        counts = np.stack([
            np.bincount(c + view.size * h, minlength=2 * view.size).reshape(2, -1)
            for c, h in zip(classes, halves, strict=True)
        ])  # fmt: skip
        whole, parts = _gap(counts.sum(axis=1)), _gap(counts)
        far, near = np.abs(whole).sum() / 2, np.abs(parts).sum(axis=1).mean() / 2
        plain.append(far)
        values.append(np.clip(far - (near - far) / (np.sqrt(2) - 1), 0.0, far))
        # Equal shares are as likely to come out one way as the other; taken as neither, a table
        # that happens to match would have no error at all.
        tie = np.where(np.arange(view.size) % 2, -1.0, 1.0)
        sign = np.where(whole == 0, tie, np.sign(whole)) / 2 / len(views)
        other_half = np.sign(parts)[::-1] / 2 / len(views)
        for i in (0, 1):
            all_rows[i] += sign[classes[i]]
            crossed[i] += other_half[halves[i], classes[i]]
    sides = [Side(h, a, c) for h, a, c in zip(halves, all_rows, crossed, strict=True)]
    return Distance(np.array(plain), np.array(values), *sides)


def _deal(n: int, rng: np.random.Generator) -> np.ndarray:
    """0 for half of the rows and 1 for the others, shape (n,)."""
    return (rng.permutation(n) < n // 2).astype(np.int64)


def _gap(counts: np.ndarray) -> np.ndarray:
    """Shares of the first table minus shares of the second, from counts (2, ..., classes)."""
    shares = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return shares[0] - shares[1]


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
