"""The mean summary of records: what a generator of media may know of them besides the records.

A few numbers of each record (`MediaNets.summary`), whose means serve live quality and the start of
a generator. Exact in plain training; under differential privacy one Gaussian mechanism pays for
them together with the marginals of the attributes.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from genaudit.modalities.nets import MediaNets, chunk_of

#: Marginals and summary are one Gaussian mechanism, in which each has half of the squared weight.
SHARE = math.sqrt(2.0)


def exact(nets: MediaNets, codes: np.ndarray) -> np.ndarray:
    """Mean of the summaries of records, shape (d,)."""
    mean: np.ndarray = _total(nets, codes)[:-1] / max(len(codes), 1)
    return mean


def noisy(
    nets: MediaNets, codes: np.ndarray, *, n: int, noise_multiplier: float, cap: int,
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """The same with Gaussian noise, shape (d,).

    Args:
        nets: Whose summary of a record has at most the L2 norm `summary_bound`.
        codes: Of the records that are used.
        n: Public or noisy number of units.
        noise_multiplier: Of the one mechanism that pays for marginals and summary.
        cap: Rows of a unit.
        rng: Seeded by the operating system.
    """
    # The number of rows is summed up too: that of units does not say it where cap is above 1.
    bound = math.hypot(nets.summary_bound, 1.0)
    total = _total(nets, codes)
    scale = SHARE * noise_multiplier * cap * bound
    hidden = total + rng.normal(0.0, scale, total.shape)
    # Rounded well below the noise: the low bits of a float would tell more than the noise hides.
    step = 2.0 ** math.floor(math.log2(scale) - 10)
    hidden = np.rint(hidden / step) * step
    rows = n if cap == 1 else max(1.0, float(hidden[-1]))
    mean: np.ndarray = hidden[:-1] / rows
    return mean


@torch.no_grad()
def _total(nets: MediaNets, codes: np.ndarray) -> np.ndarray:
    """Sum of the summaries, and the number of records, shape (d + 1,); norms are kept to."""
    total = None
    chunk = chunk_of(nets)
    for start in range(0, max(len(codes), 1), chunk):
        rows = nets.summary(nets.records(torch.as_tensor(codes[start : start + chunk]))).double()
        norms = rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
        kept = (rows * (nets.summary_bound / norms).clamp(max=1.0)).sum(0)
        total = kept if total is None else total + kept
    assert total is not None
    found: np.ndarray = np.append(total.numpy(), float(len(codes)))
    return found
