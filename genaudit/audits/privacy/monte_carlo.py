"""Membership inference by counting samples near a record (Monte Carlo)."""

from __future__ import annotations

import numpy as np

from genaudit.audits.privacy._game import Game, Sides
from genaudit.audits.privacy._membership import metrics, outcome
from genaudit.audits.privacy._near import surroundings
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.monte_carlo"
_NAME = message("privacy.monte_carlo.name", "the number of samples nearby")


@audit(
    title="Membership inference by Monte Carlo",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Hilprecht, Härterich & Bernau 2019, Monte Carlo and Reconstruction Membership "
    "Inference Attacks (radius by the median heuristic)",
    modalities=EVERY,
    described=True,
    metrics=metrics(_ID),
)
def monte_carlo(case: AuditCase, _options: NoOptions) -> Outcome:
    """How many samples fall close to a record, without any knowledge of the population.

    The oldest attack on generators, and the weakest here: usual people have many samples nearby
    whether they were members or not. It stands beside the others because it needs no reference, so
    that it shows what somebody can do who has the samples alone. Close is as near as the nearest
    sample of half of all records; records without any close one are ranked by the nearest.
    """
    return outcome(case, _ID, _NAME, lambda played: scores(case, played))


def scores(case: AuditCase, played: Game) -> Sides:
    """Share of samples nearby, then nearness of the nearest, of members and non-members."""
    around = surroundings(case, played)
    nearest = np.concatenate(played.near_samples)
    # Nearness is below one sample's share, so that it only parts those with equal counts.
    return around.sides(around.within + (1 - nearest) / (2 * len(played.samples)))
