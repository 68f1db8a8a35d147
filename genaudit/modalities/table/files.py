"""Tables in files: CSV, Parquet, JSON lines and NPZ, read as they are and written harmlessly.

Reading gives raw columns (text from CSV); `genaudit.data.dataset` checks them against a schema.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from genaudit.atomic import write_bytes
from genaudit.data.frame import MAX_CELL, safe_text, unsafe_text
from genaudit.errors import DataError, OptionError


def read(path: str | Path, what: str = "data") -> pd.DataFrame:
    """The table in a file, by its suffix (.csv, .parquet, .jsonl, .npz).

    Args:
        path: the file.
        what: what the file is for, used in messages ("train", "holdout", "samples").

    Raises:
        DataError: the file is absent, empty, cut short, in a foreign format, or has a column twice.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"Expected a {what} file at {str(path)!r}, found none; check the path.")
    if path.is_dir():
        raise DataError(f"Expected a {what} file, got the folder {str(path)!r}; name a file in it.")
    if path.suffix.lower() not in _READERS:
        known = ", ".join(_READERS)
        raise DataError(
            f"Expected a {what} file that ends in {known}, got {path.name!r}; convert it to one."
        )
    if path.stat().st_size == 0:
        raise DataError(f"Expected rows in the {what} file {str(path)!r}, but it is empty.")
    try:
        frame = _READERS[path.suffix.lower()](path)
    except DataError:
        raise
    except (ValueError, OSError, KeyError, zipfile.BadZipFile, pd.errors.ParserError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"Expected {path.suffix} in the {what} file {str(path)!r}, got something else or a "
            f"file cut short: {reason}."
        ) from error
    if len(frame) == 0:
        raise DataError(f"Expected rows in the {what} file {str(path)!r}, got only a header.")
    frame.columns = pd.Index([unsafe_text(str(name)) for name in frame.columns])
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise DataError(f"Column {twice!r} is in {path.name} twice; expected each name once.")
    return frame


def write(frame: pd.DataFrame, path: str | Path, missing: str = "") -> Path:
    """Write a table by the suffix of `path`, whole or not at all.

    In CSV, text that a spreadsheet would run gets a leading apostrophe, which `read` takes back.

    Raises:
        OptionError: no such format, or the file cannot be written.
    """
    check_writable(path)
    return write_bytes(path, _WRITERS[Path(path).suffix.lower()](frame, missing))


def check_writable(path: str | Path) -> None:
    """Refuse an output path of unknown format before any work is done for it.

    Raises:
        OptionError: no such format.
    """
    if Path(path).suffix.lower() not in _WRITERS:
        known = ", ".join(_WRITERS)
        raise OptionError(f"Expected an output file that ends in {known}, got {Path(path).name!r}.")


def _read_csv(path: Path) -> pd.DataFrame:
    _check_rows(path)
    return pd.read_csv(path, dtype=str, na_filter=False, index_col=False, encoding="utf-8-sig")


def _check_rows(path: Path) -> None:
    """Refuse what pandas repairs in silence: doubled names, ragged rows, endless cells."""
    before = csv.field_size_limit(MAX_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            twice = next((n for n in header if header.count(n) > 1), None)
            if twice is not None:
                raise DataError(
                    f"Column {twice!r} is in {path.name} twice; expected each name once."
                )
            for i, row in enumerate(rows, start=1):
                if row and len(row) != len(header):
                    raise ValueError(
                        f"row {i:,} has {len(row):,} cells, the header has {len(header):,}"
                    )
    except csv.Error as error:
        if "field larger" in str(error):
            raise ValueError(
                f"a cell has more than {MAX_CELL:,} characters (is a quote left open?)"
            ) from error
        raise ValueError(str(error)) from error
    finally:
        csv.field_size_limit(before)


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path).to_pandas()
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error


def _read_jsonl(path: Path) -> pd.DataFrame:
    frame = pd.read_json(path, lines=True, dtype=False)
    if any(isinstance(v, list | dict) for v in frame.head(1000).to_numpy().ravel()):
        raise ValueError("a cell holds a list or an object; expected one value a cell")
    return frame


def _read_npz(path: Path) -> pd.DataFrame:
    with np.load(path, allow_pickle=False) as arrays:
        columns = {name: arrays[name] for name in arrays.files}
    if any(a.ndim != 1 for a in columns.values()):
        raise ValueError("expected one array of shape (n,) for each column")
    return pd.DataFrame(columns)


def _write_csv(frame: pd.DataFrame, missing: str) -> bytes:
    textual = [n for n in frame if frame[n].dtype == object]
    safe = frame.assign(**{n: frame[n].map(safe_text) for n in textual})
    safe.columns = pd.Index([safe_text(str(n)) for n in frame.columns])
    return safe.to_csv(index=False, na_rep=missing).encode("utf-8")


def _write_parquet(frame: pd.DataFrame, _: str) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _write_jsonl(frame: pd.DataFrame, _: str) -> bytes:
    text = frame.to_json(orient="records", lines=True, date_format="iso", force_ascii=False)
    return text.encode("utf-8")


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
    ".npz": _read_npz,
}

_WRITERS: dict[str, Callable[[pd.DataFrame, str], bytes]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".jsonl": _write_jsonl,
}
