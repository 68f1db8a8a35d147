"""Is any number of noise that of another parameter: in a fixed place, or in a place of each draw.

Lags along the parameters find noise that is used again at one distance. Here are the others: an
order of its own, the same in every step or a new one each time.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest
from scipy.stats import t as student

#: Parameters that are compared with each other, and how many at a time.
_COMPARED, _BLOCK = 4096, 512

#: Rows below which a correlation tells nothing.
_FEWEST = 8

#: Deviations within which two numbers are one number and its rounding.
_NEAR = 1e-4


def pair_p_value(noise: np.ndarray, rng: np.random.Generator) -> float:
    """Chance of the largest correlation of two parameters over draws, by Bonferroni.

    For normal numbers that is exact: r of n draws is Student's t with n - 1 degrees of freedom, as
    the mean is known.

    Args:
        noise: Shape (draws, parameters); of more than a few thousand parameters some are compared.
        rng: Which ones.

    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=(64, 40))
    >>> pair_p_value(noise, rng) > 0.01
    True
    >>> pair_p_value(np.hstack([noise, noise[:, rng.permutation(40)]]), rng) < 1e-12
    True
    """
    draws, width = noise.shape
    if width < 2 or draws < _FEWEST:
        return 1.0
    chosen = noise[:, rng.permutation(width)[:_COMPARED]] if width > _COMPARED else noise
    lengths = np.linalg.norm(chosen, axis=0)
    unit = chosen[:, lengths > 0] / lengths[lengths > 0]
    width = unit.shape[1]
    pairs = width * (width - 1) / 2
    r = min(_largest(unit), 1 - 1e-12)
    return float(min(1.0, pairs * 2 * student.sf(r * np.sqrt((draws - 1) / (1 - r**2)), draws - 1)))


def twin_p_value(noise: np.ndarray, rng: np.random.Generator) -> float:
    """Chance that so many draws hold more equal numbers, signs apart, than two draws share.

    Half of the parameters of a draw are held against the other half of it, and against that half of
    the next draw: for independent noise, coarse or not, either is as likely to have more.

    Args:
        noise: Shape (draws, parameters), in deviations.
        rng: Which half.

    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=(64, 40))
    >>> twin_p_value(noise, rng) > 0.01
    True
    >>> twin_p_value(np.hstack([noise, rng.permuted(-noise, axis=1)]), rng) < 1e-6
    True
    """
    draws, width = noise.shape
    sizes, more, fewer = np.abs(noise), 0, 0
    for i in range(0, draws - 1, 2):
        halves = np.array_split(rng.permutation(width), 2)
        own, other = (_near(sizes[i, halves[0]], sizes[j, halves[1]]) for j in (i, i + 1))
        more, fewer = more + (own > other), fewer + (own < other)
    if not more + fewer:
        return 1.0
    return float(binomtest(more, more + fewer, alternative="greater").pvalue)


def _largest(unit: np.ndarray) -> float:
    """The largest correlation of two columns of length 1."""
    found = 0.0
    for start in range(0, unit.shape[1], _BLOCK):
        found_here = np.abs(unit[:, start : start + _BLOCK].T @ unit[:, start:])
        found = max(found, float(np.triu(found_here, 1).max(initial=0.0)))
    return found


def _near(some: np.ndarray, others: np.ndarray) -> int:
    """How many pairs are one number, but for rounding."""
    ordered = np.sort(others)
    upto = np.searchsorted(ordered, some + _NEAR, side="right")
    return int((upto - np.searchsorted(ordered, some - _NEAR)).sum())
