"""Does a folder that is released hold training rows: in any file, as numbers or as text.

Where the format of a file is known its tables are compared by their values, else rows are looked
for in the ways that programs write them; in a text also by the order of its numbers alone. Numbers
that were rounded to fewer digits than the table has (as print does), and statistics of columns of a
few levels, are not recognised. Beside each row stand rows that nobody has, with the same
values in other company: a value that is public anyway is found in both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genaudit.errors import DataError
from genaudit.result import Message, message
from genaudit.training.dp.selfcheck.bench import Bench, as_units, is_float
from genaudit.training.dp.selfcheck.memory import check_unread
from genaudit.training.dp.selfcheck.outcome import Stopped, failed, skipped
from genaudit.training.dp.selfcheck.reached import Place
from genaudit.training.dp.selfcheck.rows.packed import contents
from genaudit.training.dp.selfcheck.rows.prose import numbers_in
from genaudit.training.dp.selfcheck.rows.sought import Sought
from genaudit.training.dp.selfcheck.rows.tables import tables as tables_of


def release(bench: Bench) -> Message:
    """What the trainer writes for release holds none of its units."""
    trainer = bench.unused()
    trainer.step()
    if bench.is_factory:
        _check_unread(trainer)
    with tempfile.TemporaryDirectory() as place:
        folder = _saved(trainer, place)
        arrays = [_flat(a) for a in as_units(trainer.units())]
        rows = getattr(trainer, "rows", None)
        if callable(rows):  # as the table has them, and as they are trained on
            return scan(folder, [rows(), *filter(is_float, arrays)], bench.rng(5))
        return scan(folder, arrays, bench.rng(5))


def scan(
    folder: Path, tables: Sequence[pd.DataFrame | np.ndarray], rng: np.random.Generator
) -> Message:
    """Look for rows in every file of a folder, and in what is packed in them.

    Args:
        folder: What is released.
        tables: Rows, as data frames or as arrays of shape (n, width).
        rng: Which rows, and which of them nobody has.

    Raises:
        Stopped: a row was found, or there is nothing to look for.
        DataError: the folder holds no file.
    """
    files, sought = 0, [Sought(t, rng) for t in tables]
    for name, content in contents(folder):
        files += 1
        look(sought, name, content)
    if not files:
        raise DataError(f"Expected a folder with files at {str(folder)!r}, got none.")
    n = sum(s.n for s in sought)
    if not n:
        raise skipped("no_rows", "no row is long enough to be told from chance")
    return message(
        "selfcheck.bundle_ok",
        "none of {n:integer} written forms of rows stands in {files:integer} files",
        n=n, files=files,
    )  # fmt: skip


def readings(rows: pd.DataFrame) -> list[pd.DataFrame | np.ndarray]:
    """What to look for: a table as it was read, with its numbers as numbers, and its records.

    A release may hold numbers either way. Records (pictures, series, sounds) are looked for as rows
    of numbers of their own, as long as the shortest of them.
    """
    records = [c for c in rows.columns if _holds_arrays(rows[c])]
    plain = rows.drop(columns=records)
    numbers = plain.apply(pd.to_numeric, errors="coerce")
    whole = [c for c in plain.columns if numbers[c].notna().equals(plain[c].notna())]
    tables = [plain, plain.assign(**{c: numbers[c] for c in whole})] if whole else [plain]
    return [*(t for t in tables if t.shape[1]), *(_side_by_side(rows[c]) for c in records)]


def _holds_arrays(column: pd.Series) -> bool:
    return column.dtype == object and any(isinstance(v, np.ndarray) for v in column.head(1))


def _side_by_side(column: pd.Series) -> np.ndarray:
    """Records one under the other, flat, shape (n, width)."""
    flat = [np.asarray(v).ravel() for v in column]
    width = min(map(len, flat))
    return np.stack([v[:width] for v in flat])


def look(sought: Sequence[Sought], name: str, content: bytes) -> None:
    """Look for rows in one content, by values where its format is known, else by bytes.

    Raises:
        Stopped: rows are there.
    """
    found, whole = tables_of(content)
    in_order = numbers_in(content)
    for rows in sought:
        if rows.told(content):
            raise failed("bundle_value", "{file} holds a value of one record", file=name)
        if rows.counted(found, in_order):
            raise failed(
                "bundle_statistics",
                "{file} holds exact statistics of columns, such as their means, without noise",
                file=name,
            )
        match = (
            rows.in_tables(found)
            or rows.in_bytes(content, columns_only=whole)
            or rows.in_bytes(in_order.tobytes())
        )
        if match is not None:
            raise failed(
                "bundle_rows", "{file} holds {found:integer} rows of the training data",
                p_value=match.p_value, file=name, found=match.found,
            )  # fmt: skip


def _check_unread(trainer: Any) -> None:
    try:
        check_unread(trainer, lambda: _written(trainer))
    except Stopped:
        raise
    except Exception:  # noqa: S110  it may write once alone, which is looked at elsewhere
        pass


def _written(trainer: Any) -> dict[Place, np.ndarray]:
    """Numbers in the tables of a release, by file and shape."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        _saved(trainer, place)
        for name, content in contents(Path(place)):
            for i, table in enumerate(tables_of(content)[0]):
                numbers = table.select_dtypes("number").to_numpy(dtype=float, na_value=np.nan)
                found[f"{name} {i}", numbers.shape] = numbers
    return found


def _saved(trainer: Any, place: str) -> Path:
    """The folder of a release; some trainers make it, others want it to be there."""
    folder = Path(place) / "release"
    try:
        trainer.save(folder)
    except FileNotFoundError:
        folder.mkdir(exist_ok=True)
        trainer.save(folder)
    return folder


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(len(array), -1)
