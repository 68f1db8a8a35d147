"""A few made-up records of every kind, and files of them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from genaudit.modalities import files
from genaudit.training.dp.selfcheck.madeup import KINDS, frame_of, schema_of

__all__ = ["KINDS", "frame_of", "schema_of", "write"]


def write(kind: str, frame: pd.DataFrame, folder: Path, name: str) -> Path:
    """The records in a file or folder of their own form."""
    record = schema_of(kind).record
    suffix = {"table": ".csv", "sequence": ".csv", "text": ".csv"}.get(kind, "")
    return files.write(frame, folder / f"{name}{suffix}", record)
