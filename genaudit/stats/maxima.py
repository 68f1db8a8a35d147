"""The change of a largest gap: an interval that holds although the extremes are picked from data.

The largest of many noisy gaps lies above the largest true one, so that the difference of two such
maxima is biased wherever they are biased unlike: where one side has one clear extreme and the other
has many that are near it. Nothing corrects that bias without knowing which gap is the largest, so
the interval covers every gap that could be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import t

from genaudit.stats.intervals import Interval

#: Share of the error on either side that goes into each choice of candidates; two of them and the
#: interval itself share it.
_CHOICE = 0.05

#: Most pairs of candidates that are looked at one by one.
_MOST = 4000


@dataclass(frozen=True, eq=False)
class Source:
    """One reason why numbers would come out otherwise.

    covariance: of the cells of both sides, shape (2C, 2C); the second C are the other side's.
    df: degrees of freedom, infinite where it is known well.
    least: variance that no contrast falls below in which a cell has a part, (C,); None for none.
    instead: another estimate of the covariance, which counts where it is the larger.
    """

    covariance: np.ndarray
    df: float = math.inf
    least: np.ndarray | None = None
    instead: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Maxima:
    """The largest contrast of one side's cells minus the largest one of the other side's.

    first, second: Estimates of the cells, shape (C,).
    contrasts: Weights of the cells in each contrast, shape (P, C).
    sources: Independent sources of error.

    Let p be the truly largest contrast of the first side and q that of the second. The change is
    first(p) - second(q), and at most first(p) - second(p). Both are plain contrasts, with an
    interval as any; p and q are only known to be among the candidates A and B, which no test tells
    from the largest. So the upper end is the largest over A of the smaller of the two upper ends,
    the second over all of B, and the lower end mirrors it. A side errs where its candidates do, at
    a twentieth of its share each, or an interval does, at the remaining nine tenths. With one clear
    extreme a side it is the interval of that contrast, 2% wider.

    Source: union-intersection over candidates, Casella & Berger 2002, sections 8.2.3 and 9.1; the
    choice of candidates after Hsu 1984, Annals of Statistics 12 (comparisons with the best).
    """

    first: np.ndarray
    second: np.ndarray
    contrasts: np.ndarray
    sources: Sequence[Source]

    @property
    def value(self) -> float:
        """The difference of the two maxima, as it is."""
        return float((self.contrasts @ self.first).max() - (self.contrasts @ self.second).max())

    def interval(self, confidence: float) -> Interval:
        """Two-sided interval of the change; holds `value`.

        Args:
            confidence: In (0, 1).
        """
        error = (1 - confidence) / 2
        if len(self.contrasts) == 1:  # nothing is chosen
            half = float(self._half(lambda m: _of_pairs(m, 0, 0), error))
            return self.value - half, self.value + half
        mine, other = (self._candidates(side, _CHOICE * error) for side in (0, 1))
        tail = (1 - 2 * _CHOICE) * error
        high = self._end(mine, other, tail, up=True)
        low = self._end(other, mine, tail, up=False)
        return low, high

    def changes(self, tail: float) -> tuple[np.ndarray, np.ndarray]:
        """One-sided limits of first(p) - second(p) of every contrast, each of shape (P,)."""
        values = self.contrasts @ (self.first - self.second)
        half = self._reach([[m.change for m in of] for of in self._singles], tail)
        return values - half, values + half

    def firsts(self, tail: float) -> tuple[np.ndarray, np.ndarray]:
        """One-sided limits of first(p) of every contrast, each of shape (P,)."""
        values = self.contrasts @ self.first
        half = self._reach([[m.first for m in of] for of in self._singles], tail)
        return values - half, values + half

    def seconds(self, tail: float) -> tuple[np.ndarray, np.ndarray]:
        """One-sided limits of second(p) of every contrast, each of shape (P,)."""
        values = self.contrasts @ self.second
        half = self._reach([[m.second for m in of] for of in self._singles], tail)
        return values - half, values + half

    def _end(self, own: np.ndarray, others: np.ndarray, tail: float, *, up: bool) -> float:
        """One end: over `own` the better of the contrast with itself and with all of `others`."""
        sign = 1.0 if up else -1.0
        best = sign * self._limit(own, own, tail, sign)
        if len(own) * len(others) <= _MOST:
            one, two = np.repeat(own, len(others)), np.tile(others, len(own))
            p, q = (one, two) if up else (two, one)
            ends = sign * self._limit(p, q, tail, sign)
            best = np.minimum(best, ends.reshape(len(own), len(others)).max(axis=1))
        return sign * float(best.max())

    def _limit(self, p: np.ndarray, q: np.ndarray, tail: float, sign: float) -> np.ndarray:
        """One-sided limit of first(p) - second(q), for each pair of numbers of contrasts."""
        change = (self.contrasts @ self.first)[p] - (self.contrasts @ self.second)[q]
        return change + sign * self._half(lambda m: _of_pairs(m, p, q), tail)

    def _candidates(self, side: int, error: float) -> np.ndarray:
        """Contrasts of a side that may be its largest, but for this error."""
        values = self.contrasts @ (self.second if side else self.first)
        top = int(values.argmax())

        def behind(m: _Products) -> np.ndarray:
            own = m[side]
            variance = np.diag(own) + own[top, top] - 2 * own[top]
            return np.maximum(variance, np.maximum(m[3], m[3][top]))

        # Whichever of the others is the truth, it must not fall this far behind.
        reach = self._half(behind, error / max(len(values) - 1, 1))
        near = values[top] - values <= reach
        near[top] = True
        return np.flatnonzero(near)

    def _half(self, variance: Callable[[_Products], np.ndarray], tail: float) -> np.ndarray:
        """How far the interval of some contrasts reaches, from their variance by source."""
        return self._reach([[variance(m) for m in of] for of in self._products], tail)

    def _reach(self, variances: Sequence[Sequence[np.ndarray]], tail: float) -> np.ndarray:
        """How far Student's t interval reaches; variances of each source, the largest counts.

        Source: Satterthwaite 1946, equation 17.
        """
        total = inverse = np.zeros(())
        for source, known in zip(self.sources, variances, strict=True):
            found = np.max(known, axis=0)
            total, inverse = total + found, inverse + found**2 / source.df
        with np.errstate(divide="ignore", invalid="ignore"):
            df = np.where(inverse > 0, total**2 / inverse, np.inf)
        return np.where(total > 0, t.isf(tail, df) * np.sqrt(total), 0.0)

    @cached_property
    def _singles(self) -> list[list[_Single]]:
        """By source: of its covariance, and of the one instead."""
        return [
            [self._single(c, s.least) for c in (s.covariance, s.instead) if c is not None]
            for s in self.sources
        ]

    def _single(self, covariance: np.ndarray, least: np.ndarray | None) -> _Single:
        c = len(self.first)
        blocks = (covariance[:c, :c], covariance[c:, c:], covariance[:c, c:])
        own, other, between = (((self.contrasts @ b) * self.contrasts).sum(axis=1) for b in blocks)
        floor = self._floor(least)
        change = own + other - 2 * between
        return _Single(*(np.maximum(variance, floor) for variance in (change, own, other)))

    def _floor(self, least: np.ndarray | None) -> np.ndarray:
        """Variance that no contrast falls below, shape (P,)."""
        w = self.contrasts
        return np.zeros(len(w)) if least is None else ((w != 0) * least).max(axis=1)

    @cached_property
    def _products(self) -> list[list[_Products]]:
        """By source: of its covariance, and of the one instead."""
        return [
            [self._product(c, s.least) for c in (s.covariance, s.instead) if c is not None]
            for s in self.sources
        ]

    def _product(self, covariance: np.ndarray, least: np.ndarray | None) -> _Products:
        """Of contrasts: covariances on the first side, on the second, between both; the least."""
        w, c = self.contrasts, len(self.first)
        blocks = (covariance[:c, :c], covariance[c:, c:], covariance[:c, c:])
        own, other, between = (w @ block @ w.T for block in blocks)
        return own, other, between, self._floor(least)


@dataclass(frozen=True, eq=False)
class _Single:
    """Variances of each contrast by itself, shape (P,): of its change, and on either side."""

    change: np.ndarray
    first: np.ndarray
    second: np.ndarray


#: Covariances (P, P) of contrasts of the first side, of the second, and between the two; (P,).
_Products = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _of_pairs(m: _Products, p: np.ndarray | int, q: np.ndarray | int) -> np.ndarray:
    """Variance of first(p) - second(q)."""
    variance = m[0][p, p] + m[1][q, q] - 2 * m[2][p, q]
    return np.maximum(variance, np.maximum(m[3][p], m[3][q]))
