"""What shadow models say of records: their own scores, or how near and how dense their samples are.

Also the linear classifier by which attacks on whole samples learn from few models.
"""

from __future__ import annotations

import numpy as np

from genaudit.audits.privacy._game import TAU
from genaudit.audits.privacy._shadow import Shadows
from genaudit.modalities.table.search import Encoded

#: Width of the kernel, as a share of how far half of the records are from the population.
_WIDTH = 0.3

#: Weight of the penalty of the classifier, in units of the mean squared length of the features.
_PENALTY = 0.1


def signals(models: Shadows) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of targets and of the population in each model, shapes (models, records) and (models, rows).

    The scores that the models offer; where they offer none, the log density of their samples at a
    record (by kernels), and the log distance of the nearest sample, higher = nearer.
    """
    if models.scores:
        return list(models.scores)
    reach = float(np.median(models.space.nearest(models.targets, models.population)))
    width = _WIDTH * (reach + TAU)
    pairs = [
        [_density_and_nearness(models, rows, samples, width) for samples in models.samples]
        for rows in (models.targets, models.population)
    ]
    targets, population = (np.stack(p, axis=1) for p in pairs)
    return list(zip(targets, population, strict=True))


def _density_and_nearness(
    models: Shadows, rows: Encoded, samples: Encoded, width: float
) -> np.ndarray:
    """Both of each row, shape (2, rows)."""
    found = np.empty((2, len(rows)))
    for block, squared in models.space.squared(rows, samples):
        least = np.maximum(squared.min(axis=1), 0.0)
        found[1, block] = -np.log(np.sqrt(least) + TAU)
        kernel = np.exp((least[:, None] - squared) / (2 * width**2)).mean(axis=1, dtype=float)
        found[0, block] = np.log(kernel) - least / (2 * width**2)
    # The order of the samples, which changes last digits, must tell nothing.
    return found.round(5)


def ridge(
    features: np.ndarray, fit: np.ndarray, members: np.ndarray, test: np.ndarray
) -> np.ndarray:
    """How much each test model looks like one with the record, shape (test, records).

    Least squares with a penalty, fitted for every record at once; with fewer models than features
    it is worked out among models. No number of it is chosen by what it finds.

    Args:
        features: Of each model, shape (models, d), or (records, models, d) where each record has
            its own.
        fit: Positions of models with known coins.
        members: Their coins, shape (fit, records).
        test: Positions of models to judge.
    """
    x = features.astype(float)
    x = x - x[..., fit, :].mean(axis=-2, keepdims=True)
    spread = x[..., fit, :].std(axis=-2, keepdims=True)
    x = np.where(spread > 1e-9, x / np.where(spread > 1e-9, spread, 1.0), 0.0)
    known, new = x[..., fit, :], x[..., test, :]
    size = max(x.shape[-1], 1)
    gram = known @ np.swapaxes(known, -1, -2) / size + _PENALTY * np.eye(len(fit))
    cross = new @ np.swapaxes(known, -1, -2) / size
    target = members - members.mean(axis=0)
    if features.ndim == 2:
        return np.asarray(cross @ np.linalg.solve(gram, target))
    return np.asarray((cross @ np.linalg.solve(gram, target.T[..., None]))[..., 0].T)
