"""Every number on the page, as a browser shows it, resolves to a pointer in audit.json.

Not in any place of the file: a number in the card of a metric to findings of that metric, one in a
section to that section (its heading carries the number of the section), one of page one to no
figure. What a sentence of the catalogue holds ("1% of non-members") resolves to its id.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import fixture
import pytest
from pointers import NUMBER, Index, Leaf
from test_size import full_audit

from genaudit.render import unmeasured, view
from genaudit.render.html import to_html
from genaudit.render.text import Text, catalogue
from genaudit.render.view import MOST_COLUMNS, chapters
from genaudit.result import AuditReport, Verdict

pytestmark = pytest.mark.slow

#: Each text with a digit that is shown, but ticks of axes: its chapter, section, metric.
SHOWN = """() => {
  document.querySelectorAll('details').forEach(d => d.open = true);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  for (let n; n = texts.nextNode();) {
    const e = n.parentElement;
    if (!/\\d/.test(n.data) || e.closest('style, .tick')) continue;
    const [chapter, audit, metric] = ['.chapter', '.audit', '.metric'].map(s => e.closest(s));
    found.push([n.data, chapter?.id || '', audit?.querySelector('h3')?.id || '',
                metric?.querySelector('code.id').textContent || '']);
  }
  return found;
}"""

Place = tuple[str, str, str]


class Page:
    """What a page shows, and of each text the numbers that its place in the tree may hold."""

    def __init__(self, browser: Any, report: AuditReport, lang: str) -> None:
        self._report = report
        self._tree: dict[str, Any] = json.loads(report.model_dump_json(exclude={"ladder"}))
        self._text, self._chapters = Text(lang), chapters(report)
        page = browser.new_page()
        page.set_content(to_html(report, lang))
        self.texts = [(text, tuple(place)) for text, *place in page.evaluate(SHOWN)]
        page.close()
        self._index = cache(lambda place: Index(self._parts(place), self._text))

    def lost(self, text: str, place: Place) -> list[str]:
        """Numbers of a text that stand at no pointer."""
        return [n for n in NUMBER.findall(text) if not self._index(place).pointers(n)]

    def _parts(self, place: Place) -> list[Leaf]:
        chapter, heading, metric = place
        sections = [(f"/sections/{i}", s) for i, s in enumerate(self._tree["sections"])]
        if heading.startswith("s"):
            sections = [sections[int(heading[1:])]]
            if not metric:
                return [*sections, *self._folded(sections)]
            return [(f"{at}/findings/{j}", f) for at, s in sections
                    for j, f in enumerate(s["findings"]) if f["metric"] == metric]  # fmt: skip
        frame = {k: v for k, v in catalogue(self._text.lang).items() if k.startswith("page.")}
        rest = [(f"/{k}", v) for k, v in self._tree.items() if k != "sections"]
        if chapter.startswith("c-"):  # the cards of groups take findings from all chapters
            found = [(f"{at}/findings", s["findings"]) for at, s in sections]
            legal = self._chapters[int(chapter[2:]) - 1] == "legal"
            return [*found, ("", frame), *(rest if legal else [])]
        told = ("findings", "title", "reason", "status", "params", "source")
        sections = [(at, {k: s[k] for k in told}) for at, s in sections]
        counts = [("/sections", n) for n in [*self._counts(), *self._cut()]]
        return [*sections, *counts, *rest, ("", frame)]

    @staticmethod
    def _folded(sections: list[Leaf]) -> list[Leaf]:
        """How many findings of a metric stand in audit.json alone."""
        counts = [Counter(f["metric"] for f in s["findings"]) for _, s in sections]
        return [("/sections", n - MOST_COLUMNS) for found in counts for n in found.values()]

    def _cut(self) -> list[int]:
        """How many lines page one leaves to the chapters, and to the methods."""
        most = view.most_lines(self._report)
        metrics = (len(view.headlines(self._report, Verdict(v))) - n for v, n in most.items())
        missing = unmeasured.everything(self._report, self._text)
        lost = len(missing) - unmeasured.shown(self._report, missing)
        return [n for n in (*metrics, lost) if n > 0]

    def _counts(self) -> list[int]:
        """How many findings, and sections, of each chapter and of all have each verdict."""
        found = self._tree["sections"]
        groups = [found] + [
            [s for s in found if s["audit"].split(".")[0] == c] for c in self._chapters
        ]
        counts = [len(found)]
        for group in groups:
            verdicts = [f["verdict"] for s in group for f in s["findings"]]
            stated = [s["status"] for s in group]
            counts += [verdicts.count(v) for v in set(verdicts)]
            counts += [stated.count(v) for v in set(stated)] + [len(stated) - stated.count("ran")]
            counts.append(len(verdicts) - verdicts.count("info"))
        return counts


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("made", [full_audit, fixture.report])
def test_every_number_resolves_to_a_pointer(browser: Any, made: Any, lang: str) -> None:
    page = Page(browser, made(), lang)
    lost = [(text, place, n) for text, place in page.texts if (n := page.lost(text, place))]

    assert lost == []
    assert sum(len(NUMBER.findall(text)) for text, _ in page.texts) > 600


def test_a_number_that_was_changed_is_noticed(browser: Any) -> None:
    """The check itself: another last digit, in the cards and tables of findings."""
    page = Page(browser, full_audit(), "en")
    rng = random.Random(0)
    noticed = []
    for text, place in page.texts:
        if place[1].startswith("s"):
            noticed += [bool(page.lost(t, place)) for t in _changed(text, rng)]

    assert len(noticed) > 1000
    assert sum(noticed) / len(noticed) > 0.6


@pytest.mark.parametrize(("lang", "day"), [("en", "30 Jun 2027"), ("zh", "2027年6月30日")])
def test_another_day_resolves_to_nothing(browser: Any, lang: str, day: str) -> None:
    """A day of the page is one thing: its parts may stand elsewhere, the day stands where it is."""
    page = Page(browser, fixture.report(), lang)
    [(text, place)] = [(t, p) for t, p in page.texts if day in t]

    assert page.lost(text, place) == []
    assert page.lost(text.replace("30", "29"), place) == [day.replace("30", "29")]


def _changed(text: str, rng: random.Random) -> Iterator[str]:
    """The text with another digit in each number that has one other than zero."""
    for found in NUMBER.finditer(text):
        digits = [i for i in range(*found.span()) if text[i] in "123456789"]
        if digits:
            at = rng.choice(digits)
            other = rng.choice([d for d in "123456789" if d != text[at]])
            yield text[:at] + other + text[at + 1 :]
