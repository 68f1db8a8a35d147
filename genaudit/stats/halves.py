"""Two halves of what cannot differ, as a null: of several random halvings the middle one.

One halving alone is far off one time in twenty, and then looks like a finding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Halvings that are looked at; odd, so that one is in the middle.
N_HALVINGS = 9

#: Positions of one half and of the other.
Halves = tuple[np.ndarray, np.ndarray]


def middle_halves(n: int, value: Callable[[np.ndarray, np.ndarray], float | None]) -> Halves:
    """Two halves of n positions whose value is the median of those of random halvings.

    Args:
        n: Positions; of an odd number one is left out, and fewer than two make empty halves.
        value: Of two halves; None or NaN where there is none, and if so for any, the first halving
            stands.

    Returns:
        Positions of either half, each of shape (n // 2,), ascending.
    """
    rng = np.random.default_rng(n)  # which halves is no secret, and the same for the same rows
    found = [_halves(rng.permutation(n)) for _ in range(N_HALVINGS)]
    values = [value(*halves) for halves in found]
    known = [v for v in values if v is not None and np.isfinite(v)]
    if len(known) < len(values):
        return found[0]
    return found[int(np.argsort(known, kind="stable")[N_HALVINGS // 2])]


def _halves(order: np.ndarray) -> Halves:
    half = len(order) // 2
    return np.sort(order[:half]), np.sort(order[half : 2 * half])
