"""What a generator is told of the records besides the records: one-way marginals and the condition.

Exact in plain training. Under differential privacy one Gaussian mechanism pays for all of them,
and they serve three times: conditions of made records, live quality, a term of a generator's loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genaudit.modalities.table.layout import Layout


@dataclass(frozen=True, eq=False)
class Marginals:
    """Shares that sum to 1 in each histogram.

    blocks: one histogram for each one-hot block that the generator makes.
    joint: of the condition's joint cells, shape (n_joint,).
    """

    blocks: tuple[np.ndarray, ...]
    joint: np.ndarray


def exact(layout: Layout, digits: np.ndarray, joint: np.ndarray) -> Marginals:
    """The marginals of the records; a low digit's are those of records that have one."""
    *blocks, last = _counts(layout, digits, joint)
    return Marginals(tuple(_shares(c) for c in blocks), _shares(last))


def n_histograms(layout: Layout) -> int:
    """How many histograms one record is in: their L2 sensitivity is the square root of this."""
    return len(layout.blocks) + bool(layout.given)


def noisy(
    layout: Layout,
    digits: np.ndarray,
    joint: np.ndarray,
    *,
    n: int,
    noise_multiplier: float,
    rng: np.random.Generator,
    cap: int = 1,
) -> Marginals:
    """The marginals with Gaussian noise, brought back to shares.

    One record is in `n_histograms` cells, so noise of standard deviation noise_multiplier times the
    square root of that makes all of them together one Gaussian mechanism. A unit of several rows
    may have all of them in the same cells.

    Args:
        layout: Blocks and condition.
        digits: Of the made columns, shape (n, blocks).
        joint: Cell of the condition, shape (n,).
        n: Public or noisy number of units; that of rows follows from the noisy counts where `cap`
            is above 1.
        noise_multiplier: Of the one Gaussian mechanism.
        rng: Seeded by the operating system.
        cap: Rows of a unit.
    """
    scale = noise_multiplier * cap * np.sqrt(n_histograms(layout))
    counts = _counts(layout, digits, joint)
    # Rounded: the low bits of a float would tell more of the count than the noise hides.
    hidden = [np.rint(c + rng.normal(0.0, scale, len(c))) for c in counts]
    if cap > 1:
        sums = [h.sum() for h, gate in zip(hidden, layout.gates, strict=False) if gate is None]
        n = max(1, round(float(np.mean(sums))))
    blocks: list[np.ndarray] = []
    for histogram, gate in zip(hidden, layout.gates, strict=False):
        # Records without a low digit are not in its histogram; their share is known from the gate.
        present = 1.0 if gate is None else max(1 - float(blocks[gate][-1]), 1 / n)
        blocks.append(simplex(histogram / (present * n)))
    last = simplex(hidden[-1] / n)
    return Marginals(tuple(blocks), last if layout.given else np.ones(1))


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


def _shares(counts: np.ndarray) -> np.ndarray:
    shares: np.ndarray = (
        counts / counts.sum() if counts.any() else np.full(len(counts), 1 / len(counts))
    )
    return shares


def distance(made: np.ndarray, marginals: Marginals) -> float:
    """Mean total variation distance between made and reference marginals, in [0, 1].

    Args:
        made: Shares of all blocks side by side, shape (width,).
        marginals: The reference.
    """
    parts = np.split(made, np.cumsum([len(b) for b in marginals.blocks])[:-1])
    gaps = [0.5 * np.abs(p - b).sum() for p, b in zip(parts, marginals.blocks, strict=True)]
    return float(np.mean(gaps))


def _counts(layout: Layout, digits: np.ndarray, joint: np.ndarray) -> list[np.ndarray]:
    # Counted from -1 on, which stands for no digit.
    blocks = [
        np.bincount(digits[:, i] + 1, minlength=k + 1)[1:] for i, k in enumerate(layout.blocks)
    ]
    return [c.astype(float) for c in (*blocks, np.bincount(joint, minlength=layout.n_joint))]
