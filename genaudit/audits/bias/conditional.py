"""How well the samples describe each group of people: columns given the group, and the floor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genaudit.audits.bias._groups import (
    ESTIMABLE,
    JUDGED,
    Grouping,
    absent,
    as_real,
    few,
    in_words,
    large_anywhere,
    no_sensitive,
    too_few,
    with_words,
)
from genaudit.audits.bias._likeness import Excess, Likeness
from genaudit.audits.bias._pairs import both, no_part, untold
from genaudit.audits.figures import forest
from genaudit.audits.words import by_person, clustered, listed
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.data.disclosure import hidden
from genaudit.result import Estimate, Figure, Finding, Message, message, words_of
from genaudit.stats.components import component_interval
from genaudit.stats.intervals import Interval
from genaudit.stats.multiplicity import holm
from genaudit.subject import Access

EXCESS = "bias.conditional.excess"
DISPARITY = "bias.conditional.disparity"

UNIT = "excess of a mean distance"
METHOD = (
    "Wasserstein distance over the real deviation, total variation of levels; less that of as many "
    "real rows"
)

#: Chance that any column is named that is described as well as real rows would.
_ALPHA = 0.05

#: Columns that are named in a note.
_NAMED = 3

#: In the place of a group's name, where a number is about all of them.
_ALL = message("group.all", "all groups")

_HEADINGS = {
    EXCESS: message(
        f"{EXCESS}.heading",
        "How much further generated rows of each group are from unseen real rows of it than as "
        "many other real rows are",
    ),
    DISPARITY: message(
        f"{DISPARITY}.heading",
        "How much worse the group that is described worst is described than the largest group",
    ),
}

CLUSTERED = message(
    "bias.conditional.clustered",
    "Persons have several rows, which the comparison with as many real rows takes as independent: "
    "the distance may be smaller than it seems.",
)


@dataclass(frozen=True, eq=False)
class Described:
    """How one group is described: columns that are compared and their excess, or why there is none.

    null: of one half of its training rows over the other. n: rows of the group.
    """

    level: int
    columns: tuple[str, ...]
    excess: Excess | None
    null: Excess | None
    reason: Message | None
    doubt: Message | None


@audit(
    title="Likeness of generated and real rows within groups",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Vallender 1974, Theory Probab. Appl. 18 (Wasserstein distance of numbers); "
    "Sriperumbudur et al. 2012, Electron. J. Stat. 6, section 3 (distances as differences of "
    "means); Holm 1979",
    modalities=EVERY,
    described=True,
    metrics=(EXCESS, DISPARITY),
)
def conditional(case: AuditCase, _options: NoOptions) -> Outcome:
    """Compare each column of a group's generated rows with real rows of that group.

    Somebody studies a group in the samples. A generator learns a large group well and gives a small
    one the incomes and jobs of the large one, which no table of all rows shows. The distance of
    each column within the group (numbers: how far they would have to be moved, in real standard
    deviations; levels: the share of rows that would have to change) is taken from unseen rows, less
    the distance of as many training rows from them, as small groups are far from anything by
    chance. Then each group is set against the largest one at one size, that of the smaller group
    in each table, so that a size alone makes no difference. Rare levels of a group are one level.
    """
    groupings = [Grouping.of(c, case.train, case.holdout) for c in case.schema.sensitive]
    if not groupings:
        return Outcome((), not_measured=(no_sensitive(),))
    findings: list[Finding] = []
    figures: list[Figure] = []
    for g in groupings:
        groups = described(case, g)
        mine = [_excess_finding(case, g, d) for d in groups]
        findings += (_disparity(case, g, groups), *mine)
        figures += _heatmap(case, g, groups)
    found = [f for f in findings if f.metric == EXCESS]
    chart = forest(
        "bias.conditional.groups", found, lambda f: in_words(f.group),
        message("figure.conditional.title", "How well each group is described"),
        message("figure.conditional.text", "Right of zero the generated rows of a group are "
                "further from unseen real rows of it than as many other real rows are, in the mean "
                "over columns."),
        unit=UNIT,
    )  # fmt: skip
    return with_words(Outcome(tuple(findings), (*chart, *figures)), groupings)


def described(case: AuditCase, grouping: Grouping) -> tuple[Described, ...]:
    """How each group of a sensitive column is described; made once for the case."""
    key = ("bias.conditional", grouping.name)
    return case.once(key, lambda: tuple(_described(case, grouping)))


def _described(case: AuditCase, grouping: Grouping) -> Iterator[Described]:
    lacks = absent(grouping.name) if grouping.name in case.samples.absent else None
    told = grouping.told(case.train) & grouping.told(case.holdout)
    likeness = Likeness.of(case, grouping)
    doubt = CLUSTERED if clustered(case.train, case.samples, case.holdout) else None
    for i, level in enumerate(grouping.levels):
        group = {grouping.name: level}
        units = likeness.units(i)
        reason = lacks
        if not reason and units.min() < ESTIMABLE:
            reason = too_few(group, ESTIMABLE)
        if not reason and not told[i]:
            reason = hidden()
        if reason:
            yield Described(i, (), None, None, reason, None)
            continue
        columns, excess = likeness.excess(i)
        if not columns:
            yield Described(i, (), None, None, _NO_COLUMN, None)
            continue
        few_rows = few(group) if units.min() < JUDGED else doubt
        yield Described(i, columns, excess, likeness.null(i), None, few_rows)


def estimate_of(excess: Excess, method: str) -> Estimate:
    """The mean excess of a group as an estimate."""
    return Estimate.of(excess.value, excess.interval, n=excess.n, method=method, unit=UNIT)


def _method(case: AuditCase) -> str:
    return by_person(METHOD, case.train, case.samples, case.holdout)


# Findings ----------------------------------------------------------------------------------------


def _excess_finding(case: AuditCase, grouping: Grouping, d: Described) -> Finding:
    group = {grouping.name: grouping.levels[d.level]}
    method, n = _method(case), min(len(case.samples), len(case.holdout))
    if d.excess is None or d.null is None or d.reason:
        reason = d.reason or _NO_COLUMN
        estimate, null = Estimate.undefined(reason, n=n, method=method, unit=UNIT), None
    else:
        estimate, null = estimate_of(d.excess, method), estimate_of(d.null, method)
    return Finding(
        metric=EXCESS,
        label=message(
            EXCESS,
            "How much further generated rows of {group} are from unseen real rows of it than as "
            "many other real rows are, in the mean over columns",
            group=in_words(group),
        ),
        heading=_HEADINGS[EXCESS],
        estimate=estimate,
        group=group,
        sides=as_real(estimate, n),
        null=null,
        doubt=d.doubt,
        note=_note(case, grouping, d),
    )


def _note(case: AuditCase, grouping: Grouping, d: Described) -> Message | None:
    """Which columns stand out, and which could not be compared."""
    if d.excess is None:
        return None
    names = [c.name for c in case.schema.modelled if c.name != grouping.name]
    named = _readable(case, names)
    standing = [j for j in _standing_out(d.excess) if d.columns[j] in named]
    left_out = [c for c in named if c not in d.columns]
    return message(
        "bias.conditional.note",
        "Over {n:integer} columns. They stand out most, beyond chance (corrected for the number of "
        "columns, at 5%): {columns}. Not compared, as they are absent from the samples or hold one "
        "level but for rare ones: {left_out}.",
        n=len(d.columns),
        columns=listed([d.columns[j] for j in standing[:_NAMED]]),
        left_out=listed(left_out),
    )


def _readable(case: AuditCase, names: Sequence[str]) -> list[str]:
    """Columns that mean something to a reader: not numbers that describe a record."""
    numbers = set() if case.description is None else set(case.description.names)
    return [name for name in names if name not in numbers]


def _standing_out(excess: Excess) -> list[int]:
    """Columns with an excess above zero after Holm's correction, the largest first."""

    def p_value(j: int) -> float:
        found = Estimate.of(
            float(excess.values[j]), lambda c: excess.of_column(j, c), n=excess.n, method=METHOD
        )
        return found.p_above(0.0)

    p = {j: p_value(j) for j in range(len(excess.values))}
    return sorted(holm(p, _ALPHA), key=lambda j: -excess.values[j])


def _disparity(case: AuditCase, grouping: Grouping, groups: Sequence[Described]) -> Finding:
    """The largest excess of any group over that of the largest group, at one size."""
    name, method = grouping.name, _method(case)
    label = message(
        DISPARITY,
        "How much worse the group of “{column}” that is described worst is described than the "
        "largest group",
        column=name,
    )
    n = min(len(case.samples), len(case.holdout))
    reference = int(np.argmax(grouping.counts(case.train)))
    kept = [d.level for d in groups if d.excess is not None and (d.doubt in (None, CLUSTERED))]
    others = [i for i in kept if i != reference]
    reason = absent(name) if name in case.samples.absent else message(
        "bias.conditional.one_group",
        "Not estimable: the largest group of {column}, or all others, have too few rows on one "
        "side.",
        column=name,
    )  # fmt: skip
    finding = Finding(
        metric=DISPARITY,
        label=label,
        heading=_HEADINGS[DISPARITY],
        estimate=Estimate.undefined(reason, n=n, method=method, unit=UNIT),
        group={name: _ALL.text_en},
        words=words_of(_ALL),
    )
    nobody = no_part([_said(grouping, i) for i in range(len(grouping.levels)) if i not in kept])
    if reference not in kept or not others:
        return finding.model_copy(update={"note": nobody})
    likeness = Likeness.of(case, grouping)
    pairs = {i: likeness.pair(i, reference) for i in others}
    worst = max(others, key=lambda i: pairs[i][0].value - pairs[i][1].value)
    note = message(
        "bias.conditional.beside",
        "The largest group: {reference}; described worst beside it: {worst}. Both are compared at "
        "the size of the smaller one.",
        worst=_said(grouping, worst),
        reference=_said(grouping, reference),
    )
    estimate = disparity(list(pairs.values()), n=n, method=method)
    whole = next((d.doubt for d in groups if d.doubt is CLUSTERED), None)
    large = np.flatnonzero(large_anywhere(case, [grouping]))
    left_out = untold([_said(grouping, int(i)) for i in large if i not in kept])
    return finding.model_copy(
        update={
            "estimate": estimate,
            "sides": as_real(estimate, n),
            "doubt": whole or left_out,
            "hollow": whole is None and left_out is not None,
            "note": both(note, nobody),
        }
    )


def disparity(pairs: Sequence[tuple[Excess, Excess]], *, n: int, method: str) -> Estimate:
    """The largest difference of excesses among several pairs (a group, the largest group).

    All pairs hold together by Bonferroni, so that the choice of the worst group is paid for: the
    largest difference is at least the highest low end, and at most the highest high end. The value
    is the largest one that was seen, which chance makes too large, but no larger than its interval.
    """

    def interval(confidence: float) -> Interval:
        each = 1 - (1 - confidence) / len(pairs)
        ends = [_difference(*pair, each) for pair in pairs]
        return max(low for low, _ in ends), max(high for _, high in ends)

    value = max(one.value - other.value for one, other in pairs)
    return Estimate.of(value, interval, n=n, method=method, unit=UNIT)


def _difference(one: Excess, other: Excess, confidence: float) -> Interval:
    components = [*one.together, *other.together]
    return component_interval(one.value - other.value, components, confidence)


def _said(grouping: Grouping, level: int) -> Message | str:
    name = grouping.levels[level]
    return grouping.words.get(name, name)


_NO_COLUMN = message(
    "bias.conditional.no_column",
    "Not estimable: no column can be compared; each is absent from the samples or holds one level "
    "but for rare ones in this group.",
)


# Figures -----------------------------------------------------------------------------------------


def _heatmap(case: AuditCase, grouping: Grouping, groups: Sequence[Described]) -> Iterator[Figure]:
    """Each column of each group, with intervals; columns that mean nothing to a reader left out."""
    rows = []
    for d in groups:
        if d.excess is None:
            continue
        named = set(_readable(case, d.columns))
        for j, column in enumerate(d.columns):
            if column in named:
                low, high = d.excess.of_column(j, 0.95)
                name = in_words({grouping.name: grouping.levels[d.level]})
                rows.append((column, name, float(d.excess.values[j]), low, high))
    if rows:
        yield Figure(
            id=f"bias.conditional.columns.{grouping.name}",
            kind="heatmap",
            title=message(
                "figure.conditional_columns.title",
                "How well each column of each group of “{column}” is described",
                column=grouping.name,
            ),
            description=message(
                "figure.conditional_columns.text",
                "How much further a column of the generated rows of a group is from unseen real "
                "rows of it than that of as many other real rows is: numbers in real standard "
                "deviations, levels as a share of rows. A column that is missing for a group holds "
                "one level but for rare ones there.",
            ),
            headers=(
                message("figure.column", "Column"),
                message("figure.group", "Group"),
                message("figure.excess", "Excess"),
                message("figure.low", "95% interval from"),
                message("figure.high", "to"),
            ),
            rows=tuple(rows),
            unit=UNIT,
        )
