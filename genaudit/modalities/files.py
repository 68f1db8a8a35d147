"""Data in files and folders of any modality: found out by what is there and what is declared.

Tables are CSV, Parquet, JSON lines or NPZ; images a folder of pictures or an NPZ; series a table
with a row for each step, or an NPZ; sounds a folder of WAV; texts lines of a file, or a table.
"""

from __future__ import annotations

import hashlib
import zipfile
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from genaudit.data.schema import Column, Kind
from genaudit.errors import DataError, OptionError
from genaudit.modalities.table import files as tables

#: Suffixes of the files in a folder -> what it is a folder of, and the column that holds them.
_FOLDERS = {
    ".png": (Kind.IMAGE, "image"), ".jpg": (Kind.IMAGE, "image"), ".jpeg": (Kind.IMAGE, "image"),
    ".wav": (Kind.AUDIO, "audio"),
}  # fmt: skip

#: Arrays of an NPZ that hold records -> of which kind, and the column that holds them.
_ARRAYS = {"images": (Kind.IMAGE, "image"), "series": (Kind.SEQUENCE, "series")}

#: Suffix of a file of lines of text.
LINES = ".txt"

#: Suffixes of files that are read.
SUFFIXES = (*tables.SUFFIXES, LINES)

#: Suffixes of archives, which nothing is written into.
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")

#: Kind of a record -> what several of them are called; rows, where there is none.
_MANY = {Kind.IMAGE: "images", Kind.SEQUENCE: "series", Kind.AUDIO: "sounds", Kind.TEXT: "texts"}

#: Files of a folder that are looked at to find out what it is a folder of.
_PEEK = 10_000


def read(path: str | Path, what: str = "data", record: Column | None = None) -> pd.DataFrame:
    """The data in a file or a folder as columns; images, series, sounds and texts are one of them.

    Where it was found out and not declared what the records are, `attrs["record"]` says so.

    Args:
        path: The file or the folder.
        what: What it is for, used in messages ("train", "holdout", "samples").
        record: The column of records that a schema declares; None = a table, or as found.

    Raises:
        DataError: it is absent, empty, cut short or in a foreign format.
    """
    path = Path(path)
    check_there(path, what)
    kind, name = _found(path, record)
    if kind is None:
        return tables.read(path, what)
    frame = _reader(kind, path, what, record)
    rate = frame.attrs.get("rate")
    if record is not None and record.rate and rate and rate != record.rate:
        raise DataError(
            f"Expected sounds of {record.rate:,} samples a second in {str(path)!r}, as the schema "
            f"declares, got {rate:,}; correct the rate in the schema, or convert the files."
        )
    if record is not None and record.name != name and record.name not in frame:
        frame = frame.rename(columns={name: record.name})
    if record is None:
        frame.attrs["record"] = {"name": name, "kind": kind.value, "rate": rate}
    return frame


def check_there(path: Path, what: str) -> None:
    """Refuse what is absent, empty or of a foreign format, without a look inside.

    Raises:
        DataError: it is.
    """
    if is_folder(path) or (path.suffix.lower() == LINES and path.is_file()):
        return
    tables.check_there(path, what)


def is_folder(path: str | Path) -> bool:
    """Whether it is a folder of pictures or sounds."""
    return _folder_kind(Path(path)) is not None


def write(frame: pd.DataFrame, out: Path, record: Column | None, missing: str = "") -> Path:
    """Write made records in their modality's own form, whole or not at all.

    Raises:
        OptionError: the place cannot be written, or names another format.
    """
    if record is None:
        return tables.write(frame, out, missing)
    module: Any = _module(record.kind)
    match record.kind:
        case Kind.IMAGE:
            written = module.write(frame, out, record.name)
        case Kind.AUDIO:
            written = module.write(frame, out, record.rate)
        case Kind.SEQUENCE:
            written = module.write(frame, out, record)
        case _:
            written = module.write(frame, out, missing)
    return Path(written)


def noun(record: Column | None) -> str:
    """What several made records are called: rows, images, series, sounds or texts."""
    return "rows" if record is None else _MANY[record.kind]


def makes_folder(record: Column | None) -> bool:
    """Whether made records are a folder and not a file."""
    return record is not None and record.kind in (Kind.IMAGE, Kind.AUDIO)


def digest(path: str | Path) -> str:
    """SHA-256 of a file; of a folder, that of the names and digests of its files, one a line."""
    path = Path(path)
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    lines = [
        f"{inner.relative_to(path).as_posix()} {digest(inner)}\n"
        for inner in sorted(path.rglob("*"))
        if inner.is_file()
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _found(path: Path, record: Column | None) -> tuple[Kind | None, str]:
    """What the records are, None for a table, and the name of their column as it is read."""
    if (folder := _folder_kind(path)) is not None:
        return _agreed(folder, record, path)
    suffix = path.suffix.lower()
    if suffix == LINES:
        return _agreed((Kind.TEXT, "text"), record, path)
    arrays = _arrays(path) if suffix == ".npz" else ()
    if (name := next((n for n in _ARRAYS if n in arrays), None)) is not None:
        return _agreed(_ARRAYS[name], record, path)
    if record is not None and record.kind is Kind.SEQUENCE:
        return Kind.SEQUENCE, "series"
    return None, ""


def _agreed(found: tuple[Kind, str], record: Column | None, path: Path) -> tuple[Kind | None, str]:
    """What was found, where nothing else is declared."""
    if record is not None and record.kind is not found[0]:
        raise DataError(
            f"Expected records of kind {record.kind} in {str(path)!r}, as the schema declares, got "
            f"{found[0]}; name another file or folder, or another schema."
        )
    return found


def _folder_kind(path: Path) -> tuple[Kind, str] | None:
    try:
        if not path.is_dir() or (path / "model.json").exists():
            return None
        suffixes = {inner.suffix.lower() for inner in islice(path.rglob("*"), _PEEK)}
    except OSError:  # a name that no folder can have, or one that may not be looked into
        return None
    kinds = sorted({_FOLDERS[suffix] for suffix in suffixes if suffix in _FOLDERS})
    if len(kinds) > 1:
        raise DataError(
            f"Expected pictures or sounds in the folder {str(path)!r}, got both; part them."
        )
    return kinds[0] if kinds else None


def _arrays(path: Path) -> tuple[str, ...]:
    """Names of the arrays in an NPZ; none where it is no archive, which its reader says."""
    try:
        with zipfile.ZipFile(path) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return ()


def _reader(kind: Kind, path: Path, what: str, record: Column | None) -> pd.DataFrame:
    module: Any = _module(kind)
    if kind is Kind.SEQUENCE:
        frame: pd.DataFrame = module.read(path, what, record)
    else:
        frame = module.read(path, what)
    return frame


def _module(kind: Kind) -> Any:
    folder = {Kind.IMAGE: "image", Kind.SEQUENCE: "sequence", Kind.AUDIO: "audio"}.get(kind, "text")
    return import_module(f"genaudit.modalities.{folder}.files")


def check_out(out: Path, record: Column | None) -> str:
    """The suffix that made records are written under, "" for a folder.

    Raises:
        OptionError: it names a format that they are not written in.
    """
    suffix = out.suffix.lower()
    if record is None:
        return tables.written_as(out)
    if makes_folder(record):
        if suffix in (*tables.SUFFIXES, LINES, *_FOLDERS, *_ARCHIVES):
            raise OptionError(
                f"Expected a new folder for {record.kind} records, got the file name {out.name!r}; "
                "name a folder."
            )
        return ""
    known = (".csv", ".parquet", ".npz") if record.kind is Kind.SEQUENCE else (
        LINES, ".csv", ".jsonl", ".parquet")  # fmt: skip
    if suffix not in known:
        raise OptionError(
            f"Expected an output file that ends in {', '.join(known)}, got {out.name!r}."
        )
    return suffix
