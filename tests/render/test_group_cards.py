"""A card for each group: numbers of findings alone, none dropped, in words of both languages."""

from __future__ import annotations

import re
from typing import Any

import fixture
import pytest

from genaudit.data.disclosure import hidden
from genaudit.render.groups import LINES, cards
from genaudit.render.html import to_html
from genaudit.render.text import catalogue
from genaudit.result import (
    AuditReport,
    Estimate,
    Finding,
    Section,
    Status,
    Verdict,
    message,
    words_of,
)

SHARE = "bias.representation.share_difference"
GAP = "bias.representation.label_gap_change"
AUC = "privacy.groups.auc"
ALL = message("group.all", "all groups")


def finding(
    metric: str, level: str, value: float | None, half: float = 0.01, **more: Any
) -> Finding:
    """One about a level of `race`; without a value it is not estimable."""
    unit = "AUC" if metric == AUC else "difference of shares"
    estimate = fixture.estimate(value or 0.0, half, 500, unit)
    if value is None:
        few = more.pop("gone", message("fixture.few", "Only seven rows."))
        estimate = Estimate.undefined(few, n=7, method="m", unit=unit)
    return Finding.model_validate({
        "metric": metric, "estimate": estimate, "group": {"race": level},
        "label": message("fixture.m", "{reference}", reference="White", outcome="paid"),
        "verdict": Verdict.INFO, "limit": fixture.LIMITS.get(metric), **more,
    })  # fmt: skip


def report(*findings: Finding) -> AuditReport:
    """Each finding in the section of its chapter."""
    return fixture.report().model_copy(update={"sections": tuple(
        Section(audit=audit, title=message("fixture.t", "T"), status=Status.RAN,
                findings=tuple(f for f in findings if f.metric.startswith(audit)))
        for audit in ("bias.representation", "privacy.groups")
    )})  # fmt: skip


def shown(found: AuditReport, lang: str = "en") -> list[str]:
    """The cards of a page as plain text."""
    page = to_html(found, lang)
    lists = re.findall(r'<ul class="?people"?>(.*?)</ul>', page, re.S)
    items = [item for part in lists for item in part.split("<li>")[1:]]
    return [re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", item)).strip() for item in items]


def test_each_number_is_that_of_its_finding() -> None:
    """Way, interval and mark of each; the group that others are held against says so."""
    found = report(
        finding(SHARE, "White", 0.02, verdict=Verdict.OUTSIDE),
        finding(SHARE, "Black", -0.001, verdict=Verdict.WITHIN),
        finding(GAP, "Black", -0.05),
        finding(AUC, "White", 0.49, 0.02),
        finding(AUC, "Black", 0.61, 0.02),
    )

    white, black = shown(found)

    assert "+2.0 pp : more than among real rows" in white
    assert "Getting “paid” the group that the others are held against" in white
    assert "0.490 : no difference from a coin toss shown" in white
    assert "−0.1 pp" in black
    assert "about as many as among real rows" in black
    assert "beside White, less often than in real rows" in black
    assert "recognised more often than by a coin toss" in black
    page = to_html(found)
    assert len(re.findall(r'role="?img"? aria-label="Outside limit"', page)) == 1
    assert len(re.findall(r'role="?img"? aria-label="Within limit"', page)) == 1


def test_what_a_limit_allows_is_told_where_it_is_shown() -> None:
    """Two points fewer are most of a group of two per cent: that is not "about as many"."""
    found = report(
        finding(SHARE, "White", 0.004, verdict=Verdict.WITHIN),
        finding(SHARE, "Black", -0.02, verdict=Verdict.WITHIN),
        finding(GAP, "Black", 0.03, verdict=Verdict.WITHIN),
    )

    white, black = (next(c for c in shown(found) if c.startswith(name))
                    for name in ("White", "Black"))  # fmt: skip

    assert "about as many as among real rows" in white
    assert "fewer than among real rows" in black
    assert "beside White, more often than in real rows" in black
    assert len(re.findall(r'role="?img"? aria-label="Within limit"', to_html(found))) == 3


def test_no_group_is_dropped() -> None:
    """Small ones and withheld ones have a card with the reason; what is of all groups has none."""
    found = report(
        finding(SHARE, "White", 0.02),
        finding(SHARE, "Other", None),
        finding(SHARE, "Eskimo", None, gone=hidden()),
        finding(GAP, "Eskimo", 0.02, doubt=message("fixture.doubt", "Half is missing.")),
        finding(SHARE, "all groups", 0.3, words=words_of(ALL)),
    )

    other, white, eskimo = (next(c for c in shown(found) if c.startswith(name))
                            for name in ("Other", "White", "Eskimo"))  # fmt: skip

    assert len(cards(found)) == 3
    assert "not estimable: Only seven rows" in other
    assert "not measured for this group" in other
    assert "the others are held against" in white
    assert "Not shown" in eskimo
    assert "cannot be judged" in eskimo


def test_the_worst_group_comes_first_and_many_fold_away() -> None:
    """Ten stay open; nothing is left out."""
    more = [finding(SHARE, f"group {i}", 0.0, verdict=Verdict.WITHIN) for i in range(14)]
    found = report(*more, finding(SHARE, "last", 0.3, verdict=Verdict.OUTSIDE))

    said = shown(found)

    assert len(said) == 15
    assert said[0].startswith("last")
    assert "5 more groups" in to_html(found)


def test_without_groups_there_are_no_cards() -> None:
    """An audit of attacks alone says nothing of bias."""
    assert cards(report(finding(AUC, "White", 0.5))) == []
    assert shown(report()) == []


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_line_has_its_words(lang: str) -> None:
    """Whichever way a number goes."""
    for line in LINES:
        for way in ("", ".up", ".down", ".same", ".open"):
            assert f"card.{line}{way}" in catalogue(lang)
    assert shown(report(finding(SHARE, "White", 0.02)), lang)
