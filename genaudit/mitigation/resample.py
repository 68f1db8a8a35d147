"""Rows of samples picked so that groups have the shares of a target."""

from __future__ import annotations

import warnings

import numpy as np

from genaudit.data.dataset import Dataset
from genaudit.errors import DataError, GenauditWarning
from genaudit.mitigation.groups import Groups
from genaudit.mitigation.outcome import Mitigated, taken
from genaudit.mitigation.target import TargetTable, apportioned

#: Most often that one row is used: more copies would make a few rows speak for a group.
MOST_USES = 2


def most_used(method: str, most_uses: int | None, *, weights: bool) -> int:
    """How often a mitigation may use one row: a method that draws rows anew, so often."""
    return (most_uses or MOST_USES) if method in ("resample", "reweigh") and not weights else 1


def resample(
    samples: Dataset,
    target: TargetTable,
    *,
    n: int | None = None,
    seed: int = 0,
    most_uses: int = MOST_USES,
) -> Mitigated:
    """Samples in which the groups have the shares of a target, each row used twice at most.

    Every row of a group is used before any is used again. Where a group has too few, fewer rows
    come back, with the shares as asked for, and a warning says how many samples would do.

    Args:
        samples: Generated rows.
        target: Shares of the joint levels of its columns.
        n: Rows wanted; None = as many as there are.
        seed: Of the choice.
        most_uses: How often a row may be used, at least 1.

    Raises:
        DataError: samples hold no row of a group that has a share, or rows of one group alone.

    Source: Wang et al. 2023, arXiv:2305.15538 (resampling as a general post-processing).
    """
    groups = Groups.of(samples, target.columns)
    groups.check_several()
    shares = target.of_cells(groups.cells)
    wanted = len(samples) if n is None else n
    possible = _possible(groups, shares, wanted, most_uses)
    rng = np.random.default_rng([seed, 0x4E5A])
    parts = [
        _picked(groups.where(i), int(k), rng) for i, k in enumerate(apportioned(possible, shares))
    ]
    rows = rng.permutation(np.concatenate(parts))
    return taken(samples, rows, rows_wanted=wanted, rows_without_group=groups.n_without)


def factor(samples: Dataset, target: TargetTable) -> float:
    """Samples that are needed for each row wanted, where none is to be used twice.

    Raises:
        DataError: samples hold no row of a group that has a share.
    """
    groups = Groups.of(samples, target.columns)
    shares = target.of_cells(groups.cells)
    _check_filled(groups, shares)
    asked = shares > 0
    return float((shares[asked] / (groups.counts[asked] / len(samples))).max())


def _possible(groups: Groups, shares: np.ndarray, n: int, most_uses: int) -> int:
    """The most rows up to n that have these shares."""
    _check_filled(groups, shares)
    asked = np.flatnonzero(shares > 0)
    most = most_uses * groups.counts[asked] / shares[asked]
    if n <= most.min():
        return n
    # Rounding up may ask for one row more than there is.
    possible = int(most.min())
    while (apportioned(possible, shares)[asked] > most_uses * groups.counts[asked]).any():
        possible -= 1
    rare = int(asked[most.argmin()])
    needed = int(np.ceil(len(groups.codes) * n / most.min()))
    warnings.warn(
        f"Only {possible:,} of {n:,} rows have the shares that are asked for: there are "
        f"{int(groups.counts[rare]):,} samples of {groups.named(rare)}, and none is used more than "
        f"{most_uses} times; about {needed:,} samples of this generator would do.",
        GenauditWarning,
        stacklevel=4,
    )
    return possible


def _check_filled(groups: Groups, shares: np.ndarray) -> None:
    if len(empty := np.flatnonzero((shares > 0) & (groups.counts == 0))):
        raise DataError(
            f"Expected samples of {groups.named(int(empty[0]))}, which the target gives a share of "
            f"{shares[empty[0]]:.3g}, found none; make more samples, or draw them by their "
            "condition (balance)."
        )


def _picked(rows: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """K of the rows, each as often as the others or once more."""
    whole, rest = divmod(k, len(rows)) if len(rows) else (0, 0)
    return np.concatenate([np.tile(rows, whole), rng.permutation(rows)[:rest]])
