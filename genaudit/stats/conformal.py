"""Conformal p-values: how far a new record sticks out of many that are known to be ordinary."""

from __future__ import annotations

import math

import numpy as np


def accused(scores: np.ndarray, ordinary: np.ndarray, rate: float) -> np.ndarray | None:
    """Which scores have a conformal p-value of at most `rate`; None where none could have one.

    The p-value of a score is the share of ordinary ones, itself among them, that are as high. If
    the record is as ordinary as they are, exchangeable with them, it is accused with a chance of at
    most `rate`, over the ordinary records too, whatever the score is.

    Args:
        scores: Shape (n,), higher = more unusual.
        ordinary: Scores of records known to be ordinary, shape (k,).
        rate: In (0, 1); k must be at least 1 / rate - 1.

    Source: Vovk, Gammerman & Shafer 2005, Algorithmic Learning in a Random World, section 2.2.

    >>> accused(np.array([5.0, 1.0]), np.arange(4.0), 0.2).tolist()
    [True, False]
    """
    most = math.floor(rate * (len(ordinary) + 1) + 1e-9) - 1
    if most < 0:
        return None
    threshold = np.partition(ordinary, len(ordinary) - 1 - most)[len(ordinary) - 1 - most]
    return np.asarray(scores > threshold)
