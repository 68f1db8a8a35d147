"""What a mitigation gives: rows, where they come from, and what they cost."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.frame import restore
from genaudit.errors import GenauditWarning, OptionError
from genaudit.mitigation.tradeoff import Tuning
from genaudit.result import Section

#: Column of weights in what is written.
WEIGHT = "weight"


@dataclass(frozen=True, eq=False)
class Mitigated:
    """Samples after a mitigation.

    samples: the rows. rows: where each stood among the samples that came, shape (n,); None where
    they were drawn for this. weights: of each row, shape (n,), mean 1; None where all count alike.
    cost: what it took, by name: numbers, texts, and lists of groups. tuning: how a strength was
    found, where it was.
    """

    samples: Dataset
    rows: np.ndarray | None = None
    weights: np.ndarray | None = None
    cost: Mapping[str, Any] = field(default_factory=dict)
    tuning: Tuning | None = None

    @property
    def repeats(self) -> int:
        """How often one of the rows that came stands among them at most."""
        return max(int(self.cost.get("most_uses", 1)), 1)

    @property
    def sections(self) -> tuple[Section, ...]:
        """What a report shows of it beside a note."""
        return () if self.tuning is None else (self.tuning.section,)

    def to_frame(self) -> pd.DataFrame:
        """The rows as a user would write them; with weights in a column `weight`, if there are any.

        Raises:
            OptionError: the samples have a column of that name.
        """
        frame = _whole(self.samples)
        if self.weights is None:
            return frame
        if WEIGHT in self.samples.schema.names:
            raise OptionError(
                f"Expected no column {WEIGHT!r} in the samples, as weights are put there, got one; "
                "rename it, or leave the weights out."
            )
        return frame.assign(**{WEIGHT: self.weights})


def unweighted(samples: Dataset) -> Dataset:
    """The samples without weights that an earlier mitigation put beside them."""
    if WEIGHT not in samples.unplaced:
        return samples
    return replace(samples, unplaced=samples.unplaced.drop(columns=WEIGHT))


def some_of(samples: Dataset, n: int | None, seed: int) -> np.ndarray:
    """Positions of n rows chosen at random, in their order; all by default, or where n is more."""
    size = len(samples)
    if n is not None and n > size:
        warnings.warn(
            f"Only {size:,} of {n:,} rows can be given, as there are no more samples; make more.",
            GenauditWarning,
            stacklevel=4,
        )
    return chosen(np.arange(size), n, np.random.default_rng([seed, 0x50E]))


def chosen(rows: np.ndarray, n: int | None, rng: np.random.Generator) -> np.ndarray:
    """N of the rows at random, in their order; all of them by default, or where n is more."""
    if n is None or n >= len(rows):
        return rows
    return np.sort(rng.permutation(rows)[:n])


def taken(samples: Dataset, rows: np.ndarray, **cost: Any) -> Mitigated:
    """Rows of the samples by position, some perhaps twice."""
    uses = np.bincount(rows, minlength=len(samples)) if len(rows) else np.zeros(1, dtype=int)
    told = {"rows_in": len(samples), "rows_out": len(rows), "most_uses": int(uses.max()),
            "used_again": int((uses - 1).clip(min=0).sum())}  # fmt: skip
    return Mitigated(samples.take(rows), rows, cost={**told, **cost})


def _whole(samples: Dataset) -> pd.DataFrame:
    """Samples with all that came with them: an audit of them is to find what it would have found.

    That is columns which no generator makes, and cells that the schema does not allow.
    """
    frame, schema = samples.to_frame(), samples.schema
    for column in schema.columns:
        cells = samples.frame[column.name]
        if column.name not in frame and cells.notna().any():
            frame[column.name] = restore(cells, column)
    for name in samples.unplaced.columns.unique():
        cells = samples.unplaced.loc[:, [name]].iloc[:, 0]
        if name in frame:
            cells = cells.where(cells.notna(), frame[name].astype(object))
        frame[name] = cells
    return frame.drop(columns=[name for name in samples.absent if name in frame])
