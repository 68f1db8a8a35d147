"""A report below a cell of a notebook: the page without its frame, its rules kept to itself."""

from __future__ import annotations

import datetime as dt
import hashlib
import re

from genaudit.render.html import to_html
from genaudit.result import AuditReport

#: Attributes that hold ids of elements, and what stands before each.
_NAMED = re.compile(r'(\s(?:id|aria-labelledby|aria-describedby|href)=)("[^"]*"|[^\s">]+)')

#: Selectors by an id, which no colour is: they stand outside of braces.
_BY_ID = re.compile(r"#(?=[\w-]+[^{}]*\{)")

#: Rules of the page, and what they are about within a notebook.
_ROOTS = {":root": ".genaudit", "body": ".genaudit", "*": ".genaudit *"}


def fragment(report: AuditReport, lang: str = "en", *, on: dt.date | None = None) -> str:
    """What the page shows, in an element whose style reaches nothing outside of it.

    on: day of which it says what has expired, as of a page. Its ids begin with a digest of the
    page, as two reports may stand in one notebook.
    """
    page = to_html(report, lang, on=on)
    css = page[page.index("<style>") + 7 : page.index("</style>")]
    body = page[page.index("<body>") + 6 : page.rindex("</body>")]
    tag = re.search(r"<html lang=([\w-]+)>", page)
    lang_of = tag[1] if tag else lang
    own = f"g{hashlib.sha256(page.encode()).hexdigest()[:8]}-"
    body = re.sub(r"<(/?)main\b", r"<\1div", body)  # a notebook has a main part of its own
    style, body = scoped(_BY_ID.sub(f"#{own}", css)), _NAMED.sub(lambda m: _own(m, own), body)
    return f'<div class="genaudit" lang="{lang_of}"><style>{style}</style>{body}</div>'


def _own(found: re.Match[str], own: str) -> str:
    """An attribute whose ids begin with `own`; links that lead elsewhere stay as they are."""
    start, value = found[1], found[2].strip('"')
    if start.endswith("href="):
        value = f"#{own}{value[1:]}" if value.startswith("#") else value
    else:
        value = " ".join(own + name for name in value.split())
    return f'{start}"{value}"'


def scoped(css: str) -> str:
    """The rules for elements inside `.genaudit` alone; what is about sheets of paper is left out.

    >>> scoped(":root{--a:1}p,.b{x:1}@page{size:A4}@media print{p{x:2}}")
    '.genaudit{--a:1}.genaudit p,.genaudit .b{x:1}@media print{.genaudit p{x:2}}'
    """
    css = re.sub(r"@page\{[^}]*\}|(?<=[}])html\{[^}]*\}", "", css)
    return re.sub(r"(^|[{}])((?!@)[^{}]+)(?=\{)", lambda m: m[1] + _inside(m[2]), css)


def _inside(selectors: str) -> str:
    return ",".join(_ROOTS.get(s, f".genaudit {s}") for s in selectors.split(","))
