"""Membership inference by likelihood: how likely does the released model make the record?"""

from __future__ import annotations

from genaudit.audits.privacy._membership import metrics
from genaudit.audits.privacy._scored import ScoredOptions, outcome
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.likelihood"
_NAME = message("privacy.likelihood.name", "the likelihood that the model gives a record")


@audit(
    title="Membership inference by likelihood",
    needs={Access.SCORES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Chen et al. 2020, GAN-Leaks (likelihood as a score); Watson et al. 2022, On the "
    "Importance of Difficulty Calibration",
    options=ScoredOptions,
    modalities=EVERY,
    metrics=metrics(_ID),
)
def likelihood(case: AuditCase, options: ScoredOptions) -> Outcome:
    """Whether the model that was released makes training rows likelier than their like.

    A generator that knows its likelihood tells more than any number of its samples. What is
    released of a table is a mixture, so whoever was given the model knows how likely it makes each
    record, down to those that it would hardly ever make. The attacker accuses where that is above
    what it is at the nearest reference rows, so that a usual record is not accused for being usual.
    """
    return outcome(case, _ID, "likelihood", _NAME, options)
