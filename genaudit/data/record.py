"""Images, series, sounds and texts as cells of a table: one canonical form each, checked.

Canonical: an image is uint8 (height, width, channels); a sequence float32 (steps, channels); a
sound float32 (samples,) in [-1, 1]; a text str.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from genaudit.data.schema import MAX_SIDE, MAX_STEPS, Column, Kind
from genaudit.errors import DataError

Record = np.ndarray | str


def canonical(value: Any, column: Column) -> Record | None:
    """A record in canonical form; None where it is none that the column declares."""
    try:
        return _CHECKS[column.kind](value, column)
    except (TypeError, ValueError, OverflowError):  # NumPy's, on what is no array of numbers
        return None


def expected(column: Column) -> str:
    """What a record of the column is to be, in words."""
    match column.kind:
        case Kind.IMAGE:
            size = "x".join(map(str, column.size)) if column.size else "(height, width, 1 or 3)"
            return f"an image of size {size} in 8 bits"
        case Kind.SEQUENCE:
            of = f" of {', '.join(column.channels)}" if column.channels else ""
            most = f", at most {column.max_length:,} of them" if column.max_length else ""
            return f"steps{of} as finite numbers within their bounds{most}"
        case Kind.AUDIO:
            most = f", at most {column.max_length:,} of them" if column.max_length else ""
            return f"samples of one channel of sound from -1 to 1{most}"
        case _:
            most = f"{column.max_length:,}" if column.max_length else "so many"
            return f"text of 1 to {most} characters of the alphabet"


def shown(value: Any) -> str:
    """A record in a message: its shape, or a text cut short."""
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "...")
    shape = getattr(value, "shape", None)
    kind = getattr(value, "dtype", type(value).__name__)
    return f"{kind} of shape {tuple(shape)}" if shape is not None else type(value).__name__


def frozen(series: pd.Series) -> pd.Series:
    """Cells that can be hashed and compared: arrays as digests of shape, type and content."""
    if not pd.api.types.is_object_dtype(series):
        return series
    if not any(isinstance(value, np.ndarray) for value in series):
        return series
    return series.map(_digest)


def as_column(records: Any) -> pd.Series:
    """Records as a column of objects, one cell each."""
    cells = np.empty(len(records), dtype=object)
    for i, record in enumerate(records):
        cells[i] = record
    return pd.Series(cells)


def learn(column: Column, cells: pd.Series) -> Column:
    """The column with what it leaves undeclared taken from records: this looks at the data."""
    found: dict[str, Any] = {}
    match column.kind:
        case Kind.IMAGE:
            found["size"] = tuple(map(int, cells.iloc[0].shape))
        case Kind.SEQUENCE:
            width = cells.iloc[0].shape[1]
            if any(cell.shape[1] != width for cell in cells):
                raise DataError(
                    f"Column {column.name!r} has series of {width} channels and of others; "
                    "expected as many in each. Correct the data."
                )
            found["channels"] = tuple(f"channel {i + 1}" for i in range(width))
            low = np.min([c.min(0) for c in cells], axis=0)
            high = np.max([c.max(0) for c in cells], axis=0)
            found["channel_bounds"] = tuple(
                (float(a), float(b) if b > a else float(a) + 1.0)
                for a, b in zip(low, high, strict=True)
            )
            found["max_length"] = max(map(len, cells))
        case Kind.AUDIO:
            found["max_length"] = max(map(len, cells))
        case _:
            found["alphabet"] = "".join(sorted(set("".join(cells))))
            found["max_length"] = max(map(len, cells))
    left = {name: value for name, value in found.items() if getattr(column, name) is None}
    return Column.model_validate({**column.model_dump(), **left})


def covering(column: Column, other: Column) -> Column:
    """The column with lengths, bounds and characters so wide that those of another fit too."""
    wide: dict[str, Any] = {}
    if column.max_length is not None and other.max_length is not None:
        wide["max_length"] = max(column.max_length, other.max_length)
    if column.alphabet is not None and other.alphabet is not None:
        more = sorted(set(other.alphabet) - set(column.alphabet))
        wide["alphabet"] = column.alphabet + "".join(more)
    if column.channel_bounds is not None and other.channel_bounds is not None:
        both = zip(column.channel_bounds, other.channel_bounds, strict=True)
        wide["channel_bounds"] = tuple((min(a, c), max(b, d)) for (a, b), (c, d) in both)
    return column.model_copy(update=wide)


def _digest(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    whole = np.ascontiguousarray(value)
    head = f"{whole.dtype.str}{whole.shape}".encode()
    return hashlib.blake2b(head + whole.tobytes(), digest_size=16).hexdigest()


def _image(value: Any, column: Column) -> Record | None:
    pixels = np.asarray(value)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or max(pixels.shape[:2]) > MAX_SIDE:
        return None
    if column.size is not None and pixels.shape != column.size:
        return None
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind == "f" and pixels.min() >= 0 and pixels.max() <= 1:
        return np.rint(pixels * 255).astype(np.uint8)
    if pixels.dtype.kind in "iu" and pixels.min() >= 0 and pixels.max() <= 255:
        return pixels.astype(np.uint8)
    return None


def _sequence(value: Any, column: Column) -> Record | None:
    if np.asarray(value).dtype.kind == "c":  # NumPy would drop the imaginary part
        return None
    steps = np.asarray(value, dtype=np.float32)
    if steps.ndim == 1:
        steps = steps[:, None]
    if steps.ndim != 2 or not 0 < len(steps) <= (column.max_length or MAX_STEPS):
        return None
    if column.channels is not None and steps.shape[1] != len(column.channels):
        return None
    if steps.shape[1] == 0 or not np.isfinite(steps).all():
        return None
    if column.channel_bounds is not None:
        low, high = np.asarray(column.channel_bounds, dtype=np.float32).T
        if (steps < low).any() or (steps > high).any():
            return None
    return steps


def _audio(value: Any, column: Column) -> Record | None:
    samples = np.asarray(value)
    if samples.dtype.kind == "i":
        samples = samples / float(-np.iinfo(samples.dtype).min)
    samples = samples.astype(np.float32)
    if samples.ndim != 1 or not 0 < len(samples) <= (column.max_length or MAX_STEPS):
        return None
    if not np.isfinite(samples).all() or np.abs(samples).max() > 1:
        return None
    return samples


def _text(value: Any, column: Column) -> Record | None:
    if not isinstance(value, str) or not 0 < len(value) <= (column.max_length or MAX_STEPS):
        return None
    value.encode("utf-8")  # half of a pair of surrogates is no text, which is a ValueError
    if column.alphabet is not None and not set(value) <= set(column.alphabet):
        return None
    return value


_CHECKS: dict[Kind, Callable[[Any, Column], Record | None]] = {
    Kind.IMAGE: _image, Kind.SEQUENCE: _sequence, Kind.AUDIO: _audio, Kind.TEXT: _text,
}  # fmt: skip
