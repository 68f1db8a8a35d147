"""JSON lines: every value comes back as it was, and what is no table is refused by its line."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from genaudit.data.frame import MAX_CELL
from genaudit.errors import DataError
from genaudit.modalities.table import files, jsonl

VALUES = {
    "float": [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 1e22, None],
    "whole float": [1.0, 2.0, -3.0],
    "int": [0, -(2**63), 2**63 - 1, 2**53 + 1],
    "int or nothing": [2**53 + 1, None, 3],
    "huge int": [2**64, -(2**70), 10**400],
    "bool": [True, False],
    "bool or nothing": [True, None, False],
    "text": ["", "é\u202e", "a\u2028b\nc", '"', "=1+1", "01234", None],
    "mixed": [1, 1.5, "1", True, None],
    "nothing": [None, None],
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_every_value_comes_back(values: list[object], tmp_path: Path) -> None:
    """What Python's own writer wrote is read exactly, and so is what we write of it."""
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"x": v}) + "\n" for v in values))

    read = files.read(path)["x"]
    again = files.read(files.write(pd.DataFrame({"x": read}), path))["x"]

    for found in (read, again):
        plain = found.astype(object).where(found.notna(), None).tolist()
        assert plain == values
        assert [type(v) for v in plain] == [type(v) for v in values]


def test_random_floats_survive_writing_and_reading(tmp_path: Path) -> None:
    """No digit of a float is lost, whatever its size."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000) * 10.0 ** rng.integers(-200, 200, 2000)

    back = files.read(files.write(pd.DataFrame({"x": x}), tmp_path / "t.jsonl"))

    assert (back["x"].to_numpy() == x).all()


def test_dates_and_other_objects_are_written_in_full(tmp_path: Path) -> None:
    """Times keep their microseconds; numbers of NumPy inside objects are numbers."""
    stamps = pd.to_datetime(["2020-01-31T12:00:00.000125", None])
    frame = pd.DataFrame({
        "t": stamps, "d": [dt.date(1500, 1, 2), None],
        "n": np.array([np.int64(3), np.float64("nan")], dtype=object),
    })  # fmt: skip

    back = files.read(files.write(frame, tmp_path / "t.jsonl"))

    assert pd.to_datetime(back["t"]).tolist()[0] == stamps[0]
    assert back["d"].tolist()[0] == "1500-01-02"
    assert back["n"].tolist()[0] == 3
    assert back.isna().sum().tolist() == [1, 1, 1]


def test_names_that_a_row_lacks_are_missing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows may differ in names and their order, also where a name appears in a later batch."""
    monkeypatch.setattr(jsonl, "_BATCH", 2)
    path = tmp_path / "t.jsonl"
    path.write_text('{"a":1}\n\n{"a":2}\r\n{"b":"x","a":3}\n{"b":"y"}\n')

    frame = files.read(path)

    assert frame["a"].astype(object).where(frame["a"].notna(), None).tolist() == [1, 2, 3, None]
    assert frame["b"].isna().tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"a": 1}]\n', "line 1 is no object"),
        ('{"a": 1}\nnull\n', "line 2 is no object"),
        ('{"a": 1}\n{"a": 2', "line 2: Expecting"),
        ('{"a": 1, "a": 2}\n', "line 1: a name stands twice"),
        ('{"a": [1]}\n', "column 'a' holds a list or an object"),
        ('{"a": {"b": 1}}\n', "column 'a' holds a list or an object"),
        ('{"a": 1}\n' * 1001 + '{"a": [1]}\n', "column 'a' holds a list"),
        ('{"a": ' + "[" * 100_000, "line 1 is nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "line 1: a number of thousands of digits"),
        ('{"a": "' + "x" * (MAX_CELL + 1) + '"}', "1,000,000 characters"),
        ('{"a": "\\ud800"}', "half of a character"),
        ("".join(f'{{"k{i}": 1}}\n' for i in range(1200)), "1,200 names"),
    ],
)
def test_what_is_no_table_is_refused(text: str, says: str, tmp_path: Path) -> None:
    """Hostile or broken lines end in one sentence and fill no memory."""
    path = tmp_path / "t.jsonl"
    path.write_text(text)

    with pytest.raises(DataError, match=says) as caught:
        files.read(path)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_an_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without a line break is not read whole."""
    monkeypatch.setattr(jsonl, "_MAX_LINE", 50)
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1}\n' + '{"a": "' + "x" * 100 + '"}')

    with pytest.raises(DataError, match="line 2 has more than 50 characters"):
        files.read(path)
