"""Tables of values in a file of a known format; nothing is ever unpickled.

Parquet and Arrow, JSON, JSON lines, separated text, SQLite, NumPy's arrays, safetensors.
"""

from __future__ import annotations

import io
import json
import math
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from genaudit.training.dp.selfcheck.rows.packed import MOST

#: Rows that are read of one table.
_ROWS = 2_000_000

#: What safetensors calls its types; those of two bytes without a name in NumPy are bfloat16.
_SAFE = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "V2", "I64": "<i8", "I32": "<i4",
    "I16": "<i2", "I8": "i1", "U8": "u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "?",
}  # fmt: skip

#: Tables of SQLite.
_NAMES = "SELECT name FROM sqlite_master WHERE type='table'"

_SCALARS = (str, int, float, bool, type(None))


def tables(content: bytes) -> tuple[list[pd.DataFrame], bool]:
    """Tables that a content holds, and whether they are all that it holds.

    Columns without a name are numbered. What cannot be read is no table.
    """
    for looks, read in _FORMATS:
        if looks(content):
            try:
                return [t for t in read(content) if t.shape[0] and t.shape[1]], True
            except Exception:  # a format of others may be broken in any way
                return [], False
    found = _of_text(content)
    return found, bool(found)


def frames(array: np.ndarray) -> Iterator[pd.DataFrame]:
    """An array as tables: its rows as they are, and turned; vectors as one column."""
    if array.dtype.names:
        yield pd.DataFrame({k: _single(array[k]) for k in array.dtype.names if array[k].ndim == 1})
        return
    array = _single(array)
    if array.dtype.kind not in "fiubSU" or not array.size:
        return
    if array.dtype.kind == "S":
        array = np.char.decode(array, "latin-1")
    widths = {array.size // len(array), array.shape[-1]} if array.ndim > 1 else {1}
    for width in sorted(widths):
        plain = array.reshape(-1, width)
        yield pd.DataFrame(plain)
        if plain.shape[1] > 1:
            yield pd.DataFrame(plain.T)


def _single(array: np.ndarray) -> np.ndarray:
    """Numbers that NumPy calculates with, in this machine's order of bytes."""
    if array.dtype.kind == "V" and array.dtype.itemsize == 2:
        return (np.ascontiguousarray(array).view("<u2").astype("<u4") << 16).view("<f4")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _of_parquet(content: bytes) -> Iterator[pd.DataFrame]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(io.BytesIO(content))
    packed = file.metadata
    size = sum(packed.row_group(i).total_byte_size for i in range(packed.num_row_groups))
    # Few bytes can stand for many rows.
    if size <= MOST and packed.num_rows * packed.num_columns <= MOST // 8:
        yield file.read().to_pandas(ignore_metadata=True)


def _of_arrow(content: bytes) -> Iterator[pd.DataFrame]:
    import pyarrow as pa

    with pa.ipc.open_file(io.BytesIO(content)) as file:
        yield file.read_all().to_pandas(ignore_metadata=True)


def _of_sqlite(content: bytes) -> Iterator[pd.DataFrame]:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "copy.sqlite"
        path.write_bytes(content)
        uri = f"{path.as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as base:
            for (name,) in base.execute(_NAMES).fetchall():
                quoted = name.replace('"', '""')
                found = base.execute(f'SELECT * FROM "{quoted}" LIMIT {_ROWS}')  # noqa: S608  quoted
                yield pd.DataFrame(found.fetchall(), columns=[d[0] for d in found.description])


def _of_npy(content: bytes) -> Iterator[pd.DataFrame]:
    yield from frames(_array(content))


def _array(content: bytes) -> np.ndarray:
    """An array in NumPy's format; objects, which would be unpickled, are refused."""
    file = io.BytesIO(content)
    major, _ = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("It holds objects.")
    flat = np.frombuffer(content, dtype, math.prod(shape), file.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def _of_npz(content: bytes) -> Iterator[pd.DataFrame]:
    """Vectors of one length side by side; arrays are read where they are unpacked."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        members = [m for m in packed.infolist() if m.filename.endswith(".npy")]
        if sum(m.file_size for m in members) > MOST:
            return
        arrays = {m.filename.removesuffix(".npy"): _array(packed.read(m)) for m in members}
    yield from _beside({k: _single(a) for k, a in arrays.items() if a.ndim == 1})


def _of_safetensors(content: bytes) -> Iterator[pd.DataFrame]:
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    vectors = {}
    for name, about in header.items():
        if name == "__metadata__" or about["dtype"] not in _SAFE:
            continue
        first, last = about["data_offsets"]
        raw = np.frombuffer(content[start + first : start + last], _SAFE[about["dtype"]])
        array = _single(raw.reshape(about["shape"]))
        if array.ndim == 1:
            vectors[name] = array
        elif array.ndim:
            yield from frames(array)
    yield from _beside(vectors)


def _beside(columns: dict[str, Any]) -> Iterator[pd.DataFrame]:
    """Columns of one length as one table."""
    for n in sorted({len(c) for c in columns.values()}):
        yield pd.DataFrame({k: c for k, c in columns.items() if len(c) == n})


def _of_json(content: bytes) -> Iterator[pd.DataFrame]:
    text = content.decode("utf-8-sig")
    try:
        yield from _tabular(json.loads(text))
    except json.JSONDecodeError:
        yield from _tabular([json.loads(line) for line in text.splitlines() if line.strip()])


def _tabular(root: Any) -> Iterator[pd.DataFrame]:
    """Tables anywhere in what JSON holds."""
    todo = [root]
    while todo:
        thing = todo.pop()
        inner = list(thing.values()) if isinstance(thing, dict) else thing
        if not isinstance(inner, list) or not inner:
            continue
        if (table := _as_table(thing)) is not None:
            yield table
        todo += [i for i in inner if isinstance(i, dict | list)]


def _as_table(thing: Any) -> pd.DataFrame | None:
    """Records, rows, columns, columns by the names of rows, one column or one record.

    None = it is no table.
    """
    if isinstance(thing, list):
        return _of_list(thing)
    if all(isinstance(c, dict) and all(map(_plain, c.values())) for c in thing.values()):
        return pd.DataFrame(thing)
    lists = {k: c for k, c in thing.items() if isinstance(c, list) and all(map(_plain, c))}
    if len({len(c) for c in lists.values()}) == 1:
        return pd.DataFrame(lists)
    single = {k: v for k, v in thing.items() if _plain(v)}
    return pd.DataFrame([single]) if len(single) > 1 else None


def _of_list(thing: list[Any]) -> pd.DataFrame | None:
    if all(isinstance(r, dict) for r in thing):
        return pd.DataFrame([{k: v for k, v in r.items() if _plain(v)} for r in thing])
    rows = all(isinstance(r, list) and all(map(_plain, r)) for r in thing)
    column = len(thing) > 1 and all(map(_plain, thing))
    return pd.DataFrame(thing) if rows or column else None


def _plain(value: Any) -> bool:
    return isinstance(value, _SCALARS)


def _of_text(content: bytes) -> list[pd.DataFrame]:
    """Separated values, where every line has as many of them."""
    try:
        content[:4096].decode("utf-8-sig", "strict" if len(content) <= 4096 else "ignore")
        lines = [x for x in content[: 2**20].splitlines()[:200] if x.strip()]
        if len(content) > 2**20 or len(lines) == 200:
            lines = lines[:-1]
        if b"\0" in content[:4096] or not lines:
            return []
    except UnicodeDecodeError:
        return []
    for separator in (",", "\t", ";", "|", " "):
        if (table := _separated(content, lines, separator)) is not None:
            return [table]
    return []


def _separated(content: bytes, lines: list[bytes], separator: str) -> pd.DataFrame | None:
    counts = {line.count(separator.encode()) for line in lines if b'"' not in line}
    if len(counts) > 1 or counts == {0} or (not counts and separator != ","):
        return None
    first = lines[0].decode(errors="replace").split(separator)
    try:
        return pd.read_csv(
            io.BytesIO(content), sep=separator, header=None if any(map(_number, first)) else 0,
            nrows=_ROWS, low_memory=False, index_col=False,
        )  # fmt: skip
    except (ValueError, pd.errors.ParserError):
        return None


def _number(text: str) -> bool:
    try:
        float(text.strip('" '))
    except ValueError:
        return False
    return True


def _is_safe(content: bytes) -> bool:
    return content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content)


def _is_npz(content: bytes) -> bool:
    return content[:2] == b"PK" and b".npy" in content[-4096:]


_FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Iterator[pd.DataFrame]]], ...] = (
    (lambda c: c[:4] == b"PAR1", _of_parquet),
    (lambda c: c[:6] == b"ARROW1", _of_arrow),
    (lambda c: c[:16] == b"SQLite format 3\0", _of_sqlite),
    (lambda c: c[:6] == b"\x93NUMPY", _of_npy),
    (_is_npz, _of_npz),
    (_is_safe, _of_safetensors),
    (lambda c: c[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["), _of_json),
)
