"""Charts as inline SVG: no script, no font, colours from the page's CSS variables.

Rows place their marks in percent of the width and their text in pixels, so that a chart is as
readable at 320 px as at 1280 px. Every chart carries a title and a description, and the page puts
its data table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from genaudit.render.text import isolated, shortened, visible

Format = Callable[[float], str]
Cell = str | float | None
Interval = tuple[float | None, float | None, float | None]  # value, low, high
Edges = tuple[float | None, float | None]  # what a limit allows, from and to

#: Rows or columns of a chart; the rest is in its table.
MOST = 30

_SERIES = 6  # colours in the style sheet
_BAR = 14  # height of a bar with the space below it


@dataclass(frozen=True)
class Words:
    """What a chart says of itself: its name for assistive technology and how it writes numbers.

    ticks: how the numbers of an axis are written, all together; each like any number without it.
    caption: id of the element that holds the description; the chart carries its own without one.
    heading: id of the element that holds the title; a table carries its own without one.
    """

    id: str
    title: str
    description: str
    number: Format
    ticks: Callable[[Sequence[float]], list[str]] | None = None
    caption: str = ""
    heading: str = ""

    def axis(self, at: Sequence[float]) -> list[str]:
        """The numbers of an axis."""
        return self.ticks(at) if self.ticks else [self.number(x) for x in at]


def bars(
    rows: Sequence[Sequence[Cell]],
    words: Words,
    limits: Edges,
    heads: Sequence[str],
    said: Callable[[Sequence[Cell]], Markup],
) -> Markup:
    """Bars of `(label, series, value[, low, high])` as a table, which has their numbers too.

    A thin line over a bar is its interval; a line through all of them is a limit.

    Args:
        rows: Labels, each with a value of one or more series.
        words: What the table is called.
        limits: Edges of what a limit allows.
        heads: Headings of label, series and value.
        said: Writes the value of a row with its interval.
    """
    shown = _first_labels(rows)
    by_label = {label: _by_series(r for r in shown if str(r[0]) == label)
                for label in dict.fromkeys(str(r[0]) for r in shown)}  # fmt: skip
    series = list(dict.fromkeys(of for mine in by_label.values() for of in mine))
    edges = [x for x in limits if x is not None]
    values = [v for r in shown for c in r[2:5] if (v := _number(c)) is not None]
    span = _Span.over([0.0, *values, *edges], left=0, right=100)
    lines = []
    for label, mine in by_label.items():
        marks = [m for i, of in enumerate(series) if of in mine for m in _bar(mine[of], span, i)]
        marks += [_el("rect", class_="edge", x=span.at(x)) for x in edges]
        cells = [said(mine[of]) if of in mine else Markup("–") for of in series]
        height = {"height": _BAR * len(series)} if len(series) > 2 else {}
        lines.append(_pictured(label, _el("svg", *marks, role="none", **height), cells))
    named = [_el("th", str(escape(h))) for h in (heads[0], heads[-1])]
    if len(series) > 1:
        named += [_el("th", str(isolated(of[0])), class_=f"s{i % _SERIES}")
                  for i, of in enumerate(series)]  # fmt: skip
    return _drawn(named, lines, words, class_=f"bars n{len(series)}")


def _by_series(rows: Iterable[Sequence[Cell]]) -> dict[tuple[str, int], Sequence[Cell]]:
    """Rows of one label by the name of their series, and which of those with that name they are."""
    out: dict[tuple[str, int], Sequence[Cell]] = {}
    for row in rows:
        name = str(row[1])
        out[name, sum(name == known for known, _ in out)] = row
    return out


def _bar(row: Sequence[Cell], span: _Span, rank: int) -> list[str]:
    """One bar and its interval, below those of the series before it."""
    value, low, high = (_number(c) for c in (*row[2:5], None, None)[:3])
    top = {"y": _BAR * rank} if rank else {}
    drawn = []
    if value is not None:
        start, end = sorted((span.percent(0), span.percent(value)))
        drawn.append(_part(start, max(end, start + 0.3), class_=f"s{rank % _SERIES}", **top))
    if low is not None and high is not None:
        drawn.append(_part(span.percent(low), span.percent(high), **top))
    return drawn


def _part(start: float, end: float, **more: object) -> str:
    place = {"x": f"{start:.1f}%"} if start >= 0.05 else {}
    return _el("rect", width=_share(end - start), **place, **more)


def _pictured(label: str, picture: str, cells: Sequence[Markup]) -> str:
    """A row with a picture: in one cell with its number, or before the cells of several."""
    said = str(cells[0]) if len(cells) == 1 else "".join(f"<td>{c}</td>" for c in cells)
    joined = f"{picture}{said}</td>" if len(cells) == 1 else f"{picture}</td>{said}"
    return f"<tr><th>{isolated(label)}</th><td>{joined}</tr>"


def forest(
    rows: Sequence[Sequence[Cell]],
    words: Words,
    heads: Sequence[str],
    said: Callable[[Sequence[Cell]], Markup],
) -> Markup:
    """Points with intervals of `(label, value, low, high, limit_low, limit_high)` as a table.

    Args:
        rows: The points.
        words: What the table is called, and how its axis is written.
        heads: Headings of label and value.
        said: Writes the value of a row with its interval.
    """
    shown = rows[:MOST]
    numbers = [x for r in shown for c in r[1:6] if (x := _number(c)) is not None]
    zero = [0.0] if numbers and min(numbers) < 0 < max(numbers) else []
    span = _Span.over([*numbers, *zero], left=1, right=99)
    lines = []
    for row in shown:
        value, low, high, *limits = (_number(c) for c in row[1:6])
        marks = [_tick(span, x, "zero") for x in zero]
        marks += _line(span, (value, low, high), (limits[0], limits[1]))
        lines.append(_pictured(str(row[0]), _strip(marks), [said(row)]))
    axis = _el("svg", *_ticks(span, words), class_="axis", aria_hidden="true")
    named = [_el("th", str(escape(heads[0]))), _el("th", axis, str(escape(heads[1])))]
    return _drawn(named, lines, words, class_="forest")


def _drawn(heads: Sequence[str], lines: Sequence[str], words: Words, class_: str) -> Markup:
    body = f"<thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return boxed(_el("table", body, class_=class_), words)


def boxed(table: str, words: Words) -> Markup:
    """A table in the box in which it is scrolled where it is wide, by keyboard too."""
    named = {"aria_labelledby": words.heading} if words.heading else {"aria_label": words.title}
    drawn = _el("div", table, class_="box", tabindex=0, role="region", **named)
    return Markup(drawn)  # noqa: S704 - every child is markup already


def strip(
    estimate: Interval,
    limits: Edges,
    others: Sequence[tuple[str, float]] = (),
    beside: Sequence[float] = (),
) -> Markup:
    """One finding as a line: point, interval, the region beyond the limit, and reference marks.

    estimate: value, low, high. others: (`null` or `baseline`, value). beside: numbers of the other
    lines, which share one scale. Decoration: the numbers stand beside it in words.
    """
    marks = [x for x in (*estimate, *limits, *(x for _, x in others), *beside) if x is not None]
    if not marks:
        return Markup("")
    near_zero = [0.0] if min(marks) >= 0 and max(marks) < 0.2 else []
    span = _Span.over([*near_zero, *marks], 2, 98)
    drawn = _strip(_line(span, estimate, limits, others))
    return Markup(drawn)  # noqa: S704 - every attribute is escaped by _el


def _strip(marks: Sequence[str]) -> str:
    return _el("svg", *marks, class_="strip", role="none")


def curve(
    rows: Sequence[Sequence[Cell]],
    words: Words,
    axes: tuple[str, str],
    limit: tuple[str, float, float] | None = None,
    *,
    linear: bool = False,
) -> Markup:
    """Lines of `(series, x, y[, low, high])`; where all are rates, on two logarithmic axes.

    Where they have intervals these are a band. limit: its name, and where (x, y) it lies. linear:
    rates too stand on plain axes, from zero, with the names of the lines above.
    """
    points = [
        (str(r[0]), x, y)
        for r in rows
        if (x := _number(r[1])) is not None and (y := _number(r[2])) is not None
    ]
    rates = bool(points) and all(0 <= x <= 1 and 0 <= y <= 1 for _, x, y in points) and not linear
    # A limit left of every point is no reason to draw it where another rate stands.
    reach = points if limit is None else [*points, limit]
    if linear:
        highs = [x for r in rows for c in r[2:5] if (x := _number(c)) is not None]
        reach = [*reach, ("", 0.0, 0.0), ("", 0.0, max(highs, default=0.0))]
    plot = _Plot.rates(reach) if rates else _Plot.linear(reach)
    parts = plot.frame(words.number, axes)
    if rates and not _has_chance(points):
        ends = f"{plot.place(plot.x[0], plot.y[0])} {plot.place(1, 1)}"
        parts.append(_el("polyline", points=ends, class_="chance"))
    series = list(dict.fromkeys(p[0] for p in points))
    parts += [_band(rows, name, plot, i) for i, name in enumerate(series)]
    for i, name in enumerate(series):
        line = " ".join(plot.place(x, y) for s, x, y in points if s == name)
        parts.append(_el("polyline", points=line, class_=f"line s{i % _SERIES}"))
        if linear:
            continue
        parts.append(_el("line", x1=52, x2=68, y1=20 + 16 * i, y2=20 + 16 * i,
                         class_=f"line s{i % _SERIES}"))  # fmt: skip
        parts.append(_text_at(74, 24 + 16 * i, shortened(name, 34), "label"))
    if limit is not None:
        name, x, y = limit
        at_x, at_y = (float(c) for c in plot.place(x, y).split(","))
        parts.append(_el("line", x1=at_x - 10, x2=at_x + 10, y1=at_y, y2=at_y, class_="edge"))
        y = 20 + 16 * len(series)
        parts.append(_el("line", x1=52, x2=68, y1=y, y2=y, class_="edge"))
        parts.append(_text_at(74, y + 4, shortened(name, 34), "label"))
    drawn = _chart(words, parts, box="0 0 360 300", class_="chart curve")
    return key(series) + drawn if linear else drawn


def lines(
    values: Sequence[Sequence[float]],
    ranges: Sequence[tuple[float, float]],
    words: Words,
) -> Markup:
    """A small plot of a series, one line for each channel over its range from bottom to top."""
    parts = [_el("line", x1=0, x2=200, y1=y, y2=y, class_="grid") for y in (4, 48, 92)]
    for i, (channel, (low, high)) in enumerate(zip(values, ranges, strict=True)):
        width, span = max(len(channel) - 1, 1), (high - low) or 1.0
        # A series of one step is a line across.
        at = enumerate(channel if len(channel) > 1 else [*channel, *channel])
        points = (f"{200 * x / width:.1f},{92 - 88 * (y - low) / span:.1f}" for x, y in at)
        parts.append(_el("polyline", points=" ".join(points), class_=f"line s{i % _SERIES}"))
    return _chart(words, parts, box="0 0 200 96", class_="chart series")


def wave(sound: Sequence[float]) -> Markup:
    """The loudness of a sound over time; decoration, as the sound itself stands beside it."""
    n = min(len(sound), 80)
    cuts = [round(i * len(sound) / n) for i in range(n + 1)]
    peaks = [max(map(abs, sound[a:b]), default=0.0) for a, b in pairwise(cuts)]
    bars = "".join(f"M{i + 0.5:g} {20 - 19 * p:.1f}V{20 + 19 * p + 0.2:.1f}"
                   for i, p in enumerate(peaks))  # fmt: skip
    path = _el("path", d=bars, class_="wave")
    drawn = _el("svg", path, class_="chart sound", aria_hidden="true", viewBox=f"0 0 {n} 40",
                preserveAspectRatio="none")  # fmt: skip
    return Markup(drawn)  # noqa: S704 - numbers alone


def key(names: Sequence[str]) -> Markup:
    """The colour and the stroke of each channel, with its name."""
    parts = []
    for i, name in enumerate(names):
        stroke = _el("line", x1=0, x2=22, y1=6, y2=6, class_=f"line s{i % _SERIES}")
        mark = _el("svg", stroke, width=22, height=12, aria_hidden="true")
        said = f"<bdi>{escape(shortened(visible(name), 24))}</bdi>"
        parts.append(_el("li", mark, said))
    return Markup(_el("ul", *parts, class_="key"))  # noqa: S704 - escaped above


def _band(rows: Sequence[Sequence[Cell]], name: str, plot: _Plot, i: int) -> str:
    """What lies between the ends of the intervals of one line."""
    cells = [[_number(c) for c in r[1:]] for r in rows if str(r[0]) == name and len(r) == 5]
    ends = [
        (x, low, high)
        for x, _, low, high in cells
        if x is not None and low is not None and high is not None
    ]
    if len(ends) < 2:
        return ""
    around = [plot.place(x, low) for x, low, _ in ends]
    around += [plot.place(x, high) for x, _, high in reversed(ends)]
    return _el("polygon", points=" ".join(around), class_=f"band s{i % _SERIES}")


def sides(rows: Sequence[Sequence[Cell]]) -> tuple[list[str], list[str]]:
    """Names of the rows and columns of a heatmap, in one order where they are the same names."""
    names, columns = (list(dict.fromkeys(str(r[i]) for r in rows)) for i in (0, 1))
    return names, names if set(names) == set(columns) else columns


@dataclass(frozen=True)
class _Span:
    """A stretch of numbers laid over a stretch of the width in percent."""

    low: float
    high: float
    left: float
    right: float

    @classmethod
    def over(cls, numbers: Sequence[float], left: float, right: float) -> _Span:
        low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
        if low == high:
            low, high = low - (abs(low) or 1) * 0.5, high + (abs(high) or 1) * 0.5
        # Nothing sits on the very edge but zero.
        room = (high - low) * 0.06
        return cls(low if low == 0 else low - room, high if high == 0 else high + room, left, right)

    def at(self, x: float) -> str:
        return _share(self.percent(x))

    def percent(self, x: float) -> float:
        return self.left + (self.right - self.left) * (x - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class _Plot:
    """A square plot of 300 x 240 units with its margins, linear or logarithmic."""

    x: tuple[float, float]
    y: tuple[float, float]
    log: bool

    @classmethod
    def rates(cls, points: Sequence[tuple[str, float, float]]) -> _Plot:
        least = min((x for _, x, _ in points if x > 0), default=0.01)
        floor = 10.0 ** max(-4, min(-1, math.floor(math.log10(least))))
        return cls((floor, 1.0), (floor, 1.0), log=True)

    @classmethod
    def linear(cls, points: Sequence[tuple[str, float, float]]) -> _Plot:
        x = _Span.over([x for _, x, _ in points], 0, 1)
        y = _Span.over([y for _, _, y in points], 0, 1)
        return cls((x.low, x.high), (y.low, y.high), log=False)

    def place(self, x: float, y: float) -> str:
        return f"{44 + 304 * self._share(x, self.x):.1f},{256 - 248 * self._share(y, self.y):.1f}"

    def frame(self, number: Format, axes: tuple[str, str]) -> list[str]:
        parts = []
        for tick in self._ticks(self.x):
            x = self.place(tick, self.y[0]).split(",")[0]
            parts.append(_el("line", x1=x, x2=x, y1=8, y2=256, class_="grid"))
            parts.append(_text_at(x, 272, number(tick), "tick mid"))
        for tick in self._ticks(self.y):
            y = self.place(self.x[0], tick).split(",")[1]
            parts.append(_el("line", x1=44, x2=348, y1=y, y2=y, class_="grid"))
            parts.append(_text_at(38, float(y) + 4, number(tick), "tick end"))
        parts.append(_text_at(196, 294, shortened(axes[0], 48), "tick mid"))
        turned = {"transform": "rotate(-90)"}
        parts.append(_text_at(-132, 10, shortened(axes[1], 40), "tick mid", **turned))
        return parts

    def _share(self, x: float, range_: tuple[float, float]) -> float:
        low, high = range_
        if self.log:
            return (math.log10(max(x, low)) - math.log10(low)) / -math.log10(low)
        return (x - low) / (high - low)

    def _ticks(self, range_: tuple[float, float]) -> list[float]:
        if self.log:
            return [float(10.0**k) for k in range(round(math.log10(range_[0])), 1)]
        return _nice(*range_)


def _has_chance(points: Sequence[tuple[str, float, float]]) -> bool:
    """Whether one of the series is the diagonal already."""
    names = {name for name, _, _ in points}
    return any(all(x == y for s, x, y in points if s == name) for name in names)


def _line(
    span: _Span,
    estimate: Interval,
    limits: Edges,
    others: Sequence[tuple[str, float]] = (),
) -> list[str]:
    """The marks of one line; heights are in the style sheet, as a report may hold hundreds."""
    value, low, high = estimate
    # As wide as the whole strip by the style sheet, which knows them by having no width: what lies
    # beyond its ends is cut off.
    starts = (None if limits[0] is None else span.percent(limits[0]) - 100,
              None if limits[1] is None else span.percent(limits[1]))  # fmt: skip
    parts = [_el("rect", x=_share(x)) for x in starts if x is not None]
    if low is not None and high is not None:
        start, end = span.percent(low), span.percent(high)
        parts.append(_el("rect", x=_share(start), width=_share(max(end - start, 0))))
    for kind, x in others:
        parts.append(_tick(span, x, kind) if kind == "null" else _dot(span, x, class_=kind))
    return parts if value is None else [*parts, _dot(span, value)]


def _tick(span: _Span, x: float, class_: str) -> str:
    return _el("rect", class_=class_, x=span.at(x))


def _dot(span: _Span, x: float, **more: object) -> str:
    return _el("circle", r=4, cx=span.at(x), **more)


def _ticks(span: _Span, words: Words) -> list[str]:
    out, ticks = [], _nice(span.low, span.high)
    for tick, said in zip(ticks, words.axis(ticks), strict=True):
        at = span.percent(tick)
        end = "tick" if at < 6 else "tick end" if at > 94 else "tick mid"
        out.append(_el("rect", x=span.at(tick)))
        out.append(_text_at(span.at(tick), 16, said, end))
    return out


def _share(x: float) -> str:
    """A place or a width in percent, as short as it can be written."""
    return f"{x:.1f}".removesuffix(".0") + "%"


def _nice(low: float, high: float) -> list[float]:
    """Three to six round numbers in a range."""
    rough = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough)
    first = math.ceil(low / step)
    return [round(k * step, 12) for k in range(first, math.floor(high / step) + 1)]


def _first_labels(rows: Sequence[Sequence[Cell]]) -> list[Sequence[Cell]]:
    labels = set(list(dict.fromkeys(str(r[0]) for r in rows))[:MOST])
    return [r for r in rows if str(r[0]) in labels]


def _number(cell: Cell) -> float | None:
    return None if cell is None or isinstance(cell, str) else float(cell)


def _text_at(x: object, y: float, text: str, class_: str, **more: object) -> str:
    return _el("text", str(escape(visible(text))), x=x, y=y, class_=class_, **more)


def _chart(
    words: Words,
    parts: Iterable[str],
    *,
    box: str,
    class_: str,
) -> Markup:
    names, labels = _el("title", str(escape(words.title)), id=f"{words.id}-t"), f"{words.id}-t"
    if not words.caption:
        names += _el("desc", str(escape(words.description)), id=f"{words.id}-d")
        labels += f" {words.id}-d"
    said = {"aria_describedby": words.caption} if words.caption else {}
    drawn = _el(
        "svg", names, *parts, class_=class_, role="img", aria_labelledby=labels, **said, viewBox=box
    )
    return Markup(drawn)  # noqa: S704 - every child is escaped by _el and _text_at


def _el(name: str, *children: str, **attributes: object) -> str:
    """An element; children are markup already, attributes are escaped here."""
    written = "".join(
        f' {"class" if key == "class_" else key.replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{''.join(children)}</{name}>" if children else f"<{name}{written}/>"
