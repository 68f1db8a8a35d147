"""Tables in files: what is written reads back, and no spreadsheet runs it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import OptionError
from genaudit.modalities.table import files

HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\tx",
    "<script>",
    "\u202eevil",
    "x" * 300,
]


def _hostile() -> Dataset:
    columns = {
        "=name": {"kind": "categorical", "categories": HOSTILE},
        "<script>alert(1)</script>": {"kind": "integer", "bounds": [0, 9], "nullable": True},
        "when": {"kind": "datetime", "bounds": ["2020-01-01", "2021-01-01"], "step": 86400},
        "flag": {"kind": "boolean"},
    }
    schema = Schema.from_dict({"columns": columns})
    n = len(HOSTILE)
    raw = pd.DataFrame(
        {
            "=name": HOSTILE,
            "<script>alert(1)</script>": [1, None, *range(n - 2)],
            "when": pd.date_range("2020-03-01", periods=n),
            "flag": [True, False] * (n // 2),
        }
    )
    return Dataset.of(raw, schema, "train")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_round_trip(suffix: str, tmp_path: Path) -> None:
    """Every kind of column survives writing and reading, hostile text and missing values too."""
    data = _hostile()

    path = files.write(data.to_frame(), tmp_path / f"t{suffix}")
    back = Dataset.of(files.read(path), data.schema, "train")

    pd.testing.assert_frame_equal(back.frame, data.frame)


def test_no_cell_of_a_csv_starts_a_formula(tmp_path: Path) -> None:
    """In CSV, no header and no cell begins as a spreadsheet formula would."""
    path = files.write(_hostile().to_frame(), tmp_path / "t.csv")

    cells = pd.read_csv(path, header=None, dtype=str, keep_default_na=False).to_numpy().ravel()

    assert not [c for c in cells if c.startswith(("=", "+", "-", "@", "\t"))]


def test_writing_needs_a_known_suffix(tmp_path: Path) -> None:
    """An unknown output format is refused, and nothing is written."""
    with pytest.raises(OptionError, match=r"\.csv"):
        files.write(_hostile().to_frame(), tmp_path / "t.xlsx")

    assert list(tmp_path.iterdir()) == []
