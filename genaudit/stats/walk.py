"""How likely a count of right guesses ever gets as high as a line, while guesses are added."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import binom

#: Chance that is left out at either end of a step, and counted as if it had crossed.
_TINY = 1e-15


def crossing_chance(numbers: Sequence[int], lines: Sequence[int], q: float) -> float:
    """Chance that of the first numbers[j] independent trials at least lines[j] succeed, for any j.

    Args:
        numbers: Of trials, ascending.
        lines: Successes that count as crossing, as many.
        q: Chance of each trial.

    Returns:
        Never less than the exact chance; more by at most some 1e-14.

    >>> round(crossing_chance([1, 2], [1, 2], 0.5), 9), round(crossing_chance([2], [2], 0.5), 9)
    (0.5, 0.25)
    """
    below, low, before, crossed = np.ones(1), 0, 0, 0.0  # chances of low, low + 1, ... successes
    for number, line in zip(numbers, lines, strict=True):
        first, step = _step(number - before, q)
        before, low = number, low + first
        below = np.convolve(below, step)
        inside = max(line - low, 0)
        crossed += float(below[inside:].sum()) + 2 * _TINY
        below = below[:inside]
        kept = np.flatnonzero(below > _TINY / 1e3)
        if not len(kept):
            return min(1.0, crossed + float(below.sum()))
        crossed += float(below[: kept[0]].sum())
        below, low = below[kept[0] :], low + int(kept[0])
    return min(1.0, crossed)


def _step(n: int, q: float) -> tuple[int, np.ndarray]:
    """Least number of successes that is not hopeless, and the chances of it and those above."""
    first, last = int(binom.ppf(_TINY, n, q)), int(binom.isf(_TINY, n, q))
    return max(first, 0), binom.pmf(np.arange(max(first, 0), last + 1), n, q)
