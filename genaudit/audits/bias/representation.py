"""Who is among the samples, and how often each group gets the favoured outcome there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from genaudit.audits.bias._groups import (
    ESTIMABLE,
    JUDGED,
    Grouping,
    Rate,
    absent,
    favoured_rates,
    few,
    in_words,
    no_sensitive,
    no_target,
    outcome,
    share_of,
    too_few,
    with_words,
    worth_of_samples,
)
from genaudit.audits.figures import Bar, bar, bars, forest, rate_bar
from genaudit.audits.words import by_person
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit, ranged
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import hidden, shown_cells
from genaudit.modalities.table.learner import Target
from genaudit.result import Estimate, Figure, Finding, Message, message
from genaudit.stats.clusters import n_units
from genaudit.stats.contrast import rate_contrast
from genaudit.stats.intervals import miettinen_nurminen
from genaudit.subject import Access

SHARE = "bias.representation.share_difference"
INTERSECTION = "bias.representation.intersection_share_difference"
LABEL_GAP = "bias.representation.label_gap_change"

_UNIT = "difference of shares"
_SHARE_METHOD = "Miettinen-Nurminen"
_GAP_METHOD = "four Wilson intervals combined (MOVER), rows with a label"

#: What the charts compare.
_MADE, _REAL = message("series.generated", "generated"), message("series.real", "real")

_HEADINGS = {
    SHARE: message(
        f"{SHARE}.heading",
        "Share of each group among generated rows minus its share among real rows",
    ),
    INTERSECTION: message(
        f"{INTERSECTION}.heading",
        "Share of people of two groups at once among generated rows minus their share among real "
        "rows",
    ),
    LABEL_GAP: message(
        f"{LABEL_GAP}.heading",
        "How far each group's distance from the largest group, in the rate of the favoured "
        "outcome, is among generated rows from what it is among real rows",
    ),
}


@dataclass(frozen=True)
class Options:
    """max_intersections: most intersections of two sensitive columns that are looked at."""

    max_intersections: int = ranged(60, 0)


@audit(
    title="Groups among the generated rows",
    needs={Access.SAMPLES, Knowledge.TRAIN},
    source="Shares: Miettinen & Nurminen 1985, Stat. Med. 4, eq. 7. Change of the demographic "
    "parity difference: Fairlearn's selection_rate; Zou & Donner 2008, Stat. Med. 27, eq. 7",
    options=Options,
    modalities=EVERY,
    metrics=(SHARE, INTERSECTION, LABEL_GAP),
)
def representation(case: AuditCase, options: Options) -> Outcome:
    """Compare groups among generated rows with groups among real rows.

    Somebody who publishes or trains on the samples takes their groups for those of the population.
    A group that has shrunk is overlooked; a gap in the favoured outcome that has grown is learned.
    Both differences are signed: generated minus training rows, positive = more than in real data.
    The favoured outcome is the last level of the target, true, or above the real median; the
    reference group is the largest one among the training rows, whatever the samples look like.
    """
    others = [case.data[k] for k in (Knowledge.HOLDOUT,) if k in case.data]
    groupings = [Grouping.of(c, case.train, case.samples, *others) for c in case.schema.sensitive]
    if not groupings:
        return Outcome((), not_measured=(no_sensitive(),))
    shares = [f for g in groupings for f in _share_findings(case, g)]
    crossed, unmeasured = _intersections(case, groupings, options.max_intersections)
    gaps, missing = _label_gaps(case, groupings)
    figures = (*_share_figures(case, groupings, shares), *_gap_figures(case, groupings, gaps))
    found = Outcome((*shares, *gaps, *crossed), figures, (*unmeasured, *missing))
    return with_words(found, groupings)


# Shares ------------------------------------------------------------------------------------------


def share_difference(made: Rate, real: Rate, method: str = _SHARE_METHOD) -> Estimate:
    """P(group | generated) - P(group | real) from two independent counts."""
    return Estimate.of(
        made.value - real.value,
        lambda c: miettinen_nurminen(*made.independent, *real.independent, c),
        n=min(made.n, real.n),
        method=method,
        unit=_UNIT,
    )


def _share_findings(case: AuditCase, grouping: Grouping) -> Iterator[Finding]:
    real = _shares(grouping, case.train)
    made = _shares(grouping, case.samples, worth_of_samples(case))
    told = grouping.told(case.train)
    lacks = absent(grouping.name) if grouping.name in case.samples.absent else None
    unseen: list[Rate | None] = [None] * len(grouping.levels)
    if Knowledge.HOLDOUT in case.data:
        pairs = zip(_shares(grouping, case.holdout), grouping.told(case.holdout), strict=True)
        unseen = [rate if shown else None for rate, shown in pairs]
    method = by_person(_SHARE_METHOD, case.train, case.samples)
    for i, level in enumerate(grouping.levels):
        yield _share_finding(
            {grouping.name: level},
            made[i],
            real[i],
            method,
            told=bool(told[i]),
            unseen=unseen[i],
            lacks=lacks,
        )


def _shares(grouping: Grouping, data: Dataset, worth: float = 1.0) -> list[Rate]:
    """Share of each group among all rows; `worth` as in `share_of`."""
    codes, persons = grouping.codes(data), data.persons
    return [share_of(codes == i, persons, worth) for i in range(len(grouping.levels))]


def _share_finding(
    group: dict[str, str],
    made: Rate,
    real: Rate,
    method: str,
    *,
    told: bool,
    unseen: Rate | None = None,
    lacks: Message | None = None,
) -> Finding:
    """A difference of shares; `told` says whether the real one may be printed."""
    metric = SHARE if len(group) == 1 else INTERSECTION
    label = message(
        metric,
        "Share of {group} among generated rows minus their share among real rows",
        group=in_words(group),
    )
    reason = lacks
    if not reason and not (_estimable(made, real) and told):
        reason = hidden() if real.k >= ESTIMABLE and not told else too_few(group, ESTIMABLE)
    if reason:
        estimate = Estimate.undefined(reason, n=min(made.n, real.n), method=method, unit=_UNIT)
        return Finding(metric=metric, label=label, heading=_HEADINGS[metric], estimate=estimate,
                       group=group)  # fmt: skip
    # A large group that has vanished among the samples is known well: the larger count decides.
    (k_made, n_made), (k_real, n_real) = made.independent, real.independent
    clear = max(k_made, k_real) >= JUDGED and min(n_made, n_real) >= JUDGED
    null = None
    if unseen is not None and _estimable(unseen, real):
        null = share_difference(unseen, real, method)
    return Finding(
        metric=metric,
        label=label,
        heading=_HEADINGS[metric],
        estimate=share_difference(made, real, method),
        group=group,
        null=null,
        doubt=None if clear else few(group),
        note=message(
            "bias.representation.rows",
            "{made:integer} generated rows against {real:integer} real rows.",
            made=made.n,
            real=real.n,
        ),
    )


def _estimable(made: Rate, real: Rate) -> bool:
    """Whether the difference says something."""
    return max(made.k, real.k) >= ESTIMABLE and min(made.n, real.n) >= ESTIMABLE


def _intersections(
    case: AuditCase, groupings: Sequence[Grouping], most: int
) -> tuple[list[Finding], list[Message]]:
    """Cells of two sensitive columns that hold anybody, up to `most` of them."""
    findings: list[Finding] = []
    left_out: list[Message] = []
    present = [g for g in groupings if g.name not in case.samples.absent]
    for one, other in combinations(present, 2):
        n_cells = len(one.levels) * len(other.levels)
        if len(findings) + n_cells > most:
            left_out.append(_too_many(one, other))
            continue
        findings += _crossed(case, one, other)
    return findings, left_out


def _crossed(case: AuditCase, one: Grouping, other: Grouping) -> Iterator[Finding]:
    shape = (len(one.levels), len(other.levels))
    real, made = (_cross_codes(d, one, other) for d in (case.train, case.samples))
    told = shown_cells(n_units(real[real >= 0], None, math.prod(shape)).reshape(shape))
    if case.train.persons is not None:
        people = n_units(real[real >= 0], case.train.persons[real >= 0], math.prod(shape))
        told &= shown_cells(people.reshape(shape))
    method = by_person(_SHARE_METHOD, case.train, case.samples)
    worth = worth_of_samples(case)
    for cell in np.unique(np.concatenate([real, made])):
        if cell >= 0:
            i, j = divmod(int(cell), shape[1])
            yield _share_finding(
                {one.name: one.levels[i], other.name: other.levels[j]},
                share_of(made == cell, case.samples.persons, worth),
                share_of(real == cell, case.train.persons),
                method,
                told=bool(told[i, j]),
            )


def _cross_codes(data: Dataset, one: Grouping, other: Grouping) -> np.ndarray:
    """Joint group of each row, shape (n,); -1 where it has none."""
    i, j = one.codes(data), other.codes(data)
    return np.where((i >= 0) & (j >= 0), i * len(other.levels) + j, -1)


def _too_many(one: Grouping, other: Grouping) -> Message:
    return message(
        "bias.too_many_intersections",
        "Shares of intersections of {one} and {other}: too many groups.",
        one=one.name,
        other=other.name,
    )


# Label gaps --------------------------------------------------------------------------------------


def label_gap_change(
    made: tuple[Rate, Rate], real: tuple[Rate, Rate], method: str = _GAP_METHOD
) -> Estimate:
    """Gap (group - reference) in the rate of an outcome among generated minus among real rows."""
    signed = ((1, made[0]), (-1, made[1]), (-1, real[0]), (1, real[1]))
    parts = [(sign, *rate.independent) for sign, rate in signed]
    return Estimate.of(
        sum(sign * rate.value for sign, rate in signed),
        lambda c: rate_contrast(parts, c),
        n=min(rate.n for _, rate in signed),
        method=method,
        unit=_UNIT,
    )


def _label_gaps(
    case: AuditCase, groupings: Sequence[Grouping]
) -> tuple[list[Finding], list[Message]]:
    column = case.schema.target
    if column is None:
        return [], [no_target()]
    target = Target.of(column, case.train)
    return [f for g in groupings for f in _gap_findings(case, g, target)], []


def _gap_findings(case: AuditCase, grouping: Grouping, target: Target) -> Iterator[Finding]:
    real = favoured_rates(case.train, grouping, target)
    reference = int(np.argmax(real.n))
    missing = [n for n in (grouping.name, target.name) if n in case.samples.absent]
    worth = worth_of_samples(case)
    made = None if missing else favoured_rates(case.samples, grouping, target, worth)
    unseen = (
        favoured_rates(case.holdout, grouping, target) if Knowledge.HOLDOUT in case.data else None
    )  # fmt: skip
    n = min(len(case.samples), len(case.train))
    for i, level in enumerate(grouping.levels):
        if i != reference:
            group = {grouping.name: level}
            label = message(
                LABEL_GAP,
                "How far the gap between {group} and {reference} in the rate of “{outcome}” "
                "among generated rows is from that among real rows",
                group=in_words(group),
                reference=grouping.levels[reference],
                outcome=outcome(target),
            )
            pairs = [None if r is None else (r[i], r[reference]) for r in (made, real, unseen)]
            told = [r is not None and bool(r.told[[i, reference]].all()) for r in (real, unseen)]
            lacks = absent(missing[0]) if missing else None
            method = by_person(_GAP_METHOD, case.train, case.samples)
            yield _gap_finding(label, group, pairs, told, lacks, n, method)


def _gap_finding(
    label: Message,
    group: dict[str, str],
    pairs: Sequence[tuple[Rate, Rate] | None],
    told: Sequence[bool],
    lacks: Message | None,
    n: int,
    method: str,
) -> Finding:
    """A change of a gap from (group, reference) pairs of generated, training and unseen rows.

    told: whether the rates of training and of unseen rows may be printed. n: rows to state where
    there is no number; those of the group alone may be a few.
    """
    made, real, unseen = pairs
    smallest = min([r.n for pair in (made, real) if pair for r in pair], default=0)
    if lacks or smallest < ESTIMABLE or made is None or real is None or not told[0]:
        reason = lacks or (too_few({**group}, ESTIMABLE) if smallest < ESTIMABLE else hidden())
        estimate = Estimate.undefined(reason, n=n, method=method, unit=_UNIT)
        return Finding(metric=LABEL_GAP, label=label, heading=_HEADINGS[LABEL_GAP],
                       estimate=estimate, group=group)  # fmt: skip
    independent = min(r.independent[1] for pair in (made, real) for r in pair)
    null = None
    if unseen and told[1] and min(r.n for r in unseen) >= ESTIMABLE:
        null = label_gap_change(unseen, real, method)
    return Finding(
        metric=LABEL_GAP,
        label=label,
        heading=_HEADINGS[LABEL_GAP],
        estimate=label_gap_change(made, real, method),
        group=group,
        null=null,
        doubt=few(group) if independent < JUDGED else None,
    )


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


def _gap_figures(
    case: AuditCase, groupings: Sequence[Grouping], findings: Sequence[Finding]
) -> tuple[Figure, ...]:
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
    return (
        *bars(
            "bias.representation.label_rates", rows,
            message("figure.label_rates.title", "Rate of “{outcome}” in each group",
                    outcome=outcome(target)),
            message("figure.label_rates.text", "How often each group gets this outcome among the "
                    "generated and among the real rows. Rates that would tell of a few people are "
                    "left out."),
            message("figure.rate", "Rate"), series=(_MADE, _REAL),
        ),
        *forest(
            "bias.representation.label_gaps", findings, _in_words,
            message("figure.label_gaps.title", "Gaps between groups: generated minus real"),
            message("figure.label_gaps.text", "Each group's distance from the largest group in the "
                    "rate of the outcome. Away from zero the samples tell another story than real "
                    "data."),
        ),
    )  # fmt: skip


def _in_words(finding: Finding) -> str:
    return in_words(finding.group)
