"""A report in a notebook: the page's content, with a style that stays inside."""

from __future__ import annotations

import datetime as dt
import re

import fixture
from elements import Elements
from test_html import plain

from genaudit import api
from genaudit.render.html import to_html
from genaudit.render.notebook import fragment
from genaudit.result import AuditReport
from genaudit.validity import today


def test_a_report_shows_itself_as_its_page() -> None:
    """The text of the page, and neither a frame nor anything that runs."""
    report = fixture.report()
    shown = _shown(report)
    page = to_html(api.check(report), on=today())
    body = page[page.index("<body>") :]

    assert plain(shown).strip() == plain(body).strip()
    assert not re.findall(r"<(?:html|head|body|meta|link|script)\b", shown)
    Elements(shown)


def test_it_says_what_has_expired() -> None:
    """As the page does that is made after that day."""
    report = fixture.report()
    over = report.model_copy(update={"context": {**report.context, "valid_until": "2026-11-05"}})

    assert "expired since" in _shown(over)
    for day, late in ((5, False), (6, True)):
        assert ("expired since" in fragment(over, on=dt.date(2026, 11, day))) == late


def _shown(report: AuditReport) -> str:
    """What a notebook asks for, which the api adds to reports."""
    return str(vars(AuditReport)["_repr_html_"](report))


def test_its_style_stays_inside() -> None:
    """Each rule is about what lies within the report's own element."""
    css = re.sub(r".*<style>|</style>.*", "", fragment(fixture.report(), "zh"), flags=re.DOTALL)
    heads = re.findall(r"(?:^|[{}])((?!@)[^{}]+)(?=\{)", css)

    assert len(heads) > 100
    assert all(s.startswith(".genaudit") for head in heads for s in head.split(","))
    assert "@page" not in css


def test_two_reports_in_one_notebook_share_no_id() -> None:
    """Every id is the report's own, each reference leads to one, and it is the same each time."""
    one, other = fragment(fixture.report()), fragment(fixture.report(claim=False))
    ids = [re.findall(r'\sid="([^"]+)"', page) for page in (one, other)]
    used = re.findall(r'\s(?:href="#|aria-labelledby="|aria-describedby=")([^"]+)"', one)
    styled = re.findall(r"#([\w-]+)[^{}]*\{", one[: one.index("</style>")])

    assert not re.findall(r"</?main\b", one + other), "a document has one main part"
    assert not set(ids[0]) & set(ids[1])
    assert len(ids[0]) == len(set(ids[0])) > 30
    assert {name for names in used for name in names.split()} <= set(ids[0])
    assert set(styled) <= set(ids[0])
    assert fragment(fixture.report()) == one
