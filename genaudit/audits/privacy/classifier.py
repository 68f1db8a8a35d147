"""Membership inference by a classifier that tells samples from other people (LOGAN)."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from genaudit.audits.privacy._game import Game, Sides
from genaudit.audits.privacy._membership import metrics, outcome
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.modalities.table.search import Encoded
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.classifier"
_NAME = message("privacy.classifier.name", "a classifier that tells samples from the reference")

#: Rows of either kind that it learns from.
_MOST = 20_000


@audit(
    title="Membership inference by classifier (LOGAN)",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Hayes, Melis, Danezis & De Cristofaro 2019, LOGAN (black box with auxiliary "
    "knowledge), with boosted trees for a network",
    modalities=EVERY,
    described=True,
    metrics=metrics(_ID),
)
def classifier(case: AuditCase, _options: NoOptions) -> Outcome:
    """Whether what makes samples look like samples is found in training rows too.

    Boosted trees learn to tell samples from reference rows, neither of which is ever attacked. A
    record that they take for a sample is accused. Where the generator has learned the population
    alone, they have nothing to go by that members and non-members do not share; where it repeats
    combinations of single people, those are what they learn.

    Cross-fitting guards scores of rows that were learned from, and here none of them is scored. A
    mean over trees on five folds of both finds hardly more, and costs five times as much.
    """
    return outcome(case, _ID, _NAME, lambda played: scores(case, played))


def scores(case: AuditCase, played: Game) -> Sides:
    """Log odds of being a sample, of members and non-members."""
    return case.once(("privacy.classifier", played), lambda: _learned(case, played))


def _learned(case: AuditCase, played: Game) -> Sides:
    rng = case.rng("privacy.classifier")
    made, calm = (_some(rows, rng) for rows in (played.samples, played.reference))
    x = np.concatenate([_matrix(made), _matrix(calm)])
    y = np.repeat([1, 0], [len(made), len(calm)])
    learner = HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=31, class_weight="balanced", early_stopping=False,
        random_state=int(rng.integers(2**31)),
    )  # fmt: skip
    learner.fit(x, y)
    members, others = (learner.decision_function(_matrix(rows)) for rows in played.records)
    return members, others


def _some(rows: Encoded, rng: np.random.Generator) -> Encoded:
    kept = rng.permutation(len(rows))[:_MOST]
    return Encoded(rows.numbers[kept], rows.codes[kept])


def _matrix(rows: Encoded) -> np.ndarray:
    return np.hstack([rows.numbers, rows.codes.astype(float)])
