"""How many rows would have told, where an interval was too wide to."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.stats import norm

#: Four times out of five.
_POWER = float(norm.isf(0.2))

#: More than so many times as many rows are as good as none.
_MOST = 1e4

#: With more than so many times as many rows of one side, all sides grow instead.
_MOST_ONE = 100.0


def sizes_that_tell(
    sides: Sequence[tuple[int, float]], distance: float, tail: float
) -> tuple[int, ...] | None:
    """Rows of each side with which a normal interval keeps clear of a limit four times out of five.

    The first side grows alone where that is enough, since it is the cheapest (generated rows);
    otherwise all grow alike. None where no number that anybody could reach would do.

    Args:
        sides: Rows n, and what they add to the variance, of each independent source.
        distance: From the value to the limit.
        tail: One-sided chance of error of the interval.

    >>> sizes_that_tell([(1000, 2e-4), (1000, 2e-4)], 0.05, 0.025)
    (1700, 1000)
    >>> sizes_that_tell([(1000, 2e-4), (1000, 2e-4)], 0.02, 0.025)
    (7900, 7900)
    """
    if distance <= 0:
        return None
    allowed = (distance / (float(norm.isf(tail)) + _POWER)) ** 2
    (n, first), others = sides[0], sum(v for _, v in sides[1:])
    if allowed > others and first / (allowed - others) <= _MOST_ONE:
        times = max(first / (allowed - others), 1.0)
        return _rounded_up(n * times), *(m for m, _ in sides[1:])
    times = (first + others) / allowed
    if times > _MOST:
        return None
    return tuple(_rounded_up(m * times) for m, _ in sides)


def _rounded_up(x: float) -> int:
    """To two digits, as no more are known.

    >>> _rounded_up(1021), _rounded_up(7)
    (1100, 7)
    """
    unit = 10 ** max(math.floor(math.log10(max(x, 1))) - 1, 0)
    return int(math.ceil(x / unit - 1e-9) * unit)
