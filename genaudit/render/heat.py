"""A heat map as a table whose cells are shaded: its numbers can be read, by machines too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from genaudit.render.charts import MOST, Words, boxed, sides
from genaudit.render.text import isolated

#: Shades of either colour; the style sheet has a rule for each. The darkest leaves text readable.
SHADES = 6


#: Place of the number of records in a row of a figure, where it has one.
_COUNT = 5


def heat(
    rows: Sequence[Sequence[str | float | None]],
    words: Words,
    corner: str,
    count: Callable[[float], Markup],
) -> Markup:
    """A table of cells `(row, column, value[, low, high[, n]])`, another colour below zero.

    Of pairs in either order whose values are the same, each stands once.

    Args:
        rows: The cells; a hole is a dash.
        words: What the table is called, and how its values are written.
        corner: What the rows are.
        count: Writes the number of records behind a cell.
    """
    names, columns = (side[:MOST] for side in sides(rows))
    cells = {(str(r[0]), str(r[1])): v for r in rows if isinstance(v := r[2], int | float)}
    counts = {(str(r[0]), str(r[1])): n for r in rows
              if len(r) > _COUNT and isinstance(n := r[_COUNT], int | float)}  # fmt: skip
    largest = max(map(abs, cells.values()), default=0.0)

    def cell(name: str, column: str) -> Markup:
        at = (name, column)
        n = Markup("<small>{}</small>").format(count(counts[at])) if at in counts else Markup("")
        return _cell(cells.get(at), largest, words.number, n)

    head = _row([_heading(corner), *map(_heading, columns)])
    half = names == columns and all(cells.get(k) == cells.get(k[::-1]) for k in cells)
    body = []
    for i, a in enumerate(names):
        shown = columns[: i + 1] if half else columns
        empty = len(columns) - len(shown)
        gap = Markup('<td colspan="{}"></td>').format(empty) if empty else Markup("")
        body.append(_row([_heading(a), *(cell(a, b) for b in shown), gap]))
    table = Markup('<table class="heat"><thead>{}</thead><tbody>{}</tbody></table>')
    return boxed(table.format(head, Markup("").join(body)), words)


def _row(cells: Sequence[Markup]) -> Markup:
    return Markup("<tr>{}</tr>").format(Markup("").join(cells))


def _heading(name: str) -> Markup:
    return Markup("<th>{}</th>").format(isolated(name))


def _cell(value: float | None, largest: float, number: Callable[[float], str], n: Markup) -> Markup:
    if value is None:
        return Markup("<td>–{}</td>").format(n)
    if shade := shade_of(value, largest):
        return Markup('<td class="{}">{}{}</td>').format(shade, number(value), n)
    return Markup("<td>{}{}</td>").format(number(value), n)


def shade_of(value: float, largest: float) -> str:
    """The class of a cell, `m1` to `m6` above zero and `l1` to `l6` below; none near zero.

    >>> shade_of(1.0, 1.0), shade_of(-0.3, 1.0), shade_of(0.01, 1.0)
    ('m6', 'l2', '')
    """
    steps = round(SHADES * abs(value) / largest) if largest else 0
    return f"{'m' if value > 0 else 'l'}{steps}" if steps else ""
