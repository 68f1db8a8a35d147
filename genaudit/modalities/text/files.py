"""Texts in files: one a line in .txt, or one a row in a table (CSV, Parquet, JSON lines).

A line of a .txt file is a text as it stands, spaces included; empty lines hold none.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from genaudit.atomic import write_bytes
from genaudit.errors import DataError, OptionError
from genaudit.modalities.table import files as tables
from genaudit.reading import read_text

#: Name of the column that the lines of a .txt file become.
COLUMN = "text"

#: Suffix of a file of lines.
LINES = ".txt"


def read(path: str | Path, what: str = "data") -> pd.DataFrame:
    """Texts in a file, by its suffix: lines as one column `text`, tables as they are.

    Empty lines are passed over. A line ends in a line feed, with or without a carriage return;
    other breaks of Unicode are part of a text.

    Args:
        path: The file.
        what: What the file is for, used in messages ("train", "holdout", "samples").

    Raises:
        DataError: the file is absent, no UTF-8 text, or holds no text.
    """
    path = Path(path)
    if path.suffix.lower() != LINES:
        return tables.read(path, what)
    whole = read_text(path, f"the {what} file", DataError)
    lines = [line.removesuffix("\r") for line in whole.split("\n")]
    lines = [line for line in lines if line]
    if not lines:
        raise DataError(
            f"Expected a text on each line of the {what} file {str(path)!r}, got none; write one "
            "record a line."
        )
    return pd.DataFrame({COLUMN: pd.Series(lines, dtype=object)})


def write(frame: pd.DataFrame, path: str | Path, missing: str = "") -> Path:
    """Write texts by the suffix of `path`: a frame of one column as lines, or a table.

    Raises:
        OptionError: lines cannot hold what is in the frame, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != LINES:
        return tables.write(frame, path, missing)
    if len(frame.columns) != 1:
        names = ", ".join(map(repr, frame.columns))
        raise OptionError(
            f"Expected one column to write as lines of {path.name!r}, got {names}; attributes need "
            "a file that ends in .jsonl or .csv."
        )
    texts = frame.iloc[:, 0].tolist()
    for i, text in enumerate(texts, start=1):
        if not isinstance(text, str) or not text or "\n" in text or text.endswith("\r"):
            raise OptionError(
                f"Expected texts of one line for {path.name!r}, got {text!r} in record {i:,}; "
                "write a file that ends in .jsonl or .csv instead."
            )
    return write_bytes(path, "".join(f"{text}\n" for text in texts).encode("utf-8"))
