"""How close the distributions of samples and of real rows are, column by column and in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from genaudit.audits.figures import bars
from genaudit.audits.quality import _baseline
from genaudit.audits.words import COLUMN_WORD
from genaudit.case import AuditCase, Knowledge, Outcome, audit
from genaudit.data.dataset import Dataset
from genaudit.modalities.table.cells import Grid
from genaudit.modalities.table.quality import (
    CellTable,
    Distance,
    column_distances,
    one_way,
    pairs_of,
    two_way,
)
from genaudit.result import Estimate, Figure, Finding, Message, message, words_of
from genaudit.stats.intervals import Interval, normal
from genaudit.subject import Access

ONE_WAY = "quality.fidelity.one_way"
TWO_WAY = "quality.fidelity.two_way"
COLUMN = "quality.fidelity.column"

_METHOD = "total variation distance of cell shares, delta method"
_UNIT = "total variation distance"

_HEADING = message(
    f"{COLUMN}.heading",
    "Share of generated rows that would have to move to another value, column by column",
)

#: What the chart of columns compares.
_MADE = message("series.generated_rows", "generated rows")
_REAL = message("series.other_real", "other real rows")

#: Columns in the figures; the rest is in the findings.
_SHOWN = 15


@dataclass(frozen=True)
class Options:
    """intervals: cells of a numeric column. pair_intervals: in pairs. max_pairs: of columns."""

    intervals: int = 20
    pair_intervals: int = 8
    max_pairs: int = 500


@dataclass(frozen=True, eq=False)
class Tables:
    """Cells of all rows that are compared with the holdout."""

    names: tuple[str, ...]
    holdout: CellTable
    made: CellTable
    real: CellTable
    blind: CellTable


@audit(
    title="Likeness of samples and real rows",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Total variation distance of one- and two-way marginals: McKenna, Miklau & Sheldon, "
    "J. Privacy Confid. 11(3), 2021, section 5",
    options=Options,
)
def fidelity(case: AuditCase, options: Options) -> Outcome:
    """Compare shares of cells among generated rows with those among real rows never seen.

    Somebody draws tables and charts from the samples. How wrong can one column be, and how wrong
    can a cross table of two columns be? Cells are levels, quantile intervals of the training rows
    and "missing". Two samples of the same population differ too, by chance: that floor (training
    rows against the holdout, at most as many as there are samples) stands beside each number, and
    so do independent marginals, which know nothing about how columns hang together.
    """
    single = _tables(case, options.intervals, None)
    double = _tables(case, options.pair_intervals, 2 * options.pair_intervals)
    pairs = pairs_of(len(double.names), options.max_pairs, case.rng("quality.fidelity.pairs"))
    findings = [
        _finding(
            ONE_WAY,
            message(
                ONE_WAY,
                "Average share of generated rows that would have to move to another value for a "
                "column to look as in real data",
            ),
            [one_way(t, single.holdout) for t in (single.made, single.real, single.blind)],
            case,
        )
    ]
    if pairs:
        distances = [two_way(t, double.holdout, pairs)
                     for t in (double.made, double.real, double.blind)]  # fmt: skip
        text = (
            "Average share of generated rows that would have to move to another value for a cross "
            "table of two columns to look as in real data"
        )
        findings.append(_finding(TWO_WAY, message(TWO_WAY, text), distances, case))
    columns = _columns(single)
    figures = _column_figure(single, columns)
    if pairs:
        figures += _pair_figure(double, pairs, distances[0])
    return Outcome((*findings, *columns), figures)


def _tables(case: AuditCase, intervals: int, max_cells: int | None) -> Tables:
    grid = Grid.learned(case.train, intervals)
    rows = case.rng("quality.fidelity.floor").permutation(len(case.train))[: len(case.samples)]

    def cells(data: Dataset) -> CellTable:
        return CellTable.of(data, grid, max_cells)

    real = cells(case.train)
    return Tables(
        names=grid.names,
        holdout=cells(case.holdout),
        made=cells(case.samples),
        real=replace(real, codes=real.codes[np.sort(rows)]),
        blind=cells(_baseline.independent_marginals(case)),
    )


def _estimate(distance: Distance) -> Estimate:
    value, error = distance.value, distance.standard_error

    def interval(confidence: float) -> Interval:
        low, high = normal(value, error, confidence)
        return max(low, 0.0), min(high, 1.0)

    n = min(len(distance.one), len(distance.other))
    return Estimate.of(value, interval, n=n, method=_METHOD, unit=_UNIT)


def _finding(
    metric: str, label: Message, distances: Sequence[Distance], case: AuditCase
) -> Finding:
    made, real, blind = distances
    return Finding(
        metric=metric,
        label=label,
        estimate=_estimate(made),
        null=_estimate(real),
        baseline=_estimate(blind),
        baseline_label=_baseline.label(case),
        note=message(
            "quality.fidelity.floor",
            "Chance alone gives {floor:number}: that far apart are two sets of real rows.",
            floor=round(real.value, 3),
        ),
    )


def _columns(tables: Tables) -> list[Finding]:
    """One finding for each column, the worst first."""
    made = column_distances(tables.made, tables.holdout)
    real = column_distances(tables.real, tables.holdout)
    order = np.argsort([-d.value for d in made], kind="stable")
    return [
        Finding(
            metric=COLUMN,
            label=message(
                COLUMN,
                "Share of generated rows that would have to move to another value of {column}",
                column=tables.names[j],
            ),
            heading=_HEADING,
            estimate=_estimate(made[j]),
            group={COLUMN_WORD.text_en: tables.names[j]},
            words=words_of(COLUMN_WORD),
            null=_estimate(real[j]),
        )
        for j in order
    ]


def _column_figure(tables: Tables, columns: Sequence[Finding]) -> tuple[Figure, ...]:
    rows: list[tuple[str, str, float | None]] = []
    for finding in columns[:_SHOWN]:
        name = finding.group["column"]
        rows.append((name, _MADE.text_en, finding.estimate.value))
        rows.append((name, _REAL.text_en, finding.null.value if finding.null else None))
    return bars(
        "quality.fidelity.columns",
        rows,
        message("figure.columns.title", "Columns that are least like real data"),
        message(
            "figure.columns.text",
            "How far each column of the generated rows is from the holdout (0 = the same, 1 = "
            "nothing in common), and how far other real rows are from it by chance. "
            "{shown:integer} of {n:integer} columns.",
            shown=len(columns[:_SHOWN]),
            n=len(tables.names),
        ),
        message("figure.distance", "Distance"),
        series=(_MADE, _REAL),
        unit=_UNIT,
        metric=COLUMN,
    )


def _pair_figure(
    tables: Tables, pairs: Sequence[tuple[int, int]], distance: Distance
) -> tuple[Figure, ...]:
    """A heatmap of the pairs among the columns that are furthest off."""
    worst = np.zeros(len(tables.names))
    for (i, j), value in zip(pairs, distance.values, strict=True):
        worst[[i, j]] = np.maximum(worst[[i, j]], value)
    kept = set(np.argsort(-worst, kind="stable")[:_SHOWN].tolist())
    rows = tuple(
        (tables.names[a], tables.names[b], float(value))
        for (i, j), value in zip(pairs, distance.values, strict=True)
        if i in kept and j in kept
        for a, b in ((i, j), (j, i))
    )
    headers = (
        message("figure.column", "Column"),
        message("figure.other_column", "Other column"),
        message("figure.distance", "Distance"),
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
