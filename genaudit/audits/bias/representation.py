"""Who is among the samples, and how often each group gets the favoured outcome there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from genaudit.audits.bias._groups import (
    Grouping,
    check_labels,
    favoured_rates,
    in_words,
    no_sensitive,
    outcome,
    with_words,
    within_bands,
)
from genaudit.audits.bias._label_pairs import label_pairs
from genaudit.audits.bias._labels import CHANGE, LABEL_GAP, label_findings
from genaudit.audits.bias._shares import INTERSECTION, SHARE, UNIT, intersections, share_findings
from genaudit.audits.bias._targets import TARGET, Wanted, check_target, shape, target_findings
from genaudit.audits.figures import Bar, bar, bars, forest, rate_bar
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit, ranged, shaped
from genaudit.data.disclosure import shown_count
from genaudit.modalities.table.learner import Target
from genaudit.result import Figure, Finding, message, words_of
from genaudit.subject import Access

#: What the charts compare.
_MADE, _REAL = message("series.generated", "generated"), message("series.real", "real")


@dataclass(frozen=True)
class Options:
    """max_intersections: most intersections of two sensitive columns that are looked at.

    target: sensitive column -> the shares that its groups should have, as `{Female = 0.5, Male =
    0.5}` or `equal`; or cells of several columns, as `[{sex = "Female", race = "White", share =
    0.4}, ...]`. Shares are of rows that state a group.
    """

    max_intersections: int = ranged(60, 0)
    target: Mapping[str, Wanted] | Sequence[Mapping[str, Any]] | None = shaped(None, shape)


def _check(case: AuditCase, options: Options) -> None:
    check_labels(case)
    check_target(case, options.target)


@audit(
    title="Groups among the generated rows",
    needs={Access.SAMPLES, Knowledge.TRAIN},
    source="Shares: Miettinen & Nurminen 1985, Stat. Med. 4, eq. 7. Change of the demographic "
    "parity difference: Fairlearn's selection_rate; Zou & Donner 2008, Stat. Med. 27, eq. 7",
    options=Options,
    modalities=EVERY,
    metrics=(SHARE, INTERSECTION, TARGET, LABEL_GAP, CHANGE),
    check=_check,
)
def representation(case: AuditCase, options: Options) -> Outcome:
    """Compare groups among generated rows with groups among real rows, or with a target.

    Somebody who publishes or trains on the samples takes their groups for those of the population.
    A group that has shrunk is overlooked; a gap in the favoured outcome that has grown is learned.
    Both differences are signed: generated minus training rows, positive = more than in real data.
    The favoured outcome is the last level of the target, true, or above the real median; the
    reference group is the largest one among the training rows, whatever the samples look like. How
    far any two groups have come apart, whichever they are, stands beside it.
    """
    others = [case.data[k] for k in (Knowledge.HOLDOUT,) if k in case.data]
    groupings = [Grouping.of(c, case.train, case.samples, *others) for c in case.schema.sensitive]
    if not groupings:
        return Outcome((), not_measured=(no_sensitive(),))
    shares = [f for g in groupings for f in share_findings(case, g)]
    wanted = target_findings(case, groupings, options.target)
    crossed, unmeasured = intersections(case, groupings, options.max_intersections)
    gaps, missing = label_findings(case, groupings)
    gaps += label_pairs(case, groupings)
    figures = (
        *_share_figures(case, groupings, shares),
        *_crossed_figures(case, groupings, crossed),
        *_gap_figures(case, groupings),
    )
    found = Outcome(
        (*shares, *wanted, *gaps, *crossed),
        figures,
        (*within_bands(groupings), *unmeasured, *missing),
    )
    return with_words(found, groupings)


# Figures -----------------------------------------------------------------------------------------


def _share_figures(
    case: AuditCase, groupings: Sequence[Grouping], findings: Sequence[Finding]
) -> tuple[Figure, ...]:
    rows: list[Bar] = []
    for g in groupings:
        if g.name in case.samples.absent:
            continue
        made, real = g.counts(case.samples), g.counts(case.train)
        told = g.told(case.train)
        for i, level in enumerate(g.levels):
            name = in_words({g.name: level})
            sides = ((_MADE, made, case.samples, True), (_REAL, real, case.train, told[i]))
            for series, counts, data, shown in sides:
                found = rate_bar(name, series, int(counts[i]), len(data), rows=data)
                rows.append(found if shown else bar(name, series, None))
    return (
        *bars(
            "bias.representation.shares", rows,
            message("figure.shares.title", "Share of each group"),
            message("figure.shares.text", "Each group's share of the generated and of the real "
                    "rows. Shares that would tell of a few real people are left out."),
            message("figure.share", "Share"), series=(_MADE, _REAL),
        ),
        *forest(
            "bias.representation.share_differences", findings, _in_words,
            message("figure.share_difference.title", "Shares: generated minus real"),
            message("figure.share_difference.text", "Right of zero a group is larger among the "
                    "generated rows than in real data, left of zero smaller."),
        ),
    )  # fmt: skip


def _crossed_figures(
    case: AuditCase, groupings: Sequence[Grouping], findings: Sequence[Finding]
) -> Iterator[Figure]:
    """A map of each pair of columns: by how much the share of a cell is off, and its samples."""
    for one, other in combinations(groupings, 2):
        mine = [f for f in findings if set(f.group) == {one.name, other.name}]
        rows = []
        for f in mine:
            i, j = (g.levels.index(f.group[g.name]) for g in (one, other))
            n = int(((one.codes(case.samples) == i) & (other.codes(case.samples) == j)).sum())
            e = f.estimate
            levels = f.group[one.name], f.group[other.name]
            rows.append((*levels, e.value, e.low, e.high, shown_count(n)))
        if rows:
            yield Figure(
                id=f"bias.representation.intersections.{one.name}.{other.name}", kind="heatmap",
                title=message("figure.crossed.title", "Shares of “{one}” by “{other}”: generated "
                              "minus real", one=one.name, other=other.name),
                description=message("figure.crossed.text", "By how much the share of each "
                                    "intersection among the generated rows differs from that among "
                                    "real rows, and how many generated rows it has. An "
                                    "intersection without a number has too few rows for one."),
                headers=(
                    message("figure.group", "Group"), message("figure.group", "Group"),
                    message("figure.difference", "Difference"),
                    message("figure.low", "95% interval from"), message("figure.high", "to"),
                    message("figure.rows_made", "Generated rows"),
                ),
                rows=tuple(rows), unit=UNIT, metric=INTERSECTION,
                words=words_of(*one.words.values(), *other.words.values()),
            )  # fmt: skip


def _gap_figures(case: AuditCase, groupings: Sequence[Grouping]) -> tuple[Figure, ...]:
    column = case.schema.target
    if column is None or column.name in case.samples.absent:
        return ()
    target = Target.of(column, case.train)
    rows: list[Bar] = []
    for g in groupings:
        if g.name in case.samples.absent:
            continue
        made, real = favoured_rates(case.samples, g, target), favoured_rates(case.train, g, target)
        for i, level in enumerate(g.levels):
            name = in_words({g.name: level})
            sides = ((_MADE, made, case.samples, True), (_REAL, real, case.train, real.told[i]))
            for series, rates, data, shown in sides:
                k, n = rates[i].k, rates[i].n
                rows.append(
                    rate_bar(name, series, k, n, rows=data)
                    if shown and n
                    else bar(name, series, None)
                )
    return bars(
        "bias.representation.label_rates", rows,
        message("figure.label_rates.title", "Rate of “{outcome}” in each group",
                outcome=outcome(target)),
        message("figure.label_rates.text", "How often each group gets this outcome among the "
                "generated and among the real rows. Rates that would tell of a few people are "
                "left out."),
        message("figure.rate", "Rate"), series=(_MADE, _REAL),
    )  # fmt: skip


def _in_words(finding: Finding) -> str:
    return in_words(finding.group)
