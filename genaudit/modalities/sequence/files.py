"""Series in files: a panel (one row for each step) as CSV or Parquet, or arrays in an NPZ.

A panel has a column that names the entity, one for the time, and one for each channel; all others
are attributes of the entity. An NPZ has `series`, shape (n, steps, channels), perhaps `lengths`,
shape (n,), and attributes, shape (n,) each.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import date, datetime
from datetime import time as clock
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genaudit.atomic import write_bytes
from genaudit.data.record import as_column
from genaudit.data.schema import Column
from genaudit.errors import DataError, reason
from genaudit.modalities.table import files as tables

#: Name of the records where no column declares one.
SERIES = "series"


def read(path: str | Path, what: str = "data", column: Column | None = None) -> pd.DataFrame:
    """One row for each series, with its attributes and a column of arrays, (steps, channels) each.

    The column of arrays has the name of `column`, `series` without one. Of a panel the entity stays
    a column; a series longer than `column.window` is cut into parts of so many steps, in order, the
    last perhaps shorter, each of them a row of the same entity.

    Args:
        path: A panel (.csv, .parquet, .jsonl) or arrays (.npz).
        what: What the file is for, used in messages ("train", "holdout", "samples").
        column: Declares entity, time, channels and window; an NPZ needs none.

    Raises:
        DataError: no such file, it is damaged or in a foreign format, the schema names no entity or
            columns that are not there, a step without a number or a time, times that are neither
            numbers nor of ISO 8601, an attribute that changes within an entity, or the same time
            twice.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        return _arrays(path, what, column)
    return _panel(tables.read(path, what), column, path.name)


def write(frame: pd.DataFrame, path: str | Path, column: Column) -> Path:
    """Write series and their attributes by the suffix of `path`, whole or not at all.

    In a panel, the entity is a running number where the frame has none, and the time counts the
    steps of an entity from 1.

    Raises:
        OptionError: no such format, or the file cannot be written.
    """
    if Path(path).suffix.lower() == ".npz":
        return write_bytes(path, _packed(frame, column))
    return tables.write(_spread(frame, column), path)


def _panel(rows: pd.DataFrame, column: Column | None, source: str) -> pd.DataFrame:
    """Series out of one row for each step."""
    if column is None or column.entity is None or column.time is None or not column.channels:
        given = {n: getattr(column, n, None) for n in ("entity", "time", "channels")}
        open_ = " and ".join(name for name, value in given.items() if not value)
        raise DataError(
            f"Expected entity, time and channels of the series in {source} to be declared, got "
            f"no {open_}; name these columns in the schema, or bring an .npz."
        )
    entity, time, channels = column.entity, column.time, list(column.channels)
    for name in (entity, time, *channels):
        if name not in rows:
            raise DataError(
                f"Expected a column {name!r} in {source}, got {', '.join(map(repr, rows))}; "
                "correct the file, or entity, time and channels in the schema."
            )
    if column.name in rows:
        raise DataError(
            f"Expected the series to have a name of their own, but {source} has a column "
            f"{column.name!r}; rename either."
        )
    numbers = _numbers(rows, channels, source)
    order, starts = _in_order(rows, entity, time, source)
    attributes = rows.drop(columns=[time, *channels]).iloc[order]
    _check_constant(attributes, entity, starts, source)
    numbers = numbers[order]
    ends = np.append(starts[1:], len(rows))
    parts = [(a, b) for s, e in zip(starts, ends, strict=True) for a, b in _cut(s, e, column)]
    frame = attributes.iloc[[a for a, _ in parts]].reset_index(drop=True)
    frame[column.name] = as_column([numbers[a:b] for a, b in parts])
    return frame


def _numbers(rows: pd.DataFrame, channels: list[str], source: str) -> np.ndarray:
    """Channels as float32, shape (rows, channels)."""
    found = rows[channels].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float32)
    bad = np.argwhere(~np.isfinite(found))
    if len(bad):
        i, j = bad[0]
        raise DataError(
            f"Expected a finite number in every step of channel {channels[j]!r} of {source}, got "
            f"{rows[channels[j]].iloc[i]!r} in row {i + 1:,}; fill or drop such steps."
        )
    return found


def _in_order(
    rows: pd.DataFrame, entity: str, time: str, source: str
) -> tuple[np.ndarray, np.ndarray]:
    """Rows by entity, as entities first appear, then by time; where each entity starts."""
    whose = pd.factorize(rows[entity])[0]
    nobody = _missing(rows[entity])
    if nobody.any():
        raise DataError(
            f"Expected an entity in every row of {source}, got none in row "
            f"{int(nobody.argmax()) + 1:,} of column {entity!r}; drop or name such rows."
        )
    when = _times(rows[time], source)
    order = np.lexsort((when, whose))
    new = np.append(True, np.diff(whose[order]) != 0)
    same = ~new[1:] & (when[order][1:] == when[order][:-1])
    if same.any():
        row = rows.iloc[order[int(same.argmax()) + 1]]
        raise DataError(
            f"Expected each time once for an entity in {source}, got {time} {row[time]!r} of "
            f"{entity} {row[entity]!r} twice; correct the file."
        )
    return order, np.flatnonzero(new)


def _times(cells: pd.Series, source: str) -> np.ndarray:
    """Places in time as numbers: numbers as they are, or moments. Texts have no order in time.

    Raises:
        DataError: a time is missing, or they are neither all numbers nor all of ISO 8601.
    """
    cells = cells.astype(object)
    missing = _missing(cells)
    if missing.any():
        raise DataError(
            f"Expected a time in every row of {source}, got none in {missing.sum():,} of "
            f"{len(cells):,} rows, the first of them row {int(missing.argmax()) + 1:,}, of column "
            f"{cells.name!r}; fill in these times, or drop such rows."
        )
    # Whole numbers stay whole: as floats, nanoseconds since 1970 would be equal.
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy()
    no_number = ~np.isfinite(numbers.astype(float))
    if not no_number.any():
        return numbers
    moments = _moments(cells)
    no_moment = moments.isna().to_numpy(dtype=bool)
    if not no_moment.any():
        return moments.astype("int64").to_numpy()
    bad = min(no_moment, no_number, key=np.count_nonzero)
    raise DataError(
        f"Expected all times of {source} to be numbers, or all to be dates or moments of ISO 8601, "
        f"got {cells.iloc[int(bad.argmax())]!r} in row {int(bad.argmax()) + 1:,} of column "
        f"{cells.name!r}; write them like 1, 2, 3, 2019-12-31, 2019-12-31T18:30 or 18:30."
    )


def _moments(cells: pd.Series) -> pd.Series:
    """Moments of ISO 8601, NaT where a cell is none: calendar dates, week dates, hours, durations.

    All cells are of one of them, that which most of them are of.
    """
    read: tuple[Callable[[], pd.Series], ...] = (
        lambda: pd.to_datetime(cells, errors="coerce", format="ISO8601", utc=True),
        lambda: pd.to_datetime(cells.map(partial(_parsed, parse=datetime.fromisoformat)), utc=True),
        lambda: pd.to_datetime(cells.map(partial(_parsed, parse=_hour)), utc=True),
        lambda: pd.to_timedelta(cells, errors="coerce"),
    )
    best: pd.Series | None = None
    for found in (one() for one in read):
        if best is None or found.isna().sum() < best.isna().sum():
            best = found
        if not best.isna().any():
            break
    assert best is not None, "there are ways to read them"
    return best


def _parsed(cell: object, parse: Callable[[str], datetime]) -> datetime | None:
    """What a text says, or an hour; None where it says no such thing."""
    try:
        return parse(str(cell)) if isinstance(cell, str | clock) else None
    except ValueError:
        return None


def _hour(cell: str) -> datetime:
    """A time of day, of any one day."""
    return datetime.combine(date(1970, 1, 2), clock.fromisoformat(cell))


def _missing(cells: pd.Series) -> np.ndarray:
    """Cells that say nothing, bool (n,): a CSV has empty texts there, other files none or NaN."""
    blank = cells.map(lambda cell: isinstance(cell, str) and not cell.strip())
    return (cells.isna() | blank.astype(bool)).to_numpy(dtype=bool)


def _check_constant(rows: pd.DataFrame, entity: str, starts: np.ndarray, source: str) -> None:
    first = np.repeat(starts, np.diff(np.append(starts, len(rows))))
    for name in rows:
        cells = rows[name].astype(str).to_numpy()
        differ = np.flatnonzero(cells != cells[first])
        if len(differ):
            i = int(differ[0])
            raise DataError(
                f"Expected column {name!r} of {source} to be the same in all steps of an entity, "
                f"got {cells[first[i]]!r} and {cells[i]!r} for {entity} "
                f"{rows[entity].iloc[i]!r}; name it as a channel, or drop it."
            )


def _cut(start: int, end: int, column: Column) -> Iterator[tuple[int, int]]:
    """Windows of a series, from where each starts to before where it ends."""
    window = column.window or end - start
    for a in range(start, end, window):
        yield a, min(a + window, end)


def _arrays(path: Path, what: str, column: Column | None) -> pd.DataFrame:
    tables.check_there(path, what)
    try:
        found = tables.arrays_of(path)
    except Exception as error:  # whatever a damaged archive makes NumPy and zipfile raise
        raise DataError(
            f"Expected arrays of numbers or text in the {what} file {str(path)!r}, got something "
            f"else or a file cut short: {reason(error)[:200]}; write the file anew."
        ) from error
    name = column.name if column else SERIES
    series = found.pop(name, found.pop(SERIES, None))
    if series is None or series.ndim not in (2, 3) or series.dtype.kind not in "fiu":
        got = "none" if series is None else f"{series.dtype} of shape {series.shape}"
        raise DataError(
            f"Expected an array 'series' of numbers of shape (n, steps, channels) in {path.name}, "
            f"got {got}; write the file anew."
        )
    if not len(series):
        raise DataError(f"Expected series in the {what} file {str(path)!r}, got none.")
    lengths = found.pop("lengths", np.full(len(series), series.shape[1]))
    _check_arrays(series, lengths, found, path.name)
    values = series.astype(np.float32).reshape(*series.shape[:2], -1)
    frame = pd.DataFrame(found)
    frame[name] = as_column([v[:k] for v, k in zip(values, lengths, strict=True)])
    return frame


def _check_arrays(
    series: np.ndarray, lengths: np.ndarray, attributes: dict[str, np.ndarray], source: str
) -> None:
    for name, array in {"lengths": lengths, **attributes}.items():
        if array.shape != (len(series),):
            raise DataError(
                f"Expected one value for each of {len(series):,} series in array {name!r} of "
                f"{source}, got shape {array.shape}; correct the file."
            )
    whole = lengths.dtype.kind in "iu"
    if not whole or lengths.min() < 1 or lengths.max() > series.shape[1]:
        raise DataError(
            f"Expected lengths from 1 to {series.shape[1]:,} as whole numbers in {source}, got "
            f"{lengths.min()} to {lengths.max()}; correct the file."
        )


def _spread(frame: pd.DataFrame, column: Column) -> pd.DataFrame:
    """One row for each step: entity, time, channels, then attributes."""
    series = list(frame[column.name])
    channels = column.channels or tuple(f"channel {i + 1}" for i in range(series[0].shape[1]))
    entity, time = column.entity or "entity", column.time or "time"
    which = np.repeat(np.arange(len(series)), [len(s) for s in series])
    attributes = frame.drop(columns=[column.name, entity], errors="ignore").iloc[which]
    whose = frame[entity].iloc[which].to_numpy() if entity in frame else which + 1
    rows = pd.DataFrame({entity: whose})
    rows[time] = rows.groupby(entity, sort=False, dropna=False).cumcount() + 1
    rows[list(channels)] = np.concatenate(series)
    return pd.concat([rows, attributes.reset_index(drop=True)], axis=1)


def _packed(frame: pd.DataFrame, column: Column) -> bytes:
    series = list(frame[column.name])
    lengths = np.array([len(s) for s in series])
    padded = np.zeros((len(series), lengths.max(), series[0].shape[1]), dtype=np.float32)
    for row, values in zip(padded, series, strict=True):
        row[: len(values)] = values
    arrays = {
        str(name): _plain(frame[name]) for name in frame.columns if name != column.name
    }  # fmt: skip
    buffer = io.BytesIO()
    every: dict[str, Any] = {SERIES: padded, "lengths": lengths, **arrays}
    np.savez_compressed(buffer, **every)
    return buffer.getvalue()


def _plain(cells: pd.Series) -> np.ndarray:
    """Numbers or text, never objects, which no reader here would take."""
    if pd.api.types.is_bool_dtype(cells) or not pd.api.types.is_numeric_dtype(cells):
        return cells.astype(object).where(cells.notna(), "").astype(str).to_numpy(dtype=str)
    if cells.isna().any():
        return cells.to_numpy(dtype=float, na_value=np.nan)
    return cells.to_numpy(dtype=np.int64 if pd.api.types.is_integer_dtype(cells) else float)
