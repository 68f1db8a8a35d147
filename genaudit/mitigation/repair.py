"""Outcomes of samples assigned anew, so that groups have them alike.

A score of the outcome is learned on the samples. Within each group the rows that score highest get
the favoured outcome, as many as a strength between the group's own rate and a common one says.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.errors import DataError, GenauditWarning, OptionError
from genaudit.mitigation.groups import Groups
from genaudit.mitigation.outcome import Mitigated
from genaudit.mitigation.reweigh import outcome_of
from genaudit.mitigation.tradeoff import Trial, Tuning
from genaudit.modalities.table.learner import Features, Target

#: Groups with fewer rows keep their outcomes: their quantiles are chance.
MIN_ROWS = 30

#: Share of the favoured outcomes below which, or times which, a repair has made another table.
_LEAST_LEFT = 0.5

#: By how much a repair may widen the gap, as outcomes lose their chance, before that is told.
_WIDER = 0.05

#: Parts of the samples; each is scored by what was learned on the others.
_FOLDS = 3

#: Halvings of the range of strengths.
_HALVINGS = 6

#: Strengths that are tried where none was enough at first: a gap need not shrink all the way.
_BETWEEN = (0.25, 0.5, 0.75)


def repair(
    samples: Dataset, columns: Sequence[str], strength: float, *, seed: int = 0
) -> Mitigated:
    """Samples whose favoured outcome goes to the best scored rows of each group.

    At strength a, the rate of a group is (1 - a) times its own plus a times the common one, where
    its own is the share of rows for which the favoured outcome is the likeliest. So outcomes lose
    the chance in them, and they become rarer where they are rare; models learn decisions from them
    rather than frequencies. Strength 0 leaves every outcome as it is.

    The gap in selection rates shrinks where other columns tell the outcome; where they do not, the
    likeliest outcome is one outcome for a whole group, and a weak repair widens it, with a warning.
    The gap in error rates may grow (read both).

    Args:
        samples: Generated rows of a table.
        columns: What tells groups, crossed.
        strength: In [0, 1].
        seed: Of the parts in which the score is learned.

    Raises:
        OptionError: no table, no target of levels, or a strength out of range.
        DataError: fewer than two groups, or one outcome alone, before or after.

    Source: Menon & Williamson 2018 (a threshold for each group is the best fair rule); Feldman et
    al. 2015 (partial repair of quantiles).
    """
    return _repaired(_Scored.of(samples, columns, seed), strength)


def tuned(samples: Dataset, columns: Sequence[str], dpd: float, *, seed: int = 0) -> Mitigated:
    """The repair of least strength after which a model treats groups alike, up to a gap.

    Each half of the samples is repaired in turn, boosted trees learn from it, and what they select
    in the other half is counted, group by group. No real row takes part.

    Args:
        samples: Generated rows of a table.
        columns: What tells groups, crossed.
        dpd: Largest gap in selection rates between two groups that is wanted, in [0, 1].
        seed: Of halves and parts.

    Raises:
        OptionError, DataError: as `repair`.
    """
    if not 0 <= dpd <= 1:
        raise OptionError(f"Expected a gap (dpd) from 0 to 1, got {dpd!r}.")
    scored = _Scored.of(samples, columns, seed)
    tried = _tried(scored, dpd, seed)
    fine = [a for a, trial in tried.items() if trial.gap <= dpd]
    strength = min(fine) if fine else min(tried, key=lambda a: tried[a].gap)
    before, chosen = tried[0.0], tried[strength]
    if not fine:
        warnings.warn(
            f"None of {len(tried)} strengths tried brings the gap to {dpd:g} on the samples; the "
            f"smallest gap is {chosen.gap:.3f}, at strength {strength:g}, which is taken. Make "
            "more samples, or name fewer columns.",
            GenauditWarning,
            stacklevel=3,
        )
    found = _repaired(scored, strength)
    told = {"dpd_wanted": dpd, "dpd_on_samples": chosen.gap, "dpd_before": before.gap,
            "accuracy_on_samples": chosen.accuracy, "accuracy_before": before.accuracy}  # fmt: skip
    return replace(found, cost={**found.cost, **told},
                   tuning=Tuning(columns=tuple(columns), wanted=dpd, chosen=strength,
                                 trials=tuple(tried.values())))  # fmt: skip


def _tried(scored: _Scored, dpd: float, seed: int) -> dict[float, Trial]:
    """Strength -> what it gave: none and all, then halves towards the least that is enough."""
    tried = {0.0: scored.trial(0.0, seed)}
    if tried[0.0].gap <= dpd:
        return tried
    tried[1.0] = scored.trial(1.0, seed)
    if tried[1.0].gap > dpd:
        return tried | {a: scored.trial(a, seed) for a in _BETWEEN}
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        tried[middle] = scored.trial(middle, seed)
        low, high = (low, middle) if tried[middle].gap <= dpd else (middle, high)
    return tried


@dataclass(frozen=True, eq=False)
class _Scored:
    """Samples with how likely each outcome is for each row.

    y: class of each row, shape (n,), -1 where it has none. chances: cross-fitted, shape
    (n, classes). groups: rows by group.
    """

    samples: Dataset
    target: Target
    groups: Groups
    x: np.ndarray
    y: np.ndarray
    chances: np.ndarray

    @classmethod
    def of(cls, samples: Dataset, columns: Sequence[str], seed: int) -> _Scored:
        if samples.schema.record is not None:
            raise OptionError(
                f"Expected samples of a table to repair, got records of kind "
                f"{samples.schema.record.kind}: no score is learned on these; take resample, "
                "reweigh, reject or balance."
            )
        outcome = outcome_of(samples, columns)
        groups = Groups.of(samples, columns)
        groups.check_several()
        target = Target.of(samples.schema[outcome], samples)
        x, y = Features.of(samples, outcome).encode(samples), target.encode(samples)
        if len(np.unique(y[y >= 0])) < 2:
            raise DataError(
                f"Expected samples with two outcomes of {outcome!r} or more, got one; make more."
            )
        rows = np.bincount(groups.codes[(groups.codes >= 0) & (y >= 0)])
        if (rows >= MIN_ROWS).sum() < 2:
            raise DataError(
                f"Expected samples with at least {MIN_ROWS} rows in each of two groups of "
                f"{' and '.join(columns)}, got fewer; make more."
            )
        return cls(samples, target, groups, x, y, _chances(x, y, len(target.classes), seed))

    @property
    def score(self) -> np.ndarray:
        """How likely the favoured outcome is for each row, shape (n,)."""
        found: np.ndarray = self.chances[:, self.target.favoured]
        return found

    @property
    def likely(self) -> np.ndarray:
        """Whether the favoured outcome is the likeliest, bools of shape (n,)."""
        found: np.ndarray = self.chances.argmax(axis=1) == self.target.favoured
        return found

    def estimable(self) -> np.ndarray:
        """Groups with enough rows, shape (groups,)."""
        known = self.groups.codes[(self.groups.codes >= 0) & (self.y >= 0)]
        return np.flatnonzero(np.bincount(known, minlength=len(self.groups.cells)) >= MIN_ROWS)

    def gap(self, y: np.ndarray) -> float:
        """Largest minus smallest share of favoured outcomes among the groups with enough rows."""
        at = [y[(self.groups.codes == g) & (y >= 0)] for g in self.estimable()]
        rates = [float((own == self.target.favoured).mean()) for own in at]
        return max(rates) - min(rates) if rates else 0.0

    def classes_at(self, strength: float) -> np.ndarray:
        """Class of each row after a repair, shape (n,)."""
        if not strength:
            return self.y
        found, likely = self.y.copy(), self.likely
        chosen = self.estimable()
        common = likely[np.isin(self.groups.codes, chosen) & (self.y >= 0)].mean()
        for group in chosen:
            rows = self.groups.where(int(group))
            rows = rows[self.y[rows] >= 0]
            rate = (1 - strength) * likely[rows].mean() + strength * common
            order = rows[np.argsort(-self.score[rows], kind="stable")]
            k = round(rate * len(rows))
            found[order[:k]] = self.target.favoured
            found[order[k:]] = self._other(order[k:])
        return found

    def _other(self, rows: np.ndarray) -> np.ndarray:
        """The class of rows that do not get the favoured one: their own, or else the likeliest."""
        chances = self.chances[rows].copy()
        chances[:, self.target.favoured] = -1.0
        own = self.y[rows]
        return np.where(own != self.target.favoured, own, chances.argmax(axis=1))

    def trial(self, strength: float, seed: int) -> Trial:
        """Selection rates and right predictions of models that learned from the other half.

        What is right is the outcome that the generator gave, whatever the repair made of it.
        """
        y = self.classes_at(strength)
        half = np.random.default_rng([seed, 0x4A1F]).permutation(len(y)) % 2
        said = np.full(len(y), -1)
        for part in (0, 1):
            learn = (half != part) & (y >= 0)
            chances = _learned(self.x[learn], y[learn], self.x[half == part], seed, _USUAL)
            said[half == part] = np.unique(y[learn])[chances.argmax(axis=1)]
        selected = said == self.target.favoured
        groups = [self.groups.where(int(g)) for g in self.estimable()]
        known = self.y >= 0
        return Trial.of(
            strength,
            np.array([selected[rows].sum() for rows in groups]),
            np.array([len(rows) for rows in groups]),
            said[known] == self.y[known],
        )


def _repaired(scored: _Scored, strength: float) -> Mitigated:
    number = isinstance(strength, int | float) and not isinstance(strength, bool)
    if not number or not 0 <= strength <= 1:
        raise OptionError(f"Expected a strength from 0 to 1, got {strength!r}.")
    samples, target = scored.samples, scored.target
    found = scored.classes_at(strength)
    changed = np.flatnonzero(found != scored.y)
    levels = samples.frame[target.name].astype(object).to_numpy(copy=True)
    levels[changed] = [_level(target, code, levels) for code in found[changed]]
    column = pd.Series(levels, index=samples.frame.index).astype(samples.frame[target.name].dtype)
    known = (scored.y >= 0) | (found >= 0)
    filled = np.flatnonzero(scored.groups.counts)
    small = [scored.groups.named(int(i)) for i in np.setdiff1d(filled, scored.estimable())]
    cost = {
        "rows_in": len(samples), "rows_out": len(samples), "strength": float(strength),
        "outcomes_changed": len(changed),
        "favoured_before": float((scored.y[known] == target.favoured).mean()),
        "favoured_after": float((found[known] == target.favoured).mean()),
        "groups_too_small": small, "rows_without_group": scored.groups.n_without,
    }  # fmt: skip
    gaps = [scored.gap(y) for y in (scored.y, found)]
    cost |= {"gap_before": gaps[0], "gap_after": gaps[1]}
    _check_left(cost, target)
    mended = replace(samples, frame=samples.frame.assign(**{target.name: column}))
    return Mitigated(mended, np.arange(len(samples)), cost=cost)


def _check_left(cost: dict[str, Any], target: Target) -> None:
    """Groups are alike where nobody gets the outcome; that is no repair.

    Raises:
        DataError: the favoured outcome, or every other one, has gone.
    """
    before, after = cost["favoured_before"], cost["favoured_after"]
    favoured = target.classes[target.favoured]
    if after in (0.0, 1.0):
        raise DataError(
            f"Expected samples in which other columns tell {target.name!r}, got such that a repair "
            f"leaves {'no' if after == 0 else 'nothing but'} {favoured!r}; make samples that hold "
            "more of it, or take reweigh."
        )
    if cost["gap_after"] > cost["gap_before"] + _WIDER:
        warnings.warn(
            f"The repair widens the gap between groups in {favoured!r} from "
            f"{cost['gap_before']:.1%} to {cost['gap_after']:.1%}: other columns hardly tell the "
            "outcome, so that most of a group gets one. Raise the strength, or take reweigh.",
            GenauditWarning,
            stacklevel=4,
        )
    if not _LEAST_LEFT * before <= after <= before / _LEAST_LEFT:
        warnings.warn(
            f"The repair leaves {favoured!r} in {after:.1%} of the samples, where it was in "
            f"{before:.1%}: outcomes that other columns hardly tell lose the chance in them. Read "
            "the usefulness beside the gap, lower the strength, or take reweigh.",
            GenauditWarning,
            stacklevel=4,
        )


def _level(target: Target, code: int, levels: np.ndarray) -> str:
    """A level of a class; of a class of many the most frequent."""
    known = target.levels[code]
    if len(known) == 1:
        return known[0]
    return max(known, key=lambda one: int((levels == one).sum()))


#: Trees of four leaves join three columns at most: larger ones learn what a generator makes up of
#: columns that have nothing to do with each other.
_SMOOTH: dict[str, Any] = {"max_iter": 200, "max_leaf_nodes": 4, "max_features": 0.5}

#: What somebody who uses the samples would train.
_USUAL: dict[str, Any] = {"max_iter": 100}


def _chances(x: np.ndarray, y: np.ndarray, n_classes: int, seed: int) -> np.ndarray:
    """How likely each class is for each row, learned on other rows, shape (n, classes)."""
    found = np.zeros((len(y), n_classes))
    part = np.random.default_rng([seed, 0x5C0]).permutation(len(y)) % _FOLDS
    for fold in range(_FOLDS):
        learn, rows = (part != fold) & (y >= 0), part == fold
        if not learn.any() or not rows.any():
            continue
        chances = _learned(x[learn], y[learn], x[rows], seed, _SMOOTH)
        found[np.ix_(rows, np.unique(y[learn]))] = chances
    return found


def _learned(
    x: np.ndarray, y: np.ndarray, asked: np.ndarray, seed: int, options: dict[str, Any]
) -> np.ndarray:
    """Probabilities of the classes in y for the rows asked about, shape (n, classes in y)."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    useful = ~np.isnan(x).all(axis=0)
    if len(np.unique(y)) < 2 or not useful.any():
        shares = np.unique(y, return_counts=True)[1] / len(y)
        return np.tile(shares, (len(asked), 1))
    learner = HistGradientBoostingClassifier(
        early_stopping=False, random_state=seed % 2**32, **options
    )
    with threadpool_limits(1):
        learner.fit(x[:, useful], y)
        found: np.ndarray = learner.predict_proba(asked[:, useful])
    return found
