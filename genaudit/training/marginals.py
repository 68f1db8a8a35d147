"""What a generator is told of the records besides the records: marginals of one and two columns.

Exact in plain training. Under differential privacy one Gaussian mechanism pays for all of them, and
they serve four times: conditions of made records, live quality, a term of a generator's loss, and
what the finished generator is fitted to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genaudit.modalities.table.layout import Layout

#: How much more exactly a table is measured that holds the target, or both digits of one column.
_FOCUS = 3.0

#: The same of single columns and of the condition's joint.
_SINGLE = 1.0

#: What exact marginals weigh, as if they had the noise of so small a multiplier.
_EXACT_MULTIPLIER = 0.5


@dataclass(frozen=True, eq=False)
class Marginals:
    """Shares of records.

    blocks: one histogram for each one-hot block that the generator makes, summing to 1; a low
        digit's is of the records that have one.
    joint: of the condition's joint cells, shape (n_joint,), summing to 1.
    one_way: of every block, those of the condition last; as measured, so noise may make shares
        negative, and a low digit's sum to the share of records that have one.
    two_way: tables of `layout.pairs`, as measured.
    deviations: standard deviation of the noise of each of `one_way` and then of `two_way`.
    """

    blocks: tuple[np.ndarray, ...]
    joint: np.ndarray
    one_way: tuple[np.ndarray, ...]
    two_way: tuple[np.ndarray, ...]
    deviations: np.ndarray


def exact(layout: Layout, digits: np.ndarray, joint: np.ndarray, focus: str = "") -> Marginals:
    """The marginals of the records.

    Args:
        layout: Blocks and condition.
        digits: Of the made columns, shape (n, blocks).
        joint: Cell of the condition, shape (n,).
        focus: Column whose tables weigh more, such as the target.
    """
    n = max(len(digits), 1)
    one_way, two_way, together = _counted(layout, digits, joint)
    return Marginals(
        blocks=tuple(_shares(c) for c in one_way[: len(layout.blocks)]),
        joint=_shares(together) if layout.given else np.ones(1),
        one_way=tuple(c / n for c in one_way),
        two_way=tuple(c / n for c in two_way),
        deviations=_EXACT_MULTIPLIER / n * _scales(layout, focus)[:-1],
    )


def noisy(
    layout: Layout,
    digits: np.ndarray,
    joint: np.ndarray,
    *,
    n: int,
    noise_multiplier: float,
    rng: np.random.Generator,
    cap: int = 1,
    focus: str = "",
) -> Marginals:
    """The marginals with Gaussian noise.

    One record is in one cell of each histogram. A histogram measured with weight w gets noise of
    standard deviation noise_multiplier * sqrt(sum of all w²) / w, which makes all of them one
    Gaussian mechanism: each scaled by its w, they have that L2 sensitivity together. A unit of
    several rows may have all of them in the same cells.

    Args:
        layout: Blocks and condition.
        digits: Of the made columns, shape (n, blocks).
        joint: Cell of the condition, shape (n,).
        n: Public or noisy number of units; that of rows follows from the noisy counts where `cap`
            is above 1.
        noise_multiplier: Of the one Gaussian mechanism.
        rng: Seeded by the operating system.
        cap: Rows of a unit.
        focus: Column whose tables are measured more exactly, such as the target.
    """
    scales = noise_multiplier * cap * _scales(layout, focus)
    one_way, two_way, together = _counted(layout, digits, joint)
    # Rounded: the low bits of a float would tell more of the count than the noise hides.
    hidden = [
        np.rint(c + rng.normal(0.0, scale, c.shape))
        for c, scale in zip([*one_way, *two_way, together], scales, strict=True)
    ]
    singles = hidden[: len(one_way)]
    if cap > 1:
        gates = [*layout.gates, *(None for _ in layout.given)]
        sums = [h.sum() for h, gate in zip(singles, gates, strict=True) if gate is None]
        n = max(1, round(float(np.mean(sums)))) if sums else n
    blocks: list[np.ndarray] = []
    for histogram, gate in zip(singles, layout.gates, strict=False):
        # Records without a low digit are not in its histogram; their share is known from the gate.
        present = 1.0 if gate is None else max(1 - float(blocks[gate][-1]), 1 / n)
        blocks.append(simplex(histogram / (present * n)))
    return Marginals(
        blocks=tuple(blocks),
        joint=simplex(hidden[-1] / n) if layout.given else np.ones(1),
        one_way=tuple(h / n for h in singles),
        two_way=tuple(h / n for h in hidden[len(one_way) : -1]),
        deviations=scales[:-1] / n,
    )


def simplex(values: np.ndarray) -> np.ndarray:
    """The nearest shares, at least 0 and summing to 1.

    Source: Duchi, Shalev-Shwartz, Singer, Chandra 2008, figure 1.

    >>> simplex(np.array([0.6, 0.6, -0.5])).round(3).tolist()
    [0.5, 0.5, 0.0]
    """
    falling = np.sort(values)[::-1]
    excess = (np.cumsum(falling) - 1) / np.arange(1, len(values) + 1)
    theta = excess[np.flatnonzero(falling > excess)[-1]]
    shares = np.maximum(values - theta, 0.0)
    total: np.ndarray = shares / shares.sum()
    return total


def distance(made: Sequence[np.ndarray], marginals: Marginals) -> float:
    """Mean total variation distance between made and reference marginals, in [0, 1].

    Args:
        made: Shares of each block.
        marginals: The reference.
    """
    gaps = [0.5 * np.abs(p - b).sum() for p, b in zip(made, marginals.blocks, strict=True)]
    return float(np.mean(gaps))


def _scales(layout: Layout, focus: str) -> np.ndarray:
    """Noise of each histogram for a multiplier of 1: of blocks, of pairs, of the joint."""
    focal = layout.blocks_of(focus)
    weights = np.full(len(layout.sizes) + len(layout.pairs) + 1, _SINGLE)
    for k, (i, j) in enumerate(layout.pairs, start=len(layout.sizes)):
        close = i in focal or j in focal or layout.owners[i] == layout.owners[j]
        weights[k] = _FOCUS if close else 1.0
    # A joint of no column is counted by nobody.
    in_use = weights if layout.given else weights[:-1]
    scales: np.ndarray = np.sqrt((in_use**2).sum()) / weights
    return scales


def _shares(counts: np.ndarray) -> np.ndarray:
    """Counts as shares; equal ones where nothing was counted."""
    if not counts.any():
        return np.full(len(counts), 1 / len(counts))
    shares: np.ndarray = counts / counts.sum()
    return shares


def _counted(
    layout: Layout, digits: np.ndarray, joint: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
    """Counts of every block, of every pair, and of the condition's joint."""
    every = np.concatenate([digits, layout.cells[joint]], axis=1)
    one_way = [_table([every[:, i]], [k]) for i, k in enumerate(layout.sizes)]
    two_way = [
        _table([every[:, i], every[:, j]], [layout.sizes[i], layout.sizes[j]])
        for i, j in layout.pairs
    ]
    return one_way, two_way, np.bincount(joint, minlength=layout.n_joint).astype(float)


def _table(codes: list[np.ndarray], sizes: list[int]) -> np.ndarray:
    """Counts of records in each cell of some blocks, those without a digit left out."""
    there = np.logical_and.reduce([c >= 0 for c in codes])
    flat = np.ravel_multi_index([c[there] for c in codes], sizes)
    counts: np.ndarray = np.bincount(flat, minlength=int(np.prod(sizes))).reshape(sizes)
    return counts.astype(float)
