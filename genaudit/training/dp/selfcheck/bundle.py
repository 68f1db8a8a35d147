"""Does a folder that is released hold training rows: in any file, as numbers or as text.

Rows are looked for in the ways that programs write them. Beside each row stand rows that nobody
has, with the same values in other company: a value that is public anyway is found in both.
"""

from __future__ import annotations

import gzip
import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from genaudit.errors import DataError
from genaudit.result import Message, message
from genaudit.training.dp.selfcheck.bench import ALPHA, Bench, as_units
from genaudit.training.dp.selfcheck.outcome import failed, skipped

#: Rows that are looked for at most, and rows that nobody has beside each.
_ROWS, _CONTROLS = 400, 10

#: Bytes below which a row is too short to be told from chance.
_SHORT = 10

#: Significant digits from which on a number is one record's alone.
_DIGITS = 12

#: Letters from which on a name that hardly anybody shares is told from chance.
_LONG = 10

#: Bytes that are read of one file, and of what is packed in it.
_MOST = 256 * 2**20


def release(bench: Bench) -> Message:
    """What the trainer writes for release holds none of its units."""
    trainer = bench.unused()
    trainer.step()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "release"
        trainer.save(folder)
        rows = getattr(trainer, "rows", None)
        tables = [rows()] if callable(rows) else [_flat(a) for a in as_units(trainer.units())]
        return scan(folder, tables, bench.rng(5))


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
    files = list(_contents(folder))
    if not files:
        raise DataError(f"Expected a folder with files at {str(folder)!r}, got none.")
    n = 0
    for table in tables:
        for name, content in files:
            n += _look(table, name, content, rng)
    if not n:
        raise skipped("no_rows", "no row is long enough to be told from chance")
    return message(
        "selfcheck.bundle_ok",
        "none of {n:integer} written forms of rows stands in {files:integer} files",
        n=n, files=len(files),
    )  # fmt: skip


def readings(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """A table as it was read, and with its numbers as numbers: a release may hold it either way."""
    numbers = rows.apply(pd.to_numeric, errors="coerce")
    whole = [c for c in rows.columns if numbers[c].notna().equals(rows[c].notna())]
    return [rows, rows.assign(**{c: numbers[c] for c in whole})] if whole else [rows]


def _look(
    table: pd.DataFrame | np.ndarray, name: str, content: bytes, rng: np.random.Generator
) -> int:
    """Look for the rows of a table in one file; how many forms were looked for.

    Raises:
        Stopped: rows of it are there.
    """
    for value in _telling(table):
        if value.encode() in content:
            raise failed("bundle_value", "{file} holds a value of one record", file=name)
    rows = rng.permutation(len(table))[:_ROWS]
    real, n = _taken(table, rows), 0
    mixed = [_taken(_shuffled(table, rng), rows) for _ in range(_CONTROLS)]
    for form in _FORMS:
        needles = {k for k in form(real) if len(k) >= _SHORT and len(set(k)) > 2}
        found = sum(k in content for k in needles)
        n += len(needles)
        if not found:
            continue
        foreign = {k for m in mixed for k in form(m)} - needles
        also = sum(k in content for k in foreign)
        share = len(needles) / max(1, len(needles) + len(foreign))
        p_value = float(binom.sf(found - 1, found + also, share))
        if p_value < ALPHA:
            raise failed(
                "bundle_rows", "{file} holds {found:integer} rows of the training data",
                p_value=p_value, file=name, found=found,
            )  # fmt: skip
    return n


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file with its content, and what is packed in it."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            content = file.read(_MOST)
        name = str(path.relative_to(folder))
        yield name, content
        yield from _unpacked(name, content)


def _unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    if content[:2] == b"\x1f\x8b":
        with gzip.open(io.BytesIO(content)) as file:
            yield f"{name} (unpacked)", file.read(_MOST)
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            for member in packed.infolist():
                with packed.open(member) as file:
                    yield f"{name}/{member.filename}", file.read(_MOST)


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(len(array), -1)


def _taken(table: Any, rows: np.ndarray) -> Any:
    return table.iloc[rows] if isinstance(table, pd.DataFrame) else table[rows]


def _shuffled(table: Any, rng: np.random.Generator) -> Any:
    """Rows that nobody has: each column in an order of its own."""
    if isinstance(table, pd.DataFrame):
        return pd.DataFrame(
            {c: table[c].to_numpy()[rng.permutation(len(table))] for c in table.columns}
        )
    return rng.permuted(table, axis=0)


def _numbers(table: Any) -> np.ndarray | None:
    """A table as one array of numbers, where it is one."""
    if isinstance(table, np.ndarray):
        return table if table.dtype.kind in "fiub" else None
    numeric = table.select_dtypes("number")
    return None if numeric.empty else numeric.to_numpy(dtype=float, na_value=np.nan)


def _binary(kind: str) -> Callable[[Any], list[bytes]]:
    """Rows as numbers of one kind side by side."""

    def form(table: Any) -> list[bytes]:
        numbers = _numbers(table)
        if numbers is None:
            return []
        dtype = np.dtype(kind)
        if dtype.kind != "f" and not (np.isfinite(numbers).all() and (numbers % 1 == 0).all()):
            return []
        with np.errstate(all="ignore"):
            return [row.tobytes() for row in np.ascontiguousarray(numbers.astype(dtype))]

    return form


def _text(separator: str) -> Callable[[Any], list[bytes]]:
    """Rows as text with something between the values."""

    def form(table: Any) -> list[bytes]:
        values = table.to_numpy(dtype=object) if isinstance(table, pd.DataFrame) else table
        return [separator.join(_written(v) for v in row).encode() for row in values]

    return form


_FORMS: tuple[Callable[[Any], list[bytes]], ...] = (
    *(_binary(kind) for kind in ("<f4", "<f8", "<i8", "<i4", "u1")),
    *(_text(separator) for separator in (",", ", ", ";", "\t", '", "', '","')),
)


def _written(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return str(float(value))
    return "" if value is None or value is pd.NA else str(value)


def _telling(table: Any) -> list[str]:
    """Values that are one record's alone: numbers of many digits, and long names that few share."""
    frame = table if isinstance(table, pd.DataFrame) else pd.DataFrame(table)
    found: list[str] = []
    for name in frame.columns:
        values = frame[name].dropna()
        if values.dtype == np.float64:
            # Ends of a column are what leaks first: as bounds, as edges of cells.
            some = [values.min(), values.max(), *values.head(_ROWS)] if len(values) else []
            found += [text for text in map(repr, map(float, some)) if _digits(text) >= _DIGITS]
        elif not pd.api.types.is_numeric_dtype(values) and values.nunique() > 0.95 * len(values):
            found += [text for text in map(str, values.head(_ROWS)) if len(text) >= _LONG]
    return found


def _digits(text: str) -> int:
    """Significant digits of a written number."""
    mantissa = text.lower().partition("e")[0].replace(".", "").replace("-", "")
    return len(mantissa.strip("0"))
