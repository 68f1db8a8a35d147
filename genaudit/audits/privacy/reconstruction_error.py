"""Membership inference by reconstruction: how near can the generator come to the record?"""

from __future__ import annotations

from genaudit.audits.privacy._membership import metrics
from genaudit.audits.privacy._scored import ScoredOptions, outcome
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.reconstruction_error"
_NAME = message("privacy.reconstruction_error.name", "the least error of reconstruction")


@audit(
    title="Membership inference by reconstruction (GAN-Leaks, white box)",
    needs={Access.SCORES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Chen, Yu, Zhang & Fritz 2020, GAN-Leaks (white box; section 4.4: calibration)",
    options=ScoredOptions,
    modalities=EVERY,
    metrics=metrics(_ID),
)
def reconstruction_error(case: AuditCase, options: ScoredOptions) -> Outcome:
    """Whether some latent makes the record, or something very near to it.

    A generator that has learned single people can make them, though it may do so too rarely to be
    seen in samples. The attacker holds the generator and searches its latents for the one whose
    output is nearest to the record: min over z of the squared distance of G(z). Where that comes
    nearer than to the nearest reference rows, the record is accused. The search is limited, so a
    record that is not reached is not thereby absent.
    """
    return outcome(case, _ID, "reconstruction", _NAME, options)
