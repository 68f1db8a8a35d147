"""Membership inference by the likelihood of a VAE, from below by importance weights."""

from __future__ import annotations

from genaudit.audits.privacy._membership import metrics
from genaudit.audits.privacy._scored import ScoredOptions, outcome
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.iwae"
_NAME = message("privacy.iwae.name", "the importance-weighted bound on the likelihood")


@audit(
    title="Membership inference by importance-weighted bound (IWAE)",
    needs={Access.SCORES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Burda, Grosse & Salakhutdinov 2016, Importance Weighted Autoencoders, section 3; Chen "
    "et al. 2020, GAN-Leaks (likelihood as a score)",
    options=ScoredOptions,
    modalities=EVERY,
    metrics=metrics(_ID),
)
def iwae(case: AuditCase, options: ScoredOptions) -> Outcome:
    """Whether the model finds a training row likelier than its like, by a tighter bound.

    The evidence lower bound is low where the encoder is unsure, be the record likely or not. The
    log of the mean of importance weights over several latents is nearer to the likelihood itself,
    and one latent that explains the record well is enough. The attacker holds both halves of the
    VAE and accuses where that bound is above those of the nearest reference rows.
    """
    return outcome(case, _ID, "iwae", _NAME, options)
