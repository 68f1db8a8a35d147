"""Every file of a folder, and what is in it: zip, tar, gzip, bzip2, xz, base64, in each other."""

from __future__ import annotations

import base64
import binascii
import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

#: Bytes that are read of one file, and of all that is packed in it.
MOST = 256 * 2**20

#: Archives in archives that are opened, and members of one.
_DEEP, _MEMBERS = 3, 10_000

#: What a broken archive raises; it is a file like others then.
_BROKEN = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, zlib.error, lzma.LZMAError,
    zipfile.BadZipFile, tarfile.TarError,
)  # fmt: skip

#: How a stream of one packed file begins, and what opens it.
_STREAMS: tuple[tuple[bytes, Callable[[Any], Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
    (b"\x5d\x00\x00", lzma.open),
)


#: Bytes written as text, long enough for a record.
_LETTERS = re.compile(rb"[A-Za-z0-9+/]{32,}={0,2}")


class _Left:
    """Bytes that may still be unpacked of one file: what is packed well unpacks without end."""

    def __init__(self, n: int) -> None:
        self.n = n

    def read(self, file: IO[bytes]) -> bytes:
        """What is in it, as far as the bytes go."""
        parts = []
        while self.n > 0:
            try:
                part = file.read(min(self.n, 2**20))
            except _BROKEN:  # what came before the break counts
                break
            if not part:
                break
            parts.append(part)
            self.n -= len(part)
        return b"".join(parts)


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file under a folder with its content, and what is packed in it."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            content = file.read(MOST)
        yield from opened(str(path.relative_to(folder)), content)


def opened(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """A content, and what is packed in it, up to three deep."""
    yield name, content
    yield from _inner(name, content, _DEEP, _Left(MOST))


def _inner(name: str, content: bytes, deep: int, left: _Left) -> Iterator[tuple[str, bytes]]:
    if not deep:
        return
    for inner, unpacked in _members(name, content, left):
        yield inner, unpacked
        yield from _inner(inner, unpacked, deep - 1, left)


def _members(name: str, content: bytes, left: _Left) -> Iterator[tuple[str, bytes]]:
    """What is packed in a content, one level down."""
    for start, unpack in _STREAMS:
        if content.startswith(start):
            try:
                with unpack(io.BytesIO(content)) as file:
                    if unpacked := left.read(file):
                        yield f"{name} (unpacked)", unpacked
            except _BROKEN:
                pass
            return
    if content[257:262] == b"ustar":
        yield from _of_tar(name, content, left)
    elif zipfile.is_zipfile(io.BytesIO(content)):
        yield from _of_zip(name, content, left)
    elif not content[:4096].count(0):
        yield from _of_letters(name, content, left)


def _of_letters(name: str, content: bytes, left: _Left) -> Iterator[tuple[str, bytes]]:
    """What base64 holds in a text, one after the other: there may be many short ones."""
    unpacked = []
    for match in _LETTERS.finditer(content):
        try:
            unpacked.append(base64.b64decode(match.group(), validate=True))
        except binascii.Error:
            continue
    if unpacked:
        yield f"{name} (base64)", left.read(io.BytesIO(b"".join(unpacked)))


def _of_tar(name: str, content: bytes, left: _Left) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as packed:
            for _, member in zip(range(_MEMBERS), packed, strict=False):
                file = packed.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield f"{name}/{member.name}", left.read(file)
    except _BROKEN:
        return


def _of_zip(name: str, content: bytes, left: _Left) -> Iterator[tuple[str, bytes]]:
    try:
        packed = zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN:
        return
    with packed:
        for member in packed.infolist()[:_MEMBERS]:
            try:
                with packed.open(member) as file:
                    yield f"{name}/{member.filename}", left.read(file)
            except _BROKEN:  # locked, or packed in a way that nobody here knows
                continue
