"""What samplers share: how many, which seed, which values are wanted, and what is refused."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.frame import coerce, readable
from genaudit.data.schema import Column, Kind, Schema
from genaudit.errors import GenauditWarning, OptionError, check_seed
from genaudit.modalities.table.layout import Layout

#: Records made for each one wanted before a rare condition is given up.
TRIES = 200

#: Records that would need more memory than this are refused.
MAX_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Wanted:
    """One `where`: a column and its canonical value (None = missing)."""

    column: Column
    value: Any

    def holds(self, frame: pd.DataFrame) -> np.ndarray:
        """Which records have the value, shape (n,)."""
        values = frame[self.column.name]
        if self.value is None:
            return values.isna().to_numpy()
        same: np.ndarray = (values == self.value).fillna(False).to_numpy(dtype=bool)
        return same

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.column.name} missing"
        value = self.value if self.column.discrete else readable(self.value, self.column)
        return f"{self.column.name} = {value}"


class BaseSampler(ABC):
    """Makes the records of a schema, whose columns a layout codes.

    weights: share of each joint cell of the condition.
    """

    #: Whether records may be made more or less likely ones.
    has_temperature = False

    def __init__(self, schema: Schema, layout: Layout, weights: np.ndarray) -> None:
        self.schema, self.layout = schema, layout
        self.weights = np.asarray(weights, dtype=float)

    def sample(
        self, n: int, seed: int = 0, where: Mapping[str, Any] | None = None,
        temperature: float | None = None,
    ) -> Dataset:  # fmt: skip
        """Make n records; with `where` only such as have these values, fewer where they are rare.

        Conditions of the model are set; values of other columns are waited for.

        Args:
            n: How many, at least 0.
            seed: The same seed gives the same records; at least 0.
            where: Column -> value, as a file would write it or pandas holds it; None is missing.
            temperature: Of text, above 0: below 1 more of the likely, above 1 more of the rare.

        Raises:
            OptionError: n or seed is out of range, so many records would not fit into memory, or no
                such column or value exists.
        """
        check_seed(seed)
        if not isinstance(n, Integral) or n < 0:
            raise OptionError(f"Expected n as a whole number of at least 0 records, got {n!r}.")
        if not isinstance(where, Mapping | None):
            raise OptionError(f"Expected where as column -> value (a dict), got {where!r}.")
        heat = self._heat(temperature)
        self.check_size(int(n))
        wanted = [self._wanted(name, value) for name, value in (where or {}).items()]
        rng = np.random.default_rng([seed, 0x5A3])
        weights = self.weights_given(wanted)
        if not wanted:
            return self.made(int(n), weights, rng, heat)
        data, n_made = self.matching(int(n), wanted, weights, rng, heat)
        if len(data) < n:
            asked = ", ".join(map(str, wanted))
            warnings.warn(
                f"Only {len(data):,} of {n:,} records: {len(data):,} of {n_made:,} made had "
                f"{asked}, which is too rare in what this model makes to wait for more.",
                GenauditWarning,
                stacklevel=3,
            )
        return data

    @abstractmethod
    def made(
        self, n: int, weights: np.ndarray, rng: np.random.Generator, temperature: float, /
    ) -> Dataset:
        """Records of conditions drawn by `weights`."""

    @abstractmethod
    def matching(
        self, n: int, wanted: list[Wanted], weights: np.ndarray, rng: np.random.Generator,
        temperature: float, /,
    ) -> tuple[Dataset, int]:  # fmt: skip
        """Bounded rejection: at most n records that have what is wanted, and how many were made."""

    @abstractmethod
    def n_bytes(self, n: int) -> int:
        """Memory that n records take while they are made."""

    def check_size(self, n: int) -> None:
        """Refuse what would not fit into memory, with an estimate."""
        size = self.n_bytes(n)
        if size > MAX_BYTES:
            raise OptionError(
                f"Making {n:,} records of {len(self.schema.columns):,} columns would need about "
                f"{size:,} bytes of memory; expected at most {MAX_BYTES:,}. Make fewer, or several "
                "files with another seed each."
            )

    def _heat(self, temperature: float | None) -> float:
        if temperature is None:
            return 1.0
        if not self.has_temperature:
            raise OptionError(
                "Expected no temperature, as only text is made with one, got "
                f"{temperature!r}; leave it out."
            )
        if not isinstance(temperature, int | float) or not 0.01 <= temperature <= 100:
            raise OptionError(
                f"Expected a temperature from 0.01 to 100, got {temperature!r}; 1 is as trained."
            )
        return float(temperature)

    def weights_given(self, wanted: list[Wanted]) -> np.ndarray:
        """Distribution of the joint condition given what is wanted of its columns."""
        fits = np.ones(len(self.weights), dtype=bool)
        for want in wanted:
            if want.column.name in self.layout.condition:
                k = self.layout.condition.index(want.column.name)
                cells = self.layout.grid[want.column.name]
                value = pd.Series([np.nan if want.value is None else want.value])
                (cell,) = cells.encode(value)
                fits &= self.layout.cells[:, k] == cell
        kept = np.where(fits, self.weights, 0.0)
        if kept.sum() <= 0:
            # The reference gave these conditions no share at all, yet the generator can be asked.
            kept = fits.astype(float) if fits.any() else self.weights
        shares: np.ndarray = kept / kept.sum()
        return shares

    def _wanted(self, name: str, value: Any) -> Wanted:
        known = [c.name for c in self.schema.modelled]
        if name not in known:
            raise OptionError(
                f"No column is called {name!r}; the model makes {', '.join(map(repr, known))}."
            )
        column = self.schema[name]
        gone = pd.api.types.is_scalar(value) and pd.isna(value)
        if column.nullable and (gone or (isinstance(value, str) and value in self.schema.missing)):
            return Wanted(column, None)
        coerced = coerce(pd.Series([value], dtype=object), column, self.schema.missing)
        if coerced.problem or coerced.values.isna().any():
            raise OptionError(f"Column {name!r}: no {value!r} exists; {_exists(column)}.")
        return Wanted(column, coerced.values.iloc[0])


def drawn(ceilings: np.ndarray, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A column drawn for each row by the cumulative weights in it, shape (n,).

    Of the m records of one row, one falls into each m-th part of its distribution, which one by
    chance: each record has that distribution, and their frequencies are as near it as can be.
    Source: Neyman 1934 (stratified sampling).
    """
    order = np.lexsort((rng.random(len(row)), row))
    counts = np.bincount(row, minlength=len(ceilings))
    first = np.cumsum(counts) - counts
    rank = np.empty(len(row))
    rank[order] = np.arange(len(row)) - first[row[order]]
    ceiling = ceilings[row]
    u = (rank + rng.random(len(row))) / counts[row]
    drawn: np.ndarray = (ceiling <= u[:, None] * ceiling[:, -1:]).sum(axis=1)
    return drawn.clip(max=ceilings.shape[1] - 1)


def data_frame_of(schema: Schema) -> pd.DataFrame:
    """A frame of the schema's columns without rows."""
    return pd.DataFrame({c.name: pd.Series(dtype=object) for c in schema.columns})


def _exists(column: Column) -> str:
    return _range(column) + (", or nothing at all for a missing one" if column.nullable else "")


def _range(column: Column) -> str:
    if column.discrete:
        levels = column.levels or ()
        more = ", ..." if len(levels) > 20 else ""
        return f"there are {', '.join(map(repr, levels[:20]))}{more}"
    low, high = column.bounds or (-np.inf, np.inf)
    what = "whole number" if column.kind is Kind.INTEGER else "value"
    return f"expected a {what} from {readable(low, column)} to {readable(high, column)}"
