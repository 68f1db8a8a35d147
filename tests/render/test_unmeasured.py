"""What was not measured: lines that say the same are one, and nothing is lost."""

from __future__ import annotations

import fixture
import pytest

from genaudit.audits import audits
from genaudit.render import unmeasured, view
from genaudit.render.html import to_html
from genaudit.render.text import Text, catalogue
from genaudit.result import AuditReport, Message, Section, Status, Verdict, message


def _skipped(audit: str, reason: Message | None) -> Section:
    title = message(f"title.{audit}", f"Attack {audit}")
    return Section(
        audit=audit, chapter="privacy", title=title, status=Status.SKIPPED, reason=reason
    )


def _no_score(score: str) -> Message:
    return message("no_score", "No {score}; it has {given}.", score=score, given="likelihood")


@pytest.fixture
def mixed() -> AuditReport:
    sections = (
        _skipped("a", _no_score("elbo")),
        _skipped("b", message("other", "No <coin>.")),
        _skipped("c", _no_score("<iwae>")),
        _skipped("d", None),
        _skipped("e", message("other", "No <coin>.")),
        _skipped("f", None),
    )
    return fixture.report().model_copy(update={"sections": sections})


def test_audits_skipped_for_one_reason_stand_together(mixed: AuditReport) -> None:
    """In the order of first appearance; where each has its own word, the words are listed."""
    text = Text("en")
    lines = [(i.titles(text), i.reason(text)) for i in unmeasured.idle(mixed)]

    assert lines == [
        ("Attack a; Attack c", "No elbo, &lt;iwae&gt;; it has likelihood."),
        ("Attack b; Attack e", "No &lt;coin&gt;."),
        ("Attack d; Attack f", ""),
    ]


def test_a_word_that_several_share_stays_theirs(mixed: AuditReport) -> None:
    """Two audits lack the model's scores and one lacks canaries: not all lack both."""
    lacks = ("canaries", "scores", "scores")
    sections = tuple(
        _skipped(name, message("lack", "Not given: {what}.", what=what))
        for name, what in zip("abc", lacks, strict=True)
    )
    text = Text("en")
    found = unmeasured.idle(mixed.model_copy(update={"sections": sections}))

    assert [(i.titles(text), i.reason(text)) for i in found] == [
        ("Attack a", "Not given: canaries."),
        ("Attack b; Attack c", "Not given: scores."),
    ]


def test_what_differs_in_two_words_or_a_number_stays_apart(mixed: AuditReport) -> None:
    def said(score: str, given: str | int) -> Message:
        return message("no_score", "No {score}; it has {given}.", score=score, given=given)

    pairs = [(said("a", "x"), said("b", "y")), (said("a", 1), said("a", 2))]
    for first, second in pairs:
        report = mixed.model_copy(update={"not_measured": (first, second)})
        assert len(unmeasured.remarks(report, Text("en"))) == 2


def test_a_long_list_is_told_in_full(mixed: AuditReport) -> None:
    """Each name is cut where it is long, their list is not."""
    names = [f"privacy.attack_number_{i}" for i in range(20)]
    remarks = tuple(message("plan", "{audit}: the plan leaves it out.", audit=n) for n in names)
    report = mixed.model_copy(update={"not_measured": remarks})

    (said,) = unmeasured.remarks(report, Text("en"))
    assert said == f"{', '.join(names)}: the plan leaves it out."


def test_words_that_differ_are_said_in_the_language(mixed: AuditReport) -> None:
    """A field that is a message is said as one."""

    def word(text: str) -> Message:
        return Message(id=text, text_en=text, texts={"zh": f"译{text}"})

    said = tuple(message("x", "{who} missing", who=word(w)) for w in ("a", "b"))
    report = mixed.model_copy(update={"not_measured": said})

    assert unmeasured.remarks(report, Text("en")) == ["a, b missing"]
    assert unmeasured.remarks(report, Text("zh")) == ["译a，译b missing"]


def test_an_audit_that_the_plan_leaves_out_has_its_title() -> None:
    """Page one names it as its section would; an audit of another package by its id."""
    said = tuple(
        message("not_measured.plan", "{audit}: the plan leaves it out.", audit=name)
        for name in ("privacy.elbo", "other.audit")
    )
    report = fixture.report().model_copy(update={"not_measured": said})
    lines = [unmeasured.remarks(report, Text(lang)) for lang in ("en", "zh")]

    titles = ("Membership inference by evidence lower bound (ELBO)", "凭证据下界进行的成员推断攻击")

    for line, title in zip(lines, titles, strict=True):
        assert title in str(line[0])
        assert "privacy.elbo" not in str(line[0])
        assert "other.audit" in str(line[0])


def test_titles_are_those_of_the_audits() -> None:
    """What a page calls an audit that did not run is what it would be called had it run."""
    titles = {f"audit.{a.id}": a.title.text_en for a in audits().values()}

    assert {k: v for k, v in catalogue("en").items() if k in titles} == titles


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_what_page_one_leaves_out_stands_among_the_methods(lang: str) -> None:
    """A few lines, how many more, and these at the end of the link, none of them twice."""
    remarks = tuple(message(f"r.{i}", f"Remark <{i}>.") for i in range(unmeasured.MOST + 3))
    report = fixture.report().model_copy(update={"not_measured": remarks})
    lines = unmeasured.everything(report, Text(lang))
    page = to_html(report, lang)
    first, rest = page.split("<section class=chapter", 1)
    methods = rest[rest.index("id=missed") :]

    assert len(lines) > unmeasured.MOST
    assert [line in first for line in lines] == [i < unmeasured.MOST for i in range(len(lines))]
    assert all((line in methods) == (line not in first) for line in lines)
    assert f"{len(lines) - unmeasured.MOST}" in first[first.index("href=#missed") - 40 :]


def test_a_short_list_stands_on_page_one_alone() -> None:
    """Nothing is said twice where it fits."""
    page = to_html(fixture.report())

    assert "missed" not in page
    assert page.count("Attacks that train shadow models") == 1


def test_metrics_that_page_one_leaves_out_are_counted() -> None:
    """Of very many that cannot be told a few stand there, and a line says how many more."""
    made = fixture.report()
    section = made.sections[0]
    one = section.findings[0].model_copy(update={"verdict": Verdict.CANNOT_TELL})
    found = tuple(one.model_copy(update={"metric": f"privacy.m{i}"}) for i in range(20))
    report = made.model_copy(update={"sections": (section.model_copy(update={"findings": found}),)})
    first = to_html(report).split("<section class=chapter", 1)[0]

    more = 20 - view.most_lines(report)["cannot_tell"]
    assert f"{more} more metrics, set out in their chapters." in first
