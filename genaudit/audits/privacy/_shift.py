"""Whether members can be told from non-members without any sample: the strongest blind attacker.

Source: Lopez-Paz & Oquab 2017, Revisiting Classifier Two-Sample Tests.
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from genaudit.modalities.table.search import Encoded

#: Members, and non-members, that a learner is shown; and of either the fewest that teach it.
_MOST, _LEAST = 5000, 20

#: Levels of a number that trees see: as many as they need, in less than half of the time of 255.
_BINS = 63

#: Small trees see a shift of single columns in few rows. Those of the strongest attack on samples
#: see how columns go together: what it finds where columns differ so is no memory.
_LEARNERS: tuple[dict[str, float], ...] = (
    {"max_iter": 60, "max_leaf_nodes": 3, "learning_rate": 0.05},
    {"max_iter": 100, "max_leaf_nodes": 31},
)


def told_apart(
    members: Encoded, others: Encoded, rng: np.random.Generator
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Scores of members and of non-members by trees that learned from the other half of both.

    Where the two are alike, no learner is right more often than by chance; what an attack finds
    where one is may be that the two differ, and not that the generator remembers.

    Args:
        members: Rows, shape (m,).
        others: Rows, shape (k,); at most 5,000 of either are taken, at random.
        rng: Which, and in which half.

    Returns:
        The scores in either half by small trees, then by large ones, each to be held against chance
        by itself: learners are not independent, and the mean of two varies more than of one sample
        as large. None where there is too little to learn from.
    """
    sides = [_matrix(rows)[rng.permutation(len(rows))[:_MOST]] for rows in (members, others)]
    if min(map(len, sides)) < 2 * _LEAST:
        return ()
    seed = int(rng.integers(2**31))
    return tuple(
        _scored([s[1 - k :: 2] for s in sides], [s[k::2] for s in sides], options, seed)
        for options in _LEARNERS
        for k in (0, 1)
    )


def _scored(
    known: list[np.ndarray], asked: list[np.ndarray], options: dict[str, float], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    learner = HistGradientBoostingClassifier(
        **options, max_bins=_BINS, class_weight="balanced", early_stopping=False, random_state=seed
    )
    learner.fit(np.concatenate(known), np.repeat([1, 0], [len(side) for side in known]))
    members, others = (learner.decision_function(side) for side in asked)
    return members, others


def _matrix(rows: Encoded) -> np.ndarray:
    return np.hstack([rows.numbers, rows.codes.astype(float)])
