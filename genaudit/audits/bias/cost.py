"""Which groups pay for samples in the place of real rows: likeness, accuracy and exposure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genaudit.audits.bias import conditional
from genaudit.audits.bias._gaps import (
    UNIT,
    Gap,
    Table,
    cells,
    changed,
    counted_gap,
    rate_change,
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
    scarcer,
    too_few,
    with_words,
)
from genaudit.audits.bias._pairs import (
    any_two,
    both,
    is_any_two,
    no_part,
    of_maxima,
    too_few_groups,
    untold,
)
from genaudit.audits.figures import forest
from genaudit.audits.learners import Comparison, comparison
from genaudit.audits.privacy.groups import exposure
from genaudit.audits.words import by_person
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit, ranged
from genaudit.data.disclosure import hidden
from genaudit.modalities.table.learner import Target
from genaudit.result import Estimate, Figure, Finding, Message, message, words_of
from genaudit.stats.intervals import Interval
from genaudit.stats.maxima import Maxima
from genaudit.stats.widening import Limits
from genaudit.subject import Access

ACCURACY = "bias.cost.accuracy_change"
GAP = "bias.cost.accuracy_gap_change"

METHOD = (
    "paired difference of accuracies over holdout rows with a label and learners, chance of near "
    "ties"
)

_HEADINGS = {
    ACCURACY: message(
        f"{ACCURACY}.heading",
        "How much more accurate models are about each group after training on samples instead of "
        "real rows",
    ),
    GAP: message(
        f"{GAP}.heading",
        "How much further the accuracy about each group falls behind that about the largest group "
        "after training on samples instead of real rows",
    ),
}

#: What a group pays with, as columns of the chart.
_LIKENESS = message("bias.cost.likeness", "distance from real rows")
_ACCURACY = message("bias.cost.accuracy", "accuracy lost")
_EXPOSURE = message("bias.cost.exposure", "exposure (AUC − 0.5)")


@dataclass(frozen=True)
class Options:
    """n_resamples: bootstrap samples of the holdout."""

    n_resamples: int = ranged(500, 100)


@audit(
    title="Which groups pay for the samples",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Robin Hood and Matthew effects: Ganev, Oprisanu & De Cristofaro 2022, ICML, section 5; "
    "Bagdasaryan, Poursaeed & Shmatikov 2019, NeurIPS; train-synthetic-test-real: Esteban et al. "
    "2017",
    options=Options,
    modalities=EVERY,
    described=True,
    metrics=(ACCURACY, GAP),
    check=check_labels,
)
def cost(case: AuditCase, options: Options) -> Outcome:
    """Compare what each group loses where samples stand in for real rows.

    Noise that protects everybody drowns a small group before a large one, and who is known badly is
    served badly. So the accuracy of models that learnt from samples is set against that of models
    that learnt from as many real rows, on the holdout rows of each group; and the gap between the
    largest group and each other is followed. It is signed: above zero the group loses more than the
    largest one, below zero less. The two groups of which one loses most beyond the other, whichever
    they are, stand beside it. Where the gap of real rows shrinks, the group that was served better
    pays ("Robin Hood"); where it widens, the group that was served worse pays ("Matthew"). Beside
    it stand how well each group is described, and how far it is exposed to an attack: protection
    that costs a group much and gives it little is bought dearly.
    """
    if not case.schema.sensitive:
        return Outcome((), not_measured=(no_sensitive(),))
    if case.schema.target is None:
        return Outcome((), not_measured=(no_target(),))
    target = Target.of(case.schema.target, case.train)
    groupings = [Grouping.of(c, case.train, case.holdout) for c in case.schema.sensitive]
    found = comparison(case, target)
    if isinstance(found, Message):
        lost = (f for g in groupings for f in _without_learners(g, found, case))
        return with_words(Outcome(tuple(lost)), groupings)
    findings: list[Finding] = []
    for g in groupings:
        table = Table.right(g, found, case)
        findings += _findings(table, found, case, options.n_resamples)
    figures = (*_payments(case, groupings, findings), *_forest(findings))
    return with_words(Outcome(tuple(findings), figures), groupings)


# Findings ----------------------------------------------------------------------------------------


def _findings(
    table: Table, found: Comparison, case: AuditCase, n_resamples: int
) -> Iterator[Finding]:
    grouping, told, n = table.grouping, table.told, table.n_people
    reference = int(np.argmax(grouping.counts(case.train)))
    for i in range(len(grouping.levels)):
        yield _accuracy_finding(table, i, found, told=bool(told[i]))
    for i, level in enumerate(grouping.levels):
        if i == reference:
            continue
        least = min(n[i], n[reference])
        if least < ESTIMABLE or not told[[i, reference]].all():
            scarce = scarcer({grouping.name: level}, n[i], grouping.levels[reference], n[reference])
            reason = too_few(scarce, ESTIMABLE) if least < ESTIMABLE else hidden()
            yield _undefined(GAP, grouping, i, reason, max(len(table.group), 1), reference)
        else:
            yield _gap_finding(table, i, reference, found, case, n_resamples)
    if len(grouping.levels) > 2:  # that of two groups is said already
        yield _any_two_finding(table, found, case, n_resamples)


def _without_learners(grouping: Grouping, reason: Message, case: AuditCase) -> Iterator[Finding]:
    """All findings without a number: none that has a limit is left out."""
    reference, n = int(np.argmax(grouping.counts(case.train))), len(case.holdout)
    for i in range(len(grouping.levels)):
        yield _undefined(ACCURACY, grouping, i, reason, n)
    for i in range(len(grouping.levels)):
        if i != reference:
            yield _undefined(GAP, grouping, i, reason, n, reference)
    if len(grouping.levels) > 2:
        estimate = Estimate.undefined(reason, n=n, method=METHOD, unit=UNIT)
        yield Finding(**_of_any_two(grouping), estimate=estimate)


def _accuracy_finding(table: Table, i: int, found: Comparison, *, told: bool) -> Finding:
    grouping, n = table.grouping, int(table.n_people[i])
    group = {grouping.name: grouping.levels[i]}
    if n < ESTIMABLE or not told:
        reason = too_few(group, ESTIMABLE) if n < ESTIMABLE else hidden()
        return _undefined(ACCURACY, grouping, i, reason, max(len(table.group), 1))
    method = by_person(METHOD, *found.data)
    estimate = rate_change(table.where(np.array([i]))).model_copy(update={"method": method})
    return Finding(
        metric=ACCURACY,
        label=_label(ACCURACY, grouping, i),
        heading=_HEADINGS[ACCURACY],
        estimate=estimate,
        group=group,
        sides=as_real(estimate, len(table.group)),
        doubt=few(group) if n < JUDGED else found.doubt,
        note=found.note,
    )


def _gap_finding(
    table: Table, i: int, reference: int, found: Comparison, case: AuditCase, n_resamples: int
) -> Finding:
    grouping, pair = table.grouping, table.where(np.array([i, reference]))
    group, method = {grouping.name: grouping.levels[i]}, by_person(METHOD, *found.data)

    def cells_of(sides: Table, stream: str) -> Maxima | None:
        rng = case.rng(f"{GAP}.{grouping.name}.{i}.{stream}")
        return cells(sides, _signed(i, reference), rng, n_resamples)

    def estimate_of(sides: Table, rates: Maxima | None) -> Estimate:
        change = gap_between(sides, i, sides.made) - gap_between(sides, i, sides.real)
        return changed(rates, change, len(sides.group)).model_copy(update={"method": method})

    rates = cells_of(pair, "samples")
    estimate = estimate_of(pair, rates)
    halves = pair.halves(lambda side: gap_between(pair, i, side))
    n, of_reference = table.n_people[[i, reference]]
    scarce = scarcer(group, n, grouping.levels[reference], of_reference)
    return Finding(
        metric=GAP,
        label=_label(GAP, grouping, i, reference),
        heading=_HEADINGS[GAP],
        estimate=estimate,
        group=group,
        sides=as_real(estimate, len(table.group)),
        null=None if halves is None else estimate_of(halves, cells_of(halves, "null")),
        **_doubts(case, pair, found, few(scarce) if min(n, of_reference) < JUDGED else None),
        note=None if rates is None else _effect(pair, i, reference, _moves(rates)),
    )


def _any_two_finding(table: Table, found: Comparison, case: AuditCase, n_resamples: int) -> Finding:
    """By how much one group loses more accuracy than another, at most."""
    grouping, n = table.grouping, max(len(table.group), 1)
    method, gap = by_person(METHOD, *found.data), Gap()
    words = [grouping.words.get(level, level) for level in grouping.levels]
    taking = [i for i in range(len(words)) if table.n_people[i] >= JUDGED and table.told[i]]
    few_rows = no_part([word for i, word in enumerate(words) if i not in taking])
    same = _of_any_two(grouping)
    if len(taking) < 2:
        reason = too_few_groups(grouping.name, JUDGED)
        estimate = Estimate.undefined(reason, n=n, method=method, unit=UNIT)
        return Finding(**same, estimate=estimate, note=few_rows)
    rows = table.where(np.array(taking))

    def cells_of(sides: Table, stream: str) -> Maxima:
        rng = case.rng(f"{GAP}.{grouping.name}.any.{stream}")
        rates = cells(sides, gap, rng, n_resamples)
        assert rates is not None, "no resample lacks a group of so many people"
        return rates

    def estimate_of(rates: Maxima) -> Estimate:
        # Who gains accuracy on another leaves it behind, whoever was ahead before.
        pairs = of_maxima(rates, len(taking), ahead=False)
        return pairs.estimate(n=n, method=method, unit=UNIT)

    halves = rows.halves(lambda side: counted_gap(rows, gap, side))
    rates = cells_of(rows, "samples")
    estimate = estimate_of(rates)
    large = np.flatnonzero(large_anywhere(case, [grouping]))
    left_out = untold([words[i] for i in large if i not in taking])
    return Finding(
        **same,
        estimate=estimate,
        sides=as_real(estimate, n),
        null=None if halves is None else estimate_of(cells_of(halves, "null")),
        **_doubts(case, rows, found, left_out=left_out),
        note=both(_effect_of_two(rows, rates, taking), few_rows),
    )


def _effect_of_two(rows: Table, rates: Maxima, groups: Sequence[int]) -> Message:
    """What becomes of the gap of the two of the groups (codes) of which one loses most."""
    pairs = of_maxima(rates, len(groups), ahead=False)
    one, other = pairs.furthest or (0, 1)
    (place,) = np.flatnonzero((pairs.one == one) & (pairs.other == other))
    winner, loser = groups[one], groups[other]
    return _effect(rows.where(np.array([winner, loser])), loser, winner, _moves(rates, int(place)))


def _of_any_two(grouping: Grouping) -> dict[str, Any]:
    who = any_two(grouping.levels)
    return {
        "metric": GAP,
        "label": message(
            f"{GAP}.any_two",
            "How much further the accuracy about any group of “{column}” falls behind that about "
            "another one, after training on samples instead of real rows",
            column=grouping.name,
        ),
        "heading": _HEADINGS[GAP],
        "group": {grouping.name: who.text_en},
        "words": words_of(who),
    }


def _doubts(
    case: AuditCase,
    table: Table,
    found: Comparison,
    short: Message | None = None,
    left_out: Message | None = None,
) -> dict[str, Any]:
    """Why no cost is judged: rows or learners too few; or why none that is small is."""
    whole = short or found.doubt
    empty = untaught(case, table, found) or _told_apart(found) or left_out
    return {"doubt": whole or empty, "hollow": whole is None and empty is not None}


def _told_apart(found: Comparison) -> Message | None:
    """That models of both sides predict one outcome for (nearly) everybody, so that both agree."""
    for side in (found.real, found.made):
        n_of_class = np.bincount(side.argmax(axis=2).ravel(), minlength=side.shape[2])
        if (n_of_class.sum() - n_of_class.max()) / len(side) >= JUDGED:
            return None
    return message(
        "bias.cost.constant",
        "Models of both sides predict one outcome for all but fewer than {minimum:integer} holdout "
        "rows: how often they are right says how common it is in a group, and not what samples "
        "cost it.",
        minimum=JUDGED,
    )


@dataclass(frozen=True)
class Moves:
    """95% intervals of a gap by real rows, of that by samples, and of how far it moved."""

    real: Interval
    made: Interval
    change: Interval


def _moves(rates: Maxima, place: int = 0) -> Moves:
    """Of one of the gaps, by intervals that hold for all, as it may be picked from the same rows.

    Each gap stands there from both ends, or alone.
    """
    tail = 0.05 / max(len(rates.contrasts), 2)

    def of(limits: Limits) -> Interval:
        low, high = limits(tail)
        return float(low[place]), float(high[place])

    return Moves(of(rates.seconds), of(rates.firsts), of(rates.changes))


def gap_between(table: Table, i: int, side: np.ndarray) -> float:
    """Accuracy about the rows of the other group minus that about group i, of bools (K, n)."""
    right = side.mean(axis=0)
    return float(right[table.group != i].mean() - right[table.group == i].mean())


def _signed(i: int, reference: int) -> Gap:
    """The same gap from counts by group, in the order of the groups' codes, and label."""
    return Gap(pair=(0, 1) if reference < i else (1, 0))


def _effect(table: Table, i: int, reference: int, moves: Moves) -> Message:
    """Whether the gap shrinks, widens or neither, in the field's words, and who pays how much."""
    real, made = (round(gap_between(table, i, side), 3) + 0.0 for side in (table.real, table.made))
    name, other = (table.grouping.levels[j] for j in (i, reference))
    said = table.grouping.words
    return message(
        "bias.cost.effect",
        "{effect} Accuracy about {reference} minus that about {group}: {real:number} by real rows, "
        "{made:number} by samples. A gap may be just: read it beside the accuracy of each.",
        effect=_EFFECTS[effect_of(moves)],
        group=said.get(name, name),
        reference=said.get(other, other),
        real=real,
        made=made,
    )


def effect_of(moves: Moves) -> str:
    """What becomes of a gap, as far as intervals show who was ahead, who is, and who gained.

    >>> fell, rose = (-0.15, -0.05), (0.05, 0.15)
    >>> effect_of(Moves(real=(0.2, 0.4), made=(0.1, 0.3), change=fell))
    'robin_hood'
    >>> effect_of(Moves(real=(0.2, 0.4), made=(0.3, 0.5), change=rose))
    'matthew'
    >>> effect_of(Moves(real=(0.01, 0.1), made=(-0.1, -0.01), change=fell))
    'turned'
    >>> effect_of(Moves(real=(-0.1, 0.1), made=(0.01, 0.2), change=rose))
    'opened'
    """
    was, now, moved = (_sign(ends) for ends in (moves.real, moves.made, moves.change))
    if not moved:
        return "neither"
    if not was:
        return "opened"
    if was == moved:
        return "matthew"
    return "turned" if now == moved else "robin_hood"


def _sign(ends: Interval) -> int:
    """Of all numbers of an interval; 0 where it holds zero."""
    return (ends[0] > 0) - (ends[1] < 0)


_EFFECTS = {
    "neither": message(
        "bias.cost.neither",
        "Neither Robin Hood nor Matthew: the interval of the change holds zero.",
    ),
    "opened": message(
        "bias.cost.opened",
        "A gap opens: none is shown by real rows, and by samples one of the two loses more.",
    ),
    "robin_hood": message(
        "bias.cost.robin_hood", "Robin Hood: the gap shrinks, and who was served better loses more."
    ),
    "matthew": message(
        "bias.cost.matthew", "Matthew: the gap widens, and who was served worse loses more."
    ),
    "turned": message(
        "bias.cost.turned", "The gap turns round: who was served better is now served worse."
    ),
}


def _label(metric: str, grouping: Grouping, i: int, reference: int | None = None) -> Message:
    group = in_words({grouping.name: grouping.levels[i]})
    if reference is None:
        return message(
            metric,
            "How much more accurate models are about {group} after training on samples instead of "
            "real rows",
            group=group,
        )
    return message(
        metric,
        "How much further the accuracy about {group} falls behind that about {reference} after "
        "training on samples instead of real rows",
        group=group,
        reference=grouping.levels[reference],
    )


def _undefined(
    metric: str, grouping: Grouping, i: int, reason: Message, n: int, reference: int | None = None
) -> Finding:
    return Finding(
        metric=metric,
        label=_label(metric, grouping, i, reference),
        heading=_HEADINGS[metric],
        estimate=Estimate.undefined(reason, n=n, method=METHOD, unit=UNIT),
        group={grouping.name: grouping.levels[i]},
    )


# Figures -----------------------------------------------------------------------------------------


def _payments(
    case: AuditCase, groupings: Sequence[Grouping], findings: Sequence[Finding]
) -> tuple[Figure, ...]:
    """Groups against what they pay with; a group without a number in a column has no cell there."""
    attacked = {
        in_words(f.group): f.estimate
        for f in exposure(case).findings
        if f.metric == "privacy.groups.auc"
    }
    lost = {in_words(f.group): f.estimate for f in findings if f.metric == ACCURACY}
    rows: list[tuple[str, str, float | None, float | None, float | None]] = []
    for g in groupings:
        for d in conditional.described(case, g):
            name = in_words({g.name: g.levels[d.level]})
            if d.excess is not None:
                rows.append((name, _LIKENESS.text_en, d.excess.value, *d.excess.interval(0.95)))
            for column, e, sign, at in (
                (_ACCURACY, lost.get(name), -1, 0.0),
                (_EXPOSURE, attacked.get(name), 1, 0.5),
            ):
                if e is not None and None not in (known := (e.value, e.low, e.high)):
                    value, *interval = (sign * (float(x or 0.0) - at) for x in known)
                    rows.append((name, column.text_en, value, min(interval), max(interval)))
    if not rows:
        return ()
    figure = Figure(
        id="bias.cost.groups",
        kind="heatmap",
        title=message("figure.cost.title", "What each group pays"),
        description=message(
            "figure.cost.text",
            "Excess distance of the generated rows of a group from real ones, accuracy that models "
            "lose about it when they learn from samples, and how much better than a coin an "
            "attacker tells its members. More is worse in each column; cells that would tell of a "
            "few people, and groups that cannot be attacked, are left out.",
        ),
        headers=(
            message("figure.group", "Group"),
            message("figure.cost.what", "What it pays with"),
            message("figure.cost.value", "Value"),
            message("figure.low", "95% interval from"),
            message("figure.high", "to"),
        ),
        rows=tuple(rows),
        words=words_of(_LIKENESS, _ACCURACY, _EXPOSURE),
    )
    return (figure,)


def _forest(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    return forest(
        "bias.cost.gap_changes",
        [f for f in findings if f.metric == GAP and not is_any_two(f.words)],
        lambda f: in_words(f.group),
        message("figure.cost_gap.title", "Accuracy lost beyond that of the largest group"),
        message("figure.cost_gap.text", "Right of zero a group loses more accuracy than the "
                "largest group when models learn from samples instead of real rows."),
    )  # fmt: skip
