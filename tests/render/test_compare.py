"""Reports side by side: of several groups the worst one is shown, and none is kept quiet."""

from __future__ import annotations

import re

import fixture
import pytest

from genaudit.data.disclosure import hidden
from genaudit.render.compare import compare, matched
from genaudit.result import (
    AuditReport,
    Estimate,
    Finding,
    Limit,
    Message,
    Section,
    Status,
    Verdict,
    message,
    words_of,
)

METRIC = "bias.toy.change"


def _finding(
    group: str, value: float | None, gone: Message | None = None, **more: object
) -> Finding:
    unit = "difference of shares"
    if value is None:
        gone = gone or message("fixture.few", "Too few.")
        estimate = Estimate.undefined(gone, n=9, method="m", unit=unit)
    else:
        estimate = fixture.estimate(value, 0.001, 100, unit, "m")
    return Finding.model_validate(
        {"metric": METRIC, "label": message("fixture.m", "Change"), "estimate": estimate,
         "group": {"race": group}, "verdict": Verdict.INFO, **more}
    )  # fmt: skip


def _page(*findings: Finding, lang: str = "en") -> str:
    section = Section(audit="bias.toy", title=message("fixture.toy", "Toy"), status=Status.RAN,
                      findings=findings)  # fmt: skip
    report = fixture.report().model_copy(update={"sections": (section,)})
    return compare([report, report], ["a.html", "b.html"], lang=lang)


def test_without_a_limit_the_worst_group_is_the_one_furthest_from_zero() -> None:
    """Five points fewer is worse than half a point more, or fewer."""
    page = _page(_finding("White", -0.004), _finding("Black", -0.051), _finding("Other", 0.02))

    assert page.count("race = Black") == 2
    assert "race = White" not in page
    assert page.count("furthest from zero of 3 groups") == 2
    assert "Without a limit it is the one furthest from zero." in page


@pytest.mark.parametrize(
    ("direction", "worst"), [("max", "high"), ("min", "low"), ("abs", "lowest")]
)
def test_with_a_limit_the_worst_group_goes_furthest_to_its_outside(
    direction: str, worst: str
) -> None:
    """What counts is the side of the limit that is outside."""
    limit = Limit(metric=METRIC, value=0.1, direction=direction, owner="me", rationale="why")
    values = {"high": 0.02, "low": -0.01} | ({"lowest": -0.03} if direction == "abs" else {})
    findings = [
        _finding(group, value, limit=limit, verdict=Verdict.WITHIN)
        for group, value in values.items()
    ]

    assert _page(*findings).count(f"race = {worst}, worst of") == 2


def test_a_group_without_a_number_is_counted() -> None:
    """The worst of the groups that can be estimated is shown, and how many cannot be."""
    findings = (_finding("White", 0.01), _finding("Black", None))

    assert _page(*findings).count("furthest from zero of 2 groups, 1 of them is not estimable") == 2
    assert _page(*findings, lang="zh").count("其中 1 个无法估计") == 2
    assert "not estimable" not in _page(findings[0])


def test_a_number_that_is_withheld_is_not_called_inestimable() -> None:
    """It could be worked out, and the full report says of the same group why it is not there."""
    findings = (_finding("White", 0.01), _finding("Black", None, hidden()))

    page = _page(*findings)
    assert page.count("2 groups, 1 of them is not shown, as it would tell of a few people") == 2
    assert "not estimable" not in page
    assert _page(*findings, lang="zh").count("其中 1 个不予显示") == 2


@pytest.mark.parametrize("beyond", [False, True])
def test_an_interval_beyond_its_limit_that_is_not_outside_is_explained(beyond: bool) -> None:
    """Without the reason beside it such a number looks misjudged."""
    reason = message("verdict.multiplicity" if beyond else "verdict.wide", "Because of this.")
    page = _page(_finding("White", 0.01, verdict=Verdict.CANNOT_TELL, reason=reason))

    assert page.count("Because of this.") == 2 * beyond


def test_a_verdict_outranks_every_distance() -> None:
    """A group outside its limit comes before one that lies further from zero and within."""
    limit = Limit(metric=METRIC, value=0.1, direction="min", owner="me", rationale="why")
    findings = (_finding("far", 0.9, limit=limit, verdict=Verdict.WITHIN),
                _finding("near", 0.05, limit=limit, verdict=Verdict.OUTSIDE))  # fmt: skip
    section = Section(audit="bias.toy", title=message("fixture.toy", "Toy"), status=Status.RAN,
                      findings=findings)  # fmt: skip
    report = fixture.report().model_copy(update={"sections": (section,)})
    [row] = matched([report, report])

    assert [f.group["race"] for f in row.findings] == ["near", "near"]


def test_a_chart_says_which_group_it_shows() -> None:
    """Each report may show another group; subjects of one name are told apart by number."""
    limit = Limit(metric="bias.downstream.toy", value=0.1, direction="abs", owner="o",
                  rationale="r")  # fmt: skip

    def report(*values: float) -> AuditReport:
        found = (
            _finding(g, x, metric=limit.metric, limit=limit, words=words_of(fixture.ALL))
            for g, x in zip((fixture.ALL.text_en, "White"), values, strict=True)
        )
        section = Section(audit="bias.downstream", title=message("fixture.toy", "Toy"),
                          status=Status.RAN, findings=tuple(found))  # fmt: skip
        made = fixture.report()
        subject = made.subject.model_copy(update={"name": "made.csv"})
        return made.model_copy(update={"sections": (section,), "subject": subject})

    both = [report(0.05, 0.01), report(0.01, 0.05)]
    said = "made.csv (1): race = {}; made.csv (2): race = White"

    assert said.format("all groups of people") in compare(both, ["a.html", "b.html"])
    assert "one is shown: race = all groups of people." in compare([both[0]] * 2, ["a", "b"])
    page = compare(both, ["a.html", "b.html"], lang="zh")
    assert "made.csv (1)：race = 译文；made.csv (2)：race = White。" in re.sub("</?bdi>", "", page)
