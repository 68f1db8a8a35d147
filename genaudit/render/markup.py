"""The written page made small: spaces, end tags and quotes that HTML does without, unused rules.

Works on the markup of our own templates, in which every value is escaped: a `<` begins a tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import ascii_lowercase

#: Elements around which a space shows nothing.
_BLOCKS = frozenset({
    "html", "head", "body", "meta", "title", "link", "style", "header", "main", "nav",
    "section", "article", "div", "p", "h1", "h2", "ul", "ol", "li", "dl", "dt", "dd", "table",
    "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "figure", "figcaption", "details",
    "summary", "pre", "blockquote", "br", "symbol",
})  # fmt: skip

#: Elements whose spaces are text.
_VERBATIM = frozenset({"pre", "blockquote", "style"})

#: Before which tags an end tag may be left out; "" is the end of the element around it.
#: Source: HTML Living Standard, section 13.1.2.4.
_IMPLIED = {
    "li": {"li", ""},
    "dt": {"dt", "dd"},
    "dd": {"dt", "dd", ""},
    "p": {"article", "div", "dl", "details", "figure", "h2", "h3", "h4", "header", "main", "nav",
          "ol", "p", "pre", "section", "table", "ul", "blockquote", ""},
    "tr": {"tr", ""},
    "th": {"th", "td", ""},
    "td": {"th", "td", ""},
    "thead": {"tbody", "tfoot"},
    "tbody": {"tbody", "tfoot", ""},
    "tfoot": {""},
}  # fmt: skip

_TAG = re.compile(r"(<[^>]+>)")
_NAME = re.compile(r"</?\s*([A-Za-z][\w-]*)")
_QUOTED = re.compile(r'=("[\w.:#%+-]+")(?=[\s>/])')


def smaller(page: str) -> str:
    """The same document in fewer bytes."""
    tokens = list(_without_spaces(page))
    out = []
    for i, token in enumerate(tokens):
        if not token.startswith("<"):
            out.append(token)
        elif not _implied(token, tokens[i + 1] if i + 1 < len(tokens) else ""):
            out.append(_unquoted(token))
    return "".join(out)


def used(css: str, page: str) -> str:
    """The rules of a style sheet that an element of the page can match, in their order.

    >>> used(".a{x:1}.b,p .a{y:2}@media print{.b{z:3}}", '<p class="a">')
    '.a{x:1}p .a{y:2}'
    """
    classes = {c for found in re.findall(r' class="?([^">]+)', page) for c in found.split()}
    ids = set(re.findall(r' id="?([\w-]+)', page))
    tags = set(re.findall(r"<([a-zA-Z][a-zA-Z0-9]*)", page))

    def matches(selector: str) -> bool:
        plain = re.sub(r":[\w-]+\([^()]*(\([^()]*\))?[^()]*\)|\[[^\]]*\]|::?[\w-]+", "", selector)
        named = re.findall(r"([.#]?)([A-Za-z][\w-]*)", plain)
        known = {".": classes, "#": ids, "": tags}
        return all(name in known[sign] for sign, name in named)

    out = []
    for head, body in _rules(css):
        if head.startswith("@media"):
            if inner := used(body, page):
                out.append(f"{head}{{{inner}}}")
        elif head.startswith("@") or (head := ",".join(filter(matches, head.split(",")))):
            out.append(f"{head}{{{body}}}")
    return "".join(out)


def shorter(css: str) -> str:
    """The style sheet with the custom properties that it uses, in names of one letter or two.

    >>> shorter(":root{--tone:red;--x:0}a{color:var(--tone,var(--ink))}")
    ':root{--a:red}a{color:var(--a,var(--b))}'
    """
    wanted = set(re.findall(r"var\((--[\w-]+)", css))
    css = re.sub(r"(--[\w-]+):[^;}]*;?", lambda m: m[0] if m[1] in wanted else "", css)
    css = re.sub(r"#([0-9a-f])\1([0-9a-f])\2([0-9a-f])\3\b", r"#\1\2\3", css).replace(";}", "}")
    names = dict.fromkeys(re.findall(r"--[a-z][\w-]*", css))
    letters = (a + b for a in ("", *ascii_lowercase) for b in ascii_lowercase)
    short = {name: f"--{next(letters)}" for name in names}
    return re.sub(r"--[a-z][\w-]*", lambda m: short[m[0]], css)


def _rules(css: str) -> Iterator[tuple[str, str]]:
    """Selector and body of each rule; a rule of media with its rules as they stand."""
    start = depth = 0
    head = ""
    for i, c in enumerate(css):
        if c == "{":
            depth += 1
            if depth == 1:
                head, start = css[start:i].strip(), i + 1
        elif c == "}":
            depth -= 1
            if depth == 0:
                yield head, css[start:i].strip()
                start = i + 1


def _without_spaces(page: str) -> Iterator[str]:
    """Tags and texts; a run of spaces is one, and none beside a block."""
    parts = _TAG.split(page)  # texts at even places, tags at odd ones
    verbatim = ""
    for i, part in enumerate(parts):
        if i % 2:
            name = _name(part)
            if name in _VERBATIM and not verbatim and not part.startswith("</"):
                verbatim = name
            elif name == verbatim and part.startswith("</"):
                verbatim = ""
            yield part
        elif verbatim:
            if part:
                yield part
        else:
            before, after = (_name(parts[k]) if 0 <= k < len(parts) else "" for k in (i - 1, i + 1))
            text = re.sub(r"[ \n\t]+", " ", part)
            text = text.lstrip(" ") if i == 0 or before in _BLOCKS else text
            text = text.rstrip(" ") if i + 1 == len(parts) or after in _BLOCKS else text
            if text:
                yield text


def _name(tag: str) -> str:
    found = _NAME.match(tag)
    return found[1].lower() if found else ""


def _implied(tag: str, following: str) -> bool:
    """Whether an end tag goes without saying before what follows."""
    if not tag.startswith("</") or not following.startswith("<"):
        return False
    before = _IMPLIED.get(_name(tag), set())
    return ("" if following.startswith("</") else _name(following)) in before


def _unquoted(tag: str) -> str:
    """The tag without quotes that hold a plain word; `/` after such a word keeps its space."""
    if tag.startswith(("</", "<!")):
        return tag
    closed = tag.endswith("/>")
    body = _QUOTED.sub(lambda m: "=" + m[1].strip('"'), tag[: -2 if closed else -1] + " ").rstrip()
    if not closed:
        return f"{body}>"
    return f"{body}/>" if body.endswith('"') or "=" not in body else f"{body} />"
