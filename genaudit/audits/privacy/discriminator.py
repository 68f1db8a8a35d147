"""Membership inference by the discriminator: does the judge of a GAN know the record?"""

from __future__ import annotations

from genaudit.audits.privacy._membership import metrics
from genaudit.audits.privacy._scored import ScoredOptions, outcome
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.discriminator"
_NAME = message("privacy.discriminator.name", "the logit of the discriminator")


@audit(
    title="Membership inference by discriminator (LOGAN, white box)",
    needs={Access.SCORES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Hayes, Melis, Danezis & De Cristofaro 2019, LOGAN (white box), calibrated by reference "
    "rows",
    options=ScoredOptions,
    modalities=EVERY,
    metrics=metrics(_ID),
)
def discriminator(case: AuditCase, options: ScoredOptions) -> Outcome:
    """Whether the network that told real records from made ones remembers the real ones.

    A discriminator sees training rows again and again, always with the word "real", and sees nobody
    else with it. Where it has learned them by heart rather than the population, it is surer of them
    than of other people. The attacker holds it, as somebody does who got the checkpoint, and
    accuses where its logit is above what it says of the nearest reference rows.
    """
    return outcome(case, _ID, "discriminator", _NAME, options)
