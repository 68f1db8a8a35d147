"""How far any two of many groups have come apart, where nobody says beforehand which two."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from genaudit.stats.intervals import Interval

#: One-sided limits of some quantity of every ordered pair, each (P,), at the error of one of them.
Limits = Callable[[float], tuple[np.ndarray, np.ndarray]]


def widening(quantities: Sequence[np.ndarray]) -> float:
    """Largest over pairs of the smallest of a pair's quantities, and at least 0.

    With what the first of a pair gained on the second, and how far it is ahead of it now, a pair
    that came apart counts with what it gained, one that traded places with how far it stands the
    other way, and one that came closer with nothing.

    Args:
        quantities: Of each ordered pair, each of shape (P,).

    >>> gained, ahead = np.array([0.3, -0.3]), np.array([0.1, -0.1])  # it was behind by 0.2
    >>> widening([gained, ahead]), widening([-gained / 3, ahead])
    (0.1, 0.0)
    """
    return max(float(np.min(quantities, axis=0).max()), 0.0)


def widening_interval(quantities: Sequence[Limits], confidence: float) -> Interval:
    """Two-sided interval of `widening`, valid whichever pair it is that is furthest apart.

    The truth of the smallest quantity of a pair is one of them, so the smallest of their lower ends
    lies below it as often as one does; any of their upper ends may fail, so they share the error.
    Of pairs it is the other way round: the largest lower end needs all pairs to hold, the largest
    upper end the one pair that is furthest in truth.

    Args:
        quantities: Limits of each quantity at the error of one end of one pair.
        confidence: In (0, 1).

    Source: intersection-union and union-intersection, Casella & Berger 2002, section 8.2.3;
    Bonferroni over pairs.
    """
    error = (1 - confidence) / 2
    highs = [limits(error / len(quantities))[1] for limits in quantities]
    lows = [limits(error / len(highs[0]))[0] for limits in quantities]
    low, high = (float(np.min(ends, axis=0).max()) for ends in (lows, highs))
    return max(low, 0.0), max(high, 0.0)
