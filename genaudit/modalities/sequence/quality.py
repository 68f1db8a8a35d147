"""How far two sets of series are apart: steps, memory, lengths, as a whole, and for a learner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genaudit.data.schema import Column
from genaudit.modalities.sequence.space import Features

#: Cells of a channel's values at a step, of equal shares among real series.
_CELLS = 10

#: Places of a series, by its own length, at which values are compared.
_PLACES = 8

#: Series of a set of which all pairs are compared.
_PAIRS = 1000


@dataclass(frozen=True)
class Distances:
    """How far made series are from real ones; each is 0 where nothing differs.

    steps: mean total variation distance of values at one place of the series, in [0, 1].
    memory: mean absolute difference of autocorrelations, in [0, 2].
    lengths: total variation distance of lengths, in [0, 1].
    mmd: squared maximum mean discrepancy of features, about 0 or below where nothing differs.
    """

    steps: float
    memory: float
    lengths: float
    mmd: float


def distances(
    column: Column, real: np.ndarray, made: np.ndarray, rng: np.random.Generator
) -> Distances:
    """All distances of made series from real ones, arrays of objects, shape (n,) and (m,)."""
    features = Features.fit(column, real)
    return Distances(
        steps=step_distance(real, made),
        memory=memory_error(real, made),
        lengths=length_distance(real, made),
        mmd=mmd(features.encode(real), features.encode(made), rng),
    )


def step_distance(real: np.ndarray, made: np.ndarray) -> float:
    """Mean over channels and places of the total variation distance of values, in [0, 1].

    A place is a share of a series' own length; cells have equal shares among the real values.
    """
    found = []
    for place in np.linspace(0, 1, _PLACES):
        one, other = (np.stack([r[round(place * (len(r) - 1))] for r in s]) for s in (real, made))
        for a, b in zip(one.T, other.T, strict=True):
            edges = np.unique(np.quantile(a, np.linspace(0, 1, _CELLS + 1)[1:-1]))
            shares = [
                np.bincount(np.searchsorted(edges, v, side="right"), minlength=len(edges) + 1)
                / len(v)
                for v in (a, b)
            ]
            found.append(np.abs(shares[0] - shares[1]).sum() / 2)
    return float(np.mean(found))


def memory_error(real: np.ndarray, made: np.ndarray, lags: int = 8) -> float:
    """Mean over channels and lags of the difference of autocorrelations, in [0, 2].

    Only lags that half of the real series are long enough for. Each series is taken about its own
    mean; all of a set count by their variance.
    """
    lags = max(1, min(lags, int(np.median([len(r) for r in real])) - 1))
    return float(np.abs(_memory(real, lags) - _memory(made, lags)).mean())


def length_distance(real: np.ndarray, made: np.ndarray) -> float:
    """Total variation distance of lengths, in [0, 1]."""
    longest = max(len(r) for s in (real, made) for r in s)
    shares = [np.bincount([len(r) for r in s], minlength=longest + 1) / len(s)
              for s in (real, made)]  # fmt: skip
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def mmd(one: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> float:
    """Squared maximum mean discrepancy of two sets of features, (n, d) and (m, d), unbiased.

    The kernel is Gaussian, its width the median distance within both sets together; of sets beyond
    1,000 a random 1,000 count.

    Source: Gretton et al. 2012, lemma 6.
    """
    one, other = (_some(s, rng) for s in (one, other))
    square = _squares(one, one), _squares(other, other), _squares(one, other)
    together = np.concatenate([s[np.triu_indices(len(s), 1)] for s in square[:2]])
    width = max(float(np.median(together)), 1e-12) if len(together) else 1.0
    a, b, ab = (np.exp(-s / width) for s in square)
    n, m = len(one), len(other)
    within = (a.sum() - n) / max(n * (n - 1), 1) + (b.sum() - m) / max(m * (m - 1), 1)
    return float(within - 2 * ab.mean())


@dataclass(frozen=True)
class Utility:
    """Accuracy on real series, in [0, 1], of a learner of an attribute, by what it learned from.

    chance: accuracy of the commonest level.
    """

    made: float
    real: float
    chance: float


def utility(
    column: Column,
    real: tuple[np.ndarray, np.ndarray],
    made: tuple[np.ndarray, np.ndarray],
    held_out: tuple[np.ndarray, np.ndarray],
) -> Utility:
    """How well an attribute is told from series by a learner of made ones, and of real ones.

    Args:
        column: Of the series.
        real: Series, an array of objects, shape (n,), and the attribute of each, shape (n,).
        made: Likewise.
        held_out: Real series that nothing was learned from, likewise; the accuracy is on them.
    """
    features = Features.fit(column, real[0])
    test = features.encode(held_out[0])
    one, other = (_accuracy(features.encode(x), y, test, held_out[1]) for x, y in (made, real))
    _, counts = np.unique(held_out[1], return_counts=True)
    return Utility(one, other, float(counts.max() / counts.sum()))


def _accuracy(x: np.ndarray, y: np.ndarray, test: np.ndarray, truth: np.ndarray) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    y, truth = y.astype(str), truth.astype(str)
    if len(np.unique(y)) < 2:
        return float((truth == y[0]).mean())
    learner = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return float((learner.fit(x, y).predict(test) == truth).mean())


def _memory(records: np.ndarray, lags: int) -> np.ndarray:
    """Autocorrelations of a set, shape (lags, channels); 0 where nothing varies."""
    products = np.zeros((lags, records[0].shape[1]))
    power = np.zeros(records[0].shape[1])
    for record in records:
        x = np.asarray(record, dtype=float) - np.asarray(record, dtype=float).mean(0)
        power += np.square(x).sum(0)
        for k in range(1, min(lags, len(x) - 1) + 1):
            products[k - 1] += (x[k:] * x[:-k]).sum(0)
    found: np.ndarray = products / np.maximum(power, 1e-12)
    return found


def _some(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= _PAIRS else rows[rng.choice(len(rows), _PAIRS, replace=False)]


def _squares(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Squared distances of all pairs, shape (n, m)."""
    product = one @ other.T
    found = np.square(one).sum(1)[:, None] + np.square(other).sum(1)[None] - 2 * product
    return np.maximum(found, 0.0)
