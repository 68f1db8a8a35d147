"""Every column as a few cells: the codec between tables and integers.

A level, a spike (a value that many records share exactly), an interval of numbers and "missing" are
each one cell. A record is then a row of integers, shape (columns,), whatever its types; a generator
makes cells, and `Grid.decode` draws a value inside each cell. Cells come from the schema alone
(`Grid.public`, costs no privacy) or from quantiles of the data (`Grid.learned`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Column, Schema
from genaudit.errors import SchemaError

#: Most intervals that a numeric column is cut into: of equal width where they are public, of equal
#: numbers of records where they are learned, which shows as much with fewer.
MAX_INTERVALS, MAX_QUANTILES = 100, 32

#: Columns with more levels than this are coded as two digits, so that one-hot codes stay small.
MAX_ONE_HOT = 128

#: A value that holds at least this share of the records becomes a spike when cells are learned.
_SPIKE_SHARE = 0.05

#: How often a value that fell on a spike is drawn anew; an interval may hold nothing but spikes.
_REDRAWS = 200

#: Beyond so many decimals a step was computed, not written, and rounding would do harm.
_MAX_DECIMALS = 12


@dataclass(frozen=True)
class ColumnCells:
    """The cells of one column, in this order: levels | spikes, intervals | missing.

    edges: ascending, shape (k + 1,), for k intervals [edge, next edge). The last interval is closed
        where values are continuous; where they step, its edge lies one step beyond the last value.
    """

    name: str
    levels: tuple[str, ...] = ()
    spikes: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    step: float | None = None
    scale: Literal["linear", "log"] = "linear"
    nullable: bool = False

    @property
    def n_values(self) -> int:
        """Cells that hold a value."""
        return len(self.levels) or len(self.spikes) + max(len(self.edges) - 1, 0)

    @property
    def size(self) -> int:
        """All cells, missing included."""
        return self.n_values + self.nullable

    @property
    def digits(self) -> tuple[int, ...]:
        """Sizes of the one-hot blocks that code this column: one, or two for many levels.

        "Missing" is a high digit of its own, and has no low digit: as the last of the other cells
        it would share its low digit, and thereby its frequency, with a level.
        """
        if self.size <= MAX_ONE_HOT:
            return (self.size,)
        base = int(np.ceil(np.sqrt(self.n_values)))
        return (int(np.ceil(self.n_values / base)) + self.nullable, base)

    def split(self, codes: np.ndarray) -> list[np.ndarray]:
        """Digits of cells, each of shape (n,); -1 where there is no low digit."""
        if len(self.digits) == 1:
            return [codes.astype(np.int64)]
        high, low = np.divmod(codes.astype(np.int64), self.digits[1])
        gone = codes >= self.n_values
        return [np.where(gone, self.digits[0] - 1, high), np.where(gone, -1, low)]

    def join(self, digits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Cells, shape (n,), from their digits, shape (n, 1 or 2).

        Two digits can name a cell beyond the last one; such a cell is drawn anew, uniformly.
        """
        if len(self.digits) == 1:
            cells: np.ndarray = digits[:, 0]
            return cells
        cells = digits[:, 0] * self.digits[1] + digits[:, 1]
        beyond = cells >= self.n_values
        cells[beyond] = rng.integers(0, self.n_values, int(beyond.sum()))
        if self.nullable:
            cells[digits[:, 0] == self.digits[0] - 1] = self.n_values
        return cells

    def encode(self, values: pd.Series) -> np.ndarray:
        """Cell of each canonical value, shape (n,); -1 where there is no cell for it."""
        if self.levels:
            where = {level: i for i, level in enumerate(self.levels)}
            found = values.astype(object).map(where).fillna(-1)
            # Where nothing had to be filled, pandas shares its own memory, which is read-only.
            codes = found.to_numpy(dtype=np.int64, copy=True)
        else:
            codes = self._encode_numbers(values.to_numpy(dtype=float))
        if self.nullable:
            codes[values.isna().to_numpy()] = self.n_values
        return codes

    def decode(self, codes: np.ndarray, rng: np.random.Generator) -> pd.Series:
        """A canonical value drawn inside each cell, shape (n,): uniform on the grid of the step."""
        gone = codes >= self.n_values
        if self.levels:
            levels = pd.Categorical.from_codes(
                np.where(gone, -1, codes).tolist(), categories=list(self.levels)
            )
            return pd.Series(levels, name=self.name)
        values = np.full(len(codes), np.nan)
        spike = codes < len(self.spikes)
        values[spike] = np.asarray(self.spikes, dtype=float)[codes[spike]]
        interval = ~spike & ~gone
        values[interval] = self._draw_beside_spikes(codes[interval] - len(self.spikes), rng)
        return pd.Series(values, name=self.name)

    def _encode_numbers(self, values: np.ndarray) -> np.ndarray:
        edges = np.asarray(self.edges)
        # 0.3 lies on the edge 3 * 0.1, which is a hair more than 0.3.
        slack = 1e-6 * self.step if self.step else 0.0
        inside = np.searchsorted(edges - slack, values, side="right") - 1
        if not self.step:
            inside = np.where(values == edges[-1], len(edges) - 2, inside)
        ok = (inside >= 0) & (inside < len(edges) - 1)
        codes = np.where(ok, inside + len(self.spikes), -1)
        for i, spike in enumerate(self.spikes):
            codes[values == spike] = i
        return codes

    def _draw_beside_spikes(self, interval: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Values that are no spikes: those have cells of their own, and their records are there."""
        values = self._draw(interval, rng)
        for _ in range(_REDRAWS if self.spikes else 0):
            on_spike = np.isin(values, self.spikes)
            if not on_spike.any():
                break
            values[on_spike] = self._draw(interval[on_spike], rng)
        return values

    def _draw(self, interval: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        edges = np.asarray(self.edges)
        low, high = edges[interval], edges[interval + 1]
        u = rng.random(len(interval))
        if self.step:
            # The grid points in [low, high), all equally likely.
            first = np.ceil((low - edges[0]) / self.step - 1e-9)
            end = np.ceil((high - edges[0]) / self.step - 1e-9)
            count = np.maximum(end - first, 1)
            if self.scale == "log":
                lo, hi = np.log1p(first), np.log1p(first + count)
                point = np.floor(np.expm1(lo + u * (hi - lo)) + 1e-9)
                point = np.clip(point, first, first + count - 1)
            else:
                point = first + np.floor(u * count)
            return self._tidy(edges[0] + point * self.step)
        if self.scale == "log":
            lo, hi = np.log1p(low - edges[0]), np.log1p(high - edges[0])
            return edges[0] + np.expm1(lo + u * (hi - lo))
        return low + u * (high - low)

    def _tidy(self, values: np.ndarray) -> np.ndarray:
        """Grid points as they are written: 0.3, not 0.30000000000000004."""
        assert self.step is not None
        decimals = max(_decimals(self.edges[0]), _decimals(self.step))
        return np.round(values, decimals) if decimals <= _MAX_DECIMALS else values


@dataclass(frozen=True)
class Grid:
    """The cells of all modelled columns of a schema."""

    columns: tuple[ColumnCells, ...]

    @classmethod
    def public(cls, schema: Schema, max_intervals: int = MAX_INTERVALS) -> Grid:
        """Cells from what the schema declares, without a look at any record.

        Raises:
            SchemaError: bounds or categories of a modelled column are undeclared.
        """
        return cls(tuple(_public_cells(c, max_intervals) for c in schema.modelled))

    @classmethod
    def learned(cls, data: Dataset, max_intervals: int = MAX_QUANTILES) -> Grid:
        """Cells from quantiles, spikes and levels of the records: this looks at the data."""
        return cls(
            tuple(
                _learned_cells(c, data.frame[c.name], max_intervals) for c in data.schema.modelled
            )
        )

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Cells in each column."""
        return tuple(c.size for c in self.columns)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(c.name for c in self.columns)

    def __getitem__(self, name: str) -> ColumnCells:
        return self.columns[self.names.index(name)]

    def encode(self, data: Dataset) -> np.ndarray:
        """Cells of the records, shape (n, columns); -1 where a value has no cell."""
        codes = np.empty((len(data), len(self.columns)), dtype=np.int64)
        for j, column in enumerate(self.columns):
            codes[:, j] = column.encode(data.frame[column.name])
        return codes

    def within(self, data: Dataset) -> Dataset:
        """The records with numbers beyond all cells moved into the nearest one.

        Learned cells end at the largest value of the records that they were learned from.
        """
        near = {
            c.name: data.frame[c.name].clip(c.edges[0], c.edges[-1] - (c.step or 0.0))
            for c in self.columns
            if c.edges
        }
        return replace(data, frame=data.frame.assign(**near))

    def decode(self, codes: np.ndarray, schema: Schema, rng: np.random.Generator) -> Dataset:
        """Records drawn inside the cells; columns that are not modelled stay empty."""
        made = {c.name: c.decode(codes[:, j], rng) for j, c in enumerate(self.columns)}
        for column in schema.modelled:
            if column.levels:
                # Learned cells stand in order of frequency, canonical levels as they are declared.
                made[column.name] = made[column.name].cat.set_categories(list(column.levels))
        empty = pd.Series(np.nan, index=range(len(codes)), dtype=object)
        frame = {c.name: made.get(c.name, empty) for c in schema.columns}
        return Dataset(schema, pd.DataFrame(frame))

    def to_json(self) -> list[dict[str, Any]]:
        """Plain data that `from_json` reads back."""
        return [dict(vars(c)) for c in self.columns]

    @classmethod
    def from_json(cls, data: list[Mapping[str, Any]]) -> Grid:
        """The grid in what `to_json` wrote."""
        return cls(
            tuple(
                ColumnCells(
                    name=str(c["name"]),
                    levels=tuple(map(str, c["levels"])),
                    spikes=tuple(map(float, c["spikes"])),
                    edges=tuple(map(float, c["edges"])),
                    step=None if c["step"] is None else float(c["step"]),
                    scale="log" if c["scale"] == "log" else "linear",
                    nullable=bool(c["nullable"]),
                )
                for c in data
            )
        )


def _public_cells(column: Column, max_intervals: int) -> ColumnCells:
    if column.undeclared:
        raise SchemaError(
            f"Column {column.name!r} leaves its {column.undeclared} undeclared; declare them to "
            "encode it without looking at the data."
        )
    if column.discrete:
        assert column.levels is not None
        return ColumnCells(column.name, levels=column.levels, nullable=column.nullable)
    assert column.bounds is not None
    return ColumnCells(
        column.name,
        spikes=column.spikes,
        edges=_public_edges(column, *column.bounds, max_intervals),
        step=column.resolution,
        scale=column.scale,
        nullable=column.nullable,
    )


def _public_edges(column: Column, low: float, high: float, k: int) -> tuple[float, ...]:
    step = column.resolution
    if step and (high - low) / step + 1 <= k:
        n = round((high - low) / step)
        return tuple(float(low + i * step) for i in range(n + 2))
    if column.scale == "log":
        unit = step or (high - low) / 1e4
        edges = low + unit * np.expm1(np.linspace(0, np.log1p((high - low) / unit), k + 1))
    else:
        edges = np.linspace(low, high, k + 1)
    if step:
        edges = low + np.ceil((edges - low) / step - 1e-9) * step
        edges[-1] = high + step
    return _distinct(edges)


def _learned_cells(column: Column, values: pd.Series, max_intervals: int) -> ColumnCells:
    present = values.dropna()
    nullable = column.nullable
    if column.discrete:
        # Frequent levels first: two-digit codes then share their high digit among the common ones.
        counts = present.astype(object).value_counts()
        seen = tuple(map(str, counts.index[counts > 0]))
        rest = tuple(level for level in (column.levels or ()) if level not in set(seen))
        return ColumnCells(column.name, levels=seen + rest, nullable=nullable)
    numbers = present.to_numpy(dtype=float)
    distinct, counts = np.unique(numbers, return_counts=True)
    low, high = column.bounds or (distinct[0], distinct[-1])
    step, scale = column.resolution, column.scale
    if len(distinct) <= max_intervals or bool((counts >= _SPIKE_SHARE * len(numbers)).all()):
        return ColumnCells(
            column.name, spikes=tuple(map(float, distinct)),
            edges=(low, max(high, low) + (step or 1e-9)), step=step, scale=scale, nullable=nullable,
        )  # fmt: skip
    spikes = distinct[counts >= _SPIKE_SHARE * len(numbers)]
    rest_values = numbers[~np.isin(numbers, spikes)]
    edges = np.quantile(rest_values, np.linspace(0, 1, max_intervals + 1), method="lower")
    edges = np.append(edges[:-1], edges[-1] + (step or 0.0))
    return ColumnCells(
        column.name, spikes=tuple(map(float, spikes)), edges=_distinct(edges),
        step=step, scale=scale, nullable=nullable,
    )  # fmt: skip


def _decimals(value: float) -> int:
    """Digits after the point in the shortest way to write a number."""
    exponent = Decimal(repr(float(value))).normalize().as_tuple().exponent
    assert isinstance(exponent, int), "bounds and steps are finite"
    return max(0, -exponent)


def _distinct(edges: np.ndarray) -> tuple[float, ...]:
    return tuple(float(e) for e in np.unique(edges))
