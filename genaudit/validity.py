"""Until when a report may be relied on: the day that its operator declared, held against another.

It loads nothing, as `genaudit verify` asks it too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any


def today() -> dt.date:
    """The day by UTC, in which all days of reports are."""
    return dt.datetime.now(dt.UTC).date()


def expired(context: Mapping[str, Any], on: dt.date) -> str | None:
    """Until when a report was valid, where that was before a day, or is no day; else None.

    >>> expired({"valid_until": "2027-06-30"}, dt.date(2027, 7, 1))
    '2027-06-30'
    >>> expired({"valid_until": "2027-06-30"}, dt.date(2027, 6, 30)) is None
    True
    """
    until = context.get("valid_until")
    if until is None:
        return None
    try:
        return None if on <= dt.date.fromisoformat(str(until)) else str(until)
    except ValueError:
        return str(until)
