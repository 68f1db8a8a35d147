"""Heat maps: a table of all cells, shaded by size, that no name breaks."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from elements import quoted
from fixture import report

from genaudit.render.charts import Words
from genaudit.render.heat import SHADES, heat, shade_of
from genaudit.render.html import style, to_html

ROWS = [("a", "x", 0.5), ("a", "y", -0.25), ("b", "x", 0.0), ("b", "<i>", None)]


def _table(rows=ROWS):
    words = Words("f1", 'Who "pays"', "", "{:.2f}".format)
    text = heat(rows, words, "Who", "n = {:.0f}".format)
    return ET.fromstring(text).find("table")  # noqa: S314 - our own output


def test_each_cell_has_its_number_and_a_hole_a_dash():
    """One row and one column for each name, in their order; markup in names is text."""
    table = _table()
    heads = ["".join(e.itertext()) for e in table.findall("thead/tr/th")]
    rows = [["".join(e.itertext()) for e in row] for row in table.findall("tbody/tr")]

    assert heads == ["Who", "x", "y", "<i>"]
    assert rows == [["a", "0.50", "-0.25", "–"], ["b", "0.00", "–", "–"]]


def test_shades_go_by_size_and_sign():
    """The largest is darkest, half of it half as dark, below zero in the other colour."""
    found = [e.attrib.get("class", "") for e in _table().iter("td")]

    assert found == [f"m{SHADES}", f"l{SHADES // 2}", "", "", "", ""]
    assert shade_of(0.0, 0.0) == ""
    for i in range(1, SHADES + 1):
        assert f".m{i},.l{i}{{background:" in style()


def test_names_on_both_sides_stand_in_one_order():
    """A table of pairs is symmetric where its names are."""
    table = _table([("a", "b", 1.0), ("b", "a", 1.0), ("b", "c", 0.5), ("c", "b", 0.5)])
    heads = ["".join(e.itertext()) for e in table.findall("thead/tr/th")]

    assert heads[1:] == ["".join(r[0].itertext()) for r in table.findall("tbody/tr")]


def test_a_pair_in_either_order_stands_once():
    """Where both orders have one value the upper half is left out, and where they differ not."""
    same = [("a", "b", 1.0), ("b", "a", 1.0), ("b", "c", 0.5), ("c", "b", 0.5)]
    other = [*same[:-1], ("c", "b", 0.4)]

    for rows, sizes in ((same, [1, 2, 3]), (other, [3, 3, 3])):
        lines = _table(rows).findall("tbody/tr")
        assert [sum("colspan" not in e.attrib for e in r.iter("td")) for r in lines] == sizes


def test_the_page_says_each_number_once():
    """A heat map on the page has no other table of its numbers, and its region a name."""
    page = quoted(to_html(report()))
    figure = re.findall(r'<figure class="k-heatmap">.*?</figure>', page, re.DOTALL)

    assert len(figure) == 1
    assert figure[0].count("<table") == 1
    assert "<details" not in figure[0]
    assert re.search(r'role="region" aria-labelledby="[^"]+"', figure[0])


def test_a_cell_may_say_how_many_records_are_behind_it():
    """The count stands below the number, and in a hole too; where it is hidden nothing does."""
    rows = [("a", "x", 0.5, 0.4, 0.6, 120), ("a", "y", None, None, None, 11),
            ("a", "z", None, None, None, None)]  # fmt: skip
    cells = [["".join(td.itertext()) for td in tr.iter("td")] for tr in _table(rows).iter("tr")]

    assert cells[1] == ["0.50n = 120", "–n = 11", "–"]
