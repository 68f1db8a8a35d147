"""Pages as a browser reads them: end tags that HTML does without, attributes without quotes."""

from __future__ import annotations

import re
from html.parser import HTMLParser

Attributes = list[tuple[str, str | None]]

VOID = {"meta", "link", "br", "path", "use", "line", "rect", "circle", "polyline", "wbr", "img"}

#: Before which a paragraph ends.
_BLOCKS = ("article", "div", "dl", "details", "figure", "h2", "h3", "h4", "header", "main", "nav",
           "ol", "p", "pre", "section", "table", "ul", "blockquote")  # fmt: skip

#: What a start tag ends that is still open.
_ENDS = {
    "li": {"li"}, "dt": {"dt", "dd"}, "dd": {"dt", "dd"},
    "td": {"td", "th"}, "th": {"td", "th"}, "tr": {"td", "th", "tr"},
    "tbody": {"td", "th", "tr", "thead", "tbody"},
    **{block: {"p"} for block in _BLOCKS},
}  # fmt: skip
_IMPLIED = {"li", "dt", "dd", "p", "td", "th", "tr", "thead", "tbody"}


class Elements(HTMLParser):
    """Goes through a page, with the elements that are open; each must be closed where it has to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def entered(self, tag: str, attrs: Attributes) -> None:
        """An element begins; it is the last of those open unless it has no content."""

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        """Open an element, and end what its start ends."""
        while self.open and self.open[-1] in _ENDS.get(tag, ()):
            self.left(self.open.pop())
        if tag not in VOID:
            self.open.append(tag)
        self.entered(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        """An element without content."""
        self.entered(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Close an element, and first what its end ends."""
        if tag in VOID:
            return
        while self.open[-1] != tag and self.open[-1] in _IMPLIED:
            self.left(self.open.pop())
        assert self.open.pop() == tag
        self.left(tag)

    def left(self, tag: str) -> None:
        """An element with content ended."""


def quoted(page: str) -> str:
    """The page with quotes around each attribute."""

    def spelled(tag: re.Match[str]) -> str:
        return re.sub(r'=([^\s">]+)(?=[\s>])', r'="\1"', tag[0])

    return re.sub(r"<[a-z][^>]*>", spelled, page)
