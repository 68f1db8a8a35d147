"""The page in a real browser: no overflow, no request, no script needed, tables on paper."""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path
from typing import Any

import fixture
import pytest
import test_media
from test_size import full_audit

from genaudit.compliance.controls import readings
from genaudit.render import json
from genaudit.render.compare import compare
from genaudit.render.html import to_html
from genaudit.result import AuditReport, Claim

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import sample

pytestmark = pytest.mark.slow


def demo_audit() -> AuditReport:
    """The demo's audit of the model with differential privacy, without its pictures and clauses."""
    packed = (Path(__file__).parent / "demo_audit.json.gz").read_bytes()
    report = json.loads(gzip.decompress(packed).decode())
    controls = tuple(readings(report.sections, report.context, "table"))
    return report.model_copy(update={"controls": controls})


def told_of() -> AuditReport:
    """A copy of the training rows with a claim, warnings, and what would be hidden."""
    report = sample.audited(copy=True)
    subject = report.subject.model_copy(
        update={"claim": Claim(epsilon=3, delta=1e-6, unit="person")}
    )
    shown = report.provenance.model_copy(update={"show_private": True})
    context = {**report.context, "assessed_by": "The office of the data-protection officer " * 3}
    return report.model_copy(update={"subject": subject, "provenance": shown, "context": context})


#: Audits whose page one is one sheet: how long they are differs, so no one of them is enough.
SHEETS = {
    "the full audit": full_audit,
    "the demo": demo_audit,
    "the sample": sample.audited,
    "a quick audit": lambda: sample.audited(plan="quick"),
    "a copy of the training rows": lambda: sample.audited(copy=True),
    "a copy with a claim": told_of,
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Report in both languages and the comparison, as files."""
    folder = tmp_path_factory.mktemp("pages")
    report = fixture.report()
    both = [report, fixture.report(claim=False)]
    texts = {
        "en": to_html(report),
        "zh": to_html(report, "zh"),
        "compare": compare(both, ["a.html", "b.html"]),
        "compare zh": compare(both, ["a.html", "b.html"], "zh"),
        **{kind: to_html(test_media.report(kind, 24)) for kind in test_media.RECORDS},
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, "utf-8")
    return {name: folder / f"{name}.html" for name in texts}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("name", ["en", "zh", "compare", *test_media.RECORDS])
def test_no_overflow_and_no_request(
    browser: Any, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    """At any width the page does not scroll sideways, asks for nothing and reports no error."""
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: said.append(request.url))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(pages[name].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    page.close()

    assert wide <= 0
    assert [s for s in said if not s.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["en", "zh"])
def test_nothing_is_cut_off(browser: Any, pages: dict[str, Path], name: str, width: int) -> None:
    """Names of charts stay on the page, and tables of ledger and policy on a narrow one too."""
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.goto(pages[name].as_uri())
    edges = page.evaluate(
        "[...document.querySelectorAll('.chart text, [class=cards] td, [class=cards] th')]"
        ".map(e => e.getBoundingClientRect()).filter(r => r.width)"
        ".flatMap(r => [r.left, r.right])"
    )
    shown = page.evaluate("getComputedStyle(document.querySelector('[class=cards] td')).display")
    page.close()

    assert min(edges) >= 0
    assert max(edges) <= width
    assert shown == ("block" if width == 390 else "table-cell")


@pytest.mark.parametrize("name", ["en", "zh", "compare", *SHEETS])
def test_signs_are_small(browser: Any, pages: dict[str, Path], tmp_path: Path, name: str) -> None:
    """Each sign of a verdict is about as large as the letters beside it, wherever it stands."""
    path = pages.get(name, tmp_path / "page.html")
    if name in SHEETS:
        path.write_text(to_html(SHEETS[name]()), "utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 844})
    page.goto(path.as_uri())
    sizes = page.evaluate(
        "[...document.querySelectorAll('body svg:has(> use)')]"
        ".map(e => e.getBoundingClientRect()).flatMap(r => [r.width, r.height])"
    )
    page.close()

    assert len(sizes) > 20
    assert min(sizes) >= 10
    assert max(sizes) <= 20


def test_readable_without_script(browser: Any, pages: dict[str, Path]) -> None:
    """With scripts off the page shows the same text."""
    texts = []
    for on in (True, False):
        context = browser.new_context(java_script_enabled=on)
        page = context.new_page()
        page.goto(pages["en"].as_uri())
        texts.append(page.locator("body").inner_text())
        context.close()

    assert texts[0] == texts[1]
    assert len(texts[0]) > 5000


@pytest.mark.parametrize("name", ["fixture", *SHEETS])
def test_page_one_fits_one_sheet(browser: Any, tmp_path: Path, name: str) -> None:
    """On A4 the first chapter starts a second sheet: all before it fits on one, in any language."""
    report = {"fixture": fixture.report, **SHEETS}[name]()
    ends, small = [], []
    for lang in ("en", "zh"):
        (tmp_path / "page.html").write_text(to_html(report, lang), "utf-8")
        page = browser.new_page(viewport={"width": 680, "height": 1000})
        page.emulate_media(media="print")
        page.goto((tmp_path / "page.html").as_uri())
        ends.append(page.evaluate(
            "document.querySelector('main.one').getBoundingClientRect().bottom + scrollY"
        ))  # fmt: skip
        small.append(page.evaluate(
            "Math.min(...[...document.querySelectorAll('.one p, .one li, .one td')]"
            ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
        ))  # fmt: skip
        pdf = page.pdf(path=str(tmp_path / "page.pdf"), prefer_css_page_size=True)
        page.close()

    # A4 less its margins is 265 mm, at 96 dots an inch.
    assert max(ends) <= 265 / 25.4 * 96
    assert min(small) >= 7.5 * 96 / 72
    assert re.search(rb"/Type\s*/Page\b", pdf)


#: Texts of one chart that lie over each other; names of columns are turned and left out.
OVERLAPS = """() => [...document.querySelectorAll('.chart')].flatMap(chart => {
  const boxes = [...chart.querySelectorAll('text, .name')].filter(e => !e.getAttribute('transform'))
    .filter(e => e.getBoundingClientRect().width)
    .map(e => { const r = document.createRange(); r.selectNodeContents(e);
                const [a, b] = [e, r].map(x => x.getBoundingClientRect());
                return [e.textContent, {left: a.left, top: a.top, bottom: a.bottom,
                                        right: Math.min(a.right, b.right)}]; });
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([b, q]) =>
    Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 &&
    Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 3).map(([b]) => a + ' | ' + b));
})"""

#: Links and folds that stand alone and are lower than 24 pixels.
SMALL = """() => [...document.querySelectorAll('nav a, .verdict a, summary')]
  .filter(e => e.getBoundingClientRect().height < 24).map(e => e.textContent)"""


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("name", ["en", "zh", "compare", "compare zh"])
def test_texts_of_charts_lie_apart(
    browser: Any, pages: dict[str, Path], name: str, width: int
) -> None:
    """No name, number or tick covers another, and what is to be tapped is high enough."""
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.goto(pages[name].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = page.evaluate(OVERLAPS), page.evaluate(SMALL)
    page.close()

    assert found == ([], [])


def test_focus_is_seen(browser: Any, pages: dict[str, Path]) -> None:
    """Whoever moves by keyboard sees where they are, at each stop of the first page."""
    page = browser.new_page(viewport={"width": 1280, "height": 844})
    page.goto(pages["en"].as_uri())
    styles = []
    for _ in range(12):
        page.keyboard.press("Tab")
        styles.append(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))
    page.close()

    assert set(styles) == {"solid"}


#: Pictures without content, and sounds that do not play.
DUMB = """() => [...[...document.querySelectorAll('.media img')].filter(i => !i.naturalWidth),
  ...[...document.querySelectorAll('audio')].filter(a => !(a.duration > 0))].length"""


@pytest.mark.parametrize("kind", ["image", "audio"])
def test_pictures_are_seen_and_sounds_play(browser: Any, pages: dict[str, Path], kind: str) -> None:
    """The policy of the page lets its own pictures and sounds in."""
    page = browser.new_page()
    page.goto(pages[kind].as_uri())
    shown = page.locator(".media img, .media audio").count()
    page.wait_for_function(f"({DUMB})() === 0", timeout=10_000)
    page.close()

    assert shown == 24
