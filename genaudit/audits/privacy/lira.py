"""Membership inference by shadow models, with a likelihood ratio for each record (LiRA)."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from genaudit.audits.privacy._shadow import Attack, ShadowOptions, Shadows, metrics, outcome
from genaudit.audits.privacy._signals import signals
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.lira"
_NAME = message("privacy.lira.name", "a likelihood ratio for each record")

#: Models that the spread over both kinds counts for in the spread of one: few models tell it badly.
_PRIOR = 4.0

#: No spread is smaller: a signal that never varied may still vary in the next model.
_LEAST = 1e-3


@audit(
    title="Membership inference by shadow models (LiRA)",
    needs={Access.RETRAIN, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Carlini, Chien, Nasr, Song, Terzis & Tramèr 2022, Membership Inference Attacks From "
    "First Principles, algorithm 1 (online); from samples alone by density and nearness",
    options=ShadowOptions,
    modalities=EVERY,
    metrics=metrics(_ID),
)
def lira(case: AuditCase, options: ShadowOptions) -> Outcome:
    """Whether an attacker who can train the generator again tells if a record was trained on.

    They train it many times with the record and many times without it, and look each time at how
    likely the model holds the record: by its scores, or by how near and how dense its samples lie.
    Both kinds of training give a normal distribution; a training is accused where what it says of
    the record is likelier under the first. Each record has its own distributions, so one that is
    hard to learn is not taken for a stranger.
    """
    return outcome(case, options, _ID, _NAME, attack)


def attack(models: Shadows) -> Attack:
    """Log likelihood ratio of each record in each model, summed over signals."""
    values = np.stack([targets for targets, _ in signals(models)])

    def score(fit: np.ndarray, members: np.ndarray, test: np.ndarray) -> np.ndarray:
        known, new = values[:, fit], values[:, test]
        ratio = _log(known, members, new) - _log(known, ~members, new)
        return np.asarray(ratio.sum(axis=0).round(9))

    return score


def _log(known: np.ndarray, chosen: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Log density of new values under the normal of the chosen ones, shape (signals, new, records).

    known: shape (signals, models, records). chosen: shape (models, records).
    """
    n = chosen.sum(axis=0)
    # Where no model is chosen nothing is known, and the mean of all stands in.
    weights = np.where(n > 0, chosen / np.maximum(n, 1), 1 / len(chosen))
    mean = (weights * known).sum(axis=1, keepdims=True)
    own = (chosen * (known - mean) ** 2).sum(axis=1, keepdims=True)
    every = known.var(axis=1, keepdims=True)
    spread = np.sqrt((own + _PRIOR * every) / (n + _PRIOR)) + _LEAST
    return np.asarray(norm.logpdf(new, mean, spread))
