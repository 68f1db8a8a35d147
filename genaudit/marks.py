"""Marks of a ledger, read from what was made with it: models, checkpoints, reports, files."""

from __future__ import annotations

import json as plain
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from genaudit.errors import DataError
from genaudit.ledger import Mark, Touch
from genaudit.models import folder as folders
from genaudit.reading import read_text, size_of
from genaudit.render import json
from genaudit.result import AuditReport, Registration

#: Largest file that is read for a mark, which may be a report.
_MAX = 1 << 26


def record(path: str | Path) -> list[Touch] | None:
    """The reads on record in a model folder; None of anything else that holds a mark.

    Raises:
        DataError: they cannot be read.
        IntegrityError: the folder differs from its own digest.
    """
    path = Path(path)
    if not path.is_dir() or folders.moments(path):
        return None
    found = folders.read(path)[0].get("touches")
    try:
        return TypeAdapter(list[Touch]).validate_python(found)
    except ValidationError as error:
        raise _none(path) from error


def read(path: str | Path) -> Mark:
    """The mark in a model or checkpoint folder, or in a file.

    Files are what `genaudit ledger verify --json` or `genaudit policy register --json` printed, and
    reports whose policy is in a ledger.

    Raises:
        DataError: there is none.
        IntegrityError: the folder differs from its own digest.
    """
    path = Path(path)
    if path.is_dir():
        moments = folders.moments(path)
        info, _ = folders.read(moments[-1] if moments else path)
        return _of(info.get("mark" if moments else "ledger"), path)
    found = _json(path)
    if isinstance(found, dict) and isinstance(at := found.get("registration"), dict):
        found = {"id": at.get("ledger"), "length": at.get("entry"), "head": at.get("head")}
    return _of(found, path)


def registration(path: str | Path) -> Registration | None:
    """What a report, or `genaudit policy register --json`, says of a policy; None of all else.

    Raises:
        DataError: it cannot be read.
    """
    path = Path(path)
    found = None if path.is_dir() else _json(path)
    if not isinstance(found, dict) or found.get("registration") is None:
        return None
    try:
        return Registration.model_validate(found["registration"])
    except ValidationError as error:
        raise _none(path) from error


def report(path: str | Path) -> AuditReport | None:
    """The report in a file; None of all else.

    Raises:
        DataError: it cannot be read.
    """
    path = Path(path)
    found = None if path.is_dir() else _json(path)
    if not isinstance(found, dict) or "format_version" not in found:
        return None
    return json.loads(read_text(path, "a report (audit.json)", DataError))


def _json(path: Path) -> Any:
    try:
        if size_of(path) > _MAX:
            raise _none(path)
        return plain.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _none(path) from error


def _of(found: Any, path: Path) -> Mark:
    try:
        return Mark.model_validate(found)
    except ValidationError as error:
        raise _none(path) from error


def _none(path: Path) -> DataError:
    return DataError(
        "Expected a model or checkpoint folder that was made with a ledger, a file that `genaudit "
        "ledger verify --json` printed, or a report whose policy was registered, got "
        f"{str(path)!r}; name one of them."
    )
