"""Page one alone: what, by whom, when; verdict, worst-affected, unmeasured, limits, promise."""

from __future__ import annotations

import re

import fixture
import pytest
import test_media
from test_html import plain
from test_size import full_audit

from genaudit.render import view
from genaudit.render.html import to_html
from genaudit.result import AuditReport, Finding, Verdict, message


def first(report: AuditReport, lang: str) -> str:
    """The text before the first chapter."""
    page = to_html(report, lang)
    return plain(page[: page.index("<section class=chapter")])


WORDS = {
    "en": ("Assessed by", "Valid until", "Audited", "most exposed person", "most exposed group",
           "Not measured", "What the maker promises", "Whose limits"),
    "zh": ("评估者", "有效期至", "审计时间", "风险最高的个人", "风险最高的群体", "未测量", "承诺",
           "限值"),
}  # fmt: skip


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("kind", ["table", "image", "text"])
def test_page_one_tells_all_that_is_asked_of_it(kind: str, lang: str) -> None:
    """On reports of tables, images and texts, in either language."""
    report = fixture.report() if kind == "table" else test_media.report(kind, 3)
    text = first(report, lang)

    assert [w for w in WORDS[lang] if w not in text] == []
    assert "A. Examiner" in text
    assert {"en": "30 Jun 2027", "zh": "2027年6月30日"}[lang] in text
    assert "2027-06-30" not in text


def test_the_worst_affected_are_named() -> None:
    """The attack and the group whose interval reaches furthest, with their numbers."""
    report = full_audit()
    (_, person), (_, group) = view.exposed(report)
    text = first(report, "en")

    assert person is not None
    assert group is not None
    assert group.group == {"race": "Asian-Pac-Islander"}
    assert all(f.estimate.high <= group.estimate.high for _, f in report.findings()
               if f.metric == group.metric and f.estimate.high is not None)  # fmt: skip
    assert re.search(
        r"most exposed group: Asian-Pac-Islander.*?2\.9% \(95% CI 0\.0% to 10\.5%\)", text
    )


def _only(report: AuditReport, *findings: Finding) -> AuditReport:
    """The report with these findings alone."""
    chapter = findings[0].metric.split(".")[0] if findings else "privacy"
    one = report.sections[0].model_copy(update={"audit": f"{chapter}.x", "findings": findings})
    return report.model_copy(update={"sections": (one,)})


def _of(report: AuditReport, metric: str, value: float, low: float, high: float) -> Finding:
    """A finding of a metric with another number, without a limit unless it has one."""
    finding = next(f for _, f in report.findings() if f.metric == metric)
    number = {"value": value, "low": low, "high": high}
    return finding.model_copy(update={"estimate": finding.estimate.model_copy(update=number)})


def test_what_is_shown_is_the_risk_before_what_may_be() -> None:
    """An attack that tells nothing reaches furthest, and hides no copy of the training rows."""
    whole = full_audit()
    vacuous = _of(whole, "privacy.neighbourhood.tpr_at_1pct_fpr", 0.025, 0.0, 1.0)
    sure = _of(whole, "privacy.records.accused", 1.0, 0.9975, 1.0)
    judged = _of(whole, "privacy.distance.tpr_at_1pct_fpr", 0.58, 0.3, 0.75)
    calm = _of(whole, "privacy.distance.tpr_at_1pct_fpr", 0.01, 0.0, 0.02)

    for findings, worst in (
        ((vacuous, sure, judged), sure), ((vacuous, judged), judged), ((vacuous, calm), calm),
        ((vacuous,), vacuous),
    ):  # fmt: skip
        (_, person), _ = view.exposed(_only(whole, *findings))

        assert person == worst


def test_what_leaves_all_open_comes_last() -> None:
    """A share of 12% that may be none or all says less than one that is at most 5%."""
    whole = full_audit()
    vacuous = _of(whole, "privacy.copies.near", 0.12, 0.0, 1.0)
    bounded = _of(whole, "privacy.matches.share", 0.006, 0.0, 0.05)

    (_, person), _ = view.exposed(_only(whole, vacuous, bounded))

    assert person == bounded


def test_the_group_that_is_shown_to_be_exposed_is_named() -> None:
    """Not one of fewer people whose interval reaches further."""
    whole = full_audit()

    def of(metric: str, level: str, value: float, low: float, high: float) -> Finding:
        return _of(whole, metric, value, low, high).model_copy(update={"group": {"sex": level}})

    wide = of("privacy.groups.tpr_at_1pct_fpr", "Male", 0.69, 0.0, 0.88)
    shown = of("privacy.groups.auc", "Female", 0.99, 0.98, 0.999)
    gap = of("privacy.groups.difference", "Female", 0.02, 0.008, 0.03)
    warned = gap.model_copy(update={"warning": message("w", "People of Female are exposed more.")})

    _, (_, group) = view.exposed(_only(whole, wide, shown, warned))
    _, (_, unshown) = view.exposed(_only(whole, wide, shown, gap))

    assert group == shown
    assert unshown == wide


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_report_is_free_of_limits_that_were_held_against_nothing(lang: str) -> None:
    """Nothing is judged, and still the policy sets limits."""
    whole = fixture.report()
    free = next(f for _, f in whole.findings() if f.limit is None)
    none = _only(whole, free)

    assert none.verdict is Verdict.INFO
    assert view.headline(none) == "unmeasured"
    assert {"en": "No finding was judged.", "zh": "没有结果受到判断。"}[lang] in first(none, lang)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_nothing_is_within_while_limits_were_held_against_nothing(lang: str) -> None:
    """The headline says what the gate says: exit code 3."""
    whole = fixture.report()
    within = next(f for _, f in whole.findings() if f.verdict is Verdict.WITHIN)
    few = _only(whole, within)
    told = few.policy.model_copy(
        update={"limits": tuple(x for x in few.policy.limits if x.metric == within.metric)}
    )
    all_measured = few.model_copy(update={"policy": told})

    assert view.headline(all_measured) == "within"
    assert view.tone(all_measured) == "within"
    assert view.headline(few) == "unmeasured"
    assert view.tone(few) == "cannot_tell"
    assert {"en": "limits of the policy were held against nothing", "zh": "因未作测量"}[lang] in (
        first(few, lang)
    )
    assert "verdict t-cannot_tell" in to_html(few, lang)


@pytest.mark.parametrize(("lang", "said"), [("en", "so nothing can pass"), ("zh", "未设限值")])
def test_a_policy_without_limits_passes_nothing(lang: str, said: str) -> None:
    """What is held against the promise alone may lie within, and still the gate says 3."""
    whole = fixture.report()
    within = next(f for _, f in whole.findings() if f.verdict is Verdict.WITHIN)
    free = _only(whole, within)
    free = free.model_copy(update={"policy": free.policy.model_copy(update={"limits": ()})})

    assert view.headline(free) == "unlimited"
    assert view.tone(free) == "info"
    assert said in first(free, lang)


@pytest.mark.parametrize(("lang", "said"), [("en", "not declared"), ("zh", "未声明")])
def test_what_nobody_declared_is_said_to_be_so(lang: str, said: str) -> None:
    """Without a context the page says that nobody signed for it, and no risk is left unsaid."""
    empty = fixture.report().model_copy(update={"context": {}, "sections": (), "controls": ()})

    assert first(empty, lang).count(said) >= 3
    assert [f for _, f in view.exposed(empty)] == [None, None]
