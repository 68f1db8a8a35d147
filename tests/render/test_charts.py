"""Charts: well-formed SVG with a name, for any data that a figure may hold."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET

import fixture
import pytest
from markupsafe import Markup, escape

from genaudit.render import charts
from genaudit.render.html import Figures
from genaudit.render.numbers import Numbers
from genaudit.render.text import Text
from genaudit.result import FIGURE_COLUMNS, Figure, message

WORDS = charts.Words("f1", "Title", "What it shows", lambda x: f"{x:g}")
ALL = [f for s in fixture.report().sections for f in s.figures]
DRAWN = {
    "bars": lambda rows, _: _bars(rows),
    "forest": lambda rows, _: _forest(rows),
    "curve": lambda rows, words: charts.curve(rows, words, ("x", "y")),
}


def parsed(svg: str) -> ET.Element:
    """The chart as a tree; what is no XML fails here."""
    return ET.fromstring(svg)  # noqa: S314 - our own output


def numbers(tree: ET.Element) -> list[float]:
    """All coordinates of a chart."""
    keys = ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height")
    found = [v.rstrip("%") for e in tree.iter() for k, v in e.attrib.items() if k in keys]
    return [float(v) for v in found]


def test_every_kind_is_in_the_fixture() -> None:
    """The fixture has one chart of each kind, so the tests below see all of them."""
    assert {f.kind for f in ALL} == set(FIGURE_COLUMNS) - {"media"} == {*DRAWN, "heatmap"}


@pytest.mark.parametrize("figure", [f for f in ALL if f.kind == "curve"], ids=lambda f: f.kind)
def test_a_chart_has_a_name_and_a_description(figure: Figure) -> None:
    """Assistive technology reads title and description; names are text and never elements."""
    tree = parsed(Figures(Text("en"), Numbers(Text("en"))).draw(figure))
    tags = {e.tag for e in tree.iter()}

    assert tree.attrib["role"] == "img"
    assert tree.attrib["aria-labelledby"] == f"{tree[0].attrib['id']} {tree[1].attrib['id']}"
    assert [tree[0].tag, tree[1].tag] == ["title", "desc"]
    assert "script" not in tags
    assert all(math.isfinite(x) for x in numbers(tree))


EMPTY = {
    "bars": [[], [("a", "s", None)], [("a", "s", 0.0)]],
    "forest": [[], [("a", None, None, None, None, None)], [("a", 0.0, 0.0, 0.0, None, None)]],
    "curve": [[], [("s", 0.0, 0.0)], [("s", 1.0, 5.0), ("s", 1.0, 5.0)], [("s", None, 1.0)]],
}


@pytest.mark.parametrize(
    ("kind", "rows"), [(kind, rows) for kind, several in EMPTY.items() for rows in several]
)
def test_a_chart_of_next_to_nothing(kind: str, rows: list[tuple[object, ...]]) -> None:
    """No data, missing numbers and ranges without width are drawn, not crashed on."""
    assert all(math.isfinite(x) for x in numbers(parsed(DRAWN[kind](rows, WORDS))))


def _forest(rows: list[tuple[object, ...]]) -> Markup:
    """Points with the value of each row as it stands."""
    return charts.forest(rows, WORDS, ["Who", "How many"], lambda r: escape(r[1]))


def _bars(rows: list[tuple[object, ...]], limits: charts.Edges = (None, None)) -> Markup:
    """Bars with the value of each row as it stands."""
    return charts.bars(rows, WORDS, limits, ["Of", "Who", "How many"], lambda r: escape(r[2]))


def test_bars_are_as_long_as_their_numbers() -> None:
    """Twice the value is twice the width, and a negative one grows to the left of zero."""
    tree = parsed(_bars([("a", "s", 1.0), ("b", "s", 2.0)]))
    widths = [float(e.attrib["width"].rstrip("%")) for e in tree.iter("rect")]
    tree = parsed(_bars([("a", "s", -1.0), ("b", "s", 1.0)]))
    (left, _), (right, width) = (
        (float(e.attrib.get("x", "0%").rstrip("%")), float(e.attrib["width"].rstrip("%")))
        for e in tree.iter("rect")
    )

    assert widths[1] == pytest.approx(2 * widths[0], rel=0.01)
    assert left + width == pytest.approx(right, abs=0.02)


def test_a_long_chart_stops_and_says_so() -> None:
    """Beyond 30 labels the chart stops; the page then says where the rest is."""
    rows = tuple((f"g{i}", "s", float(i)) for i in range(100))
    figure = Figure(
        id="x", kind="bars", title=message("t", "T"), description=message("d", "D"),
        headers=(message("h", "H"),) * 3, rows=rows,
    )  # fmt: skip
    figures = Figures(Text("en"), Numbers(Text("en")))

    assert str(figures.draw(figure)).count("<rect") == charts.MOST
    assert figures.thinned(figure)
    assert len(figures.table(figure)) == 60
    assert figures.table(figure)[-1][0] == "g99"


def test_strip_is_drawn_to_scale() -> None:
    """The point lies in the middle of its interval, and the shaded region begins at the limit."""
    tree = parsed(charts.strip((0.5, 0.4, 0.6), (None, 0.6), [("null", 0.4)]))
    # The style sheet knows what lies beyond a limit by having no width.
    at = {e.get("class", e.tag if e.get("width") or e.tag != "rect" else "far"): e.attrib
          for e in tree}  # fmt: skip
    start, width = (float(at["rect"][k].rstrip("%")) for k in ("x", "width"))

    assert float(at["circle"]["cx"].rstrip("%")) == pytest.approx(start + width / 2, abs=0.11)
    assert float(at["far"]["x"].rstrip("%")) == pytest.approx(start + width, abs=0.11)
    assert at["null"]["x"] == at["rect"]["x"]


def test_a_lower_limit_shades_what_is_left_of_it() -> None:
    """The shade is as wide as the strip, so that it ends at the limit."""
    tree = parsed(charts.strip((0.5, 0.4, 0.6), (0.4, None)))
    shade, interval = (float(e.attrib["x"].rstrip("%")) for e in tree.iter("rect"))

    assert shade + 100 == pytest.approx(interval, abs=0.11)


def test_a_forest_is_a_table_of_its_numbers() -> None:
    """Each point has a row with its name, its picture and its number; markup in names is text."""
    rows = [("<i>", 0.2, 0.1, 0.3, None, 0.25), ("b", -0.1, -0.2, 0.0, None, 0.25)]
    tree = parsed(_forest(rows))
    cells = [["".join(c.itertext()) for c in row] for row in tree.iter("tr")]

    assert cells[1:] == [["<i>", "0.2"], ["b", "-0.1"]]
    assert cells[0][0] == "Who"
    assert len([e for e in tree.iter("rect") if e.get("class") == "zero"]) == 2


@pytest.mark.parametrize(("x", "y"), [(0.01, 0.05), (0.2, 0.3)])
def test_a_curve_shows_its_limit_where_it_lies(x: float, y: float) -> None:
    """The mark lies at its rates on the axes, also where no point of the line is as far left."""
    rows = [("attack", share, share) for share in (0.1, 0.2, 0.5, 1.0)]
    tree = parsed(charts.curve(rows, WORDS, ("x", "y"), ("Limit", x, y)))
    mark = next(e for e in tree.iter("line") if e.get("class") == "edge")
    at = {e.text: e for e in tree.iter("text") if e.get("class") == "tick mid"}
    left, right = float(at["0.1"].get("x", "")), float(at["1"].get("x", ""))
    middle = (float(mark.get("x1", "")) + float(mark.get("x2", ""))) / 2

    # Both axes are logarithmic: a factor of ten is as far everywhere.
    assert middle == pytest.approx(right + (right - left) * math.log10(x), abs=0.2)


def test_bars_show_a_limit() -> None:
    """The limit is a line at its place in each row, also where it lies beyond every bar."""
    rows = [("a", "s", 0.01), ("b", "s", 0.02)]
    last = list(parsed(_bars(rows, (None, 0.04))).iter("tr"))[-1]
    bar, edge = (e.attrib for e in last.iter("rect"))

    assert edge["class"] == "edge"
    assert float(edge["x"][:-1]) == pytest.approx(2 * float(bar["width"][:-1]), 0.01)
    assert not [e for e in parsed(_bars(rows)).iter("rect") if e.get("class") == "edge"]


def test_bars_are_a_table_of_their_numbers() -> None:
    """One row for each label, one column for each series; a series that is alone is not named."""
    two = [("a", "x", 0.1), ("a", "y", None), ("b", "x", 0.3)]
    rows = [["".join(c.itertext()) for c in row] for row in parsed(_bars(two)).iter("tr")]
    one = [["".join(c.itertext()) for c in row] for row in parsed(_bars(two[:1])).iter("tr")]

    assert rows == [["Of", "How many", "x", "y"], ["a", "", "0.1", "None"],
                    ["b", "", "0.3", "–"]]  # fmt: skip
    assert one == [["Of", "How many"], ["a", "0.1"]]


def test_words_of_a_figure_are_said_and_its_names_are_not() -> None:
    """A series is translated in the chart and in its table; a column of the same language stays."""
    figure = next(f for f in ALL if f.kind == "curve")
    figures = Figures(Text("zh"), Numbers(Text("zh")))

    assert "blind baseline" not in figures.draw(figure)
    assert figures.table(figure)[0][0] == "译文"
    assert "blind baseline" in figures.draw(figure.model_copy(update={"words": {}}))


def test_strip_without_numbers_is_nothing() -> None:
    """Where there is nothing to draw, nothing is drawn."""
    assert charts.strip((None, None, None), (None, None)) == ""
