"""Weights under which groups and outcome are independent, and samples that follow them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from genaudit.data.dataset import Dataset
from genaudit.errors import DataError, GenauditWarning, OptionError
from genaudit.mitigation.groups import Groups, check_levels
from genaudit.mitigation.outcome import Mitigated, some_of
from genaudit.mitigation.resample import MOST_USES, resample
from genaudit.mitigation.target import TargetTable

#: Share of a group's rows that have an outcome, below which that is told.
_LEAST_KEPT = 0.5


def independent(samples: Dataset, columns: Sequence[str]) -> TargetTable:
    """The table P(group) P(outcome), counted in the samples.

    Where no sample has a group with an outcome, no weight makes one: such a cell gets no share, the
    others share what is left, and a warning names it.

    Raises:
        OptionError: the schema has no target column, or one of numbers.
        DataError: samples of one group alone, or of one outcome, or a group without any.
    """
    outcome = outcome_of(samples, columns)
    groups = Groups.of(samples, columns)
    groups.check_several()
    joint = Groups.of(samples, (*columns, outcome))
    counts = joint.counts.astype(float).reshape(-1, len({c[-1] for c in joint.cells}))
    total = counts.sum()
    if not total:
        raise DataError(
            f"Expected samples with an outcome of {outcome!r} and a group of "
            f"{' and '.join(groups.columns)}, got none that has both; make such."
        )
    if (counts.sum(axis=0) > 0).sum() < 2:
        raise DataError(
            f"Expected samples with two outcomes of {outcome!r} or more, got one; make more."
        )
    if len(bare := np.flatnonzero((groups.counts > 0) & (counts.sum(axis=1) == 0))):
        raise DataError(
            f"Expected an outcome of {outcome!r} in some sample of each group, got none of "
            f"{groups.named(int(bare[0]))}, whose rows would all be left out; make more samples."
        )
    _tell_lost(groups, counts.sum(axis=1), outcome)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total**2
    if len(absent := np.flatnonzero((expected > 0).ravel() & (counts == 0).ravel())):
        warnings.warn(
            f"No sample has {joint.named(int(absent[0]))}"
            + (f", nor {len(absent) - 1:,} other combinations" if len(absent) > 1 else "")
            + ", and no weight makes one: this group stays behind the others. Make more samples, "
            "or draw it by its condition (balance).",
            GenauditWarning,
            stacklevel=4,
        )
    expected[counts == 0] = 0.0
    shares = (expected / expected.sum()).ravel()
    return TargetTable(joint.columns, dict(zip(joint.cells, shares.tolist(), strict=True)))


def _tell_lost(groups: Groups, kept: np.ndarray, outcome: str) -> None:
    """Warn of the group that loses most of its rows, as these have no outcome."""
    share = np.divide(kept, groups.counts, out=np.ones(len(kept)), where=groups.counts > 0)
    worst = int(share.argmin())
    if share[worst] < _LEAST_KEPT:
        warnings.warn(
            f"Most rows of {groups.named(worst)} have no outcome of {outcome!r} and are left out: "
            f"{int(kept[worst]):,} of {int(groups.counts[worst]):,} count. Make samples with "
            "outcomes, or read how many rows each group has left.",
            GenauditWarning,
            stacklevel=5,
        )


def weights(samples: Dataset, columns: Sequence[str]) -> np.ndarray:
    """P(group) P(outcome) / P(group, outcome) of each row, counted in the samples, shape (n,).

    Their mean is 1. A row without a group or an outcome weighs 1.

    Source: Kamiran & Calders 2012, section 5.2.
    """
    return _weights(samples, independent(samples, columns))


def reweigh(
    samples: Dataset,
    columns: Sequence[str],
    *,
    n: int | None = None,
    seed: int = 0,
    most_uses: int = MOST_USES,
    keep_rows: bool = False,
) -> Mitigated:
    """Samples in which the outcome is as frequent in each group as in all.

    Args:
        samples: Generated rows.
        columns: What tells groups, crossed.
        n: Rows wanted; None = as many as there are. With keep_rows, so many are chosen at random
            and weighed by what is counted among them.
        seed: Of the choice.
        most_uses: How often a row may be used.
        keep_rows: Keep every row once, with its weight beside it.

    Raises:
        OptionError, DataError: as `independent`.
    """
    if not keep_rows:
        target = independent(samples, columns)
        picked = resample(samples, target, n=n, seed=seed, most_uses=most_uses)
        return replace(picked, cost={**picked.cost, **lacks(samples, columns)})
    rows = some_of(samples, n, seed)
    part = samples.take(rows)
    found = weights(part, columns)
    cost = {"rows_in": len(samples), "rows_out": len(part), "largest_weight": float(found.max()),
            "effective_rows": float(found.sum() ** 2 / (found**2).sum()),
            **lacks(part, columns)}  # fmt: skip
    return Mitigated(part, rows, found, cost)


def lacks(samples: Dataset, columns: Sequence[str]) -> dict[str, int]:
    """How many rows have no group, and how many have one but no outcome, named as in a cost."""
    without = Groups.of(samples, columns).n_without
    either = Groups.of(samples, (*columns, outcome_of(samples, columns))).n_without
    return {"rows_without_group": without, "rows_without_outcome": either - without}


def outcome_of(samples: Dataset, columns: Sequence[str]) -> str:
    """The name of the target column, whose values are levels, beside columns that tell groups.

    Raises:
        OptionError: there is none, its values are numbers, or it is to tell groups too.
    """
    column = samples.schema.target
    if column is None:
        raise OptionError(
            "Expected a column with the role target, whose outcomes are to be made alike between "
            "groups, got none; give one that role in the schema."
        )
    if not column.discrete:
        raise OptionError(
            f"Expected a target column of levels, got {column.name!r}, which is {column.kind}; cut "
            "it into intervals and declare those."
        )
    if column.name in columns:
        raise OptionError(
            f"Expected columns that tell groups beside the outcome {column.name!r}, got it among "
            "them: groups of one outcome each have nothing to be made alike in; name others."
        )
    return check_levels(samples.schema, column.name).name


def _weights(samples: Dataset, target: TargetTable) -> np.ndarray:
    groups = Groups.of(samples, target.columns)
    own = groups.counts / max(groups.counts.sum(), 1)
    ratio = np.divide(target.of_cells(groups.cells), own, out=np.zeros(len(own)), where=own > 0)
    return np.where(groups.codes >= 0, ratio[groups.codes], 1.0)
