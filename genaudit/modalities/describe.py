"""Records as rows of a table: the numbers that describe each, beside its attributes.

What compares rows of a table can then compare pictures, series, sounds and texts. The numbers are
those of the modality (`modalities.*.space.Features`); they are fitted once, on real records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import count
from typing import Protocol, Self

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.record import frozen
from genaudit.data.schema import Column, Kind, Role, Schema
from genaudit.modalities.codec import FOLDERS

#: Records that are described in one go.
_BLOCK = 2000


class Features(Protocol):
    """Numbers that describe the records of one column (`modalities.*.space.Features`)."""

    @classmethod
    def fit(cls, column: Column, records: np.ndarray) -> Self:
        """What describes records like these, an array of objects of shape (n,)."""

    def encode(self, records: np.ndarray) -> np.ndarray:
        """The numbers of each record, shape (n, d); those of a record depend on it alone."""


@dataclass(frozen=True, eq=False)
class Description:
    """How the records of one column become numbers; it never changes with the samples.

    column: the record. names: columns that hold the numbers. schema: of described data. In it the
    record's own column is an id that holds a digest, or the text, of each record: equal records
    are told by it, and nothing else.
    """

    column: Column
    names: tuple[str, ...]
    schema: Schema
    features: Features
    _known: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    @classmethod
    def fit(cls, reference: Dataset, *real: Dataset) -> Description:
        """The description that reference rows give; the bounds of its numbers cover all real rows.

        Raises:
            ImportError: the modality has no features.
        """
        column = reference.schema.record
        assert column is not None, "rows of a table are numbers already"
        module = import_module(f"genaudit.modalities.{FOLDERS[column.kind]}.space")
        whole = reference.frame[column.name].notna().to_numpy()
        features: Features = module.Features.fit(column, reference.media[whole])
        known: dict[str, np.ndarray] = {}
        rows = [_encoded(features, data, known) for data in (reference, *real)]
        low, high = (np.array([f(r, axis=0) for r in rows]) for f in (np.nanmin, np.nanmax))
        names = _names(column.name, rows[0].shape[1], reference.schema.names)
        numbers = [
            Column(name=name, kind=Kind.NUMERIC, bounds=_apart(a, b))
            for name, a, b in zip(names, low.min(axis=0), high.max(axis=0), strict=True)
        ]
        return cls(column, names, _described(reference.schema, column, numbers), features, known)

    def of(self, data: Dataset) -> Dataset:
        """The data with numbers in the place of its records; of one that is none, no numbers."""
        record, numbers = self.column.name, _encoded(self.features, data, self._known)
        frame = {name: numbers[:, j] for j, name in enumerate(self.names)}
        frame[record] = frozen(data.frame[record]).astype(object)
        frame |= {n: data.frame[n] for n in data.schema.names if n != record}
        invalid, absent = dict(data.invalid), list(data.absent)
        if record in absent:
            absent += self.names
        elif bad := invalid.get(record):
            invalid |= dict.fromkeys(self.names, bad)
        return replace(
            data,
            schema=self.schema,
            frame=pd.DataFrame(frame)[list(self.schema.names)],
            invalid=invalid,
            absent=tuple(absent),
        )

    def said(self, names: Iterable[str]) -> tuple[str, ...]:
        """Names of columns for a reader, to whom all numbers of a record are the record."""
        own = {*self.names}
        return tuple(dict.fromkeys(self.column.name if n in own else n for n in names))


def _encoded(features: Features, data: Dataset, known: dict[str, np.ndarray]) -> np.ndarray:
    """Numbers of all records, NaN for one that is none, shape (n, d).

    Each different record is described once: where its numbers are a product, their last digits
    may depend on what else is in the batch, and equal records would not be equal.
    """
    column = data.schema.record
    assert column is not None, "only records are described"
    keys = frozen(data.frame[column.name]).astype(object)
    new = ~keys.duplicated() & keys.notna() & ~keys.isin(known.keys())
    for block in _blocks(np.flatnonzero(new.to_numpy())):
        rows = np.asarray(features.encode(data.media[block]), dtype=float)
        if not rows.shape[1]:  # nothing varies among the records that they were fitted on
            rows = np.zeros((len(rows), 1))
        known.update(zip(keys.iloc[block], rows, strict=True))
    width = len(next(iter(known.values()), ()))
    gone = np.full(width, np.nan)
    return np.array([known.get(key, gone) for key in keys]).reshape(len(keys), width)


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    yield from (rows[i : i + _BLOCK] for i in range(0, len(rows), _BLOCK))


def _names(record: str, width: int, taken: Sequence[str]) -> tuple[str, ...]:
    """`image 1`, `image 2`...: names that no other column has."""
    free = (name for i in count(1) if (name := f"{record} {i}") not in taken)
    return tuple(name for _, name in zip(range(width), free, strict=False))


def _described(schema: Schema, record: Column, numbers: Sequence[Column]) -> Schema:
    """The schema with the numbers behind the record, whose column becomes an id."""
    own = Column(name=record.name, kind=Kind.CATEGORICAL, role=Role.ID)
    columns = [
        new for c in schema.columns for new in ([own, *numbers] if c.name == record.name else [c])
    ]
    return schema.replace(modality="table", columns=[c.model_dump() for c in columns])


def _apart(low: float, high: float) -> tuple[float, float]:
    """Bounds that hold two numbers, even where these are one."""
    return (float(low), float(high)) if low < high else (float(low) - 0.5, float(high) + 0.5)
