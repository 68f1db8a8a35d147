"""Gaps between groups in what learners decide, and how far they differ between two sides."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, mean_prediction

from genaudit.audits.bias._groups import Grouping
from genaudit.audits.learners import Comparison
from genaudit.case import AuditCase
from genaudit.data.disclosure import shown_cells, shown_parts
from genaudit.result import Estimate
from genaudit.stats.components import component_interval, jackknife_variance
from genaudit.stats.resampling import bootstrap_se

GAP_METHOD = "Fairlearn MetricFrame; bootstrap of holdout rows and jackknife over learners"
RATE_METHOD = "paired difference of mean predictions over holdout rows and learners"
UNIT = "difference of shares"


@dataclass(frozen=True, eq=False)
class Table:
    """What the learners decide about the holdout rows, for one sensitive column.

    group, y: group code and favoured label (0 / 1) of each row, shape (n,); rows without a group
    are left out. real, made: decisions after training on real rows and on samples, bools (K, n).
    """

    grouping: Grouping
    group: np.ndarray
    y: np.ndarray
    real: np.ndarray
    made: np.ndarray

    @classmethod
    def of(cls, grouping: Grouping, found: Comparison, case: AuditCase) -> Table:
        """The decisions about all holdout rows whose group and label are known."""
        group = grouping.codes(case.holdout)[found.rows]
        known = group >= 0
        return cls(
            grouping,
            group[known],
            (found.y[known] == found.target.favoured).astype(np.int64),
            found.selects(found.real)[:, known],
            found.selects(found.made)[:, known],
        )

    @property
    def sizes(self) -> np.ndarray:
        """Holdout rows in each group and label, shape (levels, 2)."""
        flat = np.bincount(2 * self.group + self.y, minlength=2 * len(self.grouping.levels))
        return flat.reshape(-1, 2)

    @property
    def told(self) -> np.ndarray:
        """Groups whose size and selection rates on both sides may be printed, bools (levels,)."""
        n = np.bincount(self.group, minlength=len(self.grouping.levels))
        told = shown_parts(n)
        for side in (self.real, self.made):
            selected = np.bincount(self.group, side.mean(axis=0), minlength=len(n))
            told &= shown_cells(np.column_stack([selected, n - selected])).all(axis=1)
        return told

    def where(self, groups: np.ndarray) -> Table:
        """The rows of some groups (codes)."""
        rows = np.isin(self.group, groups)
        return Table(
            self.grouping, self.group[rows], self.y[rows], self.real[:, rows], self.made[:, rows]
        )


# Gaps --------------------------------------------------------------------------------------------


def parity_gap(selected: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Largest minus smallest selection rate of groups, shape (...).

    Args:
        selected: Expected number of selected rows by group and label, shape (..., G, 2).
        n: Rows by group and label, same shape.
    """
    rates = selected.sum(axis=-1) / n.sum(axis=-1)
    return rates.max(axis=-1) - rates.min(axis=-1)


def odds_gap(selected: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Larger of the gaps in true and in false positive rates of groups; shapes as `parity_gap`."""
    rates = selected / n
    return (rates.max(axis=-2) - rates.min(axis=-2)).max(axis=-1)


Gap = Callable[[np.ndarray, np.ndarray], np.ndarray]


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
        control_features=label if gap is odds_gap else None,
        # A row for each cell, weighted by its people: the same rates a hundred times faster.
        sample_params={"rate": {"sample_weight": pd.Series(weight)}},
    )
    return float(np.max(frame.difference(method="between_groups")["rate"]))


def gap_change(
    table: Table, gap: Gap, change: float, rng: np.random.Generator, n_resamples: int
) -> Estimate:
    """A gap after training on samples minus the gap after training on real rows.

    The error has two sources: which rows are in the holdout (bootstrap of the counts of group x
    label x votes of both sides, so it is paired) and which rows each learner saw (jackknife over
    the learners of each side).

    Args:
        table: Rows of the groups that are compared.
        gap: `parity_gap` or `odds_gap`.
        change: The difference, from Fairlearn.
        rng: Random stream.
        n_resamples: Bootstrap samples.
    """
    groups = np.unique(table.group)
    k = len(table.real)

    def statistic(counts: np.ndarray) -> np.ndarray:
        votes = np.arange(k + 1) / k
        sizes = counts.sum(axis=(-2, -1))
        made = np.einsum("...rm,m->...", counts, votes)
        real = np.einsum("...rm,r->...", counts, votes)
        with np.errstate(invalid="ignore", divide="ignore"):
            return gap(made, sizes) - gap(real, sizes)

    holdout = float(bootstrap_se(_cells(table, groups), statistic, n_resamples, rng)) ** 2
    # No resample of rows that all agree can disagree: the error is never below that of one row
    # of the smallest group.
    smallest = min(np.sum(table.group == g) for g in groups)
    holdout = max(holdout, 1 / smallest**2)
    training = [
        (jackknife_variance(_without_one(table, side, gap, groups)), k - 1)
        for side in (table.real, table.made)
        if k > 1
    ]
    components = [(holdout, math.inf), *training]
    if not math.isfinite(holdout):
        change = math.nan
    return Estimate.of(
        change,
        lambda c: component_interval(change, components, c),
        n=len(table.group),
        method=GAP_METHOD,
        unit=UNIT,
    )


def _cells(table: Table, groups: np.ndarray) -> np.ndarray:
    """Rows by group, label, and votes of the learners of each side, (G, 2, K + 1, K + 1)."""
    k = len(table.real)
    shape = (len(groups), 2, k + 1, k + 1)
    index = (np.searchsorted(groups, table.group), table.y, table.real.sum(0), table.made.sum(0))
    flat = np.ravel_multi_index(index, shape)
    return np.bincount(flat, minlength=math.prod(shape)).reshape(shape)


def _without_one(table: Table, side: np.ndarray, gap: Gap, groups: np.ndarray) -> np.ndarray:
    """The gap of one side's average decision without each of its learners, shape (K,)."""
    code = 2 * np.searchsorted(groups, table.group) + table.y
    size = 2 * len(groups)
    n = np.bincount(code, minlength=size).reshape(-1, 2)
    votes = np.stack([np.bincount(code, s, size).reshape(-1, 2) for s in side])
    others = (votes.sum(axis=0) - votes) / (len(side) - 1)
    return gap(others, np.broadcast_to(n, others.shape))


def rate_change(made: np.ndarray, real: np.ndarray) -> Estimate:
    """Mean decision of one side minus the other's, from bools of shape (K, n)."""
    k, n = made.shape
    difference = made.mean(axis=0) - real.mean(axis=0)
    value = float(difference.mean())
    components = [(max(float(difference.var(ddof=1)) / n, 1 / n**2), float(n - 1))]
    if k > 1:
        components += [(float(s.mean(axis=1).var(ddof=1)) / k, k - 1) for s in (made, real)]
    return Estimate.of(
        value,
        lambda c: component_interval(value, components, c),
        n=n,
        method=RATE_METHOD,
        unit=UNIT,
    )
