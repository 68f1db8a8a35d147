"""Membership inference by local likelihood ratio: does the record explain the samples around it?"""

from __future__ import annotations

import numpy as np

from genaudit.audits.privacy._game import Game, Sides
from genaudit.audits.privacy._membership import metrics, outcome
from genaudit.audits.privacy._near import surroundings
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.likelihood_ratio"
_NAME = message(
    "privacy.likelihood_ratio.name", "the likelihood that a record lends to samples nearby"
)


@audit(
    title="Membership inference by local likelihood ratio (Gen-LRA)",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Privacy Auditing Synthetic Data Release through Local Likelihood Attacks (Gen-LRA); "
    "for a fixed kernel p with the record is (n p + K) / (n + 1), so no density is fitted anew",
    modalities=EVERY,
    described=True,
    metrics=metrics(_ID),
)
def likelihood_ratio(case: AuditCase, _options: NoOptions) -> Outcome:
    """How much likelier the nearest samples become if the record had been among what was known.

    The attacker explains the samples by the reference rows, and then once more by the reference
    rows and the record. Where the record was a member, samples near it had no good explanation
    before and have one now. The twenty nearest samples of each record count; the density of the
    reference rows at a sample is the same for all records and is computed once.
    """
    return outcome(case, _ID, _NAME, lambda played: scores(case, played))


def scores(case: AuditCase, played: Game) -> Sides:
    """Sum over the nearest samples s of log(1 + K(s - x) / (n p_R(s))), of both sides."""
    around = surroundings(case, played)
    kernel = -around.near.astype(float) / (2 * around.width**2)
    return around.sides(np.logaddexp(0.0, kernel - around.typical[around.who]).sum(axis=1))
