"""Shares of classes that were predicted, corrected for how often the predictor errs.

A predictor that is wrong one time in ten reports a share of 10% where there is nobody. Its error
rates, measured on records whose class is known, undo that; as they were measured on so many records
only, their own error is part of the interval. All of it supposes that the predictor errs about the
records of a class as often among those that it is asked about as among those it was measured on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import brentq

from genaudit.stats.contrast import contrast
from genaudit.stats.intervals import Interval
from genaudit.stats.scores import mean_score

#: Error of what a predictor is known to tell apart, as a share of it, from which on it is weak: it
#: is then less than four standard errors from chance. Intervals hold the truth for all that.
MAX_BLUR = 0.25

#: Confidence at which predictions that no mix of the classes would give are called so.
_MISFIT = 0.999

#: Share of a class at which the search for the likeliest mix begins, and steps of it at most.
_EDGE, _STEPS = 1e-3, 3_000

#: Share that is none.
_NOTHING = 1e-6


@dataclass(frozen=True, eq=False)
class Misclassified:
    """Predictions about records of unknown class, beside predictions about records of known class.

    said: records of which each class is predicted, shape (C,). checked: records of a known class by
    class (rows) and prediction (columns), shape (C, C), no row empty. Counts need not be whole:
    clustered records are worth fewer independent ones.
    """

    said: np.ndarray
    checked: np.ndarray

    def __post_init__(self) -> None:
        said, checked = (np.asarray(x, dtype=float) for x in (self.said, self.checked))
        if checked.shape != (len(said), len(said)) or len(said) < 2:
            raise ValueError(
                f"Expected counts of shape (C,) and (C, C) with C of at least 2, got {said.shape} "
                f"and {checked.shape}."
            )
        if said.sum() <= 0 or (checked.sum(axis=1) <= 0).any():
            raise ValueError("Expected predictions, and records of every class; there are none.")
        object.__setattr__(self, "said", said)
        object.__setattr__(self, "checked", checked)

    @property
    def n_classes(self) -> int:
        """C, the number of classes."""
        return len(self.said)

    @cached_property
    def raw(self) -> np.ndarray:
        """Corrected shares that may lie outside [0, 1], shape (C,); NaN where nothing is told.

        Source: Rogan & Gladen 1978, American Journal of Epidemiology 107, 71-76, for two classes;
        Lipton, Wang & Smola 2018 (label shift, black box predictors) for more.
        """
        shares: np.ndarray = self.said / self.said.sum() @ self._weights
        return shares

    @cached_property
    def shares(self) -> np.ndarray:
        """Corrected shares of the classes, none below 0, in sum 1, shape (C,).

        Where `raw` has one below 0 they are the likeliest mix: to cut it off would take from all
        others alike what the class that is mistaken for it has.

        >>> asked = Misclassified(np.array([400, 600]), np.array([[90, 10], [20, 80]]))
        >>> asked.shares.round(4).tolist()  # (0.6 - 0.1) / (0.8 - 0.1)
        [0.2857, 0.7143]
        """
        if np.isnan(self.raw).any() or (self.raw >= 0).all():
            return self.raw
        return _likeliest(self.said / self.said.sum(), self._rates, np.maximum(self.raw, 0.0))

    def interval(self, c: int, confidence: float) -> Interval:
        """Interval of the share of class c, within [0, 1].

        It holds every share p at which the predictions do not contradict the error rates: what is
        predicted, minus p times what is predicted of class c and (1 - p) times what is predicted of
        the others, is a contrast of independent means that may be zero. So neither a small share
        nor a weak predictor makes it too short; with no information it is [0, 1].

        Args:
            c: Class, in [0, C).
            confidence: Two-sided, in (0, 1).

        Source: Fieller 1954, JRSS B 16, for the inversion; the contrast is that of Zou & Donner
        2008, equations 7 and 8. CLEAM (Teo, Abdollahzadeh & Cheung 2023) takes the error rates as
        known.

        >>> asked = Misclassified(np.array([400, 600]), np.array([[90, 10], [20, 80]]))
        >>> low, high = asked.interval(1, 0.95)
        >>> round(low, 2), round(high, 2)
        (0.63, 0.83)
        """
        value = float(self.shares[c])
        if np.isnan(value):
            return 0.0, 1.0

        contrast_at = self._contrast(c, self.shares, confidence)

        def low(share: float) -> float:
            return contrast_at(share)[0]

        def high(share: float) -> float:
            return -contrast_at(share)[1]

        return _end(low, value, 0.0), _end(high, value, 1.0)

    def blur(self, c: int) -> float:
        """Relative error of how far the predictor tells class c from the others; see `MAX_BLUR`.

        With two classes it is the standard error of (rate of hits - rate of false hits), divided by
        it; infinite where that is 0.
        """
        if np.isnan(self._weights).any():
            return np.inf
        weights = self._weights[:, c]
        rates = _smoothed(self.checked)
        variance = (rates @ weights**2 - (rates @ weights) ** 2) / self.checked.sum(axis=1)
        return float(np.sqrt(variance.sum()))

    @cached_property
    def misfit(self) -> bool:
        """Whether no mix of the classes would be predicted like this, whatever their shares."""
        level = 1 - (1 - _MISFIT) / self.n_classes
        if np.isnan(self._weights).any():
            return False
        contrasts = [self._contrast(c, self.raw, level) for c in range(self.n_classes)]
        return any(at(0.0)[1] < 0 or at(1.0)[0] > 0 for at in contrasts)

    @cached_property
    def _rates(self) -> np.ndarray:
        """How often each class (rows) is predicted as each (columns)."""
        return self.checked / self.checked.sum(axis=1, keepdims=True)

    @cached_property
    def _weights(self) -> np.ndarray:
        """Score of a prediction (rows) about each class (columns): on average 1 in it, else 0."""
        if np.linalg.matrix_rank(self._rates) < self.n_classes:
            return np.full(self._rates.shape, np.nan)
        return np.linalg.inv(self._rates)

    def _contrast(
        self, c: int, shares: np.ndarray, confidence: float
    ) -> Callable[[float], Interval]:
        """Mean score of the predictions minus that of a mix, by the share of class c in the mix.

        Args:
            c: Class.
            shares: Those that the predictions are taken to tell, shape (C,); the other classes
                divide the rest of the mix as they do.
            confidence: Two-sided.
        """
        weights = self._weights[:, c]
        scores = (weights - weights.min()) / np.ptp(weights)
        others = np.maximum(np.delete(shares, c), 0.0)
        others = (
            others / others.sum() if others.sum() > 0 else np.full_like(others, 1 / len(others))
        )
        said = np.maximum(shares @ self._rates, 0.0) * self.said.sum()
        means = [
            (float(row @ scores) / float(row.sum()), mean_score(row, scores, confidence))
            for row in (said, *self.checked)
        ]

        def at(share: float) -> Interval:
            mix = np.insert((1 - share) * others, c, share)
            signed = (1.0, *(-float(p) for p in mix))
            return contrast([(p, *mean) for p, mean in zip(signed, means, strict=True)])

        return at


def _likeliest(said: np.ndarray, rates: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The mix of classes under which predictions in these shares are likeliest, shape (C,).

    Source: Saerens, Latinne & Decaestecker 2002, Neural Computation 14 (EM), for hard predictions.
    """
    mix: np.ndarray = (start + _EDGE) / (start + _EDGE).sum()
    for _ in range(_STEPS):
        expected = mix @ rates
        more = rates @ np.divide(said, expected, out=np.zeros_like(said), where=expected > 0)
        last, mix = mix, mix * more / (mix @ more)
        if np.abs(mix - last).max() < 1e-8:
            break
    mix = np.where(mix < _NOTHING, 0.0, mix)  # steps come near 0 and never reach it
    return mix / mix.sum()


def _smoothed(counts: np.ndarray) -> np.ndarray:
    """Rates with half a count more in every cell: no variance is then 0."""
    more = counts + 0.5
    rates: np.ndarray = more / more.sum(axis=-1, keepdims=True)
    return rates


def _end(excess: Callable[[float], float], value: float, edge: float) -> float:
    """Where `excess` turns positive between a value and an edge; the edge where it does not."""
    if value == edge or excess(edge) <= 0:
        return edge
    return float(brentq(excess, edge, value, xtol=1e-12)) if excess(value) < 0 else value
