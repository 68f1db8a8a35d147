"""JSON lines, one object a row: read and written without losing a digit.

pandas' own reader rounds floats and refuses large integers, and its writer cuts floats after ten
digits; equal rows would then differ between a CSV and a JSON file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from genaudit.data.frame import MAX_CELL
from genaudit.errors import reason

#: Rows that are parsed before their cells join their columns.
_BATCH = 10_000

#: Longest line; a row may hold many cells, but no file is one row.
_MAX_LINE = 100 * MAX_CELL

#: Types that keep every value of a column of one kind, missing ones too.
_DTYPES = {float: "float64", int: "Int64", bool: "boolean", str: "str"}


def read(path: Path) -> pd.DataFrame:
    """The table in a file of JSON lines; a name that a row lacks is missing there.

    Raises:
        ValueError: a line is no object, or a cell is no single value.
    """
    columns: dict[str, list[Any]] = {}
    n = n_cells = 0
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        lines = _rows(file)
        while rows := list(islice(lines, _BATCH)):
            for name in chain.from_iterable(dict.fromkeys(map(tuple, rows))):
                columns.setdefault(name, [None] * n)
            n, n_cells = n + len(rows), n_cells + sum(map(len, rows))
            # A table is a rectangle: few cells under very many names would fill the memory.
            if n * len(columns) > 100 * n_cells + 10**6:
                raise ValueError(f"its {n:,} rows have {len(columns):,} names between them")
            for name, cells in columns.items():
                new = [row.get(name) for row in rows]
                _check(name, new)
                cells.extend(new)
    return pd.DataFrame({name: _typed(cells) for name, cells in columns.items()})


def written(frame: pd.DataFrame) -> bytes:
    """A table as JSON lines; floats as Python prints them, dates in ISO form, missing as null."""
    encode = json.JSONEncoder(ensure_ascii=False, default=_plain).encode
    names = [str(name) for name in frame.columns]
    columns = [c.astype(object).where(c.notna(), None).tolist() for _, c in frame.items()]
    rows = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
    return "".join(encode(row) + "\n" for row in rows).encode("utf-8")


def _rows(file: TextIO) -> Iterator[dict[str, Any]]:
    for i in count(1):
        line = file.readline(_MAX_LINE + 1)
        if not line:
            return
        if line.isspace():
            continue
        if len(line) > _MAX_LINE:
            raise ValueError(f"line {i:,} has more than {_MAX_LINE:,} characters")
        try:
            row = json.loads(line)
            # Every name has a colon: with no more of them than names, none stands there twice.
            if isinstance(row, dict) and line.count(":") > len(row):
                row = json.loads(line, object_pairs_hook=_row)
        except RecursionError as error:
            raise ValueError(f"line {i:,} is nested too deeply") from error
        except ValueError as error:
            raise ValueError(f"line {i:,}: {getattr(error, 'msg', reason(error))}") from error
        if not isinstance(row, dict):
            raise ValueError(f'line {i:,} is no object such as {{"age": 42, "sex": "Female"}}')
        yield row


def _row(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return row


def _check(name: str, cells: list[Any]) -> None:
    """Refuse what is no cell: lists, objects, endless text, half of a character."""
    kinds = set(map(type, cells))
    if kinds & {list, dict}:
        raise ValueError(f"column {name!r} holds a list or an object; expected one value a cell")
    text = [cell for cell in cells if type(cell) is str] if str in kinds else []
    if any(len(cell) > MAX_CELL for cell in text):
        raise ValueError(f"a cell of column {name!r} has more than {MAX_CELL:,} characters")
    "".join([name, *text]).encode("utf-8")


def _typed(cells: list[Any]) -> pd.Series:
    """A column of the type that keeps its values; mixed and very large ones stay Python's own."""
    kinds = list(set(map(type, cells)) - {type(None)})
    dtype = _DTYPES.get(kinds[0], "object") if len(kinds) == 1 else "object"
    if kinds == [int] and not all(c is None or -(2**63) <= c < 2**63 for c in cells):
        dtype = "object"
    return pd.Series(cells, dtype=dtype)


def _plain(value: Any) -> Any:
    """What JSON has no form for: dates and times as ISO text, numbers of NumPy as numbers."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else str(value)
