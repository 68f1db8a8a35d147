"""Membership inference by who the nearest neighbours of a record are: samples or strangers."""

from __future__ import annotations

from genaudit.audits.privacy._game import Game, Sides
from genaudit.audits.privacy._membership import metrics, outcome
from genaudit.audits.privacy._near import surroundings
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.result import message
from genaudit.subject import Access

_ID = "privacy.neighbourhood"
_NAME = message("privacy.neighbourhood.name", "the share of samples among the nearest neighbours")


@audit(
    title="Membership inference by local neighbourhood (DPI)",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Ward, Wang & Cheng 2024, Data Plagiarism Index, with one added to each count",
    modalities=EVERY,
    described=True,
    metrics=metrics(_ID),
)
def neighbourhood(case: AuditCase, _options: NoOptions) -> Outcome:
    """Whether the closest rows to a record are samples rather than other people.

    Samples and reference rows are put together, and the five nearest to the record are looked at.
    Where the generator has learned the population, samples are among them as often as their number
    says, everywhere; where it has plagiarised, they crowd out the others around the people whom it
    has seen. Ranks alone count, so that distances need not mean the same in all places.
    """
    return outcome(case, _ID, _NAME, lambda played: scores(case, played))


def scores(case: AuditCase, played: Game) -> Sides:
    """Log odds of samples among the nearest neighbours, of members and non-members."""
    around = surroundings(case, played)
    return around.sides(around.mixed)
