"""Samples thinned by chance until groups have the shares of a target; no row is used twice."""

from __future__ import annotations

import warnings

import numpy as np

from genaudit.data.dataset import Dataset
from genaudit.errors import GenauditWarning
from genaudit.mitigation.groups import Groups
from genaudit.mitigation.outcome import Mitigated, chosen, taken
from genaudit.mitigation.resample import factor
from genaudit.mitigation.target import TargetTable


def reject(
    samples: Dataset, target: TargetTable, *, n: int | None = None, seed: int = 0
) -> Mitigated:
    """Samples accepted with a chance proportional to target share over own share of their group.

    The rows that are left are a plain sample of what the generator would make under the target. The
    acceptance rate is what that costs: of so many samples one row is left.

    Args:
        samples: Generated rows.
        target: Shares of the joint levels of its columns.
        n: Most rows to keep, chosen at random of those accepted; None = all of these.
        seed: Of the chance.

    Raises:
        DataError: as `resample`.

    Source: von Neumann 1951 (rejection).
    """
    groups = Groups.of(samples, target.columns)
    groups.check_several()
    largest = factor(samples, target)
    ratio = np.divide(
        target.of_cells(groups.cells) * len(samples), groups.counts,
        out=np.zeros(len(groups.cells)), where=groups.counts > 0,
    )  # fmt: skip
    chance = np.where(groups.codes >= 0, ratio[groups.codes] / largest, 0.0)
    rng = np.random.default_rng([seed, 0x4E1])
    rows = np.flatnonzero(rng.random(len(samples)) < chance)
    accepted = len(rows)
    if n is not None and accepted < n:
        warnings.warn(
            f"Only {accepted:,} of {n:,} rows were accepted, of {len(samples):,} samples; about "
            f"{int(np.ceil(1.05 * n * largest)):,} samples of this generator would do.",
            GenauditWarning,
            stacklevel=3,
        )
    return taken(samples, chosen(rows, n, rng),
                 acceptance_rate=accepted / len(samples),
                 rows_without_group=groups.n_without)  # fmt: skip
