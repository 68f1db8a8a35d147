"""Membership inference by columns: are the samples a better teacher of a record than others are?"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from genaudit.audits.privacy._game import Game, Sides
from genaudit.audits.privacy._membership import metrics, outcome
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.modalities.table.search import Encoded
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.column_error"
_NAME = message("privacy.column_error.name", "the error of columns predicted from the samples")

#: Rows of either kind that the models of a column learn from; trees, and rows of a leaf.
_MOST, _TREES, _LEAF = 3000, 20, 10

#: Most frequent levels of a column that are predicted; all others are one.
_LEVELS = 6

#: Rows without which trees of a number cannot be grown at all.
_FEWEST = 2

#: Numbers lie on a scale of 0 to 1: errors below this share of it are all as small.
_FINE = 0.02


@audit(
    title="Membership inference by column errors (MIA-EPT)",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="MIA-EPT: Membership Inference Attack via Error Prediction for Tabular Data (arXiv "
    "2509.13046), without shadow models, calibrated by a reference",
    modalities=EVERY,
    described=True,
    metrics=metrics(_ID),
)
def column_error(case: AuditCase, _options: NoOptions) -> Outcome:
    """Whether whoever learned from the samples knows a person's columns better than others do.

    The attacker holds all columns of a record and pretends not to know one. Boosted trees that
    learned from the samples guess it from the others, and so do trees that learned from as many
    reference rows. Where the former err less, column after column, the samples hold something of
    this very record, so it is accused. A generator that learned the population alone teaches what
    the reference teaches.
    """
    return outcome(case, _ID, _NAME, lambda played: scores(case, played))


def scores(case: AuditCase, played: Game) -> Sides:
    """How much less the samples' models err than the reference's, mean over columns."""
    return case.once((_ID, played), lambda: _learned(case, played))


def _learned(case: AuditCase, played: Game) -> Sides:
    rng = case.rng(_ID)
    n = min(len(played.samples), len(played.reference), _MOST)
    made, calm = (_matrix(rows)[rng.permutation(len(rows))[:n]]
                  for rows in (played.samples, played.reference))  # fmt: skip
    members, others = (_matrix(rows) for rows in played.records)
    asked = np.concatenate([members, others])
    n_numbers, seed = played.records[0].numbers.shape[1], int(rng.integers(2**31))
    found = np.zeros(len(asked))
    # One column alone is told by nothing, and nobody is accused.
    for j in range(asked.shape[1] if asked.shape[1] > 1 else 0):
        error = _number_error if j < n_numbers else _level_error
        unit = played.space.unit if j < n_numbers else 1
        found += error(calm, asked, j, unit, seed) - error(made, asked, j, unit, seed)
    found /= max(asked.shape[1], 1)
    return found[: len(members)], found[len(members) :]


def _number_error(rows: np.ndarray, asked: np.ndarray, j: int, unit: int, seed: int) -> np.ndarray:
    """Log of how far guesses of a number are off; 0 where there is none, or nothing to learn."""
    known = ~np.isnan(rows[:, j])
    if known.sum() < _FEWEST:
        return np.zeros(len(asked))
    learner = HistGradientBoostingRegressor(
        max_iter=_TREES, learning_rate=0.3, min_samples_leaf=_LEAF,
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    learner.fit(np.delete(rows[known], j, axis=1), rows[known, j] / unit)
    off = np.abs(learner.predict(np.delete(asked, j, axis=1)) - asked[:, j] / unit)
    return np.where(np.isnan(asked[:, j]), 0.0, np.log(np.nan_to_num(off) + _FINE))


def _level_error(rows: np.ndarray, asked: np.ndarray, j: int, _: int, seed: int) -> np.ndarray:
    """Minus log of the chance that the model gave the level that it is."""
    levels, counts = np.unique(rows[:, j], return_counts=True)
    kept = levels[np.argsort(-counts, kind="stable")[:_LEVELS]]
    y, true = (np.where(np.isin(x, kept), x, -2) for x in (rows[:, j], asked[:, j]))
    classes = np.unique(y)
    if len(classes) < 2:
        return np.zeros(len(asked))
    learner = HistGradientBoostingClassifier(
        max_iter=_TREES, learning_rate=0.3, min_samples_leaf=_LEAF,
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    learner.fit(np.delete(rows, j, axis=1), y)
    chances = learner.predict_proba(np.delete(asked, j, axis=1))
    at = np.searchsorted(classes, true).clip(max=len(classes) - 1)
    given = np.where(classes[at] == true, chances[np.arange(len(asked)), at], 0.0)
    return np.asarray(-np.log(given + 0.01))


def _matrix(rows: Encoded) -> np.ndarray:
    return np.hstack([rows.numbers, rows.codes.astype(float)])
