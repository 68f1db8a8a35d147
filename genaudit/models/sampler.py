"""Records out of a trained mixture: drawn, not the likeliest; the same for the same seed."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pandas as pd
import torch

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.modalities.table.layout import Layout
from genaudit.modalities.table.mixture import Mixture
from genaudit.models.sampling import TRIES, BaseSampler, Wanted, data_frame_of, drawn

#: Records made at a time. It is part of the promise that a seed gives the same samples.
_CHUNK = 32_768

#: Records whose likelihood is computed at a time.
_SCORED = 1024

#: Memory that a cell takes while it is made and written, measured on tables of mixed types.
_CELL_BYTES = 80


class Sampler(BaseSampler):
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
        super().__init__(schema, layout, weights)
        # Single precision is what is saved, so a model makes the same records before and after.
        self.log_shares = np.asarray(log_shares, dtype=np.float32)
        self.log_weights = np.asarray(log_weights, dtype=np.float32)
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

    def n_bytes(self, n: int) -> int:
        """Memory that n records take while they are made."""
        return _CELL_BYTES * n * len(self.schema.modelled)

    def log_likelihood(self, data: Dataset) -> np.ndarray:
        """How likely the mixture makes the cells of each record, in nats, shape (n,).

        A number beyond all cells counts as the nearest that has one; a cell that has no low digit
        is free there.
        """
        cells = np.maximum(self.layout.grid.encode(self.layout.grid.within(data)), 0)
        found = [self._logs(cells[i : i + _SCORED]) for i in range(0, len(cells), _SCORED)]
        return np.concatenate([np.empty(0), *found])

    def _logs(self, cells: np.ndarray) -> np.ndarray:
        digits, joint = self.layout.split(cells)
        # Of the condition too, whose blocks come last.
        digits = np.hstack([digits, self.layout.cells[joint]])
        logs = np.tile(self.log_weights.astype(float), (len(cells), 1))
        starts = np.cumsum([0, *self.layout.sizes[:-1]])
        for start, digit in zip(starts, digits.T, strict=True):
            column = self.log_shares.T[start + np.maximum(digit, 0)]
            logs += np.where(digit[:, None] >= 0, column, 0.0)
        total: np.ndarray = np.logaddexp.reduce(logs, axis=1)
        return total

    def made(
        self, n: int, weights: np.ndarray, rng: np.random.Generator, _: float = 1.0
    ) -> Dataset:
        """Records of conditions drawn by `weights`; their cells first, then values in the cells."""
        return self._decoded(self._codes(n, weights, rng), rng)

    def _codes(self, n: int, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Cells of n records, shape (n, columns)."""
        parts = [self._chunk(min(_CHUNK, n - start), weights, rng) for start in range(0, n, _CHUNK)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.layout.grid.names)), int)

    def _chunk(self, n: int, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        joint = drawn(weights.cumsum()[None], np.zeros(n, dtype=np.int64), rng)
        component = drawn(self._components, joint, rng)
        digits = [drawn(ceiling, component, rng) for ceiling in self._ceilings]
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

    def matching(
        self, n: int, wanted: list[Wanted], weights: np.ndarray, rng: np.random.Generator,
        _: float = 1.0,
    ) -> tuple[Dataset, int]:  # fmt: skip
        """Make records until n have what is wanted, or too many have not."""
        kept: list[pd.DataFrame] = []
        found = made = 0
        budget = max(_CHUNK, TRIES * n)
        while found < n and made < budget:
            size = min(_CHUNK, budget - made)
            data = self._decoded(self._chunk(size, weights, rng), rng)
            fits = np.logical_and.reduce([w.holds(data.frame) for w in wanted])
            kept.append(data.frame[fits])
            made, found = made + size, found + int(fits.sum())
        frame = pd.concat(kept, ignore_index=True) if kept else data_frame_of(self.schema)
        return Dataset(self.schema, frame.head(n)), made
