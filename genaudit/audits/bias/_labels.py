"""How often each group gets the favoured outcome: gaps among samples, and what they were before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from genaudit.audits.bias._groups import (
    ESTIMABLE,
    JUDGED,
    Grouping,
    Rate,
    absent,
    alike,
    favoured_rates,
    few,
    in_words,
    no_target,
    other_outcomes,
    outcome,
    scarcer,
    side,
    too_few,
    unlabelled,
    within_one,
    worth_of_samples,
)
from genaudit.audits.bias._trainings import ALONE, METHOD, Trainings
from genaudit.audits.words import by_person
from genaudit.case import AuditCase, Knowledge
from genaudit.data.disclosure import hidden
from genaudit.modalities.table.learner import Target
from genaudit.result import Estimate, Finding, Message, message
from genaudit.stats.contrast import difference, rate_contrast
from genaudit.stats.intervals import Interval, miettinen_nurminen

LABEL_GAP = "bias.representation.label_gap"
CHANGE = "bias.representation.label_gap_change"

UNIT = "difference of shares"
METHODS = {
    LABEL_GAP: "Miettinen-Nurminen, of any two groups exact intervals combined (MOVER) over all "
    "pairs (Bonferroni); rows with a label",
    CHANGE: "Wilson intervals combined (MOVER), of any two groups exact ones over all pairs "
    "(Bonferroni); rows with a label",
}

HEADINGS = {
    LABEL_GAP: message(
        f"{LABEL_GAP}.heading",
        "How much more often each group gets the favoured outcome than the largest group, among "
        "generated rows",
    ),
    CHANGE: message(
        f"{CHANGE}.heading",
        "How far each group's distance from the largest group, in the rate of the favoured "
        "outcome, is among generated rows from what it is among real rows",
    ),
}

#: Rates of a group and of the group of reference.
Pair = tuple[Rate, Rate]


def label_gap(rates: Pair, method: str = METHODS[LABEL_GAP]) -> Estimate:
    """Rate of an outcome in a group minus that in the group of reference."""
    group, reference = rates
    return Estimate.of(
        group.value - reference.value,
        lambda c: miettinen_nurminen(*group.independent, *reference.independent, c),
        n=min(group.n, reference.n),
        method=method,
        unit=UNIT,
    )


def label_gap_change(made: Pair, real: Pair, method: str = METHODS[CHANGE]) -> Estimate:
    """Gap (group - reference) in the rate of an outcome among generated minus among real rows."""
    return _combined(made, real, -1, method)


def label_gap_sum(made: Pair, real: Pair, method: str = METHODS[CHANGE]) -> Estimate:
    """The two gaps added: the change has the opposite sign where the gap became smaller in size."""
    return _combined(made, real, 1, method)


def _combined(made: Pair, real: Pair, of_real: int, method: str) -> Estimate:
    signed = ((1, made[0]), (-1, made[1]), (of_real, real[0]), (-of_real, real[1]))
    parts = [(sign, *rate.independent) for sign, rate in signed]
    return Estimate.of(
        sum(sign * rate.value for sign, rate in signed),
        lambda c: rate_contrast(parts, c),
        n=min(rate.n for _, rate in signed),
        method=method,
        unit=UNIT,
    )


def recipe_gap(trainings: Trainings) -> Estimate:
    """Mean gap over trainings."""
    return Estimate.of(
        trainings.value,
        lambda c: within_one(trainings.interval(c)),
        n=len(trainings.values),
        method=ALONE,
        unit=UNIT,
    )


def recipe_gap_change(trainings: Trainings, real: Pair, of_real: int = -1) -> Estimate:
    """Mean gap over trainings minus that of real rows, or plus it (of_real = 1)."""
    signed = ((of_real, real[0]), (-of_real, real[1]))
    parts = [(sign, *rate.independent) for sign, rate in signed]
    other = sum(sign * rate.value for sign, rate in signed)

    def interval(confidence: float) -> Interval:
        low, high = rate_contrast(parts, confidence)
        return difference(trainings.value, trainings.interval(confidence), -other, (-high, -low))

    return Estimate.of(
        trainings.value + other, interval, n=len(trainings.values), method=METHOD, unit=UNIT
    )


def label_findings(
    case: AuditCase, groupings: Sequence[Grouping]
) -> tuple[list[Finding], list[Message]]:
    """Gaps among samples and how far they have moved, for each group but the largest one."""
    column = case.schema.target
    if column is None:
        return [], [no_target()]
    target = Target.of(column, case.train)
    found = [f for g in groupings for f in _of_grouping(case, g, target)]
    return found, other_outcomes(target)


def _of_grouping(case: AuditCase, grouping: Grouping, target: Target) -> Iterator[Finding]:
    real = favoured_rates(case.train, grouping, target)
    reference = int(np.argmax(real.n))
    missing = [n for n in (grouping.name, target.name) if n in case.samples.absent]
    worth = worth_of_samples(case)
    made = None if missing else favoured_rates(case.samples, grouping, target, worth)
    unseen = (
        favoured_rates(case.holdout, grouping, target) if Knowledge.HOLDOUT in case.data else None
    )  # fmt: skip
    rows = len(case.samples), len(case.train)
    lacks = absent(missing[0]) if missing else None
    parts = () if missing else case.subject.replicates
    of_each = [favoured_rates(part, grouping, target, worth) for part in parts]
    few_labels = None if made is None else alike(target, sum(made.k), sum(made.n))
    for i, level in enumerate(grouping.levels):
        if i != reference:
            group = {grouping.name: level}
            said = {"group": in_words(group), "reference": grouping.levels[reference],
                    "outcome": outcome(target)}  # fmt: skip
            each = [(r[i], r[reference]) for r in of_each]
            pairs = [None if r is None else (r[i], r[reference]) for r in (made, real, unseen)]
            told = [r is not None and bool(r.told[[i, reference]].all()) for r in (real, unseen)]
            found = gap_finding(
                message(LABEL_GAP, "Rate of “{outcome}” among generated rows of {group} minus that "
                        "of {reference}", **said),
                group, pairs[0], lacks, rows[0], by_person(METHODS[LABEL_GAP], case.samples),
                each, reference=grouping.levels[reference],
            )  # fmt: skip
            doubt = few_labels or unlabelled(case, [grouping], target, (i, reference))
            yield doubted(found, doubt)
            change = change_finding(
                message(CHANGE, "How far the gap between {group} and {reference} in the rate of "
                        "“{outcome}” among generated rows is from that among real rows", **said),
                group, pairs, told, lacks, rows,
                by_person(METHODS[CHANGE], case.train, case.samples), each,
                reference=grouping.levels[reference],
            )  # fmt: skip
            yield doubted(change, doubt)


def doubted(finding: Finding, doubt: Message | None) -> Finding:
    """The finding with a doubt of its pass, if it has none and there is a number to doubt.

    A gap that is shown to have grown is in no doubt for want of an outcome.
    """
    if doubt is None or finding.doubt is not None or finding.estimate.value is None:
        return finding
    return finding.model_copy(update={"doubt": doubt, "hollow": True})


def gap_finding(
    label: Message,
    group: dict[str, str],
    made: Pair | None,
    lacks: Message | None = None,
    rows: int = 1,
    method: str = METHODS[LABEL_GAP],
    each: Sequence[Pair] = (),
    reference: str = "",
) -> Finding:
    """The gap of one group among so many generated rows.

    each: rates in every training, where there are several, of which `made` is all together.
    reference: level of the group that it is compared with.
    """
    if lacks or made is None or _smallest(made, *each) < ESTIMABLE:
        reason = lacks or too_few(_scarcer(group, reference, made, *each), ESTIMABLE)
        estimate = Estimate.undefined(reason, n=rows, method=method, unit=UNIT)
        return Finding(metric=LABEL_GAP, label=label, heading=HEADINGS[LABEL_GAP],
                       estimate=estimate, group=group)  # fmt: skip
    trainings = trainings_of(each)
    return Finding(
        metric=LABEL_GAP,
        label=label,
        heading=HEADINGS[LABEL_GAP],
        estimate=recipe_gap(trainings) if trainings else label_gap(made, method),
        group=group,
        sides=(trainings.side if trainings else side("generated", rows, *made),),
        doubt=_doubt(group, reference, made, *each),
        note=trainings.note if trainings else None,
    )


def trainings_of(each: Sequence[Pair]) -> Trainings | None:
    """The gaps of several trainings; None where there is one."""
    return Trainings.of([[(1, pair[0]), (-1, pair[1])] for pair in each]) if each else None


def _smallest(*pairs: Pair | None) -> int:
    """Rows of the smallest group of all, 0 where one side is not there."""
    return min([0 if pair is None else min(r.n for r in pair) for pair in pairs])


def _doubt(group: dict[str, str], reference: str, *pairs: Pair) -> Message | None:
    """That one of the two groups has too few rows for a verdict."""
    n, of_reference = (min(pair[i].independent[1] for pair in pairs) for i in (0, 1))
    enough = min(n, of_reference) >= JUDGED
    return None if enough else few(scarcer(group, n, reference, of_reference))


def _scarcer(group: dict[str, str], reference: str, *pairs: Pair | None) -> dict[str, str]:
    """The one of two groups that has fewer rows on some side; the first where a side is missing."""
    known = [pair for pair in pairs if pair is not None]
    n, of_reference = (min((pair[i].n for pair in known), default=0) for i in (0, 1))
    return scarcer(group, n, reference, of_reference)


def change_finding(
    label: Message,
    group: dict[str, str],
    pairs: Sequence[Pair | None],
    told: Sequence[bool] = (True, True),
    lacks: Message | None = None,
    rows: tuple[int, int] = (1, 1),
    method: str = METHODS[CHANGE],
    each: Sequence[Pair] = (),
    reference: str = "",
) -> Finding:
    """A change of a gap from (group, reference) pairs of generated, training and unseen rows.

    told: whether the rates of training and of unseen rows may be printed. rows: of all groups, as
    those of one alone may be a few: generated and real. reference: level of the other group.
    """
    made, real, unseen = pairs
    smallest = _smallest(made, real, *each)
    if lacks or smallest < ESTIMABLE or made is None or real is None or not told[0]:
        scarce = _scarcer(group, reference, made, real, *each)
        reason = lacks or (too_few(scarce, ESTIMABLE) if smallest < ESTIMABLE else hidden())
        estimate = Estimate.undefined(reason, n=min(rows), method=method, unit=UNIT)
        return Finding(metric=CHANGE, label=label, heading=HEADINGS[CHANGE],
                       estimate=estimate, group=group)  # fmt: skip
    trainings = trainings_of(each)
    null = None
    if unseen and told[1] and min(r.n for r in unseen) >= ESTIMABLE:
        null = label_gap_change(unseen, real, method)
    return Finding(
        metric=CHANGE,
        label=label,
        heading=HEADINGS[CHANGE],
        estimate=recipe_gap_change(trainings, real)
        if trainings
        else label_gap_change(made, real, method),
        group=group,
        null=null,
        sides=(
            trainings.side if trainings else side("generated", rows[0], *made),
            side("real", rows[1], *real),
        ),
        total=recipe_gap_change(trainings, real, 1)
        if trainings
        else label_gap_sum(made, real, method),
        doubt=_doubt(group, reference, made, real, *each),
        note=trainings.note if trainings else None,
    )
