"""Canonical JSON of a report: the same report is the same bytes, and it reads back."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import ValidationError

from genaudit.errors import DataError, complaint, place, reason
from genaudit.reading import once
from genaudit.result import FORMAT_VERSION, AuditReport

_DO = "give the whole audit.json that `genaudit audit` wrote"


def dumps(report: AuditReport) -> str:
    """The report as text: sorted keys, no NaN, one newline at the end; write it as UTF-8."""
    data = report.model_dump(mode="json")
    return json.dumps(data, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def loads(text: str) -> AuditReport:
    """The report in what `dumps` wrote; fields of a newer minor version are ignored.

    Raises:
        DataError: the text is empty, cut short, foreign, names something twice, or is of another
            major format version.
    """
    if not text.strip():
        raise DataError(f"Expected a report (audit.json), got an empty file; {_DO}.")
    try:
        data = json.loads(text, object_pairs_hook=once, parse_constant=_no_constant)
        json.dumps(data, ensure_ascii=False).encode()  # lone surrogates cannot be written again
    except (ValueError, RecursionError) as error:
        raise DataError(
            "Expected a report (audit.json), got text cut short or no JSON: "
            f"{reason(error)}; {_DO}."
        ) from error
    _check_format(data)
    try:
        return AuditReport.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = place(first["loc"]) or "the top"
        raise DataError(
            f"Expected a report (audit.json) of format {FORMAT_VERSION}, "
            f"but {where} is not usable: {complaint(first)}; {_DO}."
        ) from error


def _check_format(data: Any) -> None:
    found = data.get("format_version") if isinstance(data, dict) else None
    if not isinstance(found, str):
        raise DataError(f"Expected a report (audit.json), got JSON of another kind; {_DO}.")
    major, _, minor = found.partition(".")
    if major != FORMAT_VERSION.split(".")[0] or not re.fullmatch("[0-9]{1,4}", minor):
        raise DataError(
            f"Expected format version {FORMAT_VERSION.split('.')[0]}.x, got {found!r}; "
            "read it with the genaudit that wrote it, or audit again."
        )


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
