"""Writing results so that nothing half-written is ever left where a result should be."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from genaudit.errors import OptionError


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a whole file or nothing: a neighbour is written, synced and renamed over `path`.

    Raises:
        OptionError: the folder cannot be made or written to, or `path` is a folder.
    """
    path = Path(path)
    beside = path.parent / f".{path.name[:100]}.{secrets.token_hex(4)}"
    try:
        if not path.name or path.is_dir():
            raise OptionError(
                f"Expected a file to write, got the folder {str(path)!r}; name a file."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        with suppress(OSError):  # the folder may be what is missing
            beside.unlink(missing_ok=True)
        raise OptionError(
            f"Expected to write {str(path)!r}, got: {error.strerror or error}; name another place."
        ) from error
    return path


def write_text(path: str | Path, text: str) -> Path:
    """`write_bytes` of UTF-8 text."""
    return write_bytes(path, text.encode("utf-8"))
