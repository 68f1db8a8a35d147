"""The report as one page: no script, no network, readable without colour and on paper."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from itertools import count
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape
from pydantic import JsonValue

from genaudit.render import charts, unmeasured, view
from genaudit.render.groups import cards
from genaudit.render.heat import heat
from genaudit.render.lines import lines
from genaudit.render.markup import shorter, smaller, used
from genaudit.render.media import gallery
from genaudit.render.numbers import Numbers, scale, unit_of
from genaudit.render.text import Text, isolated, whole
from genaudit.result import FIGURE_COLUMNS, AuditReport, Figure, Finding

Row = Sequence[str | float | None]

#: Rows of a figure's table; longer ones are thinned evenly and the page says so.
TABLE_ROWS = 60

#: Where the style sheet and its digest go; no text of a report holds a control sign.
_STYLE, _HASH = "\0style\0", "\0hash\0"


def to_html(report: AuditReport, lang: str = "en", on: dt.date | None = None) -> str:
    """The page; the same report in the same language is the same text.

    on: a day, by which its validity may be over; only then does the page say so, and differ.

    Raises:
        OptionError: the language is not known.
    """
    text = Text(lang)
    return page("report.html", text, report=report, on=on)


def page(template: str, text: Text, **values: Any) -> str:
    """A template of this package filled in, with everything that the pages share."""
    numbers = Numbers(text)
    written = smaller(
        _environment()
        .get_template(template)
        .render(
            text=text,
            say=text.say_html,
            number=numbers,
            brief=Numbers(text, short=True),
            cards=cards,
            name=isolated,
            whole=whole,
            unit_of=unit_of,
            moment=lambda at: moment(at, text),
            view=view,
            unmeasured=unmeasured,
            ledger_lines=lines,
            sentences=view.Sentences(text, numbers),
            figures=Figures(text, Numbers(text, short=True)),
            mark=partial(next, count(1)),
            strip=finding_strip,
            strips=lambda group: any(finding_strip(f) for f in group),
            context_rows=context_rows,
            style=_STYLE,
            style_hash=_HASH,
            **values,
        )
    )
    css = shorter(used(style(), written))
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return written.replace(_HASH, digest, 1).replace(_STYLE, css, 1) + "\n"


@cache
def style() -> str:
    """The style sheet of all pages without its comments; a page has the rules that it uses."""
    css = re.sub(r"/\*.*?\*/", "", _source("style.css"), flags=re.DOTALL)
    return re.sub(r"\s*\n\s*", "", css).replace(";}", "}").strip()


def finding_strip(finding: Finding, group: Sequence[Finding] = ()) -> Markup:
    """One finding as a line with its limit, null and baseline, on the scale of its group.

    Nothing where there is no number, or nothing to hold it against.
    """
    references = _references(finding)
    if finding.estimate.value is None or not (finding.limit or references):
        return Markup("")
    beside = [x for f in group for x in (*_interval(f), *(v for _, v in _references(f))) if x]
    return charts.strip(_interval(finding), view.limit_edges(finding.limit), references, beside)


def _interval(finding: Finding) -> charts.Interval:
    return finding.estimate.value, finding.estimate.low, finding.estimate.high


def _references(finding: Finding) -> list[tuple[str, float]]:
    both = (("null", finding.null), ("baseline", finding.baseline))
    return [(kind, e.value) for kind, e in both if e is not None and e.value is not None]


def context_rows(report: AuditReport, text: Text) -> list[tuple[str, str]]:
    """What the operator declared and page one does not show, as plain text."""
    shown = {"assessed_by", "purpose", "valid_until", "applicability"}
    return [
        (key, declared(value, text))
        for key, value in sorted(report.context.items())
        if key not in shown
    ]


def declared(value: JsonValue, text: Text) -> str:
    """A value of the context for a person to read: yes or no, days by CLDR, names without quotes.

    >>> declared({"a": 1, "b": [True, "2026-12-31"]}, Text("en"))
    '{a = 1, b = [yes, 31 Dec 2026]}'
    """
    if isinstance(value, dict):
        pairs = (f"{key} = {declared(inner, text)}" for key, inner in value.items())
        return f"{{{text.say('page.and').join(pairs)}}}"
    if isinstance(value, list):
        return f"[{text.say('page.and').join(declared(inner, text) for inner in value)}]"
    if value is None:
        return "–"
    if isinstance(value, bool):
        return text.say("page.yes" if value else "page.no")
    return text.dated(str(value))


def moment(at: str, text: Text) -> Markup:
    """A time of the report for a person to read; as it stands where it is not written as ours."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d(\.\d+)?)?(Z|\+00:00)", at)
    try:
        read = dt.datetime.fromisoformat(found[1]) if found else None
    except ValueError:
        read = None
    if read is None:
        return isolated(at)
    said = text.say_html("page.utc", time=text.minute(read))
    return Markup('<time datetime="{}">{}</time>').format(at, said)


class Figures:
    """Draws figures and their tables in one language; numbers the charts of one page."""

    def __init__(self, text: Text, numbers: Numbers) -> None:
        self._text = text
        self._numbers = numbers
        self._drawn = 0

    @property
    def caption(self) -> str:
        """The id of the caption of the chart that is drawn next."""
        return f"f{self._drawn + 1}-c"

    @property
    def heading(self) -> str:
        """The id of the title in that caption."""
        return f"f{self._drawn + 1}-h"

    def draw(self, figure: Figure, *, captioned: bool = False) -> Markup:
        """The chart; its description stands in its caption, or else in itself."""
        caption, heading = (self.caption, self.heading) if captioned else ("", "")
        self._drawn += 1
        words = charts.Words(
            id=f"f{self._drawn}",
            title=self._text(figure.title),
            description=self._text(figure.description),
            number=self._format(figure),
            ticks=lambda at: self._numbers.ticks(at, figure.unit),
            caption=caption,
            heading=heading,
        )
        figure = self._worded(figure)
        if figure.kind in ("bars", "forest"):
            return self._drawn_table(figure, words)
        return _DRAW[figure.kind](figure, words, self._text)

    def _drawn_table(self, figure: Figure, words: charts.Words) -> Markup:
        at = FIGURE_COLUMNS[figure.kind].index("value")
        heads = [self._text(h) for h in figure.headers[: at + 1]]

        def said(row: Row) -> Markup:
            return self._with_interval(row, figure, at)

        if figure.kind == "forest":
            return charts.forest(figure.rows, words, heads, said)
        return charts.bars(figure.rows, words, view.limit_edges(figure.limit), heads, said)

    def _with_interval(self, row: Row, figure: Figure, at: int) -> Markup:
        """The value of a row, with its interval where it has one."""
        value, *ends = (self._cell(row, i, figure) for i in range(at, min(at + 3, len(row))))
        if len(ends) < 2 or row[at + 1] is None or row[at + 2] is None:
            return value
        between = self._text.say_html("page.range", low=ends[0], high=ends[1])
        return value + self._text.say_html("page.brackets", x=between)

    def repeats(self, figure: Figure, found: Sequence[view.Metric]) -> bool:
        """Whether the card of a metric draws each of its lines already."""
        rows = {tuple(row[1:4]) for row in figure.rows}
        cards = [m for m in found if not m.single and all(finding_strip(f) for f in m.findings)]
        return figure.kind == "forest" and any(
            rows <= {_interval(f) for f in m.findings} for m in cards if m.prominent
        )

    def limit(self, figure: Figure) -> Markup:
        """The limit of the metric that it draws, in words; nothing where there is none."""
        if figure.limit is None:
            return Markup("")
        bound = self._numbers.allowed(figure.limit, figure.unit)
        return self._text.say_html("page.figure_limit", limit=bound, metric=figure.metric)

    def unit(self, figure: Figure) -> Markup:
        """In which unit its numbers are; nothing where each number says so itself."""
        kind = scale(figure.unit)
        if not figure.unit or kind not in ("number", "points"):
            return Markup("")
        if kind == "points":
            return self._text.say_html("page.axis.points")
        return self._text.say_html("page.axis", unit=self._text.term("unit", figure.unit))

    def _worded(self, figure: Figure) -> Figure:
        """The figure with its words in this language; names stay as they are."""
        said = {text: self._text(m) for text, m in figure.words.items()}
        rows = tuple(
            tuple(said.get(c, c) if isinstance(c, str) else c for c in row) for row in figure.rows
        )
        return figure.model_copy(update={"rows": rows})

    def headers(self, figure: Figure) -> list[Markup]:
        """The headings of its table."""
        shown = [i for i in self._columns(figure) if i < len(figure.headers)]
        return [self._text.html(figure.headers[i]) for i in shown]

    def table(self, figure: Figure) -> list[list[Markup]]:
        """The rows of its table as written cells; columns without any value are left out."""
        figure = self._worded(_off_diagonal(figure))
        keep = self._columns(figure)
        rows = view.thinned(figure.rows, TABLE_ROWS)
        return [[self._cell(row, i, figure) for i in keep] for row in rows]

    def _columns(self, figure: Figure) -> list[int]:
        """Columns of the table that hold something; not a limit, which stands beside it once."""
        kinds = FIGURE_COLUMNS[figure.kind]
        return [
            i
            for i, kind in enumerate(kinds)  # fewer where rows end before their interval
            if i == 0
            or (any(len(r) > i and r[i] is not None for r in figure.rows)
                and not (figure.limit is not None and kind.startswith("limit")))
        ]  # fmt: skip

    def thinned(self, figure: Figure) -> bool:
        """Whether the page leaves out rows or marks that audit.json has."""
        if figure.kind == "heatmap":
            return max(map(len, charts.sides(figure.rows))) > charts.MOST
        labels = {row[0] for row in figure.rows}
        crowded = figure.kind != "curve" and len(labels) > charts.MOST
        return len(figure.rows) > TABLE_ROWS or crowded

    def _format(self, figure: Figure) -> Callable[[float], str]:
        if figure.kind == "curve" and _all_rates(figure):
            return self._rate
        kinds = FIGURE_COLUMNS[figure.kind]
        numbers, edges = (
            [c for r in figure.rows for k, c in zip(kinds, r, strict=False)
             if k.startswith("limit") == limits and isinstance(c, int | float)]
            for limits in (False, True)
        )  # fmt: skip
        return self._numbers.alike(numbers, figure.unit, edges)

    def _row_format(self, row: Row, figure: Figure) -> Callable[[float], str]:
        """How the numbers of a row are written: as its finding's, where it has an interval."""
        cells = dict(zip(FIGURE_COLUMNS[figure.kind], row, strict=False))
        interval = tuple(_number(cells.get(k)) for k in ("value", "low", "high"))
        if figure.kind == "curve" or interval[1:] == (None, None):
            return self._format(figure)
        limits = [_number(cells.get(k)) for k in ("limit_low", "limit_high")]
        edges = [*limits, *(view.limit_edges(figure.limit) if figure.kind == "bars" else ())]
        return self._numbers.as_estimated(
            interval, figure.unit, [x for x in edges if x is not None]
        )

    def _rate(self, x: float) -> str:
        return self._text.percent(x, next((d for d in (0, 1, 2) if round(x, d + 2) == x), 2))

    def _cell(self, row: Row, i: int, figure: Figure) -> Markup:
        cell, kind = row[i], FIGURE_COLUMNS[figure.kind][i]
        if cell is None:
            return Markup("–")
        if isinstance(cell, str):
            return isolated(cell)
        if kind == "x" and not _all_rates(figure):
            return escape(self._text.number(cell))
        if kind.startswith("limit"):
            return escape(self._numbers.ticks([cell], figure.unit)[0])
        return escape(self._row_format(row, figure)(cell))


def _off_diagonal(figure: Figure) -> Figure:
    """Without the rows of a curve whose two numbers are the same all along, as chance's are.

    It is drawn, and its rows would say no more; all rows stay where there is nothing else.
    """
    if figure.kind != "curve":
        return figure
    apart = {row[0] for row in figure.rows if row[1] != row[2]}
    rows = tuple(row for row in figure.rows if row[0] in apart)
    return figure.model_copy(update={"rows": rows or figure.rows})


def _all_rates(figure: Figure) -> bool:
    numbers = [c for r in figure.rows for c in r[1:] if isinstance(c, int | float)]
    return bool(numbers) and all(0 <= x <= 1 for x in numbers) and scale(figure.unit) != "points"


def _curve(figure: Figure, words: charts.Words, text: Text) -> Markup:
    axes = (
        (text(figure.headers[1]), text(figure.headers[2])) if len(figure.headers) > 2 else ("", "")
    )
    limit = None
    if figure.limit is not None and figure.limit_at is not None:
        limit = (text.say("page.limit"), figure.limit_at, figure.limit.value)
    # A unit that says of what the shares are: no curve of an attack, where small rates matter.
    linear = figure.unit.startswith("share of ")
    return charts.curve(figure.rows, words, axes, limit, linear=linear)


def _number(cell: str | float | None) -> float | None:
    return cell if isinstance(cell, int | float) else None


_DRAW: Mapping[str, Callable[[Figure, charts.Words, Text], Markup]] = {
    "heatmap": lambda figure, words, text: heat(
        figure.rows, words, text(figure.headers[0]), lambda n: text.say_html("page.count", n=n)
    ),
    "curve": _curve,
    "media": gallery,
}


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _source(name: str) -> str:
    return (files("genaudit.render") / "templates" / name).read_text("utf-8")
