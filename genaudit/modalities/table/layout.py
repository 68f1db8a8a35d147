"""Which one-hot blocks a network makes, which are the condition: cells to digits and back.

Columns with many cells are two digits (`ColumnCells.digits`), so that no network is wider than it
must be. The condition is one cell of the joint of a few columns; the network gets it as one-hot
codes of those columns and makes all other columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from genaudit.errors import OptionError
from genaudit.modalities.table.cells import Grid

#: Most cells that the joint of the condition columns may have.
MAX_JOINT = 512

#: Blocks are counted in pairs while they are no wider than this together, and no more.
MAX_PAIRED_WIDTH, MAX_PAIRED = 4096, 128


@dataclass(frozen=True)
class Layout:
    """A grid, and the columns of it that are the condition (none: everything is made).

    beside: whether the columns stand beside an image, a series, a sound or a text. All of them may
    then be the condition, or there may be none; and they are not counted in pairs.
    """

    grid: Grid
    condition: tuple[str, ...] = ()
    beside: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.condition if name not in self.grid.names]
        if unknown:
            raise OptionError(
                f"No column to condition on is called {unknown[0]!r}; "
                f"there are {', '.join(map(repr, self.grid.names))}."
            )
        if len(set(self.condition)) < len(self.condition):
            raise OptionError("A column to condition on is named twice; expected each once.")
        if len(self.condition) == len(self.grid.names) and not self.beside:
            raise OptionError("Expected at least one column that is not a condition, got none.")
        if self.n_joint > MAX_JOINT:
            raise OptionError(
                f"The condition columns {', '.join(map(repr, self.condition))} have "
                f"{self.n_joint:,} cells together; expected at most {MAX_JOINT}. "
                "Condition on fewer."
            )

    @cached_property
    def made(self) -> tuple[int, ...]:
        """Positions of the columns that the network makes."""
        return tuple(j for j, name in enumerate(self.grid.names) if name not in self.condition)

    @cached_property
    def given(self) -> tuple[int, ...]:
        """Positions of the condition columns, in the order of `condition`."""
        return tuple(self.grid.names.index(name) for name in self.condition)

    @cached_property
    def blocks(self) -> tuple[int, ...]:
        """Sizes of the one-hot blocks that the network makes."""
        return tuple(size for j in self.made for size in self.grid.columns[j].digits)

    @cached_property
    def gates(self) -> tuple[int | None, ...]:
        """For each block, the block whose last cell ("missing") leaves it empty, or None."""
        found: list[int | None] = []
        for j in self.made:
            column, start = self.grid.columns[j], len(found)
            low = start if column.nullable else None
            found += [None] if len(column.digits) == 1 else [None, low]
        return tuple(found)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Sizes of all blocks of a record: those that are made, then the condition's columns."""
        return (*self.blocks, *self.given_sizes)

    @cached_property
    def owners(self) -> tuple[int, ...]:
        """Position of the column of each block of a record."""
        made = [j for j in self.made for _ in self.grid.columns[j].digits]
        return (*made, *self.given)

    @cached_property
    def ordered(self) -> tuple[tuple[int, int] | None, ...]:
        """For each block of a record, the cells [first, last) that are intervals of a number."""
        columns = [self.grid.columns[j] for j in self.owners]
        return tuple(
            (len(c.spikes), c.n_values) if c.edges and len(c.digits) == 1 else None for c in columns
        )

    def blocks_of(self, name: str) -> tuple[int, ...]:
        """Blocks of a column; none of one that there is not."""
        return tuple(i for i, j in enumerate(self.owners) if self.grid.columns[j].name == name)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs of blocks that are counted together, by what is public alone.

        All of them, or in a very wide table those of the narrowest blocks, and both digits of each
        column.
        """
        if self.beside:
            return ()
        narrow = sorted(range(len(self.sizes)), key=lambda i: (i < len(self.blocks), self.sizes[i]))
        width = np.cumsum([self.sizes[i] for i in narrow])
        n = min(MAX_PAIRED, int(np.searchsorted(width, MAX_PAIRED_WIDTH, side="right")))
        paired = set(narrow[:n])
        return tuple(
            (i, j)
            for i, j in combinations(range(len(self.sizes)), 2)
            if {i, j} <= paired or self.owners[i] == self.owners[j]
        )

    @cached_property
    def given_sizes(self) -> tuple[int, ...]:
        """Cells of each condition column."""
        return tuple(self.grid.sizes[j] for j in self.given)

    @property
    def n_joint(self) -> int:
        """Cells of the joint of the condition columns; 1 without a condition."""
        total = 1
        for size in self.given_sizes:
            total *= size
        return total

    @cached_property
    def cells(self) -> np.ndarray:
        """Cell of each condition column in each joint cell, shape (n_joint, k)."""
        if not self.given:
            return np.zeros((1, 0), dtype=np.int64)
        index = np.unravel_index(np.arange(self.n_joint), self.given_sizes)
        return np.stack(index, axis=1).astype(np.int64)

    def split(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Digits of the made columns, shape (n, blocks), and cell of the condition, shape (n,).

        A digit is -1 where a missing value has none.

        Args:
            codes: Cells of the records, shape (n, columns).
        """
        digits: list[np.ndarray] = []
        for j in self.made:
            digits += self.grid.columns[j].split(codes[:, j])
        joint = np.zeros(len(codes), dtype=np.int64)
        if self.given:
            joint = np.ravel_multi_index(tuple(codes[:, self.given].T), self.given_sizes)
        none = np.empty((len(codes), 0), dtype=np.int64)
        return np.stack(digits, axis=1) if digits else none, joint

    def join(self, digits: np.ndarray, joint: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Cells of the records, shape (n, columns), from digits of all blocks and the condition."""
        codes = np.empty((len(digits), len(self.grid.names)), dtype=np.int64)
        codes[:, list(self.given)] = self.cells[joint]
        start = 0
        for j in self.made:
            column = self.grid.columns[j]
            end = start + len(column.digits)
            codes[:, j] = column.join(digits[:, start:end], rng)
            start = end
        return codes
