"""Gaps between groups in what learners decide, and how far they differ between two sides."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, mean_prediction
from scipy.stats import norm

from genaudit.audits.bias._groups import (
    ESTIMABLE,
    JUDGED,
    Grouping,
    alike,
    in_words,
    joint,
    outcome,
    unlabelled,
)
from genaudit.audits.bias._pairs import Pairs, of_maxima, untold
from genaudit.audits.learners import Comparison
from genaudit.case import AuditCase
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import in_tens, shown_cells, shown_parts
from genaudit.result import Estimate, Message, message
from genaudit.stats.clusters import equal_worth, mean_variance, n_units
from genaudit.stats.components import component_interval
from genaudit.stats.halves import middle_halves
from genaudit.stats.intervals import Interval
from genaudit.stats.maxima import Maxima, Source
from genaudit.stats.resampling import cluster_resamples, covariance, resamples

GAP_METHOD = (
    "Fairlearn MetricFrame; bootstrap of holdout rows with a label, jackknife over learners, "
    "chance of near ties, over all groups that may be the extremes"
)
RATE_METHOD = (
    "paired difference of mean predictions over holdout rows with a label and learners, chance of "
    "near ties"
)
UNIT = "difference of shares"

#: Learners drawn to see how often near ties fall the other way.
_N_LEARNERS = 500


@dataclass(frozen=True, eq=False)
class Table:
    """What the learners decide about the holdout rows, for one sensitive column.

    group, y: group code and favoured label (0 / 1) of each row, shape (n,); rows without a group
    are left out, and where others of a group have no label, so many more that a multiple of ten is
    left. real, made: decisions after training on real rows and on samples, bools (K, n).
    real_lead, made_lead: how far the average learner is from a tie about each row, in standard
    errors of what another learner of its kind would say, shape (n,), > 0 = selected; None where
    there are decisions alone. person: number of each row's person; None where a row is a person.
    stratum: code of each row's stratum of a control column, shape (n,), -1 = none; None without.
    own: whether a decision is that for the row's own class: what then favours rows of the favoured
    label is at the cost of the others.
    """

    grouping: Grouping
    group: np.ndarray
    y: np.ndarray
    real: np.ndarray
    made: np.ndarray
    real_lead: np.ndarray | None = None
    made_lead: np.ndarray | None = None
    person: np.ndarray | None = None
    stratum: np.ndarray | None = None
    own: bool = False

    @classmethod
    def of(
        cls,
        grouping: Grouping,
        found: Comparison,
        case: AuditCase,
        control: Grouping | None = None,
    ) -> Table:
        """The decisions about all holdout rows whose group and label are known.

        With a control column its strata stand beside them, and a learner is no surer of a group in
        a stratum than its training rows of both allow.
        """
        asked = np.full(len(found.y), found.target.favoured)
        return cls._of(grouping, found, case, asked, control)

    @classmethod
    def right(cls, grouping: Grouping, found: Comparison, case: AuditCase) -> Table:
        """The same rows, with whether each decision is the row's own class in place of it."""
        return replace(cls._of(grouping, found, case, found.y), own=True)

    @classmethod
    def _of(
        cls,
        grouping: Grouping,
        found: Comparison,
        case: AuditCase,
        asked: np.ndarray,
        control: Grouping | None = None,
    ) -> Table:
        """asked: the class that a decision is held against, for each row of the comparison."""
        everybody = grouping.codes(case.holdout)
        rng = case.rng(f"bias.downstream.rows.{grouping.name}")
        known = _kept(everybody[found.rows], everybody, rng)
        group, asked = everybody[found.rows][known], asked[known]
        real, made = found.real[:, known], found.made[:, known]
        stratum = None if control is None else control.codes(case.holdout)[found.rows][known]
        cells = group if control is None else joint((grouping, control), case.holdout)
        cells = cells if control is None else cells[found.rows][known]
        rows = [
            worth_of_groups(grouping, data, cells, control) for data in (case.train, case.samples)
        ]
        real_lead, made_lead = (
            lead_of(found.margins(side, asked), worth[cells] * found.rows_each)
            for side, worth in zip((real, made), rows, strict=True)
        )
        return cls(
            grouping,
            group,
            y=(found.y[known] == found.target.favoured).astype(np.int64),
            real=found.selects(real, asked),
            made=found.selects(made, asked),
            real_lead=real_lead,
            made_lead=made_lead,
            person=None if found.persons is None else found.persons[known],
            stratum=stratum,
        )

    @property
    def sizes(self) -> np.ndarray:
        """Holdout rows in each group and label, shape (levels, 2)."""
        return self._counted(None)

    @property
    def people(self) -> np.ndarray:
        """Persons in each group and label, shape (levels, 2); rows where a row is a person."""
        return self._counted(self.person)

    def _counted(self, units: np.ndarray | None) -> np.ndarray:
        return n_units(2 * self.group + self.y, units, 2 * len(self.grouping.levels)).reshape(-1, 2)

    @property
    def n_people(self) -> np.ndarray:
        """Persons in each group, shape (levels,)."""
        return n_units(self.group, self.person, len(self.grouping.levels))

    @property
    def told_by_label(self) -> np.ndarray:
        """Groups whose rates among rows of either label may be printed too, bools (levels,)."""
        labels = [self.take(self.y == y).told for y in (0, 1)]
        return np.asarray(self.told & labels[0] & labels[1])

    @property
    def told(self) -> np.ndarray:
        """Groups whose size and selection rates on both sides may be printed, bools (levels,)."""
        n = np.bincount(self.group, minlength=len(self.grouping.levels))
        told = shown_parts(n) & shown_parts(self.n_people)
        for side in (self.real, self.made):
            selected = np.bincount(self.group, side.mean(axis=0), minlength=len(n))
            told &= shown_cells(np.column_stack([selected, n - selected])).all(axis=1)
        return told

    def halves(self, value: Callable[[np.ndarray], float]) -> Table | None:
        """Learners on real rows against as many others on real rows; None with one a side.

        value: the statistic of decisions of some learners, bools (K', n).
        """
        k = len(self.real)
        if k < 4:
            return None

        def change(one: np.ndarray, other: np.ndarray) -> float:
            return value(self.real[one]) - value(self.real[other])

        one, other = middle_halves(k, change)
        return replace(self, made=self.real[one], real=self.real[other], made_lead=self.real_lead)

    def where(self, groups: np.ndarray) -> Table:
        """The rows of some groups (codes)."""
        return self.take(np.isin(self.group, groups))

    def take(self, rows: np.ndarray) -> Table:
        """Some rows, by a mask of shape (n,)."""

        def some(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[rows]

        return replace(
            self,
            group=self.group[rows],
            y=self.y[rows],
            real=self.real[:, rows],
            made=self.made[:, rows],
            real_lead=some(self.real_lead),
            made_lead=some(self.made_lead),
            person=some(self.person),
            stratum=some(self.stratum),
        )


def _kept(group: np.ndarray, everybody: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which of the labelled rows take part, bools, from their group codes and those of all rows."""
    kept = group >= 0
    for g in np.unique(group[kept]):
        rows = rng.permutation(np.flatnonzero(group == g))
        kept[rows[in_tens(len(rows), int(np.sum(everybody == g))) :]] = False
    return kept


def worth_of_groups(
    grouping: Grouping, data: Dataset, holdout: np.ndarray, control: Grouping | None = None
) -> np.ndarray:
    """Independent rows in each group per row that learners saw, shape (levels,), never 0.

    Rows without the column do not tell it, so that those of the holdout (group codes) stand in.
    With a control column it is groups in strata, shape (levels * strata,), and codes of both.
    """
    groupings = [g for g in (grouping, control) if g is not None]
    gone = any(g.name in data.absent for g in groupings)
    codes = holdout if gone else joint(groupings, data)
    persons = None if gone else data.persons
    masks = [codes == i for i in range(math.prod(len(g.levels) for g in groupings))]
    counts = [m.sum() if persons is None else equal_worth(persons[m]) for m in masks]
    return np.maximum(counts, 1) / max(len(codes), 1)


def lead_of(margins: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Mean margin of K learners in standard errors of the margin of one more, shape (rows,).

    A learner can be no surer of a group than its n training rows in it are.

    Args:
        margins: Probability of the favoured class minus that of the likeliest other, and the sum of
            the two, each of shape (K, rows).
        n: Training rows of one learner in each row's group, shape (rows,).
    """
    margin, both = margins.mean(axis=1)
    # Of two classes that are a and b of n rows, a - b varies by (a + b - (a - b)^2) / n; the mean
    # of K learners, which stands for what the next one will say, by a K-th of that.
    variance = np.maximum(both - margin**2, 0.0) / n * (1 + 1 / margins.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, margin / np.sqrt(variance), np.sign(margin) * np.inf)


# Gaps --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Gap:
    """The largest difference of two groups' rates of being selected.

    by_label: within rows of one label (true, and false, positive rates); the larger of the two.
    pair: first minus second of two groups alone, by their places; None for any two, either way.
    """

    by_label: bool = False
    pair: tuple[int, int] | None = None

    def __call__(self, selected: np.ndarray, n: np.ndarray) -> np.ndarray:
        """The gap, shape (...).

        Args:
            selected: Expected number of selected rows by group and label, shape (..., G, 2).
            n: Rows by group and label, same shape.
        """
        return np.asarray((self.rates(selected, n) @ self.contrasts(n.shape[-2]).T).max(axis=-1))

    def rates(self, selected: np.ndarray, n: np.ndarray) -> np.ndarray:
        """Selection rates of groups, or of groups within labels; (..., G) or (..., 2 * G)."""
        if not self.by_label:
            return np.asarray(selected.sum(axis=-1) / n.sum(axis=-1))
        rates = np.moveaxis(selected / n, -1, -2)
        return rates.reshape(*rates.shape[:-2], -1)

    def of_cells(self, by_group: np.ndarray, by_label: np.ndarray) -> np.ndarray:
        """A number of each rate: of those of groups (G,), or of groups within labels (G, 2)."""
        return by_label.T.reshape(-1) if self.by_label else by_group

    def contrasts(self, n_groups: int) -> np.ndarray:
        """What is compared: weights of those rates, each row one difference."""
        pairs = [self.pair] if self.pair else list(permutations(range(n_groups), 2))
        one = np.eye(n_groups)
        differences = np.array([one[i] - one[j] for i, j in pairs])
        return np.kron(np.eye(2), differences) if self.by_label else differences


#: How a gap of a table has changed: rows, gap, random stream, bootstrap samples.
Change = Callable[[Table, Gap, np.random.Generator, int], Estimate]

#: Largest minus smallest selection rate of groups.
parity_gap = Gap()

#: Larger of the gaps in true and in false positive rates of groups.
odds_gap = Gap(by_label=True)


def untaught(case: AuditCase, table: Table, found: Comparison) -> Message | None:
    """Why a gap that is no wider says nothing: samples lack labels that models could learn."""
    labels = found.target.encode(case.samples)
    known, favoured = labels >= 0, labels == found.target.favoured
    if (doubt := alike(found.target, int(favoured.sum()), int(known.sum()))) is not None:
        return doubt
    grouping, groups = table.grouping, np.unique(table.group)
    codes = grouping.codes(case.samples)
    for i in groups:
        mine = codes == i
        if mine.sum() >= ESTIMABLE and known[mine].sum() < min(JUDGED, mine.sum()):
            return message(
                "bias.downstream.few_labels",
                "Of the generated rows of {group} fewer than {minimum:integer} have a label, so "
                "that models trained on samples learned next to nothing about this group.",
                minimum=JUDGED,
                group=in_words({grouping.name: grouping.levels[int(i)]}),
            )
    return unlabelled(case, [grouping], found.target, groups)


def left_out(table: Table, large: np.ndarray) -> Message | None:
    """That groups (codes) that are large on some side are no part of a table."""
    words = [table.grouping.words.get(level, level) for level in table.grouping.levels]
    return untold([words[i] for i in np.setdiff1d(large, np.unique(table.group))])


def undecided(table: Table, found: Comparison) -> Message | None:
    """That a gap may be no wider as models of samples decide (nearly) all rows alike."""
    selected, n = float(table.made.mean(axis=0).sum()), len(table.group)
    if min(selected, n - selected) >= JUDGED:
        return None
    return message(
        "bias.downstream.undecided",
        "Models trained on samples predict “{outcome}” for fewer than {minimum:integer} holdout "
        "rows, or for all but fewer than that: too few for a verdict, as groups seem alike where "
        "(nearly) everybody is.",
        minimum=JUDGED,
        outcome=outcome(found.target),
    )


def fairlearn_gap(table: Table, gap: Gap, selected: np.ndarray) -> float:
    """A gap by Fairlearn: its demographic parity or equalized odds difference.

    The mean prediction of a group is its selection rate, averaged over learners; among rows with a
    favoured label it is the true positive rate, among the others the false positive rate.

    Args:
        table: Holdout rows of at least two groups.
        gap: `parity_gap` or `odds_gap`.
        selected: Share of the learners that select each row, shape (n,).
    """
    cells, weight = np.unique(
        np.column_stack([table.group, table.y, selected]), axis=0, return_counts=True
    )
    label = pd.Series(cells[:, 1], name="label")
    frame = MetricFrame(
        metrics={"rate": mean_prediction},
        y_true=label,
        y_pred=pd.Series(cells[:, 2]),
        sensitive_features=pd.Series(cells[:, 0], name="group"),
        control_features=label if gap.by_label else None,
        # A row for each cell, weighted by its people: the same rates a hundred times faster.
        sample_params={"rate": {"sample_weight": pd.Series(weight)}},
    )
    return float(np.max(frame.difference(method="between_groups")["rate"]))


def counted_gap(table: Table, gap: Gap, side: np.ndarray) -> float:
    """The same of the decisions of some learners, bools (K', n), from counts, which is far faster.

    For choices that ask often, such as how learners are halved; what is told comes from Fairlearn.
    """
    votes, n = _votes(table, side, np.unique(table.group))
    return float(gap(votes.mean(axis=0), n))


def fairlearn_gaps(table: Table, selected: np.ndarray) -> dict[int, float]:
    """Fairlearn's demographic parity difference within each stratum of the control column.

    Args:
        table: Holdout rows with strata, of at least two groups in each.
        selected: Share of the learners that select each row, shape (n,).
    """
    frame = MetricFrame(
        metrics={"rate": mean_prediction},
        y_true=table.y,
        y_pred=selected,
        sensitive_features=pd.Series(table.group, name="group"),
        control_features=pd.Series(table.stratum, name="stratum"),
    )
    gaps = frame.difference(method="between_groups")["rate"]
    return {int(stratum): float(gap) for stratum, gap in gaps.items()}


def gap_change(
    table: Table, gap: Gap, change: float, rng: np.random.Generator, n_resamples: int
) -> Estimate:
    """A gap after training on samples minus the gap after training on real rows.

    Which groups are furthest apart is picked from the same data; the interval covers all that may
    be (`stats.maxima`).

    Args:
        table: Rows of the groups that are compared.
        gap: Which gap.
        change: The difference, from Fairlearn.
        rng: Random stream.
        n_resamples: Bootstrap samples.
    """
    return changed(cells(table, gap, rng, n_resamples), change, len(table.group))


def changed(found: Maxima | None, change: float, n: int) -> Estimate:
    """`gap_change` from the rates of both sides, of so many rows."""
    value, interval = (math.nan, None) if found is None else (change, found.interval)
    return Estimate.of(
        value,
        lambda c: within_one(interval(c)) if interval else (value, value),
        n=n,
        method=GAP_METHOD,
        unit=UNIT,
    )


def extremes_change(table: Table, gap: Gap, rng: np.random.Generator, n_resamples: int) -> Estimate:
    """`gap_change` of a table of two groups or more, with both gaps by Fairlearn."""
    made, real = (fairlearn_gap(table, gap, s.mean(axis=0)) for s in (table.made, table.real))
    return gap_change(table, gap, made - real, rng, n_resamples)


def apart_change(
    table: Table, gap: Gap, rng: np.random.Generator, n_resamples: int, *, ahead: bool = True
) -> Estimate:
    """How far any two groups have come apart after training on samples instead of real rows.

    The gap of the extremes hides what happens between the others, and one that is turned around;
    this is the largest over all pairs, with errors as in `gap_change`. `ahead` as in
    `_pairs.of_maxima`.
    """
    found, n = cells(table, gap, rng, n_resamples), len(table.group)
    if found is None:
        return Estimate.of(math.nan, lambda _: (0, 0), n=n, method=GAP_METHOD, unit=UNIT)
    pairs = of_maxima(found, len(np.unique(table.group)), ahead=ahead)
    return pairs.estimate(n=n, method=GAP_METHOD, unit=UNIT)


def pairs_apart(table: Table, gap: Gap) -> Pairs:
    """The same of each pair without its errors; places are those of the table's groups in order."""
    groups = np.unique(table.group)
    (made, n), (real, _) = (_votes(table, side, groups) for side in (table.made, table.real))
    first, second = (gap.rates(votes.mean(axis=0), n) for votes in (made, real))
    return of_maxima(Maxima(first, second, gap.contrasts(len(groups)), []), len(groups))


def cells(table: Table, gap: Gap, rng: np.random.Generator, n_resamples: int) -> Maxima | None:
    """Rates of both sides, with what is compared; None where they are undefined in resamples.

    The error has two sources: which rows are in the holdout (bootstrap of the counts of group x
    label x votes of both sides, so it is paired; of whole persons where a row is none) and which
    rows each learner saw (jackknife over the learners of each side, and at least what near ties
    may do: learners that decide a whole group alike may agree by luck, and their agreement is then
    no measure of what the next one will say).
    """
    groups = np.unique(table.group)
    people = gap.of_cells(table.n_people[groups], table.people[groups])
    rows = Source(_holdout(table, gap, groups, rng, n_resamples), least=least_variance(people))
    if not np.isfinite(rows.covariance).all():
        return None
    made, real = (_learners(table, gap, groups, side, rng) for side in (0, 1))
    sources = [rows, *made.source, *real.source]
    return Maxima(made.rates, real.rates, gap.contrasts(len(groups)), sources)


def least_variance(n: np.ndarray | float) -> np.ndarray:
    """Variance below which the error of a rate among n people never is, same shape.

    No resample of rows that all agree can disagree, and yet 3.7 in n may at 97.5%, in so many
    standard errors of a normal interval.
    """
    return np.asarray((3.7 / 1.96 / np.asarray(n, dtype=float)) ** 2)


def within_one(interval: Interval, most: float = 1.0) -> Interval:
    """An interval of a difference of shares ends where these end; twice as far for one of gaps."""
    return max(interval[0], -most), min(interval[1], most)


@dataclass(frozen=True, eq=False)
class _Learners:
    """What the learners of one side decide on average, shape (C,), and how that would vary."""

    rates: np.ndarray
    source: tuple[Source, ...]


def _learners(
    table: Table, gap: Gap, groups: np.ndarray, which: int, rng: np.random.Generator
) -> _Learners:
    """which: 0 for the learners on samples, 1 for those on real rows."""
    side, lead = ((table.made, table.made_lead), (table.real, table.real_lead))[which]
    k = len(side)
    votes, n = _votes(table, side, groups)
    rates = gap.rates(votes.mean(axis=0), n)
    if k < 2:
        return _Learners(rates, ())
    without = gap.rates((votes.sum(axis=0) - votes) / (k - 1), np.broadcast_to(n, votes.shape))
    away = without - without.mean(axis=0)
    ties = None if lead is None else _ties(table, lead, gap, groups, rng) / k
    instead = None if ties is None else _placed(ties, which)
    # The jackknife: Efron & Tibshirani 1993, equation 11.5 squared.
    jackknife = _placed((k - 1) / k * away.T @ away, which)
    return _Learners(rates, (Source(jackknife, k - 1, instead=instead),))


def _placed(covariance: np.ndarray, which: int) -> np.ndarray:
    """The covariance of one side's rates among those of both, shape (2C, 2C)."""
    return np.kron(np.diag([1.0 - which, float(which)]), covariance)


def _ties(
    table: Table, lead: np.ndarray, gap: Gap, groups: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Covariance of one learner's rates if chance moves each group as a whole, shape (C, C)."""
    moved = rng.standard_normal((_N_LEARNERS, len(groups)))
    selected = np.empty((_N_LEARNERS, len(groups), 2))
    n = np.empty((len(groups), 2))
    for i, group in enumerate(groups):
        for y in (0, 1):
            leads = np.sort(lead[(table.group == group) & (table.y == y)])
            n[i, y] = len(leads)
            selected[:, i, y] = n_selected(leads, _towards(table, y) * moved[:, i])
    rates = gap.rates(selected, np.broadcast_to(n, selected.shape))
    return np.atleast_2d(np.cov(rates, rowvar=False))


def _towards(table: Table, y: int) -> float:
    """What a move towards the favoured class does to leads of rows with a label."""
    return -1.0 if table.own and y == 0 else 1.0


def n_selected(leads: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """How many of the ascending leads lie above zero once they are moved, for each move."""
    return len(leads) - np.searchsorted(leads, -moved, side="right")


def _holdout(
    table: Table, gap: Gap, groups: np.ndarray, rng: np.random.Generator, n_resamples: int
) -> np.ndarray:
    """Covariance of both sides' rates over samples of the holdout, (2C, 2C); NaN where undefined.

    Undefined: a group has none of its rows in more than 1% of the resamples.
    """
    counts = _resampled(table, groups, n_resamples, rng)
    votes = np.arange(counts.shape[-1]) / (counts.shape[-1] - 1)
    sizes = counts.sum(axis=(-2, -1))
    sides = np.einsum("...rm,m->...", counts, votes), np.einsum("...rm,r->...", counts, votes)
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = np.concatenate([gap.rates(side, sizes) for side in sides], axis=-1)
    return covariance(rates)


def _resampled(
    table: Table, groups: np.ndarray, n_resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Rows by group, label, and votes of the learners of each side, (resamples, G, 2, K+1, K+1)."""
    k = len(table.real)
    shape = (len(groups), 2, k + 1, k + 1)
    index = (np.searchsorted(groups, table.group), table.y, table.real.sum(0), table.made.sum(0))
    cells, size = np.ravel_multi_index(index, shape), math.prod(shape)
    if table.person is None:
        drawn = resamples(np.bincount(cells, minlength=size), n_resamples, rng)
    else:
        drawn = cluster_resamples(cells, table.person, size, n_resamples, rng)
    return drawn.reshape(n_resamples, *shape)


def _votes(table: Table, side: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Selected rows of each learner by group and label, (K, G, 2), and all rows, (G, 2)."""
    code = 2 * np.searchsorted(groups, table.group) + table.y
    size = 2 * len(groups)
    votes = np.stack([np.bincount(code, s, size).reshape(-1, 2) for s in side])
    return votes, np.bincount(code, minlength=size).reshape(-1, 2)


def rate_change(table: Table) -> Estimate:
    """Mean decision of the learners on samples minus that of the others, for one group's rows."""
    k, n = table.made.shape
    difference = table.made.mean(axis=0) - table.real.mean(axis=0)
    value = float(difference.mean())
    persons = np.arange(n) if table.person is None else table.person
    n_persons = len(np.unique(persons))
    holdout = max(mean_variance(difference, persons), float(least_variance(n_persons)))
    components = [(holdout, float(n_persons - 1))]
    if k > 1:
        components += [
            (max(float(side.mean(axis=1).var(ddof=1)), _rate_variance(table, lead)) / k, k - 1)
            for side, lead in ((table.made, table.made_lead), (table.real, table.real_lead))
        ]
    return Estimate.of(
        value,
        lambda c: within_one(component_interval(value, components, c)),
        n=n,
        method=RATE_METHOD,
        unit=UNIT,
    )


def _rate_variance(table: Table, lead: np.ndarray | None) -> float:
    """Variance of one learner's mean decision if chance moves all rows as one, 0 without leads."""
    if lead is None:
        return 0.0
    moved = norm.ppf((np.arange(_N_LEARNERS) + 0.5) / _N_LEARNERS)
    n = [n_selected(np.sort(lead[table.y == y]), _towards(table, y) * moved) for y in (0, 1)]
    return float((np.sum(n, axis=0) / len(lead)).var())
