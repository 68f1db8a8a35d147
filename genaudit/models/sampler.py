"""Records out of a trained mixture: drawn, not the likeliest; the same for the same seed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
import torch

from genaudit.data.dataset import Dataset
from genaudit.data.frame import coerce, readable
from genaudit.data.schema import Column, Kind, Schema
from genaudit.errors import GenauditWarning, OptionError, check_seed
from genaudit.modalities.table.layout import Layout
from genaudit.modalities.table.mixture import Mixture

#: Records made at a time. It is part of the promise that a seed gives the same samples.
_CHUNK = 32_768

#: Records made for each one wanted before a rare condition is given up.
_TRIES = 200

#: Records that would need more memory than this are refused.
MAX_BYTES = 4 * 2**30

#: Memory that a cell takes while it is made and written, measured on tables of mixed types.
_CELL_BYTES = 80


@dataclass(frozen=True)
class _Wanted:
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


class Sampler:
    """A mixture with all that turns its components into records.

    log_shares: of every cell in each component, shape (components, width), cells of the condition
    last. log_weights: of the components, shape (components,). weights: share of each joint cell of
    the condition.
    """

    def __init__(
        self,
        schema: Schema,
        layout: Layout,
        log_shares: np.ndarray,
        log_weights: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        self.schema, self.layout = schema, layout
        # Single precision is what is saved, so a model makes the same records before and after.
        self.log_shares = np.asarray(log_shares, dtype=np.float32)
        self.log_weights = np.asarray(log_weights, dtype=np.float32)
        self.weights = np.asarray(weights, dtype=float)
        starts = np.cumsum([0, *layout.sizes])
        shares = np.exp(self.log_shares.astype(float))
        made = zip(starts, layout.blocks, strict=False)
        self._ceilings = [shares[:, a : a + size].cumsum(axis=1) for a, size in made]

    @classmethod
    def of(cls, schema: Schema, layout: Layout, mixture: Mixture, weights: np.ndarray) -> Sampler:
        """What makes the records of a trained mixture."""
        with torch.no_grad():
            shares, log_weights = mixture.log_shares(), mixture.log_weights()
        return cls(schema, layout, shares.cpu().numpy(), log_weights.cpu().numpy(), weights)

    def sample(self, n: int, seed: int = 0, where: Mapping[str, Any] | None = None) -> Dataset:
        """Make n records; with `where` only such as have these values, fewer where they are rare.

        Conditions of the model are set; values of other columns are waited for.

        Args:
            n: How many, at least 0.
            seed: The same seed gives the same records; at least 0.
            where: Column -> value, as a file would write it or pandas holds it; None is missing.

        Raises:
            OptionError: n or seed is out of range, so many records would not fit into memory, or no
                such column or value exists.
        """
        check_seed(seed)
        if not isinstance(n, Integral) or n < 0:
            raise OptionError(f"Expected n as a whole number of at least 0 records, got {n!r}.")
        if not isinstance(where, Mapping | None):
            raise OptionError(f"Expected where as column -> value (a dict), got {where!r}.")
        self._check_size(int(n))
        wanted = [self._wanted(name, value) for name, value in (where or {}).items()]
        rng = np.random.default_rng([seed, 0x5A3])
        weights = self._weights(wanted)
        if not wanted:
            return self._decoded(self._codes(n, weights, rng), rng)
        return self._matching(n, wanted, weights, rng)

    def _check_size(self, n: int) -> None:
        """Refuse what would not fit into memory, with an estimate."""
        size = _CELL_BYTES * n * len(self.schema.modelled)
        if size > MAX_BYTES:
            raise OptionError(
                f"Making {n:,} records of {len(self.schema.modelled):,} columns would need about "
                f"{size:,} bytes of memory; expected at most {MAX_BYTES:,}. Make fewer, or several "
                "files with another seed each."
            )

    def _codes(self, n: int, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Cells of n records, shape (n, columns)."""
        parts = [self._chunk(min(_CHUNK, n - start), weights, rng) for start in range(0, n, _CHUNK)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.layout.grid.names)), int)

    def _chunk(self, n: int, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        joint = _drawn(weights.cumsum()[None], np.zeros(n, dtype=np.int64), rng)
        component = _drawn(self._components, joint, rng)
        digits = [_drawn(ceiling, component, rng) for ceiling in self._ceilings]
        return self.layout.join(np.stack(digits, axis=1), joint, rng)

    @cached_property
    def _components(self) -> np.ndarray:
        """Cumulative weights of the components in each joint cell, shape (n_joint, components)."""
        logs = np.tile(self.log_weights.astype(float), (self.layout.n_joint, 1))
        start = sum(self.layout.blocks)
        for k, size in enumerate(self.layout.given_sizes):
            logs += self.log_shares[:, start : start + size].T[self.layout.cells[:, k]]
            start += size
        ceiling: np.ndarray = np.exp(logs - logs.max(axis=1, keepdims=True)).cumsum(axis=1)
        return ceiling

    def _decoded(self, codes: np.ndarray, rng: np.random.Generator) -> Dataset:
        return self.layout.grid.decode(codes, self.schema, rng)

    def _matching(
        self, n: int, wanted: list[_Wanted], weights: np.ndarray, rng: np.random.Generator
    ) -> Dataset:
        """Bounded rejection: make records until n have what is wanted, or too many have not."""
        kept: list[pd.DataFrame] = []
        found = made = 0
        budget = max(_CHUNK, _TRIES * n)
        while found < n and made < budget:
            size = min(_CHUNK, budget - made)
            data = self._decoded(self._chunk(size, weights, rng), rng)
            fits = np.logical_and.reduce([w.holds(data.frame) for w in wanted])
            kept.append(data.frame[fits])
            made, found = made + size, found + int(fits.sum())
        if found < n:
            asked = ", ".join(map(str, wanted))
            warnings.warn(
                f"Only {found:,} of {n:,} records: {found:,} of {made:,} made had {asked}, which "
                "is too rare in what this model makes to wait for more.",
                GenauditWarning,
                stacklevel=4,
            )
        frame = pd.concat(kept, ignore_index=True) if kept else data_frame_of(self.schema)
        return Dataset(self.schema, frame.head(n))

    def _weights(self, wanted: list[_Wanted]) -> np.ndarray:
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

    def _wanted(self, name: str, value: Any) -> _Wanted:
        known = [c.name for c in self.schema.modelled]
        if name not in known:
            raise OptionError(
                f"No column is called {name!r}; the model makes {', '.join(map(repr, known))}."
            )
        column = self.schema[name]
        gone = pd.api.types.is_scalar(value) and pd.isna(value)
        if column.nullable and (gone or (isinstance(value, str) and value in self.schema.missing)):
            return _Wanted(column, None)
        coerced = coerce(pd.Series([value], dtype=object), column, self.schema.missing)
        if coerced.problem or coerced.values.isna().any():
            raise OptionError(f"Column {name!r}: no {value!r} exists; {_exists(column)}.")
        return _Wanted(column, coerced.values.iloc[0])


def _drawn(ceilings: np.ndarray, row: np.ndarray, rng: np.random.Generator) -> np.ndarray:
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
