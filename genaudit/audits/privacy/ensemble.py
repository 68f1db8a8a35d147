"""Membership inference by many attackers who vote with their ranks."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from genaudit.audits.privacy import classifier, monte_carlo
from genaudit.audits.privacy._game import Game, Sides
from genaudit.audits.privacy._membership import metrics, outcome
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.ensemble"
_NAME = message("privacy.ensemble.name", "the mean rank of three attacks")


@audit(
    title="Membership inference by an ensemble",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Ensembling Membership Inference Attacks Against Tabular Generative Models (arXiv "
    "2509.05350): averages of ranks",
    modalities=EVERY,
    described=True,
    metrics=metrics(_ID),
)
def ensemble(case: AuditCase, _options: NoOptions) -> Outcome:
    """How far an attacker gets who does not know which attack is the best one, and takes all.

    No single attack is best on every generator, and choosing the best one after the labels are seen
    would have to be paid for. So each record is ranked by nearness with a reference, by the number
    of samples nearby, and by the classifier, and the mean of its ranks counts. The three err in
    different places: copies show in the first, crowds in the second, and what a learned generator
    has in common with its training rows in the third. It is the headline of the chapter: on
    generators and seeds that it was not designed on, no single attack has as good a mean rank.
    """
    return outcome(case, _ID, _NAME, lambda played: scores(case, played))


def scores(case: AuditCase, played: Game) -> Sides:
    """Mean rank over the attacks, in (0, 1], of members and non-members."""
    sides = (
        played.log_ratios(),
        monte_carlo.scores(case, played),
        classifier.scores(case, played),
    )
    ranks = np.mean([rankdata(np.concatenate(side)) for side in sides], axis=0)
    n_members = len(played.records[0])
    ranks /= len(ranks)
    return ranks[:n_members], ranks[n_members:]
