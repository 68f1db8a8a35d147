"""The table of shares that samples are to have: public, or wished for; never counted in real rows.

A share counted in private rows is a release of them, and has to be paid for before it comes here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from genaudit.data.schema import Schema
from genaudit.errors import OptionError
from genaudit.mitigation.given import is_share
from genaudit.mitigation.groups import Cell, check_levels, grouping_columns, in_words
from genaudit.reading import read_toml

#: How far shares may be from a sum of 1, as in an audit that is given the same target.
_ROUNDING = 1e-6

EQUAL = "equal"

#: What a table may be given as: `equal`, column -> (level -> share, or `equal`), or rows with one
#: level of each column and a share.
Spec = str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class TargetTable:
    """Shares of the joint levels of some columns.

    shares: cell -> share, every cell once, summing to 1.
    """

    columns: tuple[str, ...]
    shares: Mapping[Cell, float]

    @classmethod
    def of(cls, spec: Spec, schema: Schema, columns: Sequence[str] = ()) -> TargetTable:
        """The table in a word, a file or a mapping; tables of several columns are multiplied.

        Args:
            spec: `equal`: equal shares of all groups. A file (TOML) with `[target]`, a table of
                levels or `equal` for each column, or with `[[cells]]`, a level of each column and a
                `share`. The same as a mapping, or as a sequence of cells.
            schema: What levels there are.
            columns: What `equal` is about; the sensitive columns by default.

        Raises:
            OptionError: a column or level is unknown or left out, or shares do not sum to 1.
        """
        if isinstance(spec, str | Path) and str(spec) != EQUAL:
            spec = _read(Path(spec))
        if isinstance(spec, str | Path):
            spec = dict.fromkeys(grouping_columns(schema, columns), EQUAL)
        elif columns:
            raise OptionError(
                "Expected columns to tell groups by beside the word equal alone, as a table of "
                "shares names its own; leave them out."
            )
        if isinstance(spec, Mapping):
            return cls._of_columns(spec, schema)
        if isinstance(spec, Sequence) and not isinstance(spec, str):
            return cls._of_cells(spec, schema)
        raise _unusable(f"a {type(spec).__name__}")

    @classmethod
    def _of_columns(cls, spec: Mapping[str, Any], schema: Schema) -> TargetTable:
        if not spec:
            raise _unusable("an empty table")
        names = grouping_columns(schema, tuple(map(str, spec)))
        each = [_shares(name, spec[name], schema) for name in names]
        joint = {
            cell: math.prod(one[level] for one, level in zip(each, cell, strict=True))
            for cell in product(*each)
        }
        return cls(names, joint)._checked()

    @classmethod
    def _of_cells(cls, rows: Sequence[Mapping[str, Any]], schema: Schema) -> TargetTable:
        if not rows or not all(isinstance(row, Mapping) and "share" in row for row in rows):
            raise _unusable("cells without a share")
        names = tuple(name for name in rows[0] if name != "share")
        if not names:
            raise _unusable("cells without a column")
        grouping_columns(schema, names)
        given: dict[Cell, float] = {}
        for row in rows:
            if set(row) != {*names, "share"}:
                raise _unusable(f"cells of different columns ({', '.join(map(str, row))})")
            cell = tuple(_level(n, row[n], schema) for n in names)
            if cell in given:
                raise OptionError(f"The cell {in_words(names, cell)} has two shares; expected one.")
            given[cell] = _share(row["share"], in_words(names, cell))
        for cell in product(*(_levels(n, schema) for n in names)):
            if cell not in given:
                raise _left_out(in_words(names, cell))
        _check_sum(sum(given.values()), ", ".join(names))
        return cls(names, given)._checked()

    def _checked(self) -> TargetTable:
        """The table with shares that sum to 1 exactly, of at least two groups."""
        if sum(share > 0 for share in self.shares.values()) < 2:
            raise OptionError(
                f"Expected a target of at least two groups of {' and '.join(self.columns)}, got "
                "one that gives everything to one; give others a share."
            )
        total = sum(self.shares.values())
        return TargetTable(self.columns, {c: s / total for c, s in self.shares.items()})

    def of_cells(self, cells: Sequence[Cell]) -> np.ndarray:
        """Share of each of these cells, shape (cells,); 0 for one that the table does not know."""
        return np.array([self.shares.get(cell, 0.0) for cell in cells])

    def to_rows(self) -> list[dict[str, str | float]]:
        """One row a cell, as a file would hold them."""
        return [
            {**dict(zip(self.columns, cell, strict=True)), "share": share}
            for cell, share in self.shares.items()
        ]


def apportioned(n: int, shares: np.ndarray) -> np.ndarray:
    """Whole numbers that sum to n and are as near to n * shares as can be, shape (cells,).

    >>> apportioned(10, np.array([1 / 3, 1 / 3, 1 / 3])).tolist()
    [4, 3, 3]
    """
    exact = n * shares
    whole = np.floor(exact + 1e-9).astype(np.int64)
    left = n - int(whole.sum())
    whole[np.argsort(-(exact - whole), kind="stable")[:left]] += 1
    return whole


def _read(path: Path) -> Any:
    what = "a target (TOML), or the word equal"
    found = read_toml(path, what)
    if len(found) != 1 or not found.keys() <= {"target", "cells"}:
        got = ", ".join(found) or "nothing"
        raise OptionError(
            f"Expected one of [target] and [[cells]] in {str(path)!r}, got {got}; write "
            '[target] with a line such as sex = {Female = 0.5, Male = 0.5}, or sex = "equal".'
        )
    return next(iter(found.values()))


def _shares(name: str, given: Any, schema: Schema) -> dict[str, float]:
    """Level -> share of one column."""
    levels = _levels(name, schema)
    if given == EQUAL:
        return {level: 1 / len(levels) for level in levels}
    if not isinstance(given, Mapping):
        raise _unusable(f"{given!r} for {name!r}")
    found = {_level(name, k, schema): _share(v, f"{name} = {k}") for k, v in given.items()}
    for level in levels:
        if level not in found:
            raise _left_out(f"{name} = {level}")
    _check_sum(sum(found.values()), name)
    return {level: found[level] for level in levels}


def _levels(name: str, schema: Schema) -> tuple[str, ...]:
    levels = check_levels(schema, name).levels
    if not levels:
        raise OptionError(
            f"Expected the levels of {name!r} in the schema, got none; declare its categories."
        )
    return levels


def _level(name: str, given: Any, schema: Schema) -> str:
    levels = _levels(name, schema)
    if str(given) not in levels:
        raise OptionError(
            f"Column {name!r}: no level {str(given)!r} exists; there are "
            f"{', '.join(map(repr, levels[:20]))}{', ...' if len(levels) > 20 else ''}."
        )
    return str(given)


def _share(given: Any, what: str) -> float:
    if not is_share(given):
        raise OptionError(f"Expected a share from 0 to 1 for {what}, got {given!r}; correct it.")
    return float(given)


def _check_sum(total: float, what: str) -> None:
    if abs(total - 1) > _ROUNDING:
        raise OptionError(
            f"Expected shares of {what} that sum to 1, got a sum of {total:.6g}; correct them."
        )


def _left_out(what: str) -> OptionError:
    return OptionError(
        f"Expected a share of every group in the target, got none for {what}; write 0 where it is "
        "to be left out."
    )


def _unusable(got: str) -> OptionError:
    return OptionError(
        "Expected a target as the word equal, a table of shares for each column, or cells with a "
        f"share each, got {got}; write one such as sex = {{Female = 0.5, Male = 0.5}}."
    )
