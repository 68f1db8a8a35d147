"""The small-cell rule: the report is itself a release, so it shows no count of a few people.

Source: the threshold rule of statistical disclosure control (Hundepool et al., Statistical
Disclosure Control, 2012, section 5.1); 10 is a common limit for published tables.
"""

from __future__ import annotations

SMALL_CELL = 10


def shown_count(n: int, minimum: int = SMALL_CELL) -> int | None:
    """A count that may be printed: None where it is positive but under `minimum`.

    >>> shown_count(0), shown_count(3), shown_count(25)
    (0, None, 25)
    """
    return None if 0 < n < minimum else n


def shown_share(count: float, n: int, minimum: int = SMALL_CELL) -> float | None:
    """The share, or None where n is 0, or `count` or what it leaves over is under the limit.

    >>> shown_share(3, 100), shown_share(25, 100), shown_share(99, 100)
    (None, 0.25, None)
    """
    # 99 of 100 tells as much about the one who is left as 1 of 100 tells about the one.
    hidden = 0 < count < minimum or 0 < n - count < minimum
    return None if n == 0 or hidden else count / n
