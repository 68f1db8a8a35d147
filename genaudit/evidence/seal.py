"""Encryption for hand-over: a folder as one tar file, for the holder of an age key alone.

Source: age-encryption.org/v1 (C2SP), through the package pyrage.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genaudit.errors import OptionError

_WANTED = "Expected a recipient as an age public key (age1...), got"
_MAKE = "the recipient makes one with: age-keygen -o key.txt"


class Recipient:
    """Whom something is encrypted to, by their age public key."""

    def __init__(self, text: str) -> None:
        text = text.strip()
        if text.upper().startswith("AGE-SECRET-KEY"):  # which is not to be repeated
            raise OptionError(f"{_WANTED} a secret key, which its holder keeps; {_MAKE}.")
        pyrage = _library()
        try:
            self._key = pyrage.x25519.Recipient.from_str(text)
        except pyrage.RecipientError as error:
            shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
            raise OptionError(f"{_WANTED} {shown!r}; {_MAKE}.") from error

    def encrypt(self, content: bytes) -> bytes:
        """The content for the recipient alone; each time it is other bytes."""
        sealed: bytes = _library().encrypt(content, [self._key])
        return sealed


_LONGEST = 80


def packed(files: Mapping[str, bytes], folder: str) -> bytes:
    """Files in a folder, as a tar file that says nothing of when or by whom it was made."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size, info.mode = len(files[name]), 0o644
            tar.addfile(info, io.BytesIO(files[name]))
    return out.getvalue()


def named(out: Path) -> Path:
    """The file for an encrypted folder: `out` itself where it ends in `.age`.

    >>> named(Path("evidence")).name, named(Path("x.age")).name
    ('evidence.tar.age', 'x.age')
    """
    return out if out.suffix == ".age" else out.with_name(f"{out.name}.tar.age")


def stem(out: Path) -> str:
    """The folder that unpacking makes.

    >>> stem(Path("a/evidence.tar.age"))
    'evidence'
    """
    return out.name.removesuffix(".age").removesuffix(".tar").strip(".") or "evidence"


def _library() -> Any:
    try:
        import pyrage
    except ImportError as error:
        raise OptionError(
            "Encryption needs the package pyrage; install genaudit[evidence]."
        ) from error
    return pyrage
