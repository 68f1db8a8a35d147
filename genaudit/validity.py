"""Until when a report may be relied on: the day that its operator declared, held against another.

It loads nothing, as `genaudit verify` asks it too.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

_FORM = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


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


def over(findings: Iterable[tuple[str, Any]], on: dt.date) -> list[str]:
    """Metrics that lie within a limit whose last day was before a day.

    findings: name of the metric of each finding within its limit, and the limit's last day.

    >>> over([("a", "2027-06-30"), ("b", None), ("c", "2027-07-01")], dt.date(2027, 7, 1))
    ['a']
    """
    days = [(metric, _day(last)) for metric, last in findings if last is not None]
    return sorted({metric for metric, day in days if day is None or day < on})


def _day(text: Any) -> dt.date | None:
    """A day as this tool writes it, and no other form of ISO 8601."""
    try:
        return dt.date.fromisoformat(str(text)) if _FORM.fullmatch(str(text)) else None
    except ValueError:
        return None
