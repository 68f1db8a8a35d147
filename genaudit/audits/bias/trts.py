"""How rightly models of real rows judge the samples of each group (train real, test synthetic)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, mean_prediction

from genaudit.audits.bias._gaps import (
    UNIT,
    Table,
    lead_of,
    least_variance,
    n_selected,
    within_one,
    worth_of_groups,
)
from genaudit.audits.bias._groups import (
    ESTIMABLE,
    JUDGED,
    Grouping,
    absent,
    as_real,
    check_labels,
    few,
    in_words,
    no_sensitive,
    no_target,
    outcome,
    scarcer,
    too_few,
    with_words,
    worth_of_samples,
)
from genaudit.audits.figures import forest
from genaudit.audits.learners import Comparison, comparison
from genaudit.audits.words import by_person
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.data.disclosure import hidden, shown_cells
from genaudit.modalities.table.learner import Target
from genaudit.result import Estimate, Finding, Message, message
from genaudit.stats.clusters import mean_variance
from genaudit.stats.components import component_interval
from genaudit.stats.halves import middle_halves
from genaudit.subject import Access

ACCURACY = "bias.trts.accuracy_gap_change"
TRUE_POSITIVES = "bias.trts.true_positive_gap_change"
FALSE_POSITIVES = "bias.trts.false_positive_gap_change"

METRICS = (ACCURACY, TRUE_POSITIVES, FALSE_POSITIVES)

_METHOD = (
    "Fairlearn MetricFrame; variance of samples, of holdout rows and between learners, chance of "
    "near ties"
)

#: Learners drawn to see how often near ties fall the other way.
_N_LEARNERS = 500

_LABELS = {
    ACCURACY: "How far the gap between {group} and {reference} in how often models of real rows "
    "are right is among generated rows from that among real ones",
    TRUE_POSITIVES: "How far the gap between {group} and {reference} in how often models of real "
    "rows recognise “{outcome}” is among generated rows from that among real ones",
    FALSE_POSITIVES: "How far the gap between {group} and {reference} in how often models of real "
    "rows predict “{outcome}” wrongly is among generated rows from that among real ones",
}

_HEADINGS = {
    ACCURACY: message(
        f"{ACCURACY}.heading",
        "How far each group's distance from the largest group, in how often models of real rows "
        "are right, is among generated rows from what it is among real ones",
    ),
    TRUE_POSITIVES: message(
        f"{TRUE_POSITIVES}.heading",
        "How far each group's distance from the largest group, in how often models of real rows "
        "recognise the favoured outcome, is among generated rows from what it is among real ones",
    ),
    FALSE_POSITIVES: message(
        f"{FALSE_POSITIVES}.heading",
        "How far each group's distance from the largest group, in how often models of real rows "
        "predict the favoured outcome wrongly, is among generated rows from what it is among real "
        "ones",
    ),
}


@audit(
    title="Labels of generated rows in the eyes of models of real rows",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Train-real-test-synthetic: Esteban, Hyland & Rätsch 2017; true and false positive "
    "rates by group: Hardt, Price & Srebro 2016, as in Fairlearn (Weerts et al. 2023, JMLR 24)",
    modalities=EVERY,
    described=True,
    metrics=METRICS,
    check=check_labels,
)
def trts(case: AuditCase, _options: NoOptions) -> Outcome:
    """Ask models of real rows about the samples, and see of which group they say other things.

    A generator may give one group labels that are noisy, or more favourable than its features
    deserve; who learns from the samples learns that. Models that learned from real rows expose it:
    how often they are right, recognise the favoured outcome, or predict it wrongly, is compared
    between each group and the largest one, among samples and among holdout rows. Each difference of
    the two gaps is signed: positive = the group stands higher, beside the largest, among samples.
    Samples that repeat training rows flatter models that saw these rows, of all groups alike.
    """
    if not case.schema.sensitive:
        return Outcome((), not_measured=(no_sensitive(),))
    if case.schema.target is None:
        return Outcome((), not_measured=(no_target(),))
    target = Target.of(case.schema.target, case.train)
    groupings = [Grouping.of(c, case.train, case.holdout) for c in case.schema.sensitive]
    found = comparison(case, target)
    findings = [f for g in groupings for f in _findings(case, g, target, found)]
    figures = forest(
        "bias.trts.accuracy_gap_changes",
        [f for f in findings if f.metric == ACCURACY],
        lambda f: in_words(f.group),
        message("figure.trts_accuracy.title", "Right answers about groups: generated minus real"),
        message("figure.trts_accuracy.text", "Left of zero models of real rows are, compared with "
                "the largest group, less often right about a group's generated rows than about its "
                "real ones: its labels are noisier, or say something else."),
    )  # fmt: skip
    return with_words(Outcome(tuple(findings), figures), groupings)


# What the learners say ---------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Answers:
    """What K learners of real rows decide about the rows of one side.

    group, y: group code and favoured label (0 / 1) of each row, shape (n,). decided: bools (K, n).
    lead: as in `Table`, shape (n,). person: number of each row's person; None where a row is a
    person, or worth so much of an independent one.
    """

    group: np.ndarray
    y: np.ndarray
    decided: np.ndarray
    lead: np.ndarray
    person: np.ndarray | None = None
    worth: float = 1.0

    def take(self, rows: np.ndarray) -> Answers:
        """The answers about some rows (positions or a mask)."""
        person = None if self.person is None else self.person[rows]
        return Answers(self.group[rows], self.y[rows], self.decided[:, rows], self.lead[rows],
                       person, self.worth)  # fmt: skip

    def of(self, metric: str, group: int) -> Cell:
        """Those that a rate of one group is about."""
        rows = np.flatnonzero((self.group == group) & _ASKED[metric](self.y))
        mine = self.take(rows)
        said = mine.decided == (mine.y == 1) if metric == ACCURACY else mine.decided
        return Cell(said.astype(float), mine)


#: Labels of the rows that a rate is about.
_ASKED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    ACCURACY: lambda y: np.ones(len(y), dtype=bool),
    TRUE_POSITIVES: lambda y: y == 1,
    FALSE_POSITIVES: lambda y: y == 0,
}


@dataclass(frozen=True, eq=False)
class Cell:
    """The rows that one rate of one group is about; said: 1 where a learner counts, (K, n)."""

    said: np.ndarray
    rows: Answers

    @property
    def n(self) -> int:
        """Rows."""
        return self.said.shape[1]

    @property
    def n_people(self) -> float:
        """Persons; rows, for what they are worth, where these are none."""
        person = self.rows.person
        return self.n * self.rows.worth if person is None else float(len(np.unique(person)))

    @property
    def variance(self) -> float:
        """Squared error of the rate that comes from which rows these are; never below one row's."""
        person = np.arange(self.n) if self.rows.person is None else self.rows.person
        found = mean_variance(self.said.mean(axis=0), person) / self.rows.worth
        return max(found, float(least_variance(self.n_people)))

    @property
    def by_learner(self) -> np.ndarray:
        """The rate of each learner, shape (K,)."""
        rates: np.ndarray = self.said.mean(axis=1)
        return rates

    def if_moved(self, metric: str, moved: np.ndarray) -> np.ndarray:
        """The rate of learners whose decisions about the group chance moves as one, (moves,)."""
        right = np.zeros(len(moved))
        for y in (0, 1):
            leads = np.sort(self.rows.lead[self.rows.y == y])
            selected = n_selected(leads, moved)
            right += len(leads) - selected if metric == ACCURACY and y == 0 else selected
        return right / self.n


def answers(
    case: AuditCase, grouping: Grouping, found: Comparison, target: Target
) -> tuple[Answers, Answers, np.ndarray]:
    """Answers about samples and about holdout rows; groups whose holdout rates may be printed."""
    table = Table.of(grouping, found, case)
    assert table.real_lead is not None, "learners give probabilities"
    real = Answers(table.group, table.y, table.real, table.real_lead, table.person)
    told = table.told & shown_cells(table.people).all(axis=1) & shown_cells(table.sizes).all(axis=1)
    group, y = grouping.codes(case.samples), target.encode(case.samples)
    rows = np.flatnonzero((group >= 0) & (y >= 0))
    said = found.asks(case.samples.take(rows))
    n_seen = worth_of_groups(grouping, case.train, table.group) * found.rows_each
    persons = case.samples.persons
    made = Answers(
        group[rows],
        (y[rows] == target.favoured).astype(np.int64),
        found.selects(said),
        lead_of(found.margins(said), n_seen[group[rows]]),
        None if persons is None else persons[rows],
        worth_of_samples(case),
    )
    return made, real, told


# Findings ----------------------------------------------------------------------------------------


def gap_change(
    metric: str, made: Answers, real: Answers, group: int, reference: int, rng: np.random.Generator
) -> Estimate:
    """(rate of the group - rate of the reference) among samples minus the same among real rows.

    Samples and holdout rows are independent sets, but the learners are the same: how they differ
    moves both gaps together, and counts as it moves their difference.

    Args:
        metric: One of `METRICS`.
        made: Answers about samples.
        real: Answers about holdout rows.
        group: Code of the group.
        reference: Code of the group that it is compared with.
        rng: Random stream.
    """
    signed = ((1, made, group), (-1, made, reference), (-1, real, group), (1, real, reference))
    cells = [(sign, side.of(metric, g), g) for sign, side, g in signed]
    value = sum(sign * _rate(cell) for sign, cell, _ in cells)
    components = [(cell.variance, max(cell.n_people - 1, 1.0)) for _, cell, _ in cells]
    k = len(made.decided)
    if k > 1:
        between = sum(sign * cell.by_learner for sign, cell, _ in cells)
        moves = {g: rng.standard_normal(_N_LEARNERS) for g in (group, reference)}
        ties = sum(sign * cell.if_moved(metric, moves[g]) for sign, cell, g in cells)
        components.append((max(float(np.var(between, ddof=1)), float(np.var(ties))) / k, k - 1))
    return Estimate.of(
        value,
        lambda c: within_one(component_interval(value, components, c), 2.0),
        n=min(cell.n for _, cell, _ in cells),
        method=_METHOD,
        unit=UNIT,
    )


def _rate(cell: Cell) -> float:
    """Fairlearn's rate of one group, averaged over learners."""
    values, weight = np.unique(cell.said.mean(axis=0), return_counts=True)
    frame = MetricFrame(
        metrics={"rate": mean_prediction},
        y_true=np.zeros(len(values)),
        y_pred=pd.Series(values),
        sensitive_features=pd.Series(np.zeros(len(values)), name="group"),
        sample_params={"rate": {"sample_weight": pd.Series(weight)}},
    )
    return float(frame.by_group["rate"].iloc[0])


def _findings(
    case: AuditCase, grouping: Grouping, target: Target, found: Comparison | Message
) -> Iterator[Finding]:
    """Each group beside the largest one of the training rows, for each rate."""
    reference = int(np.argmax(grouping.counts(case.train)))
    reason = found if isinstance(found, Message) else None
    if grouping.name in case.samples.absent:
        reason = absent(grouping.name)
    sides = None if reason or isinstance(found, Message) else answers(case, grouping, found, target)
    for i, level in enumerate(grouping.levels):
        if i == reference:
            continue
        for metric in METRICS:
            label = message(
                metric,
                _LABELS[metric],
                group=in_words({grouping.name: level}),
                reference=grouping.levels[reference],
                outcome=outcome(target),
            )
            if sides is None or isinstance(found, Message):
                assert reason is not None, "there is one where there are no answers"
                yield _undefined(case, metric, label, {grouping.name: level}, reason)
            else:
                yield _finding(case, metric, label, grouping, i, reference, sides, found)


def _finding(
    case: AuditCase,
    metric: str,
    label: Message,
    grouping: Grouping,
    i: int,
    reference: int,
    sides: tuple[Answers, Answers, np.ndarray],
    found: Comparison,
) -> Finding:
    made, real, told = sides
    group = {grouping.name: grouping.levels[i]}
    n, of_reference = (
        min(side.of(metric, g).n_people for side in (made, real)) for g in (i, reference)
    )
    least, scarce = (
        min(n, of_reference),
        scarcer(group, n, grouping.levels[reference], of_reference),
    )
    if least < ESTIMABLE or not told[[i, reference]].all():
        reason = too_few(scarce, ESTIMABLE) if least < ESTIMABLE else hidden()
        return _undefined(case, metric, label, group, reason)
    rng = case.rng(f"{metric}.{grouping.name}.{i}")
    method = by_person(_METHOD, *found.data)
    estimate = gap_change(metric, made, real, i, reference, rng)
    null = _null(metric, real, i, reference, rng)
    return Finding(
        metric=metric,
        label=label,
        heading=_HEADINGS[metric],
        estimate=estimate.model_copy(update={"method": method}),
        group=group,
        sides=as_real(estimate, len(case.holdout)),
        null=None if null is None else null.model_copy(update={"method": method}),
        doubt=few(scarce) if least < JUDGED else found.doubt,
        note=_note(found) if metric == ACCURACY else None,  # said once for all three
    )


def _note(found: Comparison) -> Message:
    return message(
        "bias.trts.note",
        "Average over {k:integer} learners, each trained on {m:integer} real rows or a few more; "
        "another training of the generator is not covered.",
        k=found.n_learners,
        m=found.rows_shown,
    )


def _null(
    metric: str, real: Answers, group: int, reference: int, rng: np.random.Generator
) -> Estimate | None:
    """Half of the holdout rows as if they were samples; None where a half has too few of them."""
    units = np.arange(len(real.y)) if real.person is None else real.person
    distinct = np.unique(units)

    def halves(one: np.ndarray, other: np.ndarray) -> tuple[Answers, Answers]:
        first, second = (real.take(np.isin(units, distinct[half])) for half in (one, other))
        return first, second

    def value(one: np.ndarray, other: np.ndarray) -> float | None:
        rates = [side.of(metric, g) for side in halves(one, other) for g in (group, reference)]
        if min(cell.n_people for cell in rates) < ESTIMABLE:
            return None
        a, b, c, d = (float(cell.said.mean()) for cell in rates)
        return (a - b) - (c - d)

    chosen = middle_halves(len(distinct), value)
    if value(*chosen) is None:
        return None
    return gap_change(metric, *halves(*chosen), group, reference, rng)


def _undefined(
    case: AuditCase, metric: str, label: Message, group: dict[str, str], reason: Message
) -> Finding:
    estimate = Estimate.undefined(reason, n=len(case.holdout), method=_METHOD, unit=UNIT)
    return Finding(metric=metric, label=label, heading=_HEADINGS[metric], estimate=estimate,
                   group=group)  # fmt: skip
