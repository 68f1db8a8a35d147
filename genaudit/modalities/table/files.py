"""Tables in files: CSV, Parquet, JSON lines and NPZ, read as they are and written harmlessly.

Reading gives raw columns (text from CSV); `genaudit.data.dataset` checks them against a schema.
"""

from __future__ import annotations

import csv
import io
import math
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from genaudit.atomic import write_bytes
from genaudit.data.frame import MAX_CELL, decoded, safe_text, unsafe_text
from genaudit.errors import DataError, OptionError, reason
from genaudit.modalities.table import jsonl
from genaudit.reading import size_of

#: Bytes that the arrays of one file may take; a hostile file must not fill the memory.
MOST_ARRAYS = 2**32

#: Readers of what an array says of itself, by the version of its format.
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0,
}  # fmt: skip


def read(path: str | Path, what: str = "data") -> pd.DataFrame:
    """The table in a file, by its suffix (.csv, .parquet, .jsonl, .npz).

    Args:
        path: the file.
        what: what the file is for, used in messages ("train", "holdout", "samples").

    Raises:
        DataError: the file is absent, empty, cut short, in a foreign format, or has a column twice.
    """
    path = Path(path)
    check_there(path, what)
    try:
        frame = _READERS[path.suffix.lower()](path)
    except DataError:
        raise
    except _UNREADABLE as error:
        raise DataError(
            f"Expected {path.suffix} in the {what} file {str(path)!r}, got something else or a "
            f"file cut short: {reason(error)[:200]}; write the file anew."
        ) from error
    if len(frame) == 0:
        raise DataError(f"Expected rows in the {what} file {str(path)!r}, got only a header.")
    frame.columns = frame.columns.map(str)
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise DataError(f"Column {twice!r} is in {path.name} twice; expected each name once.")
    return decoded(frame, path.name)


def check_there(path: Path, what: str) -> None:
    """Refuse a file that is absent, empty or of a foreign format, without a look inside.

    Raises:
        DataError: it is.
    """
    size = _size(path, what)
    if path.suffix.lower() not in _READERS:
        known = ", ".join(_READERS)
        raise DataError(
            f"Expected a {what} file that ends in {known}, got {path.name!r}; convert it to one."
        )
    if size == 0:
        raise DataError(f"Expected rows in the {what} file {str(path)!r}, but it is empty.")


def write(frame: pd.DataFrame, path: str | Path, missing: str = "") -> Path:
    """Write a table by the suffix of `path`, whole or not at all.

    In CSV, text that a spreadsheet would run gets a leading apostrophe, which `read` takes back.

    Raises:
        OptionError: no such format, or the file cannot be written.
    """
    return write_bytes(path, _WRITERS[written_as(path)](frame, missing))


def written_as(path: str | Path) -> str:
    """The format of an output path by its suffix, CSV where that names none.

    Raises:
        OptionError: the suffix names a format that is not written here.
    """
    suffix = Path(path).suffix.lower()
    if suffix in _FOREIGN:
        known = ", ".join(_WRITERS)
        raise OptionError(f"Expected an output file that ends in {known}, got {Path(path).name!r}.")
    return suffix if suffix in _WRITERS else ".csv"


def _size(path: Path, what: str) -> int:
    """Bytes in a file that is there and ends."""
    try:
        return size_of(path)
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"Expected a {what} file at {str(path)!r}, found none; check the path."
        ) from None
    except IsADirectoryError:
        raise DataError(
            f"Expected a {what} file, got the folder {str(path)!r}; name a file in it."
        ) from None
    except (OSError, ValueError) as error:
        raise DataError(
            f"Expected a {what} file at {str(path)!r}, got: {reason(error)}; check the path."
        ) from error


def _read_csv(path: Path) -> pd.DataFrame:
    header = _check_rows(path)
    try:
        frame = pd.read_csv(path, dtype=str, na_filter=False, index_col=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError as error:
        raise ValueError("no column names and no rows") from error
    # pandas invents names where the file has none
    frame.columns = pd.Index([unsafe_text(name) for name in header])
    return frame.apply(_unsafe)


def _unsafe(cells: pd.Series) -> pd.Series:
    """A column without the apostrophes that made it harmless."""
    quoted = cells.str.startswith("'")
    return cells.mask(quoted, cells[quoted].map(unsafe_text)) if quoted.any() else cells


def _check_rows(path: Path) -> list[str]:
    """The header; refuse what pandas repairs in silence: doubled names, ragged rows, endless cells.

    A file that holds one column of text cut by another separator is refused with the reason.
    """
    before = csv.field_size_limit(MAX_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file)
            header = next((row for row in rows if row), [])  # pandas passes over empty lines too
            twice = next((n for n in header if header.count(n) > 1), None)
            if twice is not None:
                raise DataError(
                    f"Column {twice!r} is in {path.name} twice; expected each name once."
                )
            for i, row in enumerate(rows, start=1):
                if i == 1:
                    _check_separator(path, header, row)
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
    return header


def _check_separator(path: Path, header: list[str], row: list[str]) -> None:
    """Refuse one column whose name and first cell both hold what separates columns elsewhere."""
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0] and any(separator in c for c in row):
            raise DataError(
                f"Expected commas between the columns of {path.name}, got {name}; "
                "write the file anew with commas."
            )


def _read_parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        nested = next((f.name for f in table.schema if pa.types.is_nested(f.type)), None)
        if nested is not None:
            raise ValueError(
                f"column {nested!r} holds lists or records; expected one value in each cell"
            )
        # Whole numbers beside missing values would else become floats, and lose digits.
        return table.to_pandas(integer_object_nulls=True)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error


def _read_npz(path: Path) -> pd.DataFrame:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            got = "a single array" if file.read(6) == b"\x93NUMPY" else "no archive of arrays"
        raise ValueError(f"{got}; expected one array of shape (n,) for each column")
    columns = arrays_of(path)
    if any(a.ndim != 1 for a in columns.values()):
        raise ValueError("expected one array of shape (n,) for each column")
    return pd.DataFrame(columns)


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an NPZ by name, without pickle; its word is checked before memory is taken.

    Raises:
        ValueError: it is none, is larger than fits, an array is not what it says, or holds objects.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if (size := sum(member.file_size for member in members)) > MOST_ARRAYS:
            raise ValueError(f"arrays of {size:,} bytes, where {MOST_ARRAYS:,} are the most")
        for member in members:
            with archive.open(member) as file:
                _check_header(member.filename, file, member.file_size)
    with np.load(path, allow_pickle=False) as arrays:
        return {name: array(arrays, name) for name in arrays.files}


def _check_header(name: str, file: IO[bytes], size: int) -> None:
    """Refuse an array that says that it is larger than what is there."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:  # names of fields beyond Latin, of which no array here has any
        raise ValueError(f"array {name!r} in a format that is not read, {version}")
    shape, _, kind = _HEADERS[version](file)
    if not kind.hasobject and math.prod(shape) * kind.itemsize > size:
        raise ValueError(
            f"array {name!r} says that it has {math.prod(shape) * kind.itemsize:,} bytes, and the "
            f"file has {size:,}"
        )


def array(arrays: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """An array of an NPZ that was opened without pickle.

    Raises:
        ValueError: it holds Python objects.
    """
    try:
        return np.asarray(arrays[name])
    except ValueError as error:
        # NumPy's own words advise to unpickle it, which would run what a stranger wrote there.
        if "allow_pickle" not in str(error):
            raise
        raise ValueError(
            f"array {name!r} holds Python objects; expected numbers or text (such as dtype U)"
        ) from error


def _write_csv(frame: pd.DataFrame, missing: str) -> bytes:
    textual = [
        n for n in frame if frame[n].dtype == object or pd.api.types.is_string_dtype(frame[n])
    ]
    safe = frame.assign(**{n: frame[n].map(safe_text) for n in textual})
    safe.columns = pd.Index([safe_text(str(n)) for n in frame.columns])
    lines = _Lines()
    safe.to_csv(lines, index=False, na_rep=str(safe_text(missing)), lineterminator="\r\n")
    return lines.getvalue().encode("utf-8")


class _Lines(io.StringIO):
    """Rows of a CSV, each of which ends in a line feed alone.

    The writer of Python 3.11 quotes what ends a line and no other character: a carriage return is
    quoted only where lines end in one.
    """

    def write(self, row: str) -> int:
        """Add one row, as the writer ends it."""
        return super().write(row.removesuffix("\r\n") + "\n")


def _write_parquet(frame: pd.DataFrame, _: str) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


#: What readers raise on a file that is not what its suffix says.
_UNREADABLE = (
    ValueError, OSError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error,
    pd.errors.ParserError,
)  # fmt: skip

_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".jsonl": jsonl.read,
    ".npz": _read_npz,
}

#: Suffixes of files that are read.
SUFFIXES = tuple(_READERS)

_WRITERS: dict[str, Callable[[pd.DataFrame, str], bytes]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".jsonl": lambda frame, _: jsonl.written(frame),
}

#: Suffixes of formats that are not written here; CSV under such a name would mislead.
_FOREIGN = {
    ".npz", ".npy", ".json", ".ndjson", ".xlsx", ".xls", ".ods", ".tsv", ".pq", ".feather",
    ".arrow", ".orc", ".avro", ".pkl", ".pickle", ".h5", ".db", ".sqlite", ".sav", ".dta", ".html",
    ".xml", ".toml", ".yaml", ".pdf", ".png", ".wav", ".gz", ".bz2", ".xz", ".zst", ".zip", ".tar",
}  # fmt: skip
