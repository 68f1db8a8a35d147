"""Rows of samples by the levels of some columns, crossed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Column, Schema
from genaudit.errors import DataError, OptionError
from genaudit.modalities.table.learner import levels_of

#: One level of each column, in the order of the columns.
Cell = tuple[str, ...]

#: More cells than this are a mistake, or hold a row each.
MOST_CELLS = 10_000


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows by cell.

    columns: what is crossed. cells: all combinations of levels. codes: the cell of each row, shape
    (n,); -1 where a column has no value that it allows.
    """

    columns: tuple[str, ...]
    cells: tuple[Cell, ...]
    codes: np.ndarray

    @classmethod
    def of(cls, samples: Dataset, columns: Sequence[str]) -> Groups:
        """The rows of samples by these columns, which `grouping_columns` has checked.

        Raises:
            DataError: samples lack one of the columns.
        """
        for name in columns:
            if name in samples.absent:
                raise DataError(
                    f"Expected a column {name!r} in the samples to tell groups by, found none; "
                    "make samples with it, or name another."
                )
        levels = {n: levels_of(samples.schema[n], samples.frame[n]) for n in columns}
        codes = np.zeros(len(samples), dtype=np.int64)
        gone = np.zeros(len(samples), dtype=bool)
        for name, known in levels.items():
            where = {level: i for i, level in enumerate(known)}
            found = samples.frame[name].astype(object).map(where).astype(float).to_numpy()
            gone |= np.isnan(found)
            codes = codes * len(known) + np.nan_to_num(found).astype(np.int64)
        codes[gone] = -1
        return cls(tuple(columns), tuple(product(*levels.values())), codes)

    @cached_property
    def counts(self) -> np.ndarray:
        """Rows in each cell, shape (cells,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.cells))

    @property
    def n_without(self) -> int:
        """Rows of no cell: a value is missing, or is none that its column allows."""
        return int((self.codes < 0).sum())

    def where(self, cell: int) -> np.ndarray:
        """Positions of the rows of a cell."""
        return np.flatnonzero(self.codes == cell)

    def named(self, cell: int) -> str:
        """A cell as a person reads it, such as `sex = Female, race = Black`."""
        return in_words(self.columns, self.cells[cell])

    def check_several(self) -> None:
        """Refuse samples of one group, which nothing can be made alike to.

        Raises:
            DataError: fewer than two groups have rows.
        """
        filled = np.flatnonzero(self.counts)
        if len(filled) < 2:
            got = f"of one ({self.named(int(filled[0]))})" if len(filled) else "of none"
            raise DataError(
                f"Expected samples of at least two groups of {' and '.join(self.columns)}, got "
                f"rows {got}; make more samples, or name another column."
            )


def in_words(columns: Sequence[str], cell: Cell) -> str:
    """Columns and their levels, such as `sex = Female, race = Black`."""
    return ", ".join(f"{c} = {level}" for c, level in zip(columns, cell, strict=True))


def grouping_columns(schema: Schema, columns: Sequence[str] = ()) -> tuple[str, ...]:
    """The columns that tell groups: those named, else all sensitive ones.

    Raises:
        OptionError: there is none, one is not made by the generator, named twice, or of numbers; or
            they have too many combinations.
    """
    named = tuple(columns) or tuple(c.name for c in schema.sensitive)
    if not named:
        raise OptionError(
            "Expected a column that tells groups, but the schema has none with the role sensitive; "
            "give one that role, or name columns of levels (--column)."
        )
    for i, name in enumerate(named):
        check_levels(schema, name)
        if name in named[:i]:
            raise OptionError(f"Column {name!r} is named twice to tell groups; name each once.")
    size = int(np.prod([len(schema[name].levels or ()) or 1 for name in named], dtype=float))
    if size > MOST_CELLS:
        raise OptionError(
            f"Expected at most {MOST_CELLS:,} combinations of {', '.join(named)}, got {size:,}; "
            "name fewer columns."
        )
    return named


def check_levels(schema: Schema, name: str) -> Column:
    """The column of this name, where its values are levels that a generator makes.

    Raises:
        OptionError: there is no such column, it is not made, or its values are numbers.
    """
    made = [c.name for c in schema.modelled]
    if name not in made:
        raise OptionError(
            f"Expected a column that the generator makes ({', '.join(map(repr, made))}), got "
            f"{name!r}; name one of these."
        )
    column = schema[name]
    if not column.discrete:
        raise OptionError(
            f"Expected a column of levels to tell groups by, got {name!r}, which is {column.kind}: "
            "each of its values would be a group; cut it into intervals and declare those, or name "
            "another column."
        )
    return column
