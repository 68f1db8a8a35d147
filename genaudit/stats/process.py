"""Outcomes added up over an attribute, from its lowest value to its highest, and how sure that is.

A continuous attribute is not cut into groups: people are put in its order, and the outcomes of the
first u of them are added up. Two tables with the same relation have the same sums, whatever their
attributes' own distributions are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

#: Places at which sums are read off, draws of the error process, and the confidence up to which its
#: largest deviation is read off the draws; beyond, it falls as a normal number does.
PLACES = 100
_DRAWS = 2000
_READ = 0.99


@dataclass(frozen=True, eq=False)
class Process:
    """Sums of an outcome's surplus over its mean, at each place, shape (PLACES,).

    sums: (1 / n) times the surplus of the first u of the rows, u = 1 / PLACES, ..., 1.
    errors: draws of its error, shape (draws, PLACES).
    """

    sums: np.ndarray
    errors: np.ndarray


def surplus(
    order: np.ndarray, outcome: np.ndarray, rng: np.random.Generator, worth: float = 1.0
) -> Process:
    """The process of n rows.

    Errors come from normal weights of the rows (a multiplier bootstrap), drawn place by place from
    their sums: the rows' own outcomes, and where the place of each row lies among the others.

    Args:
        order: Attribute, shape (n,).
        outcome: In [0, 1], shape (n,).
        rng: Random stream.
        worth: Of a row in independent ones, in (0, 1].

    Source: van der Vaart & Wellner 1996, section 2.9 (multipliers); the sums are those of a
    concentration curve (Mahalanobis 1960).

    >>> p = surplus(np.arange(4.0), np.array([0, 0, 1, 1]), np.random.default_rng(0))
    >>> round(float(p.sums.min()), 3)
    -0.25
    """
    n = len(order)
    # Equal values are one step of a straight line, and in an order of chance for the errors.
    ranks = np.empty(n)
    ranks[np.lexsort((rng.permutation(n), order))] = np.arange(1, n + 1)
    place = np.ceil(PLACES * ranks / n - 1e-9).astype(np.int64) - 1
    counts, total, squares = (
        np.bincount(place, w, PLACES) for w in (np.ones(n), outcome, outcome**2)
    )
    reached = np.cumsum(counts) / n
    sums = _sums(order, outcome)
    here = _smooth(total, counts)
    # Two normal sums a place: of the weights, and of the weights times the outcomes.
    first = rng.standard_normal((_DRAWS, PLACES))
    other = rng.standard_normal((_DRAWS, PLACES))
    mean = np.divide(total, counts, out=np.zeros(PLACES), where=counts > 0)
    rest = np.sqrt(np.maximum(squares - counts * mean**2, 0.0))
    weights = first * np.sqrt(counts)
    weighted = weights * mean + other * rest
    below, below_weighted = weights.cumsum(axis=1), weighted.cumsum(axis=1)
    all_of, all_weighted = below[:, -1:], below_weighted[:, -1:]
    moved = below_weighted - here * below - reached * (all_weighted - here * all_of)
    moved -= sums * all_of
    return Process(sums, moved / n / math.sqrt(worth))


def _sums(order: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """The sums at each place, exact for the values, straight lines between them."""
    _, codes, counts = np.unique(order, return_inverse=True, return_counts=True)
    surplus_of = np.bincount(codes, outcome - outcome.mean())
    reached, sums = np.cumsum(counts) / len(order), np.cumsum(surplus_of) / len(order)
    places = np.arange(1, PLACES + 1) / PLACES
    return np.interp(places, np.append(0.0, reached), np.append(0.0, sums))


def _smooth(total: np.ndarray, counts: np.ndarray, reach: int = 3) -> np.ndarray:
    """Mean outcome around the upper edge of each place."""
    window = np.ones(2 * reach)
    near = np.convolve(np.pad(counts, reach, mode="edge"), window, "same")[reach:-reach]
    mine = np.convolve(np.pad(total, reach, mode="edge"), window, "same")[reach:-reach]
    return np.divide(mine, near, out=np.zeros_like(mine), where=near > 0)


def largest_distance(one: Process, other: Process, confidence: float) -> tuple[float, float, float]:
    """Largest distance of two processes, with an interval that holds at all places together.

    Returns:
        Value, low end (at least 0), high end.
    """
    value = float(np.abs(one.sums - other.sums).max())
    peaks = np.abs(one.errors - other.errors).max(axis=1)
    half = float(np.quantile(peaks, min(confidence, _READ)))
    if confidence > _READ:
        half *= math.sqrt(math.log(2 / (1 - confidence)) / math.log(2 / (1 - _READ)))
    return value, max(value - half, 0.0), value + half
