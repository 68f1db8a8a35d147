"""What audits of leaks share: yardsticks of power, and counts that may be printed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from genaudit.data.disclosure import SMALL_CELL, shown_count
from genaudit.policy import Policy

#: Limits of the bundled policy among the findings of privacy; they share its alpha of 1%.
_N_LIMITS = 7

#: Confidence at which power is worked out: two-sided, so that a low end errs in such a share of 1%.
POWER_CONFIDENCE = 1 - 2 * 0.01 / _N_LIMITS

#: Confidence at which control data must differ before an audit doubts itself.
DOUBT_CONFIDENCE = 0.999


@cache
def default_limit(metric: str) -> float:
    """The limit of the bundled policy, the yardstick of `detectable`."""
    limit = Policy.read().limit(metric)
    return 0.0 if limit is None else limit.value


def shown(n: int) -> str:
    """A count as text, small ones without their value.

    >>> shown(1234), shown(3), shown(0)
    ('1,234', '<10', '0')
    """
    return f"<{SMALL_CELL}" if shown_count(n) is None else f"{n:,}"


def shown_of(n: int, total: int) -> str:
    """Some of a known total as text, without a value where it or what it leaves over is small.

    >>> shown_of(1234, 2000), shown_of(3, 2000), shown_of(1996, 2000), shown_of(2000, 2000)
    ('1,234', '<10', '>1,990', '2,000')
    >>> shown_of(3, 4), shown_of(9, 10)
    ('<10', '<10')
    """
    if shown_count(total - n) is None and total > SMALL_CELL:
        return f">{total - SMALL_CELL:,}"
    return shown(n)


def smallest(flagged: Callable[[float], bool], low: float, high: float) -> float | None:
    """Smallest value in [low, high] that is flagged, by bisection; None where not even high is."""
    if not flagged(high):
        return None
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if flagged(middle) else (middle, high)
    return high
