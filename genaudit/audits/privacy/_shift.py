"""Whether members can be told from non-members without any sample: the strongest blind attacker.

Source: Lopez-Paz & Oquab 2017, Revisiting Classifier Two-Sample Tests.
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from genaudit.modalities.table.search import Encoded

#: Members, and non-members, that a learner is shown; and of either the fewest that teach it.
_MOST, _LEAST = 5000, 20


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
        The scores in either half, each to be held against chance by itself: the learners of both
        halves are not independent. None where there is too little to learn from.
    """
    sides = [_matrix(rows)[rng.permutation(len(rows))[:_MOST]] for rows in (members, others)]
    if min(map(len, sides)) < 2 * _LEAST:
        return ()
    seed = int(rng.integers(2**31))
    return tuple(_scored([s[1 - k :: 2] for s in sides], [s[k::2] for s in sides], seed)
                 for k in (0, 1))  # fmt: skip


def _scored(
    known: list[np.ndarray], asked: list[np.ndarray], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    # Small trees: a shift is mostly of single columns, and halves may be small.
    learner = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=3, learning_rate=0.05, class_weight="balanced",
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    learner.fit(np.concatenate(known), np.repeat([1, 0], [len(side) for side in known]))
    members, others = (learner.decision_function(side) for side in asked)
    return members, others


def _matrix(rows: Encoded) -> np.ndarray:
    return np.hstack([rows.numbers, rows.codes.astype(float)])
