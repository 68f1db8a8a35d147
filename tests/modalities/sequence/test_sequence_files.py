"""Series in files: panels and arrays."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from genaudit.data.record import as_column
from genaudit.errors import DataError
from genaudit.modalities.sequence import files
from tests.modalities.sequence.made import COLUMN, walks

PANEL = """who,when,a,b,town
x,2,0.5,20,Rome
y,10,1,50,Bern
x,1,0.25,10,Rome
y,9,-1,40,Bern
x,3,0.75,30,Rome
"""


def panel(folder: Path, text: str = PANEL) -> Path:
    path = folder / "panel.csv"
    path.write_text(text)
    return path


def timed(folder: Path, times: Any, suffix: str) -> Path:
    """The panel with other times, which stand in the order of its own."""
    rows = pd.read_csv(io.StringIO(PANEL)).assign(when=times)
    path = folder / f"timed{suffix}"
    if suffix == ".csv":
        rows.to_csv(path, index=False)
    else:
        rows.to_parquet(path)
    return path


def test_a_panel(tmp_path: Path) -> None:
    """Steps are in the order of time, and what is the same throughout is an attribute."""
    frame = files.read(panel(tmp_path), "train", COLUMN)

    assert list(frame.columns) == ["who", "town", "series"]
    assert frame["town"].tolist() == ["Rome", "Bern"]
    assert frame["series"][0].tolist() == [[0.25, 10], [0.5, 20], [0.75, 30]]
    assert frame["series"][1].tolist() == [[-1, 40], [1, 50]]  # 9 is before 10
    assert frame["series"][0].dtype == np.float32


TIMES = ["2019-12-05", "2020-01-31", "2019-11-25", "2019-01-01", "2019-12-31T18:30"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_dates_are_in_their_order(tmp_path: Path, suffix: str) -> None:
    """Days and moments of ISO 8601 stand in the order of time, as text or as such."""
    typed = pd.to_datetime(pd.Series(TIMES), format="ISO8601")
    path = timed(tmp_path, TIMES if suffix == ".csv" else typed, suffix)
    frame = files.read(path, "train", COLUMN)

    assert [s[:, 1].tolist() for s in frame["series"]] == [[10, 20, 30], [40, 50]]


FINE = [9007199254740993, 6, 9007199254740992, 5, 9007199254740994]


@pytest.mark.parametrize(
    "times",
    [
        FINE,
        pd.to_timedelta(FINE),
        ["2020-W02", "2020-W10", "2019-W52-1", "2020-W03-4", "2020-02-01"],
        ["09:30", "18:30:05", "08:15", "11:00", "23:59"],
        [
            "2020-01-01T00:00:00.000000002",
            "2020-01-01T00:00:00.000000003",
            "2020-01-01",
            "2020",
            "2021",
        ],
        [f"P{n}D" for n in (2, 10, 1, 9, 30)],
        [dt.time(9, 30), dt.time(18), dt.time(8), dt.time(11), dt.time(23)],
    ],
    ids=["whole", "durations", "weeks", "hours", "nanoseconds", "days", "clock"],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_times_that_are_fine_or_rare(tmp_path: Path, times: Any, suffix: str) -> None:
    """None is rounded to another, and week dates and times of day are of ISO 8601 too."""
    frame = files.read(timed(tmp_path, times, suffix), "train", COLUMN)

    assert [s[:, 1].tolist() for s in frame["series"]] == [[10, 20, 30], [40, 50]]


@pytest.mark.parametrize(
    "times",
    [
        ["11/25/2019", "12/05/2019", "01/02/2020", "01/03/2020", "01/04/2020"],
        ["Jan", "Feb", "Mar", "Apr", "May"],
        ["wk7", "wk8", "wk9", "wk10", "wk11"],
    ],
)
def test_times_that_only_a_person_reads(tmp_path: Path, times: list[str]) -> None:
    """Their order as text is not that of time, so they are refused."""
    rows = pd.read_csv(io.StringIO(PANEL))
    rows["when"] = times
    rows.to_csv(tmp_path / "panel.csv", index=False)

    with pytest.raises(DataError, match=f"ISO 8601, got '{times[0]}' in row 1 of column 'when'"):
        files.read(tmp_path / "panel.csv", "train", COLUMN)


@pytest.mark.parametrize("times", [[2.0, 10, 1, np.nan, 3], [*pd.to_datetime(TIMES[:4]), pd.NaT]])
def test_a_missing_time_of_a_parquet(tmp_path: Path, times: list[object]) -> None:
    """One NaN or NaT does not make texts of all others."""
    rows = pd.read_csv(io.StringIO(PANEL))
    rows["when"] = times
    rows.to_parquet(tmp_path / "panel.parquet")

    with pytest.raises(DataError, match="got none in 1 of 5 rows"):
        files.read(tmp_path / "panel.parquet", "train", COLUMN)


def test_windows_are_of_one_entity(tmp_path: Path) -> None:
    """A longer series is cut into parts that do not overlap, each a row of the same entity."""
    column = COLUMN.model_copy(update={"window": 2})
    frame = files.read(panel(tmp_path), "train", column)

    assert frame["who"].tolist() == ["x", "x", "y"]
    assert [len(s) for s in frame["series"]] == [2, 1, 2]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("x,3,0.75,30,Rome", "x,3,0.75,30,Oslo", "'town' of panel.csv to be the same in all steps"),
        ("x,3,", "x,2,", "when '2' of who 'x' twice"),
        ("0.75,30", "0.75,much", "channel 'b' of panel.csv, got 'much' in row 5"),
        ("0.75,30", "0.75,", "channel 'b' of panel.csv, got '' in row 5"),
        ("x,3,", "x,,", "got none in 1 of 5 rows, the first of them row 5, of column 'when'"),
        ("x,3,", ",3,", "Expected an entity in every row of panel.csv, got none in row 5"),
        ("y,10,1", "y,10:5,1", "got '10:5' in row 2 of column 'when'"),
        ("x,3,", "x,wk3,", "got 'wk3' in row 5 of column 'when'; write them like 1, 2, 3"),
        ("who,when", "whose,when", "Expected a column 'who'"),
        ("town", "series", "a name of their own"),
    ],
)
def test_a_panel_at_fault(tmp_path: Path, old: str, new: str, said: str) -> None:
    """What is at fault is named, with its place."""
    with pytest.raises(DataError, match=said):
        files.read(panel(tmp_path, PANEL.replace(old, new)), "train", COLUMN)


def test_a_panel_without_a_declaration(tmp_path: Path) -> None:
    """Nobody guesses which column is the time."""
    with pytest.raises(DataError, match="entity, time and channels"):
        files.read(panel(tmp_path), "train")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_written_and_read(tmp_path: Path, suffix: str) -> None:
    """Made series come back from every format, with their attributes."""
    series = walks(5)
    frame = pd.DataFrame({"series": as_column(list(series)), "group": list("abbab")})
    path = files.write(frame, tmp_path / f"made{suffix}", COLUMN)

    back = files.read(path, "samples", COLUMN)

    assert back["group"].tolist() == list("abbab")
    for one, other in zip(series, back["series"], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_windows_written_and_read(tmp_path: Path) -> None:
    """Parts of one entity follow each other, so that no time is there twice."""
    column = COLUMN.model_copy(update={"window": 2})
    frame = files.read(panel(tmp_path), "train", column)
    back = files.read(files.write(frame, tmp_path / "again.csv", column), "samples", column)

    assert back["who"].tolist() == frame["who"].tolist()
    assert all((a == b).all() for a, b in zip(back["series"], frame["series"], strict=True))


def test_arrays(tmp_path: Path) -> None:
    """Arrays need no declaration; one channel may go without an axis of its own."""
    path = tmp_path / "data.npz"
    np.savez(path, series=np.arange(6.0).reshape(2, 3), lengths=[3, 2], group=["a", "b"])
    frame = files.read(path)

    assert [s.shape for s in frame["series"]] == [(3, 1), (2, 1)]
    assert frame["group"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"values": np.zeros((2, 3))}, "got none"),
        ({"series": np.zeros(3)}, r"shape \(3,\)"),
        ({"series": np.zeros((0, 3, 1))}, "got none"),
        ({"series": np.zeros((2, 3)), "lengths": [0, 4]}, "lengths from 1 to 3"),
        ({"series": np.zeros((2, 3)), "group": ["a"]}, "array 'group'"),
        ({"series": np.array([[None, None]])}, "something else or a file cut short"),
    ],
)
def test_arrays_at_fault(tmp_path: Path, arrays: dict[str, object], said: str) -> None:
    """What is at fault is said, and nothing is unpickled."""
    path = tmp_path / "data.npz"
    np.savez(path, allow_pickle=True, **arrays)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=said):
        files.read(path)
