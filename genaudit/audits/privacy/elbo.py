"""Membership inference by the evidence lower bound of a VAE: how usual does it find the record?"""

from __future__ import annotations

from genaudit.audits.privacy._membership import metrics
from genaudit.audits.privacy._scored import ScoredOptions, outcome
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.elbo"
_NAME = message("privacy.elbo.name", "the evidence lower bound")


@audit(
    title="Membership inference by evidence lower bound (ELBO)",
    needs={Access.SCORES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Chen et al. 2020, GAN-Leaks (VAE); Hilprecht, Härterich & Bernau 2019 "
    "(reconstruction of a VAE); Kingma & Welling 2014",
    options=ScoredOptions,
    modalities=EVERY,
    metrics=metrics(_ID),
)
def elbo(case: AuditCase, options: ScoredOptions) -> Outcome:
    """Whether the loss that training lowered is lower on the rows that it was lowered on.

    Training a VAE raises the evidence lower bound of training rows and of nobody else. Where both
    halves have room to remember, it stands higher there than on other people of the same kind. The
    attacker holds encoder and decoder, takes the mean over a few draws of the latent, and compares
    the bound with those of the nearest reference rows, so that a usual record is not accused for
    being usual.
    """
    return outcome(case, _ID, "elbo", _NAME, options)
