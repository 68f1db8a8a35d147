"""Until when a report may be relied on: the day that its operator declared, held against another.

It loads nothing, as `genaudit verify` asks it too.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

_FORM = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

#: Verdicts of a finding with a limit that lets it pass.
_PASSES = ("within", "info")


def today() -> dt.date:
    """The day by UTC, in which all days of reports are."""
    return dt.datetime.now(dt.UTC).date()


def expired(context: Mapping[str, Any], on: dt.date) -> str | None:
    """Until when a report was valid, where that was before a day, or is no day; else None.

    >>> expired({"valid_until": "2027-06-30"}, dt.date(2027, 7, 1))
    '2027-06-30'
    >>> expired({"valid_until": "2027-06-30"}, dt.date(2027, 6, 30)) is None
    True
    >>> expired({"valid_until": "20270630"}, dt.date(2027, 1, 1))
    '20270630'
    """
    until = context.get("valid_until")
    if until is None:
        return None
    day = _day(until)
    return None if day is not None and on <= day else str(until)


def expired_limits(findings: Iterable[tuple[str, str, Any]], on: dt.date) -> list[str]:
    """Metrics that pass by a limit whose last day was before a day: it lets nothing pass any more.

    They pass where they are within, and where a gap is told to be smaller or turned (`info`).

    Args:
        findings: Metric, verdict, and last day of the limit (None = none) of each that has one.
        on: The day.

    >>> days = "2027-06-30", None, "2027-07-01"
    >>> expired_limits(zip("abc", ("within", "info", "within"), days), dt.date(2027, 7, 1))
    ['a']
    >>> other = [("d", "info", "2027-06-30"), ("e", "outside", "2027-06-30")]
    >>> expired_limits(other, dt.date(2027, 7, 1))
    ['d']
    """
    passed = [(metric, _day(last)) for metric, verdict, last in findings
              if verdict in _PASSES and last is not None]  # fmt: skip
    return sorted({metric for metric, day in passed if day is None or day < on})


def _day(text: Any) -> dt.date | None:
    """A day as this tool writes it, and no other form of ISO 8601."""
    try:
        return dt.date.fromisoformat(str(text)) if _FORM.fullmatch(str(text)) else None
    except ValueError:
        return None
