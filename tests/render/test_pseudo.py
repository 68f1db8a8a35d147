"""A language that nobody speaks: whatever a page says comes from its catalogue.

Each sentence of the catalogue is bracketed and its letters are replaced, so that a word written in
the code, or a sentence put together from pieces, is seen.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterator, Mapping
from typing import Any

import fixture
import pytest
from elements import VOID, Attributes, Elements
from test_size import full_audit

from genaudit.render import text
from genaudit.render.compare import compare
from genaudit.render.html import to_html
from genaudit.result import AuditReport

#: What stands between sentences and names without being a word: numbers, signs, marks of columns.
SIGNS = re.compile(r"[\d\s.,:%+−–×=εδ⁻⁰¹²³⁴⁵⁶⁷⁸⁹。]+|\([\d ]\)")

#: A day as CLDR writes it, which no catalogue does.
DAY = re.compile(r"\d{4}年\d{1,2}月\d{1,2}日")

#: Elements inside a sentence.
INLINE = ("b", "bdi", "a", "span", "time", "small", "code")


def pseudo(template: str) -> str:
    """The template in brackets, each letter of its words another; its fields as they are.

    >>> pseudo("at least {value}")
    '⟦жж жжжжж {value}⟧'
    """
    out = []
    for words, field, spec, _ in string.Formatter().parse(template):
        other = re.sub(r"\w", "ж", words).replace("。", "⟧。⟦")  # each sentence may stand alone
        out.append(other.replace("{", "{{").replace("}", "}}"))
        if field is not None:
            out.append("{" + field + (f":{spec}" if spec else "") + "}")
    return f"⟦{''.join(out)}⟧".replace("⟦⟧", "")


@pytest.fixture
def nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second language is nobody's."""
    real = text.catalogue

    def catalogue(lang: str) -> Mapping[str, str]:
        found = real(lang)
        return found if lang == "en" else {k: pseudo(v) for k, v in found.items()}

    monkeypatch.setattr(text, "catalogue", catalogue)


class Bare(Elements):
    """What a page shows, and names for whoever hears it, less what stands in brackets."""

    def __init__(self, page: str) -> None:
        self._quotes = 0
        self._text: list[str] = []
        super().__init__(page)
        shown = "".join(self._text)
        while shown != (less := re.sub(r"⟦[^⟦⟧]*⟧", "\0", shown)):
            shown = less
        shown = re.sub(
            r"(^|\0)[^⟦⟧\0]*⟧", "", shown
        )  # the rest of a note whose start stands elsewhere
        self.found = [part for part in shown.split("\0") if part.strip()]

    def entered(self, tag: str, attrs: Attributes) -> None:
        """Enter an element; code and quotations of another language are names."""
        known = dict(attrs)
        if tag not in INLINE:
            self._text.append("\0")
        quotes = tag in ("style", "code", "pre") or known.get("lang") == "en"
        if (quotes or self._quotes) and tag not in VOID:
            self._quotes += 1
        if not self._quotes:
            named = (known[k] or "" for k in ("alt", "aria-label", "data-label") if k in known)
            self._text += [f"\0{name}\0" for name in named]

    def left(self, tag: str) -> None:
        """Leave it; text of the next block is another."""
        self._quotes = max(self._quotes - 1, 0)
        if tag not in INLINE:
            self._text.append("\0")

    def handle_data(self, data: str) -> None:
        """Keep what is shown."""
        if not self._quotes:
            self._text.append(data)


def names(value: Any, key: str = "") -> Iterator[str]:
    """Every text of a report that is no English template: names, data, what audits bring along."""
    if isinstance(value, dict):
        for k, inner in value.items():
            if k != "text_en":
                yield k
                yield from names(inner, k)
    elif isinstance(value, list):
        for inner in value:
            yield from names(inner, key)
    elif isinstance(value, str):
        yield from re.split(r"{[^}]*}", value)


def foreign(page: str, *reports: AuditReport) -> list[str]:
    """Words of a page that neither its catalogue nor a report has."""
    tree = [json.loads(report.model_dump_json()) for report in reports]
    found = {text.visible(n).strip() for n in names(tree)} - {""} | {"Python", "genaudit"}
    found |= {text.shortened(n) for n in found}
    any_name = "|".join(map(re.escape, sorted(found, key=len, reverse=True)))
    known = re.compile(rf"(?<![^\W\d_])(?:{any_name})(?![^\W\d_])")
    return [part for part in Bare(page).found if SIGNS.sub("", known.sub(" ", DAY.sub("", part)))]


def test_a_word_of_the_code_is_found(nobodys: None) -> None:
    """The check itself: a word, a mark and a label that no catalogue has."""
    report = full_audit()
    page = to_html(report, "zh")
    for old, new in (
        ("</h2>", " but</h2>"),
        ("⟧<", "⟧;<"),
        ("role=img aria-label=", "role=img aria-label=w"),
    ):
        assert old in page
        assert foreign(page.replace(old, new, 1), report), new


def test_every_word_of_a_report_is_of_the_catalogue(nobodys: None) -> None:
    for report in (full_audit(), fixture.report()):
        assert foreign(to_html(report, "zh"), report) == []


def test_every_word_of_a_comparison_is_of_the_catalogue(nobodys: None) -> None:
    both = fixture.report(), fixture.report(claim=False)
    assert foreign(compare(both, ["a.html", "b.html"], "zh"), *both) == []
