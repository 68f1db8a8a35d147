"""Counts with noise, by OpenDP: how many, in which range, at which levels.

Discrete Laplace noise from the operating system's entropy, on counts in which one record changes
one cell by one. A range needs no bounds to begin with: numbers are counted in eighths of signed
powers of two, dates in calendar years.

Source: Ghosh, Roughgarden, Sundararajan 2009 (the geometric mechanism); Korolova, Kenthapadi,
Mishra, Ntoulas 2009 (levels above a threshold); both as implemented and proved in OpenDP.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from genaudit.data.schema import Column, Kind

#: Exponents of the powers of two between which numbers are told apart.
_EXPONENTS = range(-32, 64)

#: Cells from a power of two to the next: together they find a thin tail, alone they tighten bounds.
_PARTS = 8

#: Records times ε that the dropped end of a range may hold: twice the noise of a group.
_SLACK = 8.0

#: Years that a date may lie in.
_YEARS = range(1, 10_000)

#: Chance that any empty cell of a column passes for a filled one.
_FALSE_CELL = 1e-4

# Levels go to OpenDP as hexadecimal text, which no missing value can be mistaken for.
_MISSING = "missing"


def noisy_count(n: int, epsilon: float) -> int:
    """`n` plus two-sided geometric noise of scale 1 / ε; it may be negative."""
    return int(_geometric(epsilon, None)(n))


def noisy_levels(
    values: pd.Series, epsilon: float, delta: float, *, with_missing: bool
) -> tuple[tuple[str, ...], bool]:
    """Levels whose noisy count passes the threshold, sorted, and whether missing passes too."""
    counts = {_key(level): int(k) for level, k in values.dropna().astype(str).value_counts().items()
              if k > 0}  # fmt: skip
    if with_missing and values.isna().any():
        counts[_MISSING] = int(values.isna().sum())
    found = set(_stable_histogram(epsilon, delta)(counts))
    gone = _MISSING in found
    return tuple(sorted(_level(key) for key in found - {_MISSING})), gone


def noisy_range(
    values: pd.Series, column: Column, epsilon: float, *, with_missing: bool
) -> tuple[tuple[float, float] | None, bool]:
    """Outer edges of the cells whose noisy count passes, and whether missing passes too."""
    edges, groups = _cells(column)
    present = values.dropna().to_numpy(dtype=float)
    cells = np.clip(np.searchsorted(edges, present, side="right") - 1, 0, len(groups) - 1)
    counts = np.bincount(cells, minlength=len(groups))
    missing = int(values.isna().sum()) if with_missing else 0
    *noisy, noisy_missing = _geometric(epsilon, len(groups) + 1)([*counts.tolist(), missing])
    gone = with_missing and noisy_missing > _cell_threshold(epsilon, len(groups))
    span = _filled(np.array(noisy), groups, epsilon)
    if span is None:
        return None, gone
    low, end = float(edges[span[0]]), float(edges[span[1] + 1])
    # The cell of zero reaches a hair to both sides of it; nobody means the lower one.
    return (0.0 if abs(low) <= 2.0**_EXPONENTS.start else low, end), gone


def _filled(noisy: np.ndarray, groups: np.ndarray, epsilon: float) -> tuple[int, int] | None:
    """First and last cell that hold records, as far as the noise lets see; None where none does.

    A group of cells is filled where one cell or their sum stands out of the noise. The parts of
    the outermost groups are then left out while what they hold together is no more than noise.
    """
    sizes, sums = np.bincount(groups), np.bincount(groups, weights=noisy)
    widest = int(sizes.max())
    alone = np.isin(np.arange(len(sizes)), groups[noisy > _cell_threshold(epsilon, len(noisy))])
    together = sums > _cell_threshold(epsilon, len(sizes), terms=widest)
    filled = np.flatnonzero(alone | together)
    if not len(filled):
        return None
    first, last = (np.flatnonzero(groups == g) for g in (filled[0], filled[-1]))
    low = first[0] + _negligible(noisy[first], epsilon)
    high = last[-1] - _negligible(noisy[last][::-1], epsilon)
    return int(low), int(max(low, high))


def _negligible(parts: np.ndarray, epsilon: float) -> int:
    """How many leading parts hold no more than noise together; never all of them."""
    beyond = np.cumsum(parts[:-1]) > _SLACK / epsilon
    return int(np.argmax(beyond)) if beyond.any() else len(parts) - 1


def level_threshold(epsilon: float, delta: float) -> int:
    """Smallest count at which a level of one record shows with chance at most δ (Laplace tail)."""
    return 2 + max(0, math.ceil(math.log(1 / (2 * delta)) / epsilon))


def range_threshold(epsilon: float, column: Column) -> float:
    """The noisy count above which one cell of a column's range counts as filled."""
    return _cell_threshold(epsilon, len(_cells(column)[1]))


def _cells(column: Column) -> tuple[np.ndarray, np.ndarray]:
    """Ascending edges of all cells, shape (cells + 1,), and the group of each, shape (cells,)."""
    return _years() if column.kind is Kind.DATETIME else _powers()


@cache
def _powers() -> tuple[np.ndarray, np.ndarray]:
    """Powers of two with `_PARTS` cells to the next, mirrored around one cell for zero."""
    parts = 1 + np.arange(_PARTS) / _PARTS
    edges = np.outer(np.exp2(np.array(_EXPONENTS, dtype=float)), parts).ravel()
    edges = np.append(edges, 2.0**_EXPONENTS.stop)
    octaves = np.repeat(np.arange(len(_EXPONENTS)), _PARTS)
    n = len(_EXPONENTS)
    return np.concatenate([-edges[::-1], edges]), np.concatenate([octaves, [n], octaves + n + 1])


@cache
def _years() -> tuple[np.ndarray, np.ndarray]:
    """Seconds since 1970 at each New Year's Day; each year is a group of its own."""
    days = np.array([f"{year:04d}-01-01" for year in _YEARS] + ["10000-01-01"], "datetime64[s]")
    return days.astype(np.int64).astype(float), np.arange(len(_YEARS))


def _cell_threshold(epsilon: float, n_cells: int, *, terms: int = 1) -> float:
    """Noise that no empty cell of `n_cells`, each a sum of `terms`, exceeds, but in 1% of runs."""
    log_chance = math.log(n_cells / _FALSE_CELL)
    # One term has the exact tail; a sum has Chernoff's bound at its best point u = s / ε.
    u = np.linspace(0.01, 0.99, 99)
    best = float(((log_chance - terms * np.log1p(-(u**2))) / u).min())
    return (log_chance if terms == 1 else best) / epsilon


def _key(level: str) -> str:
    # OpenDP takes text to its first null byte; as hexadecimal every level stays itself.
    return level.encode("utf-8", "surrogatepass").hex()


def _level(key: str) -> str:
    return bytes.fromhex(key).decode("utf-8", "surrogatepass")


@cache
def _geometric(epsilon: float, size: int | None) -> Any:
    """OpenDP's discrete Laplace mechanism on a count, or on `size` counts with L1 sensitivity 1."""
    dp = _opendp()
    atom = dp.atom_domain(T="i64")
    if size is None:
        space = (atom, dp.absolute_distance(T="i64"))
    else:
        space = (dp.vector_domain(atom, size=size), dp.l1_distance(T="i64"))
    measurement = dp.m.make_geometric(*space, scale=_scale(epsilon))
    assert measurement.map(1) <= epsilon
    return measurement


def _stable_histogram(epsilon: float, delta: float) -> Any:
    """OpenDP's thresholded Laplace histogram: unknown keys, each record in one of them."""
    dp = _opendp()
    space = (
        dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T="i64")),
        dp.l01inf_distance(dp.absolute_distance(T="i64")),
    )
    measurement = dp.m.make_laplace_threshold(
        *space, scale=_scale(epsilon), threshold=level_threshold(epsilon, delta)
    )
    spent = measurement.map((1, 1, 1))
    assert spent[0] <= epsilon
    assert spent[1] <= delta
    return measurement


def _scale(epsilon: float) -> float:
    # A hair more noise than 1 / ε, so that rounding never spends more than ε.
    return (1 + 1e-12) / epsilon


@cache
def _opendp() -> Any:
    import opendp.prelude as dp

    # OpenDP asks for consent to measurements that its maintainers have not vetted in full.
    dp.enable_features("contrib")
    return dp
