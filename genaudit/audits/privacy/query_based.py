"""Membership inference by shadow models, from counts of samples that share values with a record."""

from __future__ import annotations

import numpy as np

from genaudit.audits.privacy._shadow import Attack, ShadowOptions, Shadows, metrics, outcome
from genaudit.audits.privacy._signals import ridge
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit
from genaudit.modalities.table.search import Encoded
from genaudit.modalities.table.space import Space
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.query_based"
_NAME = message("privacy.query_based.name", "a classifier of counts of shared values")

#: Sets of columns that are counted in.
_QUERIES = 200

#: Numbers are shared where their ranks differ by at most this.
_NEAR = 0.05


@audit(
    title="Membership inference from counts of shared values (query-based)",
    needs={Access.RETRAIN, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Houssiau et al. 2022, TAPAS, and Meeus, Guépin, Creţu & de Montjoye 2023, Achilles' "
    "Heels, section 3 (random k-way marginals on the record's values), with a ridge classifier",
    options=ShadowOptions,
    modalities=EVERY,
    metrics=metrics(_ID),
)
def query_based(case: AuditCase, options: ShadowOptions) -> Outcome:
    """Whether combinations of a record's values are commoner in trainings that had the record.

    The attacker takes random sets of columns, from one column to all of them, and counts for each
    how many samples have the values of the record in all of these (numbers: nearly). They train the
    generator many times with and without the record, and let a classifier learn from the counts
    which trainings had it. A generator that repeats parts of a record, though never the whole, is
    found in this way.
    """
    return outcome(case, options, _ID, _NAME, lambda models: attack(case, models))


def attack(case: AuditCase, models: Shadows) -> Attack:
    """Output of the classifier of each record on the counts in each model's samples."""
    asked = queries(len(models.space.columns), case.rng("privacy.query_based"))
    counts = [shares(models.space, models.targets, made, asked) for made in models.samples]
    # Counts of rare combinations are what tells; a share of a half tells as much as one of 0.51.
    features = np.log1p(np.stack(counts, axis=1) * len(models.samples[0]))

    def score(fit: np.ndarray, members: np.ndarray, test: np.ndarray) -> np.ndarray:
        return ridge(features, fit, members, test)

    return score


def queries(n_columns: int, rng: np.random.Generator) -> np.ndarray:
    """Random sets of columns, all of them first, bools of shape (queries, columns)."""
    sizes = rng.integers(1, n_columns + 1, _QUERIES)
    order = rng.random((_QUERIES, n_columns)).argsort(axis=1).argsort(axis=1)
    asked = order < sizes[:, None]
    asked[0] = True
    return np.unique(asked, axis=0)


def shares(space: Space, targets: Encoded, samples: Encoded, asked: np.ndarray) -> np.ndarray:
    """Share of the samples that have a target's values in all columns of a set.

    Returns:
        Shape (targets, queries).
    """
    found = np.empty((len(targets), len(asked)))
    sets = asked.T.astype(np.float32)
    for i in range(len(targets)):  # a few records; all their samples at once
        differs = np.hstack([
            _apart(samples.numbers, targets.numbers[i], _NEAR * space.unit),
            samples.codes != targets.codes[i],
        ])  # fmt: skip
        found[i] = (differs.astype(np.float32) @ sets == 0).mean(axis=0)
    return found


def _apart(numbers: np.ndarray, target: np.ndarray, most: float) -> np.ndarray:
    """Where a number is not near the target's; a missing one is near another missing one alone."""
    gone = np.isnan(numbers)
    near = np.where(
        gone | np.isnan(target), gone & np.isnan(target), np.abs(numbers - target) <= most
    )
    return np.asarray(~near)
