"""Scores of a few records in many models: how well they tell the models with a record from others.

Models are independent, the records of one model are not: a model that is odd is odd for all of its
records. So every error here is one over models. Scores of two records need not be comparable; the
mean over records compares a record with itself alone, which a pooled curve does not.

Source: Obuchowski 1997, Biometrics 53 (areas of clustered data); Carlini et al. 2022, LiRA.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit
from scipy.stats import rankdata, t

from genaudit.stats.epsilon import one_run_chance
from genaudit.stats.intervals import Interval
from genaudit.stats.roc import TprAtFpr, tpr_at_fpr

#: Fewest models from which an area has an interval.
MIN_MODELS = 20

#: No number of coins tells a larger epsilon from another; and how finely it is told.
_MAX_EPSILON, _STEP = 12.0, 1e-2

#: Level that settles how guesses are counted, whatever level a bound is then asked for.
_LEVEL = 0.05


@dataclass(frozen=True)
class ModelArea:
    """Chance that a model with a record scores above one without it.

    se: over models; 0 where scores separate fully or are all equal. n_models: all of them. n_pairs:
    disjoint pairs of models with and without the record that has the fewest.
    """

    value: float
    se: float
    n_models: int
    n_pairs: int

    def interval(self, confidence: float) -> Interval:
        """Two-sided interval on the logit scale, inside [0, 1]; (0, 1) with under `MIN_MODELS`.

        Student's t with one degree of freedom for each model but one. Where the error is 0 the
        interval is that of so many disjoint pairs of models, all of which are ordered alike.
        """
        if self.n_models < MIN_MODELS or self.n_pairs < 1 or not math.isfinite(self.value):
            return 0.0, 1.0
        tail = (1 - confidence) / 2
        unseen = 1 - tail ** (1 / self.n_pairs)
        if self.se < 1e-12:
            width = unseen if self.value in (0.0, 1.0) else 2 * unseen
            return max(0.0, self.value - width), min(1.0, self.value + width)
        half = float(t.isf(tail, self.n_models - 1)) * self.se / (self.value * (1 - self.value))
        centre = float(logit(self.value))
        return float(expit(centre - half)), float(expit(centre + half))

    def widened(self, factor: float) -> ModelArea:
        """The same area with an error so many times as large."""
        return replace(self, se=factor * self.se)


def understated(areas: Sequence[ModelArea]) -> float:
    """How many times as far from one half areas under chance lie as their errors say, 1 or more.

    An attack that learns from some models and is judged on others makes the models' scores depend
    on one another, which an error over independent models does not see.

    areas: Of one attack on sets of coins that decided nothing; 1 where there are fewer than two.
    """
    told = [a for a in areas if math.isfinite(a.value) and a.se > 0 and 0 < a.value < 1]
    if len(told) < 2:
        return 1.0
    # On the scale of the interval, each by its own error: small errors go with far areas.
    far = [float(logit(a.value)) * a.value * (1 - a.value) / a.se for a in told]
    return max(1.0, math.sqrt(float(np.mean(np.square(far)))))


def record_area(scores: np.ndarray, members: np.ndarray, parts: np.ndarray) -> ModelArea:
    """The mean over records of each record's own area.

    Args:
        scores: Of each record in each model, shape (models, records), higher = member.
        members: Whether the model was trained on the record, boolean, the same shape.
        parts: Number of the part of each model, shape (models,): models are compared with others of
            their part alone, which one attack has judged. Scores of an attack that learned from a
            model cannot be compared with its scores of that model: chance would look like less.

    A record that fewer than two models of a part have, or have not, is left out there; without any
    other the value is NaN.

    >>> found = record_area(np.array([[3.0, 30], [1, 10], [2, 20], [0, 0]]),
    ...                     np.array([[1, 1], [0, 0], [1, 1], [0, 0]]) > 0, np.zeros(4))
    >>> found.value, found.n_pairs
    (1.0, 2)
    """
    strata = [
        (np.flatnonzero(parts == part), np.array([j])) for part in np.unique(parts)
        for j in range(scores.shape[1])
    ]  # fmt: skip
    return _area(scores, members, strata, _pairs(members, parts))


def pooled_area(scores: np.ndarray, members: np.ndarray, parts: np.ndarray) -> ModelArea:
    """The area over all pairs of record and model of a part at once; arguments as before.

    It compares scores of different records, so it is high only where one threshold serves all.
    """
    every = np.arange(scores.shape[1])
    strata = [(np.flatnonzero(parts == part), every) for part in np.unique(parts)]
    return _area(scores, members, strata, _pairs(members, parts))


def _pairs(members: np.ndarray, parts: np.ndarray) -> int:
    """Disjoint pairs of models of one part, with and without the record that has fewest."""
    inside = np.stack([members[parts == part].sum(axis=0) for part in np.unique(parts)])
    sizes = np.array([(parts == part).sum() for part in np.unique(parts)])[:, None]
    return int(np.minimum(inside, sizes - inside).sum(axis=0).min(initial=len(members)))


def _area(
    scores: np.ndarray, members: np.ndarray, strata: list[tuple[np.ndarray, np.ndarray]],
    n_pairs: int,
) -> ModelArea:  # fmt: skip
    """The share of ordered pairs within strata (models, records), with its error over models."""
    n, ordered, total = len(scores), 0.0, 0
    found: list[tuple[np.ndarray, int, np.ndarray]] = []
    for models, records in strata:
        inside = members[np.ix_(models, records)]
        m, k = int(inside.sum()), int((~inside).sum())
        if min(m, k) < 2 or len(models) < 3:
            continue
        area, pull = _influences(scores[np.ix_(models, records)].ravel(), inside.ravel())
        ordered, total = ordered + area * m * k, total + m * k
        found.append((models, m * k, pull.reshape(inside.shape).sum(axis=1)))
    if not total:
        return ModelArea(math.nan, math.nan, n, 0)
    pulls = np.zeros(n)
    for models, pairs, pull in found:
        # Members' pulls sum to 0, and so do the others': two models fewer than there seem to be.
        pulls[models] += pull * pairs / total * math.sqrt(len(models) / (len(models) - 2))
    return ModelArea(ordered / total, float(np.sqrt((pulls**2).sum())), n, n_pairs)


def _influences(scores: np.ndarray, members: np.ndarray) -> tuple[float, np.ndarray]:
    """An area, and how much each score pulls it up, shape (n,); its error is about their length."""
    ranks = rankdata(scores)
    inside, outside = scores[members], scores[~members]
    m, k = len(inside), len(outside)
    share = np.empty(len(scores))
    share[members] = (ranks[members] - rankdata(inside)) / k
    share[~members] = 1 - (ranks[~members] - rankdata(outside)) / m
    area = float(share[members].mean())
    return area, (share - area) * np.where(members, 1 / m, 1 / k)


@dataclass(frozen=True, eq=False)
class RecordRate:
    """Mean over records and parts of the share of models with a record that its threshold finds.

    Each record has a threshold in each part, which admits at most `fpr` of the models without it.
    """

    each: tuple[TprAtFpr, ...]

    @property
    def value(self) -> float:
        """The mean."""
        return float(np.mean([one.value for one in self.each]))

    def interval(self, confidence: float) -> Interval:
        """Mean of exact intervals that hold for all of them at once (Bonferroni)."""
        level = 1 - (1 - confidence) / len(self.each)
        low, high = np.mean([one.interval(level) for one in self.each], axis=0)
        return float(low), float(high)


def record_rate(
    scores: np.ndarray, members: np.ndarray, parts: np.ndarray, fpr: float
) -> RecordRate | None:
    """TPR at a fixed FPR of each record's own curve; None where a record has too few models.

    One threshold for all records would accuse some of them far more often than others, so that its
    rate holds for none of them. Arguments as in `record_area`.

    Source: Jälkö et al. 2026 (rates that are pooled over records are not calibrated for each).
    """
    found = []
    for part in np.unique(parts):
        at = parts == part
        for column, inside in zip(scores[at].T, members[at].T, strict=True):
            found.append(tpr_at_fpr(column[inside], column[~inside], fpr))
    known = tuple(one for one in found if one is not None)
    return RecordRate(known) if known and len(known) == len(found) else None


@dataclass(eq=False)
class ManyModels:
    """Lower bounds on epsilon from records and models at once.

    A fair coin for each record and model decides whether the record or another one in its place is
    trained on. Each coin touches one model, so all models together are as private as one, and the
    theorem for one run holds for all coins of some models, if guesses about them follow from the
    models and from coins of others. A replaced record is one that goes and one that comes: where
    training is (epsilon, delta)-private for either, it is so for both with 2 epsilon and
    (1 + e^epsilon) delta, and epsilon is what is bounded here.

    parts: scores and members of models that are judged by the others, shape (models, records) each;
    the chance of error is shared among the parts. delta: of the claim.

    Source: Steinke, Nasr, Jagielski 2023, theorem 5.2; Dwork & Roth 2014, theorem 2.2 (groups).
    """

    parts: Sequence[tuple[np.ndarray, np.ndarray]]
    delta: float

    def __post_init__(self) -> None:
        self._known: dict[tuple[int, int], float] = {}

    def bound(self, alpha: float) -> float:
        """The largest epsilon that the guesses refute.

        alpha: Chance of a bound above the true epsilon.
        """
        return max(self._refuted(i, alpha / len(self.parts)) for i in range(len(self.parts)))

    def ceiling(self, alpha: float) -> float:
        """The largest bound that there could be: scores give every coin away."""
        told = [(members.astype(float), members) for _, members in self.parts]
        return ManyModels(told, self.delta).bound(alpha)

    def _refuted(self, part: int, alpha: float) -> float:
        low, high = 0, round(_MAX_EPSILON / _STEP)
        if self._chance(part, low) >= alpha:
            return 0.0
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._chance(part, middle) < alpha else (low, middle)
        return low * _STEP

    def _chance(self, part: int, step: int) -> float:
        """Chance of guesses this good under an epsilon of so many steps."""
        if (part, step) not in self._known:
            scores, members = self.parts[part]
            epsilon = step * _STEP
            delta = min(1 - 1e-9, (1 + math.exp(epsilon)) * self.delta)
            self._known[part, step] = one_run_chance(
                scores.ravel(), members.ravel(), 2 * epsilon, delta, _LEVEL
            )
        return self._known[part, step]
