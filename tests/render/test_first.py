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
from genaudit.result import AuditReport


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
    assert "2027-06-30" in text


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


@pytest.mark.parametrize(("lang", "said"), [("en", "not declared"), ("zh", "未声明")])
def test_what_nobody_declared_is_said_to_be_so(lang: str, said: str) -> None:
    """Without a context the page says that nobody signed for it, and no risk is left unsaid."""
    empty = fixture.report().model_copy(update={"context": {}, "sections": (), "controls": ()})

    assert first(empty, lang).count(said) >= 3
    assert [f for _, f in view.exposed(empty)] == [None, None]
