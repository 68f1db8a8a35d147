"""A report in a notebook: the page's content, with a style that stays inside."""

from __future__ import annotations

import re

import fixture
from elements import Elements
from test_html import plain

from genaudit import api
from genaudit.render.html import to_html
from genaudit.render.notebook import fragment


def test_a_report_shows_itself_as_its_page() -> None:
    """The text of the page, and neither a frame nor anything that runs."""
    report = fixture.report()
    shown = report._repr_html_()  # type: ignore[attr-defined]  # added by the api
    page = to_html(api.check(report))
    body = page[page.index("<body>") :]

    assert plain(shown).strip() == plain(body).strip()
    assert not re.findall(r"<(?:html|head|body|meta|link|script)\b", shown)
    Elements(shown)


def test_its_style_stays_inside() -> None:
    """Each rule is about what lies within the report's own element."""
    css = re.sub(r".*<style>|</style>.*", "", fragment(fixture.report(), "zh"), flags=re.DOTALL)
    heads = re.findall(r"(?:^|[{}])((?!@)[^{}]+)(?=\{)", css)

    assert len(heads) > 100
    assert all(s.startswith(".genaudit") for head in heads for s in head.split(","))
    assert "@page" not in css
