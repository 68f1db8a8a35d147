"""Rows and columns as the bytes that programs write, and which of them stand in a content."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from genaudit.training.dp.selfcheck.rows import rounding

#: Bytes of a needle by which places are found where it may stand, and bits of their filter.
_ANCHOR, _BITS = 8, 22

#: Bytes below which a needle is too short to be told from chance.
_SHORT = 10

#: Places that are compared with needles, and bytes of a content that are filtered at a time.
_PLACES, _AT_ONCE = 3_000_000, 4 * 2**20

#: Values one under the other in a column, different ones among them, and such pieces at most.
_LENGTH, _DIFFERENT, _PIECES = 8, 4, 600

#: Different numbers of many digits that make a needle one record's alone: in few bytes more.
_TELLING = {2: 8, 4: 3, 8: 3}

#: Factor of a hash that is known to mix well.
_MIX = np.uint64(0x9E3779B97F4A7C15)


def present(content: bytes, needles: frozenset[bytes]) -> set[bytes]:
    """Needles that stand in a content; it takes time for the content, hardly for the needles."""
    anchors = _anchors(needles)
    found: set[bytes] = set()
    left = _PLACES
    for start, key in _places(content, np.array(sorted(anchors), dtype=np.uint64)):
        for at, length in anchors[key]:
            first = start - at
            if first >= 0 and (piece := content[first : first + length]) in needles:
                found.add(piece)
        left -= len(anchors[key])
        if left < 0 or len(found) == len(needles):
            break
    return found


@dataclass(frozen=True)
class Form:
    """One way in which programs write values.

    values: those of a table that are written so, shape (needles, values), for `told`.
    write: one needle for each of them; none where they cannot be written so.
    kind: of numbers. of_rows: or of pieces of columns.
    """

    values: Callable[[Any], np.ndarray]
    write: Callable[[Any], list[bytes]]
    kind: str = "<f8"
    of_rows: bool = True

    def needles(self, table: Any) -> set[bytes]:
        """Those of a table that are long enough, and not one byte again and again."""
        return {k for k in self.write(table) if len(k) >= _SHORT and len(set(k)) > 1}

    def by_itself(self, table: Any) -> set[bytes]:
        """Those of a table that hardly anybody else can have."""
        told = _told(self.values(table), self.kind)
        return {k for k, t in zip(self.write(table), told, strict=False) if t}


def _rows(kind: str) -> Form:
    """Rows as numbers of one kind side by side."""
    return Form(numbers, lambda table: _written(numbers(table), kind), kind)


def _runs(kind: str) -> Form:
    """Pieces of columns as numbers of one kind: arrays by columns, blocks of tables."""
    return Form(pieces, lambda table: _written(pieces(table), kind), kind, of_rows=False)


def _text(separator: str) -> Form:
    """Rows as text with something between the values."""

    def write(table: Any) -> list[bytes]:
        values = table.to_numpy(dtype=object) if isinstance(table, pd.DataFrame) else table
        return [separator.join(map(_word, row)).encode() for row in values]

    return Form(numbers, write)


def numbers(table: Any) -> np.ndarray:
    """Columns of numbers, shape (rows, columns)."""
    if isinstance(table, np.ndarray):
        if table.dtype.kind not in "fiub":
            return np.zeros((len(table), 0))
        return table.astype(np.uint8) if table.dtype.kind == "b" else table
    numeric = table.select_dtypes("number")
    return np.asarray(numeric.to_numpy(dtype=float, na_value=np.nan))


def pieces(table: Any) -> np.ndarray:
    """Values one under the other, shape (pieces, values); none in order, as others may count so."""
    columns = numbers(table)
    n = len(columns) // _LENGTH
    if not n or not columns.shape[1]:
        return np.zeros((0, _LENGTH))
    cut = columns[: n * _LENGTH].T.reshape(-1, _LENGTH)
    sorted_ = np.sort(cut, axis=1)
    different = 1 + (np.diff(sorted_.astype(float), axis=1) > 0).sum(1)
    steps = np.diff(cut.astype(float), axis=1)
    mixed = (steps > 0).any(1) & (steps < 0).any(1)
    good = cut[mixed & (different >= _DIFFERENT)]
    return good[:: max(1, len(good) // _PIECES)]


def _told(values: np.ndarray, kind: str) -> np.ndarray:
    """Which rows or pieces are known by themselves when written in a kind of number."""
    dtype = np.dtype("<f2" if kind.endswith("bf2") else kind)
    if dtype.kind != "f":
        return np.zeros(len(values), dtype=bool)
    plain = np.where(rounding.telling(values.astype(float)), values.astype(float), np.nan)
    ordered = np.sort(plain, axis=1)
    different = np.isfinite(ordered[:, :1]).sum(1) + (np.diff(ordered, axis=1) > 0).sum(1)
    return np.asarray(different >= _TELLING[dtype.itemsize])


def _written(values: np.ndarray, kind: str) -> list[bytes]:
    """Each row of an array in a kind; none where they cannot be written in it."""
    if not values.size:
        return []
    if kind.endswith("bf2"):
        written = rounding.brain_bits(values).astype(f"{kind[0]}u2")
    elif np.dtype(kind).kind == "f" or _fits(values, np.dtype(kind)):
        with np.errstate(all="ignore"):
            written = values.astype(kind)
    else:
        return []
    return [row.tobytes() for row in written]


def _fits(values: np.ndarray, dtype: np.dtype) -> bool:
    """Whether they are whole numbers that a type can hold."""
    if not (np.isfinite(values).all() and (values % 1 == 0).all()):
        return False
    limits = np.iinfo(dtype)
    return bool(values.min() >= limits.min and values.max() <= limits.max)


def _word(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return str(float(value))
    return "" if value is None or value is pd.NA else str(value)


@lru_cache(maxsize=8)  # the same needles are looked for in many files
def _anchors(needles: frozenset[bytes]) -> dict[int, set[tuple[int, int]]]:
    """Eight bytes of each needle, where they stand in it, and how long it is."""
    anchors: dict[int, set[tuple[int, int]]] = {}
    for needle in needles:
        at = _anchor(needle)
        key = int.from_bytes(needle[at : at + _ANCHOR], "little")
        anchors.setdefault(key, set()).add((at, len(needle)))
    return anchors


def _anchor(needle: bytes) -> int:
    """Where in a needle eight bytes stand that are as unlike as any."""
    last = len(needle) - _ANCHOR
    # Where it begins with nothing, as most rows of zeros and ones do, what comes then tells more.
    first = max(0, min(len(needle) - len(needle.lstrip(b"\0")) - _ANCHOR // 2, last))
    best, most = first, 0
    for at in range(first, min(last, first + 128) + 1, 2):
        different = len(set(needle[at : at + _ANCHOR]))
        if different > most:
            best, most = at, different
            if most >= _ANCHOR - 1:
                break
    return best


def _places(content: bytes, keys: np.ndarray) -> Iterable[tuple[int, int]]:
    """Where in a content eight bytes are one of these."""
    if not len(keys):
        return
    hit = np.zeros(2**_BITS, dtype=bool)
    shift = np.uint64(64 - _BITS)
    hit[(keys * _MIX) >> shift] = True
    for start in range(0, len(content), _AT_ONCE):
        for offset in range(_ANCHOR):
            piece = content[start + offset : start + offset + _AT_ONCE]
            words = np.frombuffer(piece, "<u8", len(piece) // _ANCHOR)
            at = np.flatnonzero(hit[(words * _MIX) >> shift])
            at = at[rounding.among(words[at], keys)]
            for i in at.tolist():
                yield start + offset + i * _ANCHOR, int(words[i])


_FLOATS = ("<f4", "<f8", ">f4", ">f8", "<f2", ">f2", "<bf2", ">bf2")
_WHOLE = ("<i8", "<i4", "<i2", ">i8", ">i4", ">i2", "u1", "i1")

#: All forms.
FORMS: tuple[Form, ...] = (
    *map(_rows, (*_FLOATS, *_WHOLE)),
    *map(_runs, (*_FLOATS, *_WHOLE)),
    *map(_text, (",", ", ", ";", "\t", " ", "|", '", "', '","')),
)
