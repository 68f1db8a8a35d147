"""How good made images are: a distance between sets, to the nearest training row, and their worth.

The distance is called FD-local: its features come from a network that learns on the real training
rows of the same data set, so it says nothing beside an FID that was published, nor beside an
FD-local of another network. The digest names the network.

Source: Heusel et al. 2017 (Fréchet distance of features); Esteban, Hyland, Rätsch 2017 (train on
synthetic, test on real).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Pairs of images that are compared in one go.
_PAIRS = 4_000_000


@dataclass(frozen=True)
class FdLocal:
    """A Fréchet distance, never to be compared with a published FID.

    value: of the samples to real rows that the network has not seen. real: of training rows to the
    same rows, which is what the best samples would reach. digest: of the network.
    """

    value: float
    real: float
    digest: str


def fd_local(
    samples: np.ndarray,
    train: np.ndarray,
    holdout: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    seed: int = 0,
    steps: int = 600,
) -> FdLocal:
    """FD-local of samples to held-out rows; this trains a network on the training rows.

    Args:
        samples: Uint8, shape (n, h, w, c), n >= 2.
        train: Real rows that the network learns from, shape (m, h, w, c), m >= 2.
        holdout: Real rows to be compared with, shape (k, h, w, c), k >= 2; fewer than some hundred
            make the distance large for every sample, as `real` shows.
        labels: What the network learns to name, whole numbers from 0, shape (n of train,).
        seed: Of the network.
        steps: Of the network's training.
    """
    from genaudit.modalities.image.judge import trained

    judge = trained(train, labels, seed=seed, steps=steps)
    unseen = judge.features(holdout)
    # As many of each, since few rows make the distance larger.
    n = min(len(samples), len(train))
    rows = np.random.default_rng(seed).permutation(len(train))[:n]
    return FdLocal(
        value=frechet(judge.features(samples[:n]), unseen),
        real=frechet(judge.features(train[rows]), unseen),
        digest=judge.digest,
    )


def frechet(one: np.ndarray, other: np.ndarray) -> float:
    """Squared Wasserstein distance of two normal distributions with the moments of the rows.

    Args:
        one: Features, shape (n, d), n >= 2.
        other: Features, shape (m, d), m >= 2.

    >>> frechet(np.array([[0.0], [2.0]]), np.array([[3.0], [5.0]]))
    9.0
    """
    gap = one.mean(0) - other.mean(0)
    of_one, of_other = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (one, other))
    values, vectors = np.linalg.eigh(of_one)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    # The trace of the root of a product is that of a symmetric one, whose roots are real.
    common = np.sqrt(np.linalg.eigvalsh(root @ of_other @ root).clip(0)).sum()
    return float(max(0.0, gap @ gap + np.trace(of_one) + np.trace(of_other) - 2 * common))


def nearest(samples: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Distance of each sample to its nearest training row, shape (n,), in [0, 1].

    Root of the mean squared difference of pixels; 0 is a copy. Distances alone are given out: which
    row it is, or how it looks, would show the training data.

    Args:
        samples: Uint8, shape (n, h, w, c).
        train: Uint8, shape (m, h, w, c), m >= 1.
    """
    flat = train.reshape(len(train), -1).astype(np.float32)
    norms = np.einsum("ij,ij->i", flat, flat, dtype=np.float64)
    part = max(1, _PAIRS // len(flat))
    found = [_least(samples[i : i + part], flat, norms) for i in range(0, len(samples), part)]
    least = np.concatenate(found) if found else np.empty(0)
    distances: np.ndarray = np.sqrt(least / flat.shape[1]) / 255
    return distances


def _least(samples: np.ndarray, train: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """Squared distance of each sample to its nearest row; exact, so that a copy is at 0."""
    rows = samples.reshape(len(samples), -1).astype(np.float32)
    closest = (norms - 2 * (rows @ train.T)).argmin(1)
    gaps = rows - train[closest]
    least: np.ndarray = np.einsum("ij,ij->i", gaps, gaps, dtype=np.float64)
    return least


def worth(
    samples: np.ndarray, labels: np.ndarray, real: np.ndarray, real_labels: np.ndarray,
    *, seed: int = 0, steps: int = 600,
) -> float:  # fmt: skip
    """Accuracy on real rows of a network that has learned from samples alone (TSTR).

    Args:
        samples: Uint8, shape (n, h, w, c).
        labels: Their classes as whole numbers from 0, shape (n,).
        real: Uint8, shape (m, h, w, c).
        real_labels: Their classes, shape (m,). One that no sample has is never named, and counts
            as wrong.
        seed: Of the network.
        steps: Of its training.
    """
    from genaudit.modalities.image.judge import trained

    return trained(samples, labels, seed=seed, steps=steps).accuracy(real, real_labels)
