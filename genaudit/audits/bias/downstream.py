"""How models trained on the samples treat groups of real people (train synthetic, test real)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from genaudit.audits.bias import _strata as strata
from genaudit.audits.bias._gaps import (
    GAP_METHOD,
    RATE_METHOD,
    UNIT,
    Change,
    Gap,
    Table,
    apart_change,
    counted_gap,
    extremes_change,
    least_variance,
    left_out,
    odds_gap,
    pairs_apart,
    parity_gap,
    rate_change,
    undecided,
    untaught,
)
from genaudit.audits.bias._groups import (
    ESTIMABLE,
    JUDGED,
    Grouping,
    as_real,
    check_labels,
    few,
    in_words,
    large_anywhere,
    no_sensitive,
    no_target,
    other_outcomes,
    outcome,
    too_few,
    with_words,
    within_bands,
)
from genaudit.audits.bias._pairs import ANY_TWO, both, furthest, is_any_two, too_few_groups
from genaudit.audits.figures import Bar, bar, bars, forest
from genaudit.audits.learners import Comparison, comparison
from genaudit.audits.words import by_person, listed
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit, ranged
from genaudit.data.disclosure import hidden
from genaudit.modalities.table.learner import Target
from genaudit.result import Estimate, Figure, Finding, Message, message, words_of
from genaudit.stats.components import component_interval
from genaudit.subject import Access

GAP = "bias.downstream.gap_change"
ODDS = "bias.downstream.equalized_odds_change"
SELECTION = "bias.downstream.selection_rate_change"

#: In the place of a group's name, where a number is about all of them.
_ALL = message("group.all", "all groups")

#: What the charts compare.
_MADE = message("series.from_samples", "from samples")
_REAL = message("series.from_real", "from real rows")

_HEADINGS = {
    GAP: message(
        f"{GAP}.heading",
        "How much further apart groups are in how often the favoured outcome is predicted for "
        "them, by models trained on samples instead of real rows",
    ),
    ODDS: message(
        f"{ODDS}.heading",
        "How much further apart groups are in how often the favoured outcome is predicted "
        "rightly, or wrongly, for them, by models trained on samples instead of real rows",
    ),
    SELECTION: message(
        f"{SELECTION}.heading",
        "How much more often models trained on samples predict the favoured outcome for each "
        "group than models trained on real rows",
    ),
}


@dataclass(frozen=True)
class Options:
    """n_resamples: bootstrap samples of the holdout.

    control: a column within whose strata gaps are compared too, such as age or grade; none where
    empty. Numbers are cut at the quartiles of the real rows.
    """

    n_resamples: int = ranged(500, 100)
    control: str = ""


def _check(case: AuditCase, options: Options) -> None:
    check_labels(case)
    if options.control:
        strata.control_of(case, options.control)


@audit(
    title="Fairness of models trained on the samples",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Demographic parity and equalized odds difference: Hardt, Price & Srebro 2016, as in "
    "Fairlearn (Weerts et al. 2023, JMLR 24); train-synthetic-test-real: Esteban et al. 2017",
    options=Options,
    modalities=EVERY,
    described=True,
    metrics=(GAP, ODDS, SELECTION, strata.GAP),
    check=_check,
)
def downstream(case: AuditCase, options: Options) -> Outcome:
    """Train the same learner on samples and on real rows, and compare how both treat groups.

    Somebody trains a model on the samples and lets it decide about real people. The gap between
    the group that it selects most often and the one that it selects least often (Fairlearn's
    demographic parity difference, on holdout rows) is set against the gap of models trained on as
    many real rows. Both sides see the same holdout rows and have the same number of learners. A
    largest-minus-smallest gap lies too high by how many groups could be the extremes, on each side
    by another amount; the interval covers all groups that may be them (`stats.maxima`). What
    happens between the others, and groups that trade places, are no part of it: how far any two
    groups have come apart stands beside it, whichever they are.
    With a control column the gaps within its strata stand beside those over all rows: what groups
    differ in for want of the same age, say, is no gap between people of one age.
    """
    if not case.schema.sensitive:
        return Outcome((), not_measured=(no_sensitive(),))
    if case.schema.target is None:
        return Outcome((), not_measured=(no_target(),))
    target = Target.of(case.schema.target, case.train)
    groupings = [Grouping.of(c, case.train, case.holdout) for c in case.schema.sensitive]
    control = strata.control_of(case, options.control) if options.control else None
    found = comparison(case, target)
    if isinstance(found, Message):
        lost = (f for g in groupings for f in _without_learners(g, target, found, case))
        return with_words(Outcome(tuple(lost)), groupings)
    tables = [Table.of(g, found, case) for g in groupings]
    findings = [
        f for table in tables for f in _findings(table, found, case, options.n_resamples)
    ]  # fmt: skip
    within: list[Finding] = []
    unmeasured: list[Message] = []
    if control is not None:
        others = [g for g in groupings if g.name != control.name]
        if len(others) < len(groupings):
            unmeasured.append(strata.no_stratum(control))
        for grouping in others:
            table = Table.of(grouping, found, case, control)
            for finding, parts in strata.findings(table, control, found, case, options.n_resamples):
                note = finding.note
                if parts is not None and is_any_two(finding.words):
                    note = note_of_two(*parts, parity_gap, found)
                elif parts is not None:
                    note = _note(parts[0], parity_gap, found)
                within.append(finding.model_copy(update={"note": note}))
    whole = case.holdout.n_units() == len(case.holdout)
    figures = (
        *_figures(tables, findings, target, independent=whole),
        *strata.figure(within, control),
    )
    known = [*groupings, *([] if control is None else [control])]
    unmeasured += [*within_bands(groupings), *other_outcomes(target)]
    return with_words(Outcome((*findings, *within), figures, tuple(unmeasured)), known)


# Findings ----------------------------------------------------------------------------------------


def _findings(
    table: Table, found: Comparison, case: AuditCase, n_resamples: int
) -> Iterator[Finding]:
    sizes, told = table.sizes, table.told
    judged, least = table.n_people >= JUDGED, table.people.min(axis=1)
    large = np.flatnonzero(large_anywhere(case, [table.grouping]))
    filled = judged & (least >= JUDGED)
    if filled.sum() < 2:  # an interval without a verdict, where there is one
        filled = judged & (least >= ESTIMABLE)
    for metric, enough in ((GAP, judged), (ODDS, filled)):
        rows = table.where(np.flatnonzero(enough))
        short = enough & (least < JUDGED) if metric == ODDS else np.zeros_like(enough)
        doubt = _few_of_a_label(rows, np.flatnonzero(short)) if short.any() else found.doubt
        # Of two groups that trade places it is the very rate of one less that of the other.
        may_be = told if metric == GAP else table.told_by_label
        shown = rows.where(np.flatnonzero(may_be))
        n = int(sizes.sum())
        yield from _gap_findings(metric, (rows, shown), found, case, n_resamples, n, large, doubt)
    for i, level in enumerate(table.grouping.levels):
        yield _selection_finding(table, i, level, found, told=bool(told[i]))


def _gap_findings(
    metric: str,
    tables: tuple[Table, Table],
    found: Comparison,
    case: AuditCase,
    n_resamples: int,
    n: int,
    large: np.ndarray,
    doubt: Message | None,
) -> Iterator[Finding]:
    """How much wider the gap of the extremes is, and how far any two groups have come apart.

    tables: rows of the groups of the first, and of the second, whose rates may be told.
    n: rows of all groups; those that take no part may be a few people, so no less is told.
    large: codes of the groups that are large on some side; not all may have enough labelled rows.
    """
    name, gap = tables[0].grouping.name, parity_gap if metric == GAP else odds_gap
    method = by_person(GAP_METHOD, *found.data)

    def measured(change: Change, rows: Table, stream: str) -> Estimate:
        rng = case.rng(f"{metric}.{name}.{stream}")
        return change(rows, gap, rng, n_resamples).model_copy(update={"n": n, "method": method})

    for group, rows, change, label, note in (
        (_ALL, tables[0], extremes_change, _gap_label, _note(tables[0], gap, found)),
        (ANY_TWO, tables[1], apart_change, _apart_label, note_of_two(*tables, gap, found)),
    ):
        estimate, null, empty = _too_few(group, name, max(n, 1), method), None, None
        if len(np.unique(rows.group)) > 1:
            estimate = measured(change, rows, f"{group.id}.samples")
            halves = rows.halves(partial(counted_gap, rows, gap))
            null = None if halves is None else measured(change, halves, f"{group.id}.null")
            empty = untaught(case, rows, found) or undecided(rows, found) or left_out(rows, large)
        yield Finding(
            metric=metric,
            label=label(metric, name, found.target),
            heading=_HEADINGS[metric],
            estimate=estimate,
            group={name: group.text_en},
            words=words_of(group),
            sides=as_real(estimate, n),
            null=null,
            doubt=None if estimate.value is None else doubt or empty,
            hollow=doubt is None and empty is not None,
            note=note,
        )


def _too_few(group: Message, column: str, n: int, method: str) -> Estimate:
    reason = _one_group(column) if group is _ALL else too_few_groups(column, JUDGED)
    return Estimate.undefined(reason, n=n, method=method, unit=UNIT)


def note_of_two(everybody: Table, told: Table, gap: Gap, found: Comparison) -> Message | None:
    """The note of all groups, and which two of those that may be told of have come apart."""
    note, groups = _note(everybody, gap, found), np.unique(told.group)
    words = [told.grouping.words.get(level, level) for level in told.grouping.levels]
    pairs = pairs_apart(told, gap) if len(groups) > 1 else None
    few = [words[i] for i in np.unique(everybody.group) if i not in groups]
    form: Literal["ahead", "apart"] = "apart" if gap.by_label else "ahead"
    pair = furthest(told.grouping.name, [words[i] for i in groups], pairs, few, form)
    return both(note, pair)


def _one_group(column: str) -> Message:
    return message(
        "bias.downstream.one_group",
        "Not estimable: fewer than two groups of {column} have enough holdout rows to go by.",
        column=column,
    )


def _few_of_a_label(table: Table, groups: np.ndarray) -> Message:
    """The doubt of rates among rows of one label of which some groups (codes) have few."""
    levels, words = table.grouping.levels, table.grouping.words
    return message(
        "bias.downstream.few_of_a_label",
        "Fewer than {minimum:integer} holdout rows with, or without, the favoured outcome: too few "
        "for a verdict. Groups: {groups}.",
        minimum=JUDGED,
        groups=listed([words.get(levels[i], levels[i]) for i in groups]),
    )


def _selection_finding(
    table: Table, i: int, level: str, found: Comparison, *, told: bool
) -> Finding:
    """Change of one group's selection rate: linear, so its error needs no bootstrap."""
    group = {table.grouping.name: level}
    label = _selection_label(group, found.target)
    method = by_person(RATE_METHOD, *found.data)
    n = int(table.n_people[i])
    if n < ESTIMABLE or not told:
        reason = too_few(group, ESTIMABLE) if n < ESTIMABLE else hidden()
        n_rows = max(len(table.group), 1)
        estimate = Estimate.undefined(reason, n=n_rows, method=method, unit=UNIT)
        return Finding(metric=SELECTION, label=label, heading=_HEADINGS[SELECTION],
                       estimate=estimate, group=group)  # fmt: skip
    estimate = rate_change(table.where(np.array([i]))).model_copy(update={"method": method})
    return Finding(
        metric=SELECTION,
        label=label,
        heading=_HEADINGS[SELECTION],
        estimate=estimate,
        group=group,
        sides=as_real(estimate, len(table.group)),
        doubt=few(group) if n < JUDGED else found.doubt,
        note=found.note,
    )


def _selection_label(group: dict[str, str], target: Target) -> Message:
    return message(
        SELECTION,
        "How much more often models trained on samples predict “{outcome}” for {group} than models "
        "trained on real rows",
        outcome=outcome(target),
        group=in_words(group),
    )


def _gap_label(metric: str, column: str, target: Target) -> Message:
    if metric == GAP:
        text = (
            "How much further apart groups of “{column}” are in how often “{outcome}” is predicted "
            "for them, by models trained on samples instead of real rows"
        )
    else:
        text = (
            "How much further apart groups of “{column}” are in how often “{outcome}” is predicted "
            "rightly, or wrongly, for them, by models trained on samples instead of real rows"
        )
    return message(metric, text, column=column, outcome=outcome(target))


def _apart_label(metric: str, column: str, target: Target) -> Message:
    if metric == GAP:
        text = (
            "How far any two groups of “{column}” have come apart in how often “{outcome}” is "
            "predicted for them, by models trained on samples instead of real rows"
        )
    else:
        text = (
            "How far any two groups of “{column}” have come apart in how often “{outcome}” is "
            "predicted rightly, or wrongly, for them, by models trained on samples instead of real "
            "rows"
        )
    return message(f"{metric}.any_two", text, column=column, outcome=outcome(target))


def _note(table: Table, gap: Gap, found: Comparison) -> Message:
    """How a gap came about, which groups are no part of it, and what it must be read beside."""
    name = "bias.downstream.note_by_label" if gap.by_label else "bias.downstream.note"
    present = set(np.unique(table.group).tolist())
    levels, words = table.grouping.levels, table.grouping.words
    names = [words.get(level, level) for i, level in enumerate(levels) if i not in present]
    return message(
        name,
        f"Average over {{k:integer}} learners a side, each trained on {{m:integer}} rows or a few "
        f"more; another training of the generator is not covered. Groups with too few holdout rows "
        f"with{', or without, the favoured outcome' if gap.by_label else ' a label'} to take part: "
        "{groups}. A gap also shrinks when models lose their skill: read it beside usefulness.",
        k=found.n_learners,
        m=found.rows_shown,
        groups=listed(names),
    )


def _without_learners(
    grouping: Grouping, target: Target, reason: Message, case: AuditCase
) -> Iterator[Finding]:
    """All findings without a number: none that has a limit is left out."""
    gaps = Estimate.undefined(reason, n=len(case.holdout), method=GAP_METHOD, unit=UNIT)
    for metric in (GAP, ODDS):
        for who, label in ((_ALL, _gap_label), (ANY_TWO, _apart_label)):
            yield Finding(metric=metric, label=label(metric, grouping.name, target),
                          heading=_HEADINGS[metric], estimate=gaps,
                          group={grouping.name: who.text_en}, words=words_of(who))  # fmt: skip
    for level in grouping.levels:
        group = {grouping.name: level}
        yield Finding(metric=SELECTION, label=_selection_label(group, target),
                      heading=_HEADINGS[SELECTION], group=group,
                      estimate=gaps.model_copy(update={"method": RATE_METHOD}))  # fmt: skip


def selection_rate(decisions: np.ndarray, *, independent: bool = True) -> Estimate:
    """Share of rows that learners decide for, from bools of shape (K, n), as a chart shows it.

    The interval covers the chance of the holdout rows and of the learners' own rows; where rows are
    not independent there is none.
    """
    k, n = decisions.shape
    value = float(decisions.mean())
    if not independent or n < 2:
        return Estimate(value=value, n=n, method=RATE_METHOD, unit="share")
    rows = max(float(decisions.mean(axis=0).var(ddof=1)) / n, float(least_variance(n)))
    components = [(rows, float(n - 1))]
    if k > 1:
        components.append((float(decisions.mean(axis=1).var(ddof=1)) / k, k - 1))
    low, high = component_interval(value, components, 0.95)
    return Estimate(value=value, low=max(low, 0.0), high=min(high, 1.0), n=n, method=RATE_METHOD,
                    unit="share")  # fmt: skip


# Figures -----------------------------------------------------------------------------------------


def _figures(
    tables: list[Table], findings: list[Finding], target: Target, *, independent: bool
) -> tuple[Figure, ...]:
    """independent: whether no two holdout rows are of one person."""
    rows: list[Bar] = []
    for table in tables:
        told = table.told
        for i, level in enumerate(table.grouping.levels):
            mine = table.group == i
            name, shown = in_words({table.grouping.name: level}), told[i] and mine.any()
            for series, side in ((_MADE, table.made), (_REAL, table.real)):
                rate = selection_rate(side[:, mine], independent=independent) if shown else None
                rows.append(bar(name, series, rate))
    return (
        *bars(
            "bias.downstream.selection_rates", rows,
            message("figure.selection.title", "How often models predict “{outcome}”",
                    outcome=outcome(target)),
            message("figure.selection.text", "Share of each group's holdout rows for which models "
                    "predict this outcome, after training on samples and on real rows. Shares that "
                    "would tell of a few people are left out."),
            message("figure.share", "Share"), series=(_MADE, _REAL),
        ),
        *forest(
            "bias.downstream.selection_rate_changes",
            [f for f in findings if f.metric == SELECTION],
            lambda f: in_words(f.group),
            message("figure.selection_change.title", "Predictions: samples minus real rows"),
            message("figure.selection_change.text", "Right of zero a group is favoured more often "
                    "by models trained on samples than by models trained on real rows."),
        ),
    )  # fmt: skip
