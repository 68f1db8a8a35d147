"""Files that are read whole: UTF-8 text with or without a byte order mark, and TOML.

What never ends, or would fill the memory, is refused before a byte of it is read.
"""

from __future__ import annotations

import errno
import os
import stat
import tomllib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from genaudit.errors import GenauditError, OptionError, reason

#: Largest text that is read; a hostile one must not fill the memory.
_MOST = 64 * 2**20


def size_of(path: Path) -> int:
    """Bytes in a regular file.

    Raises:
        OSError: it is absent, a folder, or a device or pipe, which may hang or never end.
    """
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "a device or pipe, which is no file")
    return found.st_size


def path_of(
    given: object, what: str, error: type[GenauditError] = OptionError, do: str = ""
) -> Path:
    """The path that was given; `do` is what to do where something else was.

    Raises:
        error: it is no path.
    """
    if isinstance(given, str | os.PathLike):
        return Path(given)
    raise error(
        f"Expected {what}, named by its path, got {type(given).__name__}; {do or 'give its path'}."
    )


def read_text(path: Path | Traversable, what: str, error: type[GenauditError]) -> str:
    """The text of a file; a byte order mark, as some editors write, is no part of it.

    Raises:
        error: the file is absent, a folder, or no UTF-8 text.
    """
    return decoded(read_bytes(path, what, error), path, what, error)


def read_bytes(path: Path | Traversable, what: str, error: type[GenauditError]) -> bytes:
    """What a file holds.

    Raises:
        error: the file is absent, a folder, a device or pipe, or far too large.
    """
    try:
        if isinstance(path, Path) and size_of(path) > _MOST:
            raise ValueError(f"more than {_MOST:,} bytes")
        return path.read_bytes()
    except (OSError, ValueError) as cause:  # a name with a null byte is a ValueError
        raise error(
            f"Expected {what} at {str(path)!r}, got: {reason(cause)}; check the path."
        ) from cause


def decoded(raw: bytes, path: Path | Traversable, what: str, error: type[GenauditError]) -> str:
    """The text in what a file holds.

    Raises:
        error: it is no UTF-8 text.
    """
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise error(
            f"Expected {what} at {str(path)!r}, got {reason(cause)}; save it as UTF-8, or check "
            "the path."
        ) from cause


def parsed(
    text: str, path: Path | Traversable, what: str, error: type[GenauditError] = OptionError
) -> dict[str, Any]:
    """The tables in a TOML text.

    Raises:
        error: it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as cause:
        raise error(
            f"Expected {what} at {str(path)!r}, got: {reason(cause)}; correct the file."
        ) from cause


def read_toml(
    path: Path | Traversable, what: str, error: type[GenauditError] = OptionError
) -> dict[str, Any]:
    """The tables in a TOML file; `what` names it in the sentence of an error.

    Raises:
        error: the file is absent, no text or no TOML.
    """
    return parsed(read_text(path, what, error), path, what, error)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of a JSON text that names nothing twice: of two values nobody knows which counts.

    Raises:
        ValueError: a name stands twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} stands twice")
    return found
