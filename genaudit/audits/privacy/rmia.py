"""Membership inference by shadow models, relative to the population (RMIA)."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from genaudit.audits.privacy._shadow import Attack, ShadowOptions, Shadows, metrics, outcome
from genaudit.audits.privacy._signals import signals
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.rmia"
_NAME = message("privacy.rmia.name", "a likelihood ratio against the population")


@audit(
    title="Membership inference relative to the population (RMIA)",
    needs={Access.RETRAIN, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Zarifzadeh, Liu & Shokri 2024, Low-Cost High-Power Membership Inference Attacks, "
    "equations 2 and 3 with gamma = 1 (online); from samples alone by their density",
    options=ShadowOptions,
    modalities=EVERY,
    metrics=metrics(_ID),
)
def rmia(case: AuditCase, options: ShadowOptions) -> Outcome:
    """Whether a training makes a record likelier than it makes people whom it has never seen.

    The attacker compares how likely a record is under one training with how likely it is under
    others, half of them with it, and does the same for many people of the population on whom no
    model was trained. The share of these people whose ratio the record beats is its score. A
    training that makes everything likelier, or nothing, is not taken for one that knows the record.
    """
    return outcome(case, options, _ID, _NAME, attack)


def attack(models: Shadows) -> Attack:
    """Share of the population that each record beats in each model."""
    targets, population = signals(models)[0]

    def score(fit: np.ndarray, members: np.ndarray, test: np.ndarray) -> np.ndarray:
        with_it, without = (_log_mean(targets[fit], m) for m in (members, ~members))
        usual = np.logaddexp(with_it, without) - np.log(2)
        people = population - _log_mean(population[fit], np.ones_like(population[fit], dtype=bool))
        beaten = people[test][:, None, :] <= (targets[test] - usual)[:, :, None]
        return np.asarray(beaten.mean(axis=2))

    return score


def _log_mean(logs: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Log of the mean over chosen models, shape (records,); over all where none is chosen."""
    chosen = chosen | ~chosen.any(axis=0)
    return np.asarray(logsumexp(logs, axis=0, b=chosen) - np.log(chosen.sum(axis=0)))
