"""Membership inference by shadow models, from summaries of whole samples (groundhog)."""

from __future__ import annotations

import numpy as np

from genaudit.audits.privacy._shadow import Attack, ShadowOptions, Shadows, metrics, outcome
from genaudit.audits.privacy._signals import ridge
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit
from genaudit.modalities.table.search import Encoded
from genaudit.modalities.table.space import Space
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.groundhog"
_NAME = message("privacy.groundhog.name", "a classifier of whole samples")

#: Parts of the ranks of a number that are counted.
_BINS = 10

#: Levels and numbers whose correlations are looked at, at most.
_MOST = 200


@audit(
    title="Membership inference from whole samples (groundhog)",
    needs={Access.RETRAIN, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Stadler, Oprisanu & Troncoso 2022, Synthetic Data - Anonymisation Groundhog Day, "
    "section 4.2 (naive, histogram and correlation features), with a ridge classifier",
    options=ShadowOptions,
    modalities=EVERY,
    metrics=metrics(_ID),
)
def groundhog(case: AuditCase, options: ShadowOptions) -> Outcome:
    """Whether a single record moves what the samples look like as a whole.

    The attacker trains the generator many times with and without a record, sums up the samples of
    each training (means, medians and spreads of numbers, histograms of all columns, correlations),
    and lets a classifier learn which summaries come from trainings with it. This needs no sample
    near the record: an outlier that stretches a range or shifts a rare level betrays itself.
    """
    return outcome(case, options, _ID, _NAME, attack)


def attack(models: Shadows) -> Attack:
    """Output of the classifier of each record on each model's summary."""
    features = np.stack([summary(models.space, samples) for samples in models.samples])

    def score(fit: np.ndarray, members: np.ndarray, test: np.ndarray) -> np.ndarray:
        return ridge(features, fit, members, test)

    return score


def summary(space: Space, samples: Encoded) -> np.ndarray:
    """Naive, histogram and correlation features of some samples, shape (d,)."""
    gone = np.isnan(samples.numbers)
    ranks = np.where(gone, 0.5, samples.numbers / space.unit)
    naive = [ranks.mean(axis=0), np.median(ranks, axis=0), ranks.std(axis=0), gone.mean(axis=0)]
    bins = np.minimum((ranks * _BINS).astype(int), _BINS - 1)
    histograms = [(bins == i).mean(axis=0) for i in range(_BINS)]
    levels = [
        samples.codes[:, [j]] == np.arange(len(known) + 1)
        for j, known in enumerate(space.levels.values())
    ]
    table = np.hstack([ranks, *levels]).astype(float)
    shares = [level.mean(axis=0) for level in levels]
    return np.concatenate([*naive, *histograms, *shares, _correlations(table[:, :_MOST])])


def _correlations(table: np.ndarray) -> np.ndarray:
    """Of each pair of columns; 0 where one of them does not vary."""
    centred = table - table.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    scaled = centred / np.where(length > 0, length, 1.0)
    return np.asarray((scaled.T @ scaled)[np.triu_indices(table.shape[1], 1)])
