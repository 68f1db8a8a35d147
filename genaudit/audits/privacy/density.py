"""Membership inference by density: is a record more usual among the samples than elsewhere?"""

from __future__ import annotations

from genaudit.audits.privacy._game import Game, Sides
from genaudit.audits.privacy._membership import metrics, outcome
from genaudit.audits.privacy._near import surroundings
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.density"
_NAME = message("privacy.density.name", "density among the samples against the reference")


@audit(
    title="Membership inference by density ratio (DOMIAS)",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="van Breugel, Sun, Qian & van der Schaar 2023, DOMIAS, with kernel densities in the "
    "distance of mixed types",
    modalities=EVERY,
    described=True,
    metrics=metrics(_ID),
)
def density(case: AuditCase, _options: NoOptions) -> Outcome:
    """Whether samples crowd where training rows are, beyond what the population does.

    A generator that has learned single people by heart puts too much mass around them. The attacker
    estimates the density of the samples and that of reference rows at the record, by kernels of a
    third of what half of the records are far from their nearest reference row, and accuses where
    the first is larger. Unlike the nearest sample alone, this sees a crowd of near ones.
    """
    return outcome(case, _ID, _NAME, lambda played: scores(case, played))


def scores(case: AuditCase, played: Game) -> Sides:
    """Log p_S(x) - log p_R(x) of members and non-members."""
    around = surroundings(case, played)
    return around.sides(around.samples - around.reference)
