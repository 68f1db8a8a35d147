"""Membership inference by gradients: has training learned all from the record?"""

from __future__ import annotations

from genaudit.audits.privacy._membership import metrics
from genaudit.audits.privacy._scored import ScoredOptions, outcome
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.gradient_norm"
_NAME = message("privacy.gradient_norm.name", "the norm of the gradient")


@audit(
    title="Membership inference by gradient norm",
    needs={Access.SCORES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Nasr, Shokri & Houmansadr 2019, Comprehensive Privacy Analysis of Deep Learning "
    "(gradients of the target); Sablayrolles et al. 2019, White-box vs Black-box",
    options=ScoredOptions,
    modalities=EVERY,
    metrics=metrics(_ID),
)
def gradient_norm(case: AuditCase, options: ScoredOptions) -> Outcome:
    """Whether a record would still change the networks that learn from records.

    Steps on a training row go on until they change little. So the gradient of the loss of a record,
    over all parameters of the network that saw records, is short where the record was among them,
    and longer for other people of the same kind. The attacker holds that network, and accuses where
    the norm is below those of the nearest reference rows; on the scale of its logarithm.
    """
    return outcome(case, _ID, "gradient_norm", _NAME, options)
