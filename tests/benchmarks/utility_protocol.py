"""How utility is measured: a model learned on samples and tested on a holdout, and two-way shares.

Peers run in environments of their own, so this needs pandas, numpy and scikit-learn alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd

#: Numeric columns are cut into so many intervals of equal width over their public bounds.
BINS = 20


def auroc(
    samples: pd.DataFrame, holdout: pd.DataFrame, target: str, favoured: str,
    levels: Mapping[str, list[str]],
) -> float:  # fmt: skip
    """Area under the ROC curve, on the holdout, of a logistic regression learned on samples.

    Columns with levels are one-hot, all others standardised; .5 where samples hold one class.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    coded = [c for c in samples.columns if c in levels and c != target]
    numbers = [c for c in samples.columns if c not in levels]
    answer = (samples[target].astype(str) == favoured).to_numpy()
    if answer.all() or not answer.any():
        return 0.5
    one_hot = OneHotEncoder(categories=[levels[c] for c in coded], handle_unknown="ignore")
    prepare = ColumnTransformer(
        [("levels", one_hot, coded), ("numbers", StandardScaler(), numbers)]
    )
    model = make_pipeline(prepare, LogisticRegression(max_iter=2000))
    model.fit(samples.drop(columns=target), answer)
    scores = model.predict_proba(holdout[samples.columns].drop(columns=target))[:, 1]
    return float(roc_auc_score((holdout[target].astype(str) == favoured).to_numpy(), scores))


def codes(
    table: pd.DataFrame, levels: Mapping[str, list[str]], bounds: Mapping[str, tuple[float, float]]
) -> tuple[np.ndarray, list[int]]:
    """Every column as whole numbers, shape (n, columns), and how many there are in each."""
    found, sizes = [], []
    for column in table.columns:
        if column in levels:
            cells = pd.Categorical(table[column].astype(str), categories=levels[column]).codes
            found.append(np.asarray(cells, dtype=np.int64))
            sizes.append(len(levels[column]))
        else:
            low, high = bounds[column]
            share = (table[column].to_numpy(dtype=float) - low) / (high - low)
            found.append(np.clip((share * BINS).astype(np.int64), 0, BINS - 1))
            sizes.append(BINS)
    return np.stack(found, axis=1), sizes


def distance(
    a: pd.DataFrame, b: pd.DataFrame, levels: Mapping[str, list[str]],
    bounds: Mapping[str, tuple[float, float]], ways: int = 2,
) -> float:  # fmt: skip
    """Mean total variation distance between the marginals of two tables, in [0, 1].

    Args:
        a: One table.
        b: The other, with the same columns.
        levels: Of columns that hold levels.
        bounds: Of all others.
        ways: How many columns each marginal has.
    """
    (one, sizes), (other, _) = codes(a, levels, bounds), codes(b[a.columns], levels, bounds)
    gaps = []
    for chosen in combinations(range(len(sizes)), ways):
        shape = tuple(sizes[j] for j in chosen)
        shares = [
            np.bincount(np.ravel_multi_index(tuple(t[:, chosen].T), shape),
                        minlength=int(np.prod(shape))) / len(t)
            for t in (one, other)
        ]  # fmt: skip
        gaps.append(0.5 * np.abs(shares[0] - shares[1]).sum())
    return float(np.mean(gaps))
