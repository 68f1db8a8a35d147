"""How close the distributions of samples and of real rows are, column by column and in pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genaudit.audits.figures import Bar, bar, bars
from genaudit.audits.quality import _baseline
from genaudit.audits.words import COLUMN_WORD, clustered
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit, ranged
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import SMALL_CELL
from genaudit.modalities.table.cells import ColumnCells, Grid
from genaudit.modalities.table.quality import (
    CellTable,
    Distance,
    View,
    distance,
    large_cells,
    pairs_of,
)
from genaudit.result import Estimate, Figure, Finding, Message, message, words_of
from genaudit.stats.intervals import Interval, normal
from genaudit.subject import Access

ONE_WAY = "quality.fidelity.one_way"
TWO_WAY = "quality.fidelity.two_way"
COLUMN = "quality.fidelity.column"

_METHOD = "total variation distance; halves of the rows correct for chance"
_UNIT = "total variation distance"

_CLUSTERED = message(
    "quality.fidelity.clustered",
    "Persons have several rows, which the correction for chance takes as independent: the distance "
    "may be smaller than it seems.",
)

_HEADING = message(
    f"{COLUMN}.heading",
    "Share of generated rows that would have to move to another value, column by column",
)

#: What the chart of columns compares.
_MADE = message("series.generated_rows", "generated rows")
_REAL = message("series.other_real", "other real rows")

#: Columns in the figures; the rest is in the findings.
_SHOWN = 15

#: Rows of the holdout that a cell of its own is expected to hold: then it hardly ever holds so few
#: that it must be merged for what it holds, which would bend the distance.
_EXPECTED = 25


@dataclass(frozen=True)
class Options:
    """Most intervals of a numeric column, the same in pairs, and most pairs of columns."""

    intervals: int = ranged(20, 2)
    pair_intervals: int = ranged(8, 2)
    max_pairs: int = ranged(500, 1)


@dataclass(frozen=True, eq=False)
class Tables:
    """Cells of all rows that are compared with the holdout.

    reference: training rows that decide which cells there are. real: the other training rows.
    """

    names: tuple[str, ...]
    reference: CellTable
    holdout: CellTable
    made: CellTable
    real: CellTable
    blind: CellTable

    def view(self, *columns: int) -> View:
        """Cells of some columns, so large that no distance tells of a few people."""
        real = (self.holdout, self.real)
        return large_cells(columns, self.reference, real, _EXPECTED, SMALL_CELL)

    def distances(self, views: Sequence[View], case: AuditCase) -> tuple[Distance, ...]:
        """How far generated, real and blind rows are from the holdout in the mean over views."""
        return tuple(
            distance(table, self.holdout, views, case.rng("quality.fidelity.halves"))
            for table in (self.made, self.real, self.blind)
        )

    def made_distance(self, view: View, case: AuditCase) -> Distance:
        """How far generated rows are from the holdout in one view."""
        return distance(self.made, self.holdout, [view], case.rng("quality.fidelity.halves"))


@audit(
    title="Likeness of samples and real rows",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Total variation distance of one- and two-way marginals: McKenna, Miklau & Sheldon, "
    "J. Privacy Confid. 11(3), 2021, section 5; lower end by halves: Kim, Ramdas, Singh & "
    "Wasserman 2021, Ann. Stat. 49",
    options=Options,
    modalities=EVERY,
    described=True,
    metrics=(ONE_WAY, TWO_WAY, COLUMN),
)
def fidelity(case: AuditCase, options: Options) -> Outcome:
    """Compare shares of cells among generated rows with those among real rows never seen.

    Somebody draws tables and charts from the samples. How wrong can one column be, and how wrong
    can a cross table of two columns be? Cells are levels, quantile intervals and "missing", as
    half of the training rows show them, and as many as the rows can fill: a cell that too few real
    rows are in is merged with others. Two samples of the same population differ too, by chance;
    the distance is corrected for that, and its interval holds 0 where there is no other
    difference. Beside each number stands that of the other half of the training rows, and that of
    independent marginals, which know nothing about how columns hang together. The numbers that
    describe an image, a series, a sound or a text are columns like its attributes, but mean nothing
    to a reader one by one, so that only the averages speak of them.
    """
    parts = case.train.split(0.5, case.seed)
    least = _EXPECTED / max(min(len(case.holdout), len(parts[1])), 1)
    single = _tables(case, parts, _grid(parts[0], options.intervals, least))
    grid = _grid(parts[0], options.pair_intervals, math.sqrt(least))
    double = _tables(case, parts, grid, 2 * options.pair_intervals)
    pairs = pairs_of(len(double.names), options.max_pairs, case.rng("quality.fidelity.pairs"))
    columns = {j: single.view(j) for j in range(len(single.names))}
    crossed = {pair: double.view(*pair) for pair in pairs}
    told = [j for j, name in enumerate(single.names) if name not in _numbers(case)]
    shown = {key: v for key, v in crossed.items() if v.n_real > 1 and {*key} <= {*told}}
    each = _columns(single, {j: columns[j] for j in told}, case)
    overall = [_overall(ONE_WAY, _ONE_WAY, single, list(columns.values()), case)]
    figures = _column_figure(each)
    if pairs:
        overall.append(_overall(TWO_WAY, _TWO_WAY, double, list(crossed.values()), case))
    if shown:
        made = double.distances(list(shown.values()), case)[0]
        figures += _pair_figure(double, shown, made, case)
    findings = (*(_with_numbers(f, case) for f in overall), *each)
    if clustered(case.train, case.samples, case.holdout):
        # Halves of the rows share persons, which no bound on the worth of a row makes good.
        findings = tuple(f.model_copy(update={"doubt": _CLUSTERED}) for f in findings)
    return Outcome(findings, figures)


def _numbers(case: AuditCase) -> tuple[str, ...]:
    """Columns that hold the numbers that describe a record; none in a table."""
    return () if case.description is None else case.description.names


def _with_numbers(finding: Finding, case: AuditCase) -> Finding:
    """The finding with a note on what the columns are where records are no rows of a table."""
    if case.description is None:
        return finding
    note = message(
        "quality.fidelity.numbers",
        "Columns are the {n:integer} numbers that describe a record, and its attributes.",
        n=len(case.description.names),
    )
    if finding.note is not None:
        note = message("sentences", "{one} {other}", one=note, other=finding.note)
    return finding.model_copy(update={"note": note})


_ONE_WAY = message(
    ONE_WAY,
    "Average share of generated rows that would have to move to another value for a column to look "
    "as in real data",
)
_TWO_WAY = message(
    TWO_WAY,
    "Average share of generated rows that would have to move to another value for a cross table of "
    "two columns to look as in real data",
)


def _grid(reference: Dataset, intervals: int, least: float) -> Grid:
    """Cells with so few intervals in each numeric column that each holds a share of the rows."""
    grid = Grid.learned(reference, intervals)
    codes = grid.encode(reference)
    fine = [intervals <= 2 or _full(c, codes[:, j], least) for j, c in enumerate(grid.columns)]
    if all(fine):
        return grid
    coarser = _grid(reference, max(3 * intervals // 4, 2), least)
    pairs = zip(grid.columns, coarser.columns, fine, strict=True)
    return Grid(tuple(one if ok else other for one, other, ok in pairs))


def _full(column: ColumnCells, codes: np.ndarray, least: float) -> bool:
    """Whether each interval of a numeric column that holds any rows holds enough of them."""
    counts = np.bincount(codes[codes >= 0], minlength=column.size) / max(len(codes), 1)
    intervals = counts[len(column.spikes) : column.n_values] if column.edges else counts[:0]
    return not ((intervals > 0) & (intervals < least)).any()


def _tables(
    case: AuditCase,
    parts: tuple[Dataset, Dataset],
    grid: Grid,
    max_cells: int | None = None,
) -> Tables:
    reference, real = parts

    def cells(data: Dataset) -> CellTable:
        return CellTable.of(data, grid, max_cells)

    return Tables(
        names=grid.names,
        reference=cells(reference),
        holdout=cells(case.holdout),
        made=cells(case.samples),
        real=cells(real),
        blind=cells(_baseline.independent_marginals(case)),
    )


def _estimate(distance: Distance) -> Estimate:
    def interval(confidence: float) -> Interval:
        low, high = normal(*distance.below, confidence)[0], normal(*distance.above, confidence)[1]
        return min(max(low, 0.0), distance.value), min(high, 1.0)

    n = min(len(distance.one.half), len(distance.other.half))
    return Estimate.of(distance.value, interval, n=n, method=_METHOD, unit=_UNIT)


def _overall(
    metric: str, label: Message, tables: Tables, views: Sequence[View], case: AuditCase
) -> Finding:
    kept = [view for view in views if view.n_real > 1]
    if not kept:
        return Finding(metric=metric, label=label, estimate=_undefined(tables))
    made, real, blind = map(_estimate, tables.distances(kept, case))
    left_out = message(
        "quality.fidelity.left_out",
        "Left out are {k:integer} of {n:integer} tables in which all but one cell hold too few "
        "real rows.",
        k=len(views) - len(kept),
        n=len(views),
    )
    return Finding(
        metric=metric,
        label=label,
        estimate=made,
        null=real,
        baseline=blind,
        baseline_label=_baseline.label(case),
        note=left_out if len(kept) < len(views) else None,
    )


def _undefined(tables: Tables) -> Estimate:
    reason = message(
        "quality.fidelity.too_few",
        "Not estimable: all cells but one hold fewer than {minimum:integer} real rows, or are "
        "expected to.",
        minimum=SMALL_CELL,
    )
    n = min(len(tables.made), len(tables.holdout))
    return Estimate.undefined(reason, n=n, method=_METHOD, unit=_UNIT)


def _columns(tables: Tables, views: dict[int, View], case: AuditCase) -> list[Finding]:
    """One finding for each column, the worst first."""
    found = [_column(tables, j, view, case) for j, view in views.items()]
    return sorted(found, key=lambda f: -1.0 if f.estimate.value is None else -f.estimate.value)


def _column(tables: Tables, j: int, view: View, case: AuditCase) -> Finding:
    finding = Finding(
        metric=COLUMN,
        label=message(
            COLUMN,
            "Share of generated rows that would have to move to another value of “{column}”",
            column=tables.names[j],
        ),
        heading=_HEADING,
        estimate=_undefined(tables),
        group={COLUMN_WORD.text_en: tables.names[j]},
        words=words_of(COLUMN_WORD),
    )
    if view.n_real < 2:
        return finding
    made, real, _ = tables.distances([view], case)
    return finding.model_copy(update={"estimate": _estimate(made), "null": _estimate(real)})


def _column_figure(columns: Sequence[Finding]) -> tuple[Figure, ...]:
    rows: list[Bar] = []
    for finding in columns[:_SHOWN]:
        name = finding.group["column"]
        rows += [bar(name, _MADE, finding.estimate), bar(name, _REAL, finding.null)]
    return bars(
        "quality.fidelity.columns",
        rows,
        message("figure.columns.title", "Columns that are least like real data"),
        message(
            "figure.columns.text",
            "How far each column of the generated rows is from the holdout (0 = the same, 1 = "
            "nothing in common), and how far other real rows are from it, both without what chance "
            "adds. {shown:integer} of {n:integer} columns.",
            shown=len(columns[:_SHOWN]),
            n=len(columns),
        ),
        message("figure.distance", "Distance"),
        series=(_MADE, _REAL),
        unit=_UNIT,
        metric=COLUMN,
    )


def _pair_figure(
    tables: Tables, views: dict[tuple[int, int], View], distance: Distance, case: AuditCase
) -> tuple[Figure, ...]:
    """A heatmap of the pairs among the columns that are furthest off, with their intervals."""
    pairs = list(views)
    worst = np.zeros(len(tables.names))
    for (i, j), value in zip(pairs, distance.values, strict=True):
        worst[[i, j]] = np.maximum(worst[[i, j]], value)
    kept = set(np.argsort(-worst, kind="stable")[:_SHOWN].tolist())
    found = {
        (i, j): _estimate(tables.made_distance(views[i, j], case))
        for i, j in pairs
        if i in kept and j in kept
    }
    rows = tuple(
        (tables.names[a], tables.names[b], e.value, e.low, e.high)
        for (i, j), e in found.items()
        for a, b in ((i, j), (j, i))
    )
    headers = (
        message("figure.column", "Column"),
        message("figure.other_column", "Other column"),
        message("figure.distance", "Distance"),
        message("figure.low", "95% interval from"),
        message("figure.high", "to"),
    )
    return (
        Figure(
            id="quality.fidelity.pairs",
            kind="heatmap",
            title=message("figure.pairs.title", "Cross tables that are least like real data"),
            description=message(
                "figure.pairs.text",
                "How far the cross table of two columns among the generated rows is from that of "
                "the holdout: 0 = the same, 1 = nothing in common.",
            ),
            headers=headers,
            rows=rows,
            unit=_UNIT,
        ),
    )
