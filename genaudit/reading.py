"""Small files that people write: UTF-8 text with or without a byte order mark, and TOML."""

from __future__ import annotations

import tomllib
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from genaudit.errors import GenauditError, OptionError, reason


def read_text(path: Path | Traversable, what: str, error: type[GenauditError]) -> str:
    """The text of a file; a byte order mark, as some editors write, is no part of it.

    Raises:
        error: the file is absent, a folder, or no UTF-8 text.
    """
    return decoded(read_bytes(path, what, error), path, what, error)


def read_bytes(path: Path | Traversable, what: str, error: type[GenauditError]) -> bytes:
    """What a file holds.

    Raises:
        error: the file is absent or a folder.
    """
    try:
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
