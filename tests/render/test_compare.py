"""Reports side by side: each group has its line, the worst comes first, and none is kept quiet."""

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


def _report(*findings: Finding) -> AuditReport:
    section = Section(audit="bias.toy", title=message("fixture.toy", "Toy"), status=Status.RAN,
                      findings=findings)  # fmt: skip
    return fixture.report().model_copy(update={"sections": (section,)})


def _page(*findings: Finding, lang: str = "en") -> str:
    return compare([_report(*findings)] * 2, ["a.html", "b.html"], lang=lang)


def _lines(page: str) -> list[str]:
    """Each line of a group as plain words, without spaces beside them."""
    rows = re.split(r"<tr[^>]*>", page)
    return [re.sub(r"(<[^>]+>\s*)+", "|", r) for r in rows if "race = " in r or "sex = " in r]


def test_without_a_limit_the_group_furthest_from_zero_comes_first() -> None:
    """Five points fewer is worse than half a point more, or fewer."""
    page = _page(_finding("White", -0.004), _finding("Black", -0.051), _finding("Other", 0.02))

    groups = [line.split("|")[1] for line in _lines(page)]
    assert groups == ["race = Black", "race = Other", "race = White"]
    assert "or without a limit furthest from zero" in page


@pytest.mark.parametrize(
    ("direction", "worst"), [("max", "high"), ("min", "low"), ("abs", "lowest")]
)
def test_with_a_limit_the_group_that_goes_furthest_to_its_outside_comes_first(
    direction: str, worst: str
) -> None:
    """What counts is the side of the limit that is outside."""
    limit = Limit(metric=METRIC, value=0.1, direction=direction, owner="me", rationale="why")
    values = {"high": 0.02, "low": -0.01} | ({"lowest": -0.03} if direction == "abs" else {})
    findings = [
        _finding(group, value, limit=limit, verdict=Verdict.WITHIN)
        for group, value in values.items()
    ]

    lines = _lines(_page(*findings))
    assert len(lines) == len(values)
    assert f"race = {worst}" in lines[0]


def test_a_gap_that_was_repaired_is_seen_beside_a_worse_group() -> None:
    """In both columns with its own value and word, although another group is worst in both."""
    limit = Limit(metric=METRIC, value=0.05, direction="abs", owner="me", rationale="why")
    other = _finding("Other", -0.071, limit=limit, verdict=Verdict.CANNOT_TELL)

    def sex(value: float, verdict: Verdict, why: str | None = None) -> Finding:
        reason = message(why, "Because.") if why else None
        found = _finding("", value, limit=limit, verdict=verdict, reason=reason)
        return found.model_copy(update={"group": {"sex": "Female"}})

    before = _report(other, sex(-0.019, Verdict.WITHIN))
    reduced = _report(other, sex(0.167, Verdict.INFO, "verdict.reduced"))
    turned = _report(other, sex(0.308, Verdict.INFO, "verdict.turned"))

    page = compare([before, reduced, turned], ["a.html", "b.html", "c.html"])
    [line] = [line for line in _lines(page) if "sex = Female" in line]
    said = ("Within limit", "-1.9", "Gap is smaller", "+16.7", "Gap turned around", "+30.8")
    at = [line.replace("−", "-").index(word) for word in said]
    assert at == sorted(at)
    assert "±5" not in line  # it stands once over all groups
    assert page.count("Limit for each line: within ±5 pp") == 1
    page = compare([before, turned], ["a.html", "b.html"], lang="zh")
    assert any("差距反转" in line for line in _lines(page))


def test_a_limit_that_differs_between_reports_stands_in_each_cell() -> None:
    """A report is judged by its own policy."""
    limits = [Limit(metric=METRIC, value=x, direction="abs", owner="me", rationale="why")
              for x in (0.05, 0.1)]  # fmt: skip
    reports = [
        _report(*(_finding(g, 0.01, limit=limit, verdict=Verdict.WITHIN) for g in "ab"))
        for limit in limits
    ]

    page = compare(reports, ["a.html", "b.html"])
    assert "Limit for each line" not in page
    assert all("within ±5 pp" in line and "within ±10 pp" in line for line in _lines(page))


def test_a_group_that_one_report_lacks_has_its_line() -> None:
    """Also where only one of two reports has several groups."""
    both = [_report(_finding("White", 0.01), _finding("Black", 0.02)),
            _report(_finding("White", 0.01))]  # fmt: skip

    lines = _lines(compare(both, ["a.html", "b.html"]))
    assert ["not measured" in line for line in lines] == [True, False]


def test_many_groups_fold_but_for_those_that_tell() -> None:
    """Without a limit what differs stays open; with one every group does."""
    same = [_finding(f"g{i}", 0.01) for i in range(10)]
    reports = [_report(*same, _finding("moved", x)) for x in (0.0, 0.009)]

    page = compare(reports, ["a.html", "b.html"])
    shown, folded = page.split("<details>")
    assert [line.split("|")[1] for line in _lines(shown)] == ["race = moved"]
    assert len(_lines(folded.split("</details>")[0])) == 10
    assert "10 groups without a limit, where no value lies outside" in folded
    ids = re.findall(r' id="?([\w-]+)', page)
    assert len(ids) == len(set(ids))
    assert all(name in ids for found in re.findall(r'aria-labelledby="?([\w -]+)', page)
               for name in found.split(" ", 2)[:1])  # fmt: skip

    limit = Limit(metric=METRIC, value=0.1, direction="abs", owner="me", rationale="why")
    judged = [_finding(f"g{i}", 0.01, limit=limit, verdict=Verdict.WITHIN) for i in range(12)]
    assert "<details>" not in _page(*judged)
    assert "<details>" not in _page(*same)
    assert "<details>" in _page(*same, _finding("eleventh", 0.01))


def test_a_group_without_a_number_says_why() -> None:
    """In its own line, as it is one group of several."""
    findings = (_finding("White", 0.01), _finding("Black", None))

    [line] = [line for line in _lines(_page(*findings)) if "race = Black" in line]
    assert line.count("Too few.") == 2
    assert "not estimable" not in _page(findings[0])


def test_a_number_that_is_withheld_is_not_called_inestimable() -> None:
    """It could be worked out, and the full report says of the same group why it is not there."""
    findings = (_finding("White", 0.01), _finding("Black", None, hidden()))

    page = _page(*findings)
    assert _lines(page)[1].count(hidden().text_en) == 2
    assert "not estimable" not in page


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
