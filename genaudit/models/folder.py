"""A model folder: two files, no pickle, and digests that tell damage from a foreign format.

`model.json` begins with its own size and the digest of all that follows, and holds size and digest
of `model.safetensors`. What is shorter than it says was cut; what only differs was changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from genaudit.atomic import new_folder
from genaudit.errors import DataError, IntegrityError, reason
from genaudit.reading import size_of

INFO, TENSORS = "model.json", "model.safetensors"

#: How `model.json` begins: fixed in length, so that its own damage can be told from another format.
_HEAD = '{{"size": "{size:010d}", "sha256": "{sha256}", '
_PATTERN = re.compile(rb'\{"size": "(\d{10})", "sha256": "([0-9a-f]{64})", ')
_HEAD_LENGTH = len(_HEAD.format(size=0, sha256="0" * 64))

#: A folder in a checkpoint folder: a number that grows, and chance, so that no two processes share
#: one.
_MOMENT = re.compile(r"\d{8}-[0-9a-f]{8}")

#: Largest files that are read; a hostile one must not fill the memory.
_MAX_INFO, _MAX_TENSORS = 64 * 2**20, 2**31


def write(folder: str | Path, info: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Path:
    """Write a whole model folder or nothing: a neighbour is written, then renamed.

    Raises:
        OptionError: the folder holds something, or cannot be written.
    """
    packed = save_tensors({k: np.asarray(v, order="C") for k, v in tensors.items()})
    with new_folder(folder) as beside:
        _write(beside / TENSORS, packed)
        _write(beside / INFO, _info_bytes({**info, "weights": _described(packed)}))
    return Path(folder)


def read(folder: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The information and the weights in a model folder.

    Raises:
        DataError: a file is absent, empty, cut short or of another format.
        IntegrityError: a file differs from its own digest.
    """
    folder = Path(folder)
    info = _parsed(_read_info(folder), folder / INFO)
    packed = _read_tensors(folder / TENSORS, info)
    try:
        return info, load_tensors(packed)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _foreign(folder / TENSORS) from error


def moments(folder: str | Path) -> list[Path]:
    """The folders of all moments of a checkpoint folder, the latest last."""
    try:
        found = [path for path in Path(folder).iterdir() if _MOMENT.fullmatch(path.name)]
    except OSError:
        return []
    return sorted(found)


def digest(folder: str | Path) -> str:
    """SHA-256 of `model.json`, which holds the digest of the weights: it names the whole folder."""
    return hashlib.sha256(_read_info(Path(folder))).hexdigest()


def _info_bytes(info: Mapping[str, Any]) -> bytes:
    text = json.dumps(dict(info), sort_keys=True, ensure_ascii=True, allow_nan=False, indent=1)
    rest = text[1:].lstrip().encode() + b"\n"
    sha256 = hashlib.sha256(rest).hexdigest()
    head = _HEAD.format(size=_HEAD_LENGTH + len(rest), sha256=sha256).encode()
    return head + rest


def _parsed(content: bytes, path: Path) -> dict[str, Any]:
    found = _PATTERN.match(content)
    if not found:
        raise _headless(content, path)
    size, said = int(found[1]), found[2].decode()
    rest = content[_HEAD_LENGTH:]
    if hashlib.sha256(rest).hexdigest() != said:
        raise _cut(path, len(content), size) if len(content) < size else _changed(path)
    if size != len(content):
        raise _changed(path)
    try:
        info = json.loads(b"{" + rest)
    except ValueError as error:
        raise _foreign(path) from error
    if not isinstance(info, dict):
        raise _foreign(path)
    return info


def _headless(content: bytes, path: Path) -> DataError | IntegrityError:
    """What is wrong with a file that does not begin as `model.json` does."""
    expected = _HEAD.format(size=0, sha256="0" * 64).encode()
    start = content[:_HEAD_LENGTH]
    # Digits and digest differ from file to file; everything else has one right form.
    fixed = [i for i, c in enumerate(expected) if c != ord("0")]
    wrong = sum(i < len(start) and start[i] != expected[i] for i in fixed)
    if len(content) < _HEAD_LENGTH and not wrong:
        return DataError(f"The model file {str(path)!r} is cut short; restore it from a copy.")
    return _changed(path) if len(content) > _HEAD_LENGTH and wrong <= 2 else _foreign(path)


def _read_info(folder: Path) -> bytes:
    if _size(folder / INFO) > _MAX_INFO:
        raise _foreign(folder / INFO)
    return _read(folder / INFO, _MAX_INFO)


def _read_tensors(path: Path, info: Mapping[str, Any]) -> bytes:
    """The weights, of the size and the digest that `model.json` says."""
    weights = info.get("weights")
    if not isinstance(weights, dict) or set(weights) != {"size", "sha256"}:
        raise _foreign(path.with_name(INFO))
    size, said = _size(path), weights["size"]
    if type(said) is not int or said > _MAX_TENSORS:
        raise _foreign(path.with_name(INFO))
    if size < said:
        raise _cut(path, size, said)
    if size > said or _described(packed := _read(path, size)) != weights:
        raise _changed(path)
    return packed


def _size(path: Path) -> int:
    """Bytes in a file that is there and no device, before any of them is read."""
    try:
        size = size_of(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not size:
        raise DataError(f"The model file {str(path)!r} is empty; restore it from a copy.")
    return size


def _read(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise _unreadable(path, error) from error


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _described(content: bytes) -> dict[str, Any]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"Expected a model folder with {INFO} and {TENSORS}, but {str(path)!r} cannot be read: "
        f"{reason(error)}; check the path."
    )


def _cut(path: Path, got: int, size: int) -> DataError:
    return DataError(
        f"The model file {str(path)!r} is cut short: {got:,} of {size:,} bytes; restore it from a "
        "copy."
    )


def _changed(path: Path) -> IntegrityError:
    return IntegrityError(
        f"The model file {str(path)!r} differs from its own digest; restore it from a copy."
    )


def _foreign(path: Path) -> DataError:
    return DataError(f"The file {str(path)!r} is not part of a genaudit model; check the path.")
