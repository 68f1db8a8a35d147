"""Sensitive attributes and outcomes that are numbers: relations in samples and in real rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genaudit.audits.bias._groups import (
    ESTIMABLE,
    JUDGED,
    Grouping,
    absent,
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
from genaudit.audits.words import by_person
from genaudit.case import AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import SMALL_CELL, hidden
from genaudit.data.schema import Column
from genaudit.modalities.table.learner import Target
from genaudit.result import Estimate, Figure, Finding, Message, message, words_of
from genaudit.stats.clusters import cluster_sums, equal_worth
from genaudit.stats.components import auc_influence, component_interval
from genaudit.stats.intervals import Interval
from genaudit.stats.process import PLACES, Process, largest_distance, surplus
from genaudit.subject import Access

SLOPE = "bias.continuous.slope_change"
CURVE = "bias.continuous.curve_distance"
GAP = "bias.continuous.outcome_gap_change"
AHEAD = "bias.continuous.superiority_change"

_UNITS = {
    SLOPE: "difference of shares per real deviation",
    CURVE: "share of rows",
    GAP: "difference of shares",
    AHEAD: "difference in probability",
}

_METHODS = {
    SLOPE: "difference of two least squares slopes, sandwich errors",
    CURVE: "largest distance of two processes, multiplier bootstrap",
    GAP: "difference of two Kolmogorov-Smirnov distances at the same numbers of rows, delta method",
    AHEAD: "difference of two probabilities of superiority, DeLong",
}

#: In the place of a group's name, where a number is about everybody.
_ALL = message("group.all", "all groups")

_MADE, _REAL = message("series.generated", "generated"), message("series.real", "real")

_HEADINGS = {
    SLOPE: message(
        f"{SLOPE}.heading",
        "How much more the outcome rises with a sensitive number among generated rows than among "
        "real rows",
    ),
    CURVE: message(
        f"{CURVE}.heading",
        "How far apart generated and real rows are in how outcomes add up over a sensitive number",
    ),
    GAP: message(
        f"{GAP}.heading",
        "How much further apart the outcomes of each group and of the largest one are among "
        "generated rows than among real rows",
    ),
    AHEAD: message(
        f"{AHEAD}.heading",
        "How much more often somebody of each group has the larger outcome than somebody of the "
        "largest group among generated rows than among real rows",
    ),
}

#: Points of the drawn curve, fewer where one step would tell of a few people.
_POINTS = (20, 10, 5, 4, 2)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The target as a number in [0, 1], where a row has one.

    A target of levels is 1 for the favoured one, else 0; a number is the share of real rows that
    lie below it, so that no unit and no long tail decides.
    """

    target: Target
    column: Column
    ladder: np.ndarray

    @classmethod
    def of(cls, column: Column, train: Dataset) -> Outcomes:
        """The outcomes of a target column."""
        numbers = np.empty(0)
        if not column.discrete:
            numbers = np.sort(train.frame[column.name].dropna().to_numpy(dtype=float))
        return cls(Target.of(column, train), column, numbers)

    def __call__(self, data: Dataset) -> np.ndarray:
        """Of each row, shape (n,); NaN where it has none."""
        if self.column.discrete:
            classes = self.target.encode(data)
            return np.where(classes < 0, np.nan, (classes == self.target.favoured) * 1.0)
        values = data.frame[self.column.name].to_numpy(dtype=float)
        ends = [np.searchsorted(self.ladder, values, side=s) for s in ("left", "right")]
        return np.where(np.isnan(values), np.nan, np.mean(ends, axis=0) / len(self.ladder))

    @property
    def said(self) -> str | Message:
        """The outcome in words."""
        return outcome(self.target) if self.column.discrete else self.column.name


@audit(
    title="Sensitive attributes and outcomes that are numbers",
    needs={Access.SAMPLES, Knowledge.TRAIN},
    source="Slopes: White 1980, Econometrica 48; sums over an attribute: van der Vaart & Wellner "
    "1996, section 2.9; outcomes: Kolmogorov-Smirnov distance as in Jiang et al. 2020, UAI (strong "
    "demographic parity), and DeLong et al. 1988",
    metrics=(SLOPE, CURVE, GAP, AHEAD),
)
def continuous(case: AuditCase, _options: NoOptions) -> Outcome:
    """Compare relations with numbers as they are: no age group, no pay band is made up.

    Somebody asks whether the old are hired less often among the samples than in truth, or whether
    one group's pay lies below another's. Where the sensitive column is a number, the slope of the
    outcome on it is set against that of real rows, and so is the whole course of the outcome:
    people are put in the order of the attribute, and the outcomes of the first ones are added up.
    Where the outcome is a number, its distribution in each group is set against that in the largest
    group: by the largest distance of the two (0 = the same), and by how often one of the group has
    more than one of the largest group. All are generated minus training rows; of the distances as
    many rows are taken on either side, as distances are larger the fewer rows there are.
    """
    schema = case.schema
    if not schema.sensitive:
        return Outcome((), not_measured=(no_sensitive(),))
    if schema.target is None:
        return Outcome((), not_measured=(no_target(),))
    asked = Outcomes.of(schema.target, case.train)
    findings: list[Finding] = []
    figures: list[Figure] = []
    groupings: list[Grouping] = []
    for column in schema.sensitive:
        if not column.discrete:
            found, figure = _over_number(case, column, asked)
            findings += found
            figures += figure
        elif not schema.target.discrete:
            g = Grouping.of(column, case.train, *_unseen(case))
            groupings.append(g)
            findings += _in_groups(case, g, asked)
    if not findings:
        return Outcome((), not_measured=(_NO_NUMBER,))
    figures += _forest([f for f in findings if f.metric == GAP])
    return with_words(Outcome(tuple(findings), tuple(figures)), groupings)


def _unseen(case: AuditCase) -> tuple[Dataset, ...]:
    return (case.holdout,) if Knowledge.HOLDOUT in case.data else ()


def _estimate(
    metric: str, case: AuditCase, value: float, interval: Callable[[float], Interval]
) -> Estimate:
    return Estimate.of(
        value,
        interval,
        n=min(len(case.samples), len(case.train)),
        method=by_person(_METHODS[metric], case.train, case.samples),
        unit=_UNITS[metric],
    )


def _no_estimate(metric: str, case: AuditCase, reason: Message) -> Estimate:
    n, method = min(len(case.samples), len(case.train)), _METHODS[metric]
    return Estimate.undefined(
        reason, n=n, method=by_person(method, case.train, case.samples), unit=_UNITS[metric]
    )


# A sensitive number ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Relation:
    """Attribute (in real standard deviations) and outcome of the rows that have both, shape (n,).

    persons: the number of each row's person; None where a row is one. worth: of a row where persons
    are None.
    """

    attribute: np.ndarray
    outcome: np.ndarray
    persons: np.ndarray | None
    worth: float

    @property
    def n_units(self) -> int:
        """Persons, rows where a row is one."""
        return len(self.attribute) if self.persons is None else len(np.unique(self.persons))

    def slope(self) -> tuple[float, tuple[float, float]]:
        """Least squares slope, its variance, and degrees of freedom.

        Source: MacKinnon & White 1985, J. Econometrics 29 (residuals over 1 - leverage).
        """
        x, y = self.attribute - self.attribute.mean(), self.outcome - self.outcome.mean()
        spread = float(np.mean(x**2))
        if spread <= 0:
            return math.nan, (math.nan, 1.0)
        value = float(np.mean(x * y)) / spread
        rest = (y - value * x) / np.maximum(1 - 1 / len(x) - x**2 / (len(x) * spread), 0.1)
        moved = x * rest / spread
        sums = moved if self.persons is None else cluster_sums(moved, self.persons)
        k = len(sums)
        variance = max(float(np.sum(sums**2)) / len(x) ** 2, 1 / len(x) ** 2) / self.worth
        return value, (variance * k / max(k - 1, 1), max(k - 2.0, 1.0))

    def process(self, rng: np.random.Generator) -> Process:
        """How outcomes add up over the attribute."""
        worth = self.worth
        if self.persons is not None:
            worth = equal_worth(self.persons) / len(self.persons)
        return surplus(self.attribute, self.outcome, rng, worth)


def _relation(data: Dataset, column: Column, asked: Outcomes, sd: float, worth: float) -> Relation:
    x, y = data.frame[column.name].to_numpy(dtype=float) / sd, asked(data)
    known = ~np.isnan(x) & ~np.isnan(y)
    persons = None if data.persons is None else data.persons[known]
    return Relation(x[known], y[known], persons, worth)


def _over_number(
    case: AuditCase, column: Column, asked: Outcomes
) -> tuple[list[Finding], tuple[Figure, ...]]:
    name, target = column.name, asked.target.name
    missing = [n for n in (name, target) if n in case.samples.absent]
    sd = float(case.train.frame[name].std()) or 1.0
    made = _relation(case.samples, column, asked, sd, worth_of_samples(case))
    real = _relation(case.train, column, asked, sd, 1.0)
    unseen = [_relation(d, column, asked, sd, 1.0) for d in _unseen(case)]
    reason = absent(missing[0]) if missing else _unusable(made, real, name, asked)
    doubt = None
    if min(made.n_units, real.n_units) < JUDGED:
        doubt = message(
            "bias.continuous.few",
            "Fewer than {minimum:integer} rows on one side have both numbers: too few for a "
            "verdict.",
            minimum=JUDGED,
        )
    known = [u for u in unseen if not _unusable(u, real, name, asked)]
    rng = case.rng(f"bias.continuous.{name}")
    processes = [] if reason else [r.process(rng) for r in (made, real, *known)]
    findings = []
    for metric in (SLOPE, CURVE):
        null = None
        if reason:
            estimate = _no_estimate(metric, case, reason)
        elif metric == SLOPE:
            estimate = _slope_change(case, made, real)
            null = _slope_change(case, known[0], real) if known else None
        else:
            estimate = _curve_distance(case, processes[0], processes[1])
            null = _curve_distance(case, processes[2], processes[1]) if known else None
        findings.append(
            Finding(
                metric=metric,
                label=_label(metric, name, asked),
                heading=_HEADINGS[metric],
                estimate=estimate,
                group={name: _ALL.text_en},
                words=words_of(_ALL),
                null=null,
                doubt=doubt,
            )
        )
    if reason:
        return findings, ()
    return findings, _curves(column, asked, processes[0], processes[1], real)


def _unusable(one: Relation, real: Relation, name: str, asked: Outcomes) -> Message | None:
    """Why two relations are not compared, if so."""
    same = any(np.ptp(r.attribute) == 0 for r in (one, real) if len(r.attribute))
    if min(one.n_units, real.n_units) < ESTIMABLE or same:
        return message(
            "bias.continuous.few_values",
            "Not estimable: fewer than {minimum:integer} rows of one side have a value of {column} "
            "and an outcome, or all have the same one.",
            minimum=ESTIMABLE,
            column=name,
        )
    if not asked.column.discrete:
        return None
    k = int(real.outcome.sum())
    a_few = 0 < k < SMALL_CELL or 0 < len(real.outcome) - k < SMALL_CELL
    return hidden() if a_few else None


def _slope_change(case: AuditCase, one: Relation, real: Relation) -> Estimate:
    (a, of_a), (b, of_b) = one.slope(), real.slope()
    return _estimate(SLOPE, case, a - b, lambda c: component_interval(a - b, [of_a, of_b], c))


def _curve_distance(case: AuditCase, one: Process, real: Process) -> Estimate:
    value, *_ = largest_distance(one, real, 0.95)

    def interval(confidence: float) -> Interval:
        _, low, high = largest_distance(one, real, confidence)
        return low, high

    return _estimate(CURVE, case, value, interval)


def _label(metric: str, name: str, asked: Outcomes) -> Message:
    text = {
        SLOPE: "How much more “{outcome}” rises with {column} among generated rows than among real "
        "rows",
        CURVE: "How far apart generated and real rows are in how “{outcome}” adds up over {column}",
    }[metric]
    return message(metric, text, column=name, outcome=asked.said)


# An outcome that is a number ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Part:
    """Outcomes of one group's rows in one table, in an order of chance, and their persons."""

    y: np.ndarray
    persons: np.ndarray | None
    worth: float

    def first(self, n: int) -> Part:
        """The first n rows."""
        return Part(self.y[:n], None if self.persons is None else self.persons[:n], self.worth)

    @property
    def n_units(self) -> int:
        """Persons, rows where a row is one."""
        return len(self.y) if self.persons is None else len(np.unique(self.persons))


def _parts(
    case: AuditCase, data: Dataset, grouping: Grouping, asked: Outcomes, worth: float
) -> list[Part]:
    """The outcomes of each group."""
    y, codes = asked(data), grouping.codes(data)
    rng = case.rng(f"bias.continuous.{grouping.name}")
    parts = []
    for i in range(len(grouping.levels)):
        rows = rng.permutation(np.flatnonzero((codes == i) & ~np.isnan(y)))
        parts.append(Part(y[rows], None if data.persons is None else data.persons[rows], worth))
    return parts


def _in_groups(case: AuditCase, grouping: Grouping, asked: Outcomes) -> Iterator[Finding]:
    missing = [n for n in (grouping.name, asked.target.name) if n in case.samples.absent]
    tables = (case.samples, case.train, *_unseen(case))
    worth = (worth_of_samples(case), 1.0, 1.0)
    sides = [_parts(case, d, grouping, asked, w) for d, w in zip(tables, worth, strict=False)]
    told = [grouping.told(d) for d in tables[1:]]
    reference = int(np.argmax(grouping.counts(case.train)))
    for i, level in enumerate(grouping.levels):
        if i == reference:
            continue
        group = {grouping.name: level}
        pairs = [(side[i], side[reference]) for side in sides]
        smallest = [min(p.n_units for p in pair) for pair in pairs]
        reason = absent(missing[0]) if missing else None
        if not reason and min(smallest[:2]) < ESTIMABLE:
            n, of_reference = (min(pair[k].n_units for pair in pairs[:2]) for k in (0, 1))
            scarce = scarcer(group, n, grouping.levels[reference], of_reference)
            reason = too_few(scarce, ESTIMABLE)
        if not reason and not told[0][[i, reference]].all():
            reason = hidden()
        unseen = len(pairs) > 2 and smallest[2] >= ESTIMABLE and told[1][[i, reference]].all()
        short = few(group) if not reason and min(smallest[:2]) < JUDGED else None
        for metric, change in ((GAP, _gap_change), (AHEAD, _superiority_change)):
            null = total = empty = None
            if reason:
                estimate = _no_estimate(metric, case, reason)
            else:
                estimate = change(case, pairs[0], pairs[1])
                null = change(case, pairs[2], pairs[1]) if unseen else None
                empty = _alike(asked, pairs[0])
            if not reason and metric == GAP:
                total = _gap_change(case, pairs[0], pairs[1], of_real=1)
                empty = empty or _traded(case, pairs[0], pairs[1])
            yield Finding(
                metric=metric,
                label=_group_label(metric, grouping, i, reference, asked),
                heading=_HEADINGS[metric],
                estimate=estimate,
                group=group,
                null=null,
                total=total,
                doubt=short or empty,
                hollow=short is None and empty is not None,
            )


Pair = tuple[Part, Part]


def _alike(asked: Outcomes, made: Pair) -> Message | None:
    """The doubt of a pass where (nearly) all samples of two groups have one outcome."""
    _, counts = np.unique(np.concatenate([part.y for part in made]), return_counts=True)
    if counts.sum() - counts.max() >= JUDGED:
        return None
    return message(
        "bias.continuous.alike",
        "Of the generated rows of these groups all, or all but fewer than {minimum:integer}, have "
        "the same value of {column}: groups that are alike for want of any other are not treated "
        "alike.",
        minimum=JUDGED,
        column=asked.column.name,
    )


def _traded(case: AuditCase, made: Pair, real: Pair) -> Message | None:
    """The doubt of a pass of a distance, which has no sign, where another group has more now."""
    before, now = (_superiority(pair)[0] - 0.5 for pair in (real, made))
    change = _superiority_change(case, made, real)
    if before * now >= 0 or change.low is None or change.high is None:
        return None
    if change.low <= 0 <= change.high:
        return None
    return message(
        "bias.continuous.traded",
        "Another of the two groups has the larger outcome more often than among real rows: as far "
        "apart the other way round is no pass.",
    )


def _gap_change(case: AuditCase, made: Pair, real: Pair, of_real: int = -1) -> Estimate:
    """Distance of two groups' outcomes on one side minus that on the other, at equal sizes.

    Or plus it (of_real = 1).
    """
    n = [min(len(a.y), len(b.y)) for a, b in zip(made, real, strict=True)]
    value, components = 0.0, []
    for sign, pair in ((1, made), (of_real, real)):
        one, other = (part.first(k) for part, k in zip(pair, n, strict=True))
        distance, moves = ks_influence(one.y, other.y)
        value += sign * distance
        components += [_variance(part, move) for part, move in
                       zip((one, other), moves, strict=True)]  # fmt: skip

    def interval(confidence: float) -> Interval:
        low, high = component_interval(value, components, confidence)
        return max(low, -1.0), min(high, 1.0 if of_real < 0 else 2.0)

    return _estimate(GAP, case, value, interval)


def _superiority_change(case: AuditCase, made: Pair, real: Pair) -> Estimate:
    """How often one of the group has more than one of the other group, on one side minus other."""
    value, components = 0.0, []
    for sign, pair in ((1, made), (-1, real)):
        area, influence = _superiority(pair)
        value += sign * area
        n = len(pair[0].y)
        for part, moved in zip(pair, (influence[:n], influence[n:]), strict=True):
            components.append(_variance(part, moved * len(part.y)))

    def interval(confidence: float) -> Interval:
        low, high = component_interval(value, components, confidence)
        return max(low, -1.0), min(high, 1.0)

    return _estimate(AHEAD, case, value, interval)


def _superiority(pair: Pair) -> tuple[float, np.ndarray]:
    """How often one of the first group has more than one of the other; how each row moves it."""
    values = np.concatenate([part.y for part in pair])
    return auc_influence(values, np.arange(len(values)) < len(pair[0].y))


def _variance(part: Part, moved: np.ndarray) -> tuple[float, float]:
    """Variance of a mean of influences, and degrees of freedom; never 0."""
    sums = moved if part.persons is None else cluster_sums(moved, part.persons)
    k, n = len(sums), len(part.y)
    variance = float(np.sum(sums**2)) / n**2 * k / max(k - 1, 1)
    return max(variance, 0.25 / n**2) / part.worth, max(k - 1.0, 1.0)


def ks_influence(one: np.ndarray, other: np.ndarray) -> tuple[float, tuple[np.ndarray, np.ndarray]]:
    """Kolmogorov-Smirnov distance of two samples, and how each row moves it, mean 0.

    >>> ks_influence(np.array([1.0, 2.0]), np.array([2.0, 3.0]))[0]
    0.5
    """
    values = np.unique(np.concatenate([one, other]))
    f, g = (np.searchsorted(np.sort(x), values, side="right") / len(x) for x in (one, other))
    at = int(np.argmax(np.abs(f - g)))
    sign = float(np.sign(f[at] - g[at]))
    below, others = (one <= values[at]) - f[at], (other <= values[at]) - g[at]
    return float(abs(f[at] - g[at])), (sign * below, -sign * others)


def _group_label(
    metric: str, grouping: Grouping, i: int, reference: int, asked: Outcomes
) -> Message:
    text = {
        GAP: "How much further apart “{outcome}” of {group} and of {reference} is among generated "
        "rows than among real rows",
        AHEAD: "How much more often somebody of {group} has a larger “{outcome}” than somebody of "
        "{reference} among generated rows than among real rows",
    }[metric]
    return message(
        metric,
        text,
        outcome=asked.said,
        group=in_words({grouping.name: grouping.levels[i]}),
        reference=grouping.levels[reference],
    )


_NO_NUMBER = message(
    "bias.continuous.no_number",
    "Relations with numbers: neither the target nor a sensitive column is a number.",
)


# Figures -----------------------------------------------------------------------------------------


def _curves(
    column: Column, asked: Outcomes, made: Process, real: Process, rows: Relation
) -> tuple[Figure, ...]:
    points = next((k for k in _POINTS if _enough(rows, asked, k)), None)
    if points is None:
        return ()
    at = [PLACES * (i + 1) // points - 1 for i in range(points)]
    drawn = [
        (series.text_en, x, y)
        for series, process in ((_MADE, made), (_REAL, real))
        for x, y in ((0.0, 0.0), *(((i + 1) / PLACES, float(process.sums[i])) for i in at))
    ]
    figure = Figure(
        id=f"bias.continuous.curve.{column.name}",
        kind="curve",
        title=message(
            "figure.surplus.title", "How “{outcome}” adds up over {column}",
            outcome=asked.said, column=column.name,
        ),
        description=message(
            "figure.surplus.text",
            "Rows stand in the order of {column}, the lowest first. Where a curve falls, they have "
            "the outcome less often than all rows have, where it rises more often; a level line "
            "means that it makes no difference.",
            column=column.name,
        ),
        headers=(
            message("figure.series", "Rows"),
            message("figure.first_share", "Share of rows, lowest first"),
            message("figure.surplus", "Surplus of the outcome"),
        ),
        rows=tuple(drawn),
        unit="share of rows",
        words=words_of(_MADE, _REAL),
        metric=CURVE,
    )  # fmt: skip
    return (figure,)


def _enough(rows: Relation, asked: Outcomes, points: int) -> bool:
    """Whether each step of a curve stands for enough people of either outcome."""
    order = np.argsort(rows.attribute, kind="stable")
    steps = np.array_split(rows.outcome[order], points)
    if asked.column.discrete:
        return all(min(s.sum(), len(s) - s.sum()) >= 2 * SMALL_CELL for s in steps)
    return all(len(s) >= 2 * SMALL_CELL for s in steps)


def _forest(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    return forest(
        "bias.continuous.outcome_gaps", findings, lambda f: in_words(f.group),
        message("figure.outcome_gaps.title", "Distance of outcomes: generated minus real"),
        message("figure.outcome_gaps.text", "Right of zero the outcomes of a group and of the "
                "largest group are further apart among generated rows than in real data."),
    )  # fmt: skip
