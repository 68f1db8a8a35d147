"""Each group's share of the generated rows against its share of the real ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

from genaudit.audits.bias._groups import (
    ESTIMABLE,
    JUDGED,
    Grouping,
    Rate,
    absent,
    few,
    gone,
    in_words,
    joint,
    share_of,
    side,
    too_few,
    within_one,
    worth_of_samples,
)
from genaudit.audits.bias._trainings import METHOD, Trainings, shares_of_each
from genaudit.audits.words import by_person
from genaudit.case import AuditCase, Knowledge
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import hidden, shown_cells
from genaudit.result import Estimate, Finding, Message, message
from genaudit.stats.clusters import n_units
from genaudit.stats.contrast import difference
from genaudit.stats.intervals import miettinen_nurminen, wilson

SHARE = "bias.representation.share_difference"
INTERSECTION = "bias.representation.intersection_share_difference"

UNIT = "difference of shares"
_METHOD = "Miettinen-Nurminen"

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
}


def share_difference(made: Rate, real: Rate, method: str = _METHOD) -> Estimate:
    """P(group | generated) - P(group | real) from two independent counts."""
    return Estimate.of(
        made.value - real.value,
        lambda c: miettinen_nurminen(*made.independent, *real.independent, c),
        n=min(made.n, real.n),
        method=method,
        unit=UNIT,
    )


def recipe_share_difference(trainings: Trainings, real: Rate) -> Estimate:
    """Mean share over trainings minus P(group | real)."""
    p = real.value
    return Estimate.of(
        trainings.value - p,
        lambda c: within_one(
            difference(trainings.value, trainings.interval(c), p, wilson(*real.independent, c))
        ),
        n=min(real.n, len(trainings.values)),
        method=METHOD,
        unit=UNIT,
    )


def share_findings(case: AuditCase, grouping: Grouping) -> Iterator[Finding]:
    """One for each group of a column."""
    real = _shares(grouping, case.train)
    made = _shares(grouping, case.samples, worth_of_samples(case))
    told = grouping.told(case.train)
    lacks = absent(grouping.name) if grouping.name in case.samples.absent else None
    unseen: list[Rate | None] = [None] * len(grouping.levels)
    if Knowledge.HOLDOUT in case.data:
        pairs = zip(_shares(grouping, case.holdout), grouping.told(case.holdout), strict=True)
        unseen = [rate if shown else None for rate, shown in pairs]
    method = by_person(_METHOD, case.train, case.samples)
    parts = [] if lacks else [grouping.codes(part) for part in case.subject.replicates]
    for i, level in enumerate(grouping.levels):
        yield share_finding(
            {grouping.name: level},
            made[i],
            real[i],
            method,
            told=bool(told[i]),
            unseen=unseen[i],
            lacks=lacks,
            each=shares_of_each(case, parts, i, worth_of_samples(case)) if parts else (),
        )


def _shares(grouping: Grouping, data: Dataset, worth: float = 1.0) -> list[Rate]:
    """Share of each group among all rows; `worth` as in `share_of`."""
    codes, persons = grouping.codes(data), data.persons
    return [share_of(codes == i, persons, worth) for i in range(len(grouping.levels))]


def share_finding(
    group: dict[str, str],
    made: Rate,
    real: Rate,
    method: str = _METHOD,
    *,
    told: bool = True,
    unseen: Rate | None = None,
    lacks: Message | None = None,
    each: Sequence[Rate] = (),
) -> Finding:
    """A difference of shares; `told` says whether the real one may be printed.

    each: the share in every training, where there are several, of which `made` is all together.
    """
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
        estimate = Estimate.undefined(reason, n=min(made.n, real.n), method=method, unit=UNIT)
        return Finding(metric=metric, label=label, heading=_HEADINGS[metric], estimate=estimate,
                       group=group)  # fmt: skip
    # A large group that has vanished among the samples is known well: the larger count decides.
    (k_made, n_made), (k_real, n_real) = made.independent, real.independent
    clear = max(k_made, k_real) >= JUDGED and min(n_made, n_real) >= JUDGED
    lost = gone(group, made, real.value, real) if clear else None
    null = None
    if unseen is not None and _estimable(unseen, real):
        null = share_difference(unseen, real, method)
    trainings = Trainings.of([[(1, r)] for r in each]) if each else None
    return Finding(
        metric=metric,
        label=label,
        heading=_HEADINGS[metric],
        estimate=recipe_share_difference(trainings, real)
        if trainings
        else share_difference(made, real, method),
        group=group,
        null=null,
        sides=(
            trainings.side if trainings else side("generated", made.n, made),
            side("real", real.n, real),
        ),
        doubt=lost if clear else few(group),
        hollow=lost is not None,
        note=trainings.note
        if trainings
        else message(
            "bias.representation.rows",
            "{made:integer} generated rows against {real:integer} real rows.",
            made=made.n,
            real=real.n,
        ),
    )


def _estimable(made: Rate, real: Rate) -> bool:
    """Whether the difference says something."""
    return max(made.k, real.k) >= ESTIMABLE and min(made.n, real.n) >= ESTIMABLE


def intersections(
    case: AuditCase, groupings: Sequence[Grouping], most: int
) -> tuple[list[Finding], list[Message]]:
    """Every cell of two sensitive columns, up to `most`; those that hold nobody are listed, too."""
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
    real, made = (joint((one, other), d) for d in (case.train, case.samples))
    told = shown_cells(n_units(real[real >= 0], None, math.prod(shape)).reshape(shape))
    if case.train.persons is not None:
        people = n_units(real[real >= 0], case.train.persons[real >= 0], math.prod(shape))
        told &= shown_cells(people.reshape(shape))
    method = by_person(_METHOD, case.train, case.samples)
    worth = worth_of_samples(case)
    parts = [joint((one, other), part) for part in case.subject.replicates]
    for cell in range(math.prod(shape)):
        i, j = divmod(cell, shape[1])
        yield share_finding(
            {one.name: one.levels[i], other.name: other.levels[j]},
            share_of(made == cell, case.samples.persons, worth),
            share_of(real == cell, case.train.persons),
            method,
            told=bool(told[i, j]),
            each=shares_of_each(case, parts, cell, worth) if parts else (),
        )


def _too_many(one: Grouping, other: Grouping) -> Message:
    return message(
        "bias.too_many_intersections",
        "Shares of intersections of {one} and {other}: too many groups.",
        one=one.name,
        other=other.name,
    )
