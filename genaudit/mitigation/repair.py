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
from genaudit.mitigation.given import is_share
from genaudit.mitigation.groups import Groups
from genaudit.mitigation.outcome import Mitigated, some_of
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

#: Weight of how frequent classes are among the chances of a row: a chance of 0 stays possible where
#: all others are 0 too.
_FAINT = 1e-12

#: Strengths that are tried where none was enough at first: a gap need not shrink all the way.
_BETWEEN = (0.25, 0.5, 0.75)


def repair(
    samples: Dataset,
    columns: Sequence[str],
    strength: float,
    *,
    n: int | None = None,
    seed: int = 0,
) -> Mitigated:
    """Samples whose favoured outcome goes to the best scored rows of each group.

    At strength a, the rate of a group is (1 - a) times its own plus a times the common one, where
    its own is the share of rows for which the favoured outcome is the likeliest. So outcomes lose
    the chance in them, and they become rarer where they are rare; models learn decisions from them
    rather than frequencies. Strength 0 leaves every outcome as it is.

    The gap in selection rates shrinks where other columns tell the outcome; where they do not, the
    likeliest outcome is one outcome for a whole group, and a weak repair widens it, with a warning.
    The gap in error rates may grow (read both).

    A row that loses the favoured outcome gets another by chance, as likely as its other columns
    make it. Outcomes of many levels are scored as the favoured one and the rest: there it gets one
    of the rest as often as rows of its group have it.

    Args:
        samples: Generated rows of a table.
        columns: What tells groups, crossed.
        strength: In [0, 1].
        n: Rows wanted, chosen at random; None = all. Scores and rates are of all samples, and the
            rows chosen get outcomes at these rates; what is told is of them alone.
        seed: Of the parts in which the score is learned, the rows chosen, and outcomes by chance.

    Raises:
        OptionError: no table, no target of levels, or a strength out of range.
        DataError: fewer than two groups, or one outcome alone, before or after.

    Source: Menon & Williamson 2018 (a threshold for each group is the best fair rule); Feldman et
    al. 2015 (partial repair of quantiles).
    """
    rows = some_of(samples, n, seed)
    return _repaired(_Scored.of(samples, columns, seed), strength, rows)


def tuned(
    samples: Dataset,
    columns: Sequence[str],
    dpd: float,
    *,
    n: int | None = None,
    seed: int = 0,
) -> Mitigated:
    """The repair of least strength after which a model treats groups alike, up to a gap.

    Each half of the samples is repaired in turn, boosted trees learn from it, and what they select
    in the other half is counted, group by group. No real row takes part.

    Args:
        samples: Generated rows of a table.
        columns: What tells groups, crossed.
        dpd: Largest gap in selection rates between two groups that is wanted, in [0, 1].
        n: Rows wanted, as of `repair`; the strength is tuned on all samples.
        seed: Of halves and parts, and as of `repair`.

    Raises:
        OptionError, DataError: as `repair`.
    """
    if not 0 <= dpd <= 1:
        raise OptionError(f"Expected a gap (dpd) from 0 to 1, got {dpd!r}.")
    rows = some_of(samples, n, seed)
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
    found = _repaired(scored, strength, rows)
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
    (n, classes). groups: rows by group. luck: uniform in [0, 1), shape (2, n), for the class and
    the level of a row that loses the favoured outcome.
    """

    samples: Dataset
    target: Target
    groups: Groups
    x: np.ndarray
    y: np.ndarray
    chances: np.ndarray
    luck: np.ndarray

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
        if (found := len(np.unique(y[y >= 0]))) < 2:
            raise DataError(
                f"Expected samples with two outcomes of {outcome!r} or more, got "
                f"{'one' if found else 'none'}; make more."
            )
        rows = np.bincount(groups.codes[(groups.codes >= 0) & (y >= 0)])
        if (rows >= MIN_ROWS).sum() < 2:
            raise DataError(
                f"Expected samples with at least {MIN_ROWS} rows that have an outcome of "
                f"{outcome!r} in each of two groups of {' and '.join(columns)}, got fewer; make "
                "more."
            )
        luck = np.random.default_rng([seed, 0xD4A]).random((2, len(samples)))
        return cls(samples, target, groups, x, y, _chances(x, y, len(target.classes), seed), luck)

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

    def rates(self, y: np.ndarray, rows: np.ndarray) -> tuple[float | None, float]:
        """Share of favoured outcomes among some rows, and the gap between groups with enough rows.

        Args:
            y: Class of each of these rows.
            rows: Their positions.
        """
        codes, hit = self.groups.codes[rows], y == self.target.favoured
        at = [hit[(codes == g) & (y >= 0)] for g in self.estimable()]
        each = [float(own.mean()) for own in at if len(own)]
        known = hit[y >= 0]
        return (float(known.mean()) if len(known) else None,
                max(each) - min(each) if each else 0.0)  # fmt: skip

    def classes_at(self, strength: float, rows: np.ndarray | None = None) -> np.ndarray:
        """Class of each of these rows, in their order, after a repair; of all by default.

        Rates are those of all rows; each group has them among these rows, to a row.
        """
        wanted = np.ones(len(self.y), dtype=bool)
        if rows is not None:
            wanted = np.zeros(len(self.y), dtype=bool)
            wanted[rows] = True
        if not strength:
            return self.y[wanted]
        found, likely, chosen = self.y.copy(), self.likely, self.estimable()
        common = likely[np.isin(self.groups.codes, chosen) & (self.y >= 0)].mean()
        for group in chosen:
            own = self.groups.where(int(group))
            own = own[self.y[own] >= 0]
            rate = (1 - strength) * likely[own].mean() + strength * common
            own = own[wanted[own]]
            order = own[np.argsort(-self.score[own], kind="stable")]
            k = round(rate * len(own))
            found[order[:k]] = self.target.favoured
            found[order[k:]] = self._other(order[k:])
        return found[wanted]

    def _other(self, rows: np.ndarray) -> np.ndarray:
        """The class of rows that do not get the favoured one: their own, or one by its chances."""
        shares = np.bincount(self.y[self.y >= 0], minlength=len(self.target.classes))
        chances = self.chances[rows] + _FAINT * shares
        chances[:, self.target.favoured] = 0.0
        own = self.y[rows]
        return np.where(own != self.target.favoured, own, _drawn(chances, self.luck[0, rows]))

    def levels(self, rows: np.ndarray, classes: np.ndarray) -> list[str]:
        """A level of each of these classes of rows: where a class has many, one by chance.

        It is as likely as rows of the same group, or of all where these have none, have it.
        """
        own = self.samples.frame[self.target.name].astype(object).to_numpy()
        found = np.empty(len(rows), dtype=object)
        groups = self.groups.codes[rows]
        for code, group in np.unique(np.stack([classes, groups], axis=1), axis=0).tolist():
            known = self.target.levels[code]
            here = (classes == code) & (groups == group)
            mine = own[(self.y == code) & (self.groups.codes == group)]
            mine = mine if len(mine) else own[self.y == code]
            counts = np.array([float((mine == level).sum()) for level in known])
            picked = _drawn(np.tile(counts, (int(here.sum()), 1)), self.luck[1, rows[here]])
            found[here] = np.array(known, dtype=object)[picked]
        return [*found]

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


def _repaired(scored: _Scored, strength: float, rows: np.ndarray) -> Mitigated:
    if not is_share(strength):
        raise OptionError(f"Expected a strength from 0 to 1, got {strength!r}.")
    _check_left(scored, float(strength))
    part, name = scored.samples.take(rows), scored.target.name
    found, own = scored.classes_at(float(strength), rows), scored.y[rows]
    changed = np.flatnonzero(found != own)
    levels = part.frame[name].astype(object).to_numpy(copy=True)
    levels[changed] = scored.levels(rows[changed], found[changed])
    column = pd.Series(levels, index=part.frame.index).astype(part.frame[name].dtype)
    codes = scored.groups.codes[rows]
    small = np.setdiff1d(codes[codes >= 0], scored.estimable())
    (before, gap_before), (after, gap_after) = (scored.rates(y, rows) for y in (own, found))
    cost = {
        "rows_in": len(scored.samples), "rows_out": len(part), "strength": float(strength),
        "outcomes_changed": len(changed), "favoured_before": before, "favoured_after": after,
        "groups_too_small": [scored.groups.named(int(i)) for i in small],
        "rows_without_group": int((codes < 0).sum()),
        "gap_before": gap_before, "gap_after": gap_after,
    }  # fmt: skip
    mended = replace(part, frame=part.frame.assign(**{name: column}))
    return Mitigated(mended, rows, cost=cost)


def _check_left(scored: _Scored, strength: float) -> None:
    """Groups are alike where nobody gets the outcome; that is no repair.

    All samples are looked at, as a few rows of them may lack an outcome by chance.

    Raises:
        DataError: the favoured outcome, or every other one, has gone.
    """
    target, rows = scored.target, np.arange(len(scored.y))
    before, gap_before = scored.rates(scored.y, rows)
    after, gap_after = scored.rates(scored.classes_at(strength), rows)
    assert before is not None, "two outcomes were found"
    assert after is not None, "a row keeps some outcome"
    favoured = target.classes[target.favoured]
    if after in (0.0, 1.0):
        raise DataError(
            f"Expected samples in which other columns tell {target.name!r}, got such that a repair "
            f"leaves {'no' if after == 0 else 'nothing but'} {favoured!r}; make samples that hold "
            "more of it, or take reweigh."
        )
    if gap_after > gap_before + _WIDER:
        warnings.warn(
            f"The repair widens the gap between groups in {favoured!r} from "
            f"{gap_before:.1%} to {gap_after:.1%}: other columns hardly tell the "
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


def _drawn(weights: np.ndarray, luck: np.ndarray) -> np.ndarray:
    """A column of each row, as likely as its weight says, shape (n,).

    Args:
        weights: Not all 0 in any row, shape (n, columns).
        luck: Uniform in [0, 1), shape (n,).
    """
    sums = weights.cumsum(axis=1)
    found: np.ndarray = (sums <= luck[:, None] * sums[:, -1:]).sum(axis=1)
    return found


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
