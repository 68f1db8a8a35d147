"""How much a label tells about the group: the largest log ratio of rates between any two groups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Literal

import numpy as np

from genaudit.audits.bias._groups import (
    JUDGED,
    Grouping,
    GroupRates,
    Rate,
    absent,
    check_labels,
    joint,
    large_anywhere,
    named,
    no_sensitive,
    no_target,
    outcome,
    unlabelled,
    with_words,
    within_bands,
    worth_of_samples,
)
from genaudit.audits.bias._pairs import ANY_TWO, Pairs, both, furthest, no_part, of_ratios, untold
from genaudit.audits.words import by_person, listed
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit, ranged
from genaudit.data.dataset import Dataset
from genaudit.modalities.table.learner import Target
from genaudit.result import Estimate, Finding, Message, Side, message, words_of
from genaudit.stats.extremes import largest_interval
from genaudit.stats.intervals import Interval
from genaudit.stats.maxima import Maxima, Source
from genaudit.subject import Access

EPSILON = "bias.differential_fairness.epsilon"
CHANGE = "bias.differential_fairness.change"

_UNIT = "log ratio of rates"
_METHODS = {
    EPSILON: "bounds of the largest of several log ratios, rows with a label",
    CHANGE: "difference of the largest log ratios, over all that may be the largest; of any two "
    "groups exact limits of rates combined (MOVER), over all pairs (Bonferroni); rows with a label",
}  # fmt: skip

#: What Dirichlet smoothing adds to a group's rows, spread evenly over the outcomes.
_CONCENTRATION = 1.0

#: Rates of each outcome in each group; a single line is an outcome, and its absence the other.
Outcomes = Sequence[Sequence[Rate]]

#: Draws of the errors of all log ratios.
_N_DRAWS = 1000

_ALL = message("group.all", "all groups")

_HEADINGS = {
    EPSILON: message(
        f"{EPSILON}.heading",
        "Differential fairness ε: the largest log ratio of rates of the outcome between any two "
        "groups, among generated rows",
    ),
    CHANGE: message(
        f"{CHANGE}.heading",
        "Differential fairness ε among generated rows minus that among real rows",
    ),
}


@dataclass(frozen=True)
class Options:
    """max_groups: most groups that are compared, each with each; more are not measured."""

    max_groups: int = ranged(40, 2)


@audit(
    title="Differential fairness of the label",
    needs={Access.SAMPLES, Knowledge.TRAIN},
    source="Foulds, Islam, Keya & Pan 2020, ICDE, definition 3 and equation 8 (Dirichlet smoothing)"
    ", bias amplification: definition 4; interval: Chernozhukov, Lee & Rosen 2013, Econometrica 81",
    options=Options,
    modalities=EVERY,
    metrics=(EPSILON, CHANGE),
    check=check_labels,
)
def differential_fairness(case: AuditCase, options: Options) -> Outcome:
    """Compare how much the outcome depends on the group, at worst, among samples and real rows.

    Somebody who learns a person's outcome from the samples learns something about their group: at
    worst by the factor e^ε, which is the largest ratio of the rates of any outcome between any two
    groups. It sees what a single gap hides: intersections of all sensitive columns, rare outcomes,
    ratios. Of a target of three outcomes or more each is looked at. What two maxima do not show,
    such as groups that trade places, is in how far any two groups have come apart. Rates are
    smoothed as if a group had one row more, spread evenly over the outcomes. Groups with fewer than
    30 rows with a label on either side take no part and are named; where one has enough on the
    other side, nothing passes a limit.
    """
    if not case.schema.sensitive:
        return Outcome((), not_measured=(no_sensitive(),))
    if case.schema.target is None:
        return Outcome((), not_measured=(no_target(),))
    target = Target.of(case.schema.target, case.train)
    others = [case.data[k] for k in (Knowledge.HOLDOUT,) if k in case.data]
    groupings = [Grouping.of(c, case.train, case.samples, *others) for c in case.schema.sensitive]
    findings: list[Finding] = []
    left_out: list[Message] = []
    for columns in _combined(groupings, options.max_groups):
        if _n_groups(columns) > options.max_groups:
            left_out.append(_too_many(columns))
        else:
            findings += _of_columns(case, columns, target)
    return with_words(
        Outcome(tuple(findings), (), (*within_bands(groupings), *left_out)), groupings
    )


def _combined(groupings: Sequence[Grouping], most: int) -> list[tuple[Grouping, ...]]:
    """All columns together, which bound what each tells (Foulds et al. 2020, theorem 1).

    Each by itself where the cells of all are too many.
    """
    each = [(g,) for g in groupings]
    if len(groupings) == 1:
        return [tuple(groupings)]
    return [tuple(groupings)] if _n_groups(groupings) <= most else [tuple(groupings), *each]


def _n_groups(columns: Sequence[Grouping]) -> int:
    return math.prod(len(g.levels) for g in columns)


# Estimates ---------------------------------------------------------------------------------------


def smoothed_epsilon(rates: Outcomes) -> float:
    """Largest |log p(y | a) / p(y | b)| over outcomes y and groups a, b, with smoothed rates.

    Source: Foulds et al. 2020, equation 8, concentration 1 spread over the outcomes.
    """
    return float(np.max(np.ptp(np.log(_smoothed(rates)), axis=1)))


def _smoothed(rates: Outcomes) -> np.ndarray:
    """Smoothed rates of the outcomes, shape (outcomes, groups), two or more of them."""
    k, n = (np.array([[getattr(r, name) for r in of] for of in rates], dtype=float)
            for name in ("k", "n"))  # fmt: skip
    if len(k) == 1:
        k, n = np.vstack([k, n - k]), np.vstack([n, n])
    return np.asarray((k + _CONCENTRATION / len(k)) / (n + _CONCENTRATION))


def epsilon(rates: Outcomes, rng: np.random.Generator, method: str = _METHODS[EPSILON]) -> Estimate:
    """ε of at least two groups."""
    bounds = _Bounds(rates, rng)
    return Estimate.of(
        bounds.value, bounds.interval, n=sum(r.n for r in rates[0]), method=method, unit=_UNIT
    )


def epsilon_change(
    made: Outcomes,
    real: Outcomes,
    rng: np.random.Generator,
    method: str = _METHODS[CHANGE],
) -> Estimate:
    """ε of generated rows minus that of real ones, for the same groups in the same order.

    Each is a largest of many noisy ratios and lies too high, by another amount on each side. The
    interval is what two have in common, each at half of the error: over all ratios that may be the
    largest (`stats.maxima`), which is narrow where one is clearly ahead, and the bounds of both
    sides apart, which are where many are alike.
    """
    sides = [_Bounds(side, rng) for side in (made, real)]
    value, paired = sides[0].value - sides[1].value, _maxima(made, real)

    def interval(confidence: float) -> Interval:
        half = confidence if paired is None else (1 + confidence) / 2
        (low, high), (least, most) = (side.interval((1 + half) / 2) for side in sides)
        low, high = low - most, high - least
        if paired is not None:
            ends = paired.interval(half)
            low, high = max(low, ends[0]), min(high, ends[1])
        return min(low, value), max(high, value)

    return Estimate.of(
        value,
        interval,
        n=min(sum(r.n for r in side[0]) for side in (made, real)),
        method=method,
        unit=_UNIT,
    )


#: Most ratios of rates that are compared with each other one by one.
_MOST_RATIOS = 1500


def ratios_apart(made: Outcomes, real: Outcomes) -> Pairs:
    """How far any two groups have come apart, in the log ratio of their rates of any outcome.

    ε is the largest ratio of a side, so that two groups may trade places in one outcome, or come
    apart behind others, at no change of it. Limits are by exact ones of each rate; those of a rate
    of 0 reach down without an end.
    """
    logs = np.log(_smoothed(made)), np.log(_smoothed(real))
    return of_ratios(_with_absence(made), _with_absence(real), logs)


def _with_absence(rates: Outcomes) -> list[list[Rate]]:
    """Rates of two outcomes or more: of a single one also how often it is absent."""
    lines = [list(line) for line in rates]
    if len(lines) == 1:
        lines.append([replace(rate, k=rate.n - rate.k) for rate in lines[0]])
    return lines


def _maxima(made: Outcomes, real: Outcomes) -> Maxima | None:
    """The largest log ratios of both sides; None where too many may be them."""
    n_outcomes, n_groups = _smoothed(made).shape
    n_ratios = n_outcomes * n_groups * (n_groups - 1)
    if n_ratios > _MOST_RATIOS:
        return None
    one = np.eye(n_groups)
    pairs = np.array([one[i] - one[j] for i, j in permutations(range(n_groups), 2)])
    sides = [_covariance(side) for side in (made, real)]
    none = np.zeros_like(sides[0])
    first, second = (np.log(_smoothed(side)).ravel() for side in (made, real))
    sources = [
        Source(np.block([[sides[0], none], [none, none]])),
        Source(np.block([[none, none], [none, sides[1]]])),
    ]
    return Maxima(first, second, np.kron(np.eye(n_outcomes), pairs), sources)


def _covariance(rates: Outcomes) -> np.ndarray:
    """Of the log rates, outcome by outcome, shape (outcomes * groups, ...): a multinomial's."""
    p = _smoothed(rates)
    n = np.array([r.independent[1] for r in rates[0]]) + _CONCENTRATION
    found = np.zeros((*p.shape, *p.shape))
    for g in range(p.shape[1]):
        found[:, g, :, g] = (np.diag(1 / p[:, g]) - 1) / n[g]
    return found.reshape(p.size, p.size)


def lead_variance(rates: Outcomes) -> float:
    """Variance of the log ratio that is the largest."""
    p = _smoothed(rates)
    y = int(np.argmax(np.ptp(np.log(p), axis=1)))
    ends = int(np.argmax(p[y])), int(np.argmin(p[y]))
    return sum((1 - p[y, g]) / (p[y, g] * (rates[0][g].independent[1] + 1)) for g in ends)


class _Bounds:
    """ε of some groups with its interval at every confidence, from one set of draws."""

    def __init__(self, rates: Outcomes, rng: np.random.Generator) -> None:
        p = _smoothed(rates)
        logs, n = np.log(p), np.array([r.independent[1] for r in rates[0]]) + _CONCENTRATION
        slope = np.sqrt((1 - p) / (p * n))
        one, other = np.nonzero(~np.eye(p.shape[1], dtype=bool))
        self.value = float(np.max(np.ptp(logs, axis=1)))
        self._values = (logs[:, one] - logs[:, other]).ravel()
        self._se = np.hypot(slope[:, one], slope[:, other]).ravel()
        moved = _moved(p, n, rng)
        apart = (moved[..., one] - moved[..., other]).reshape(_N_DRAWS, -1)
        self._errors = apart / self._se

    def interval(self, confidence: float) -> Interval:
        low, high = largest_interval(self._values, self._se, self._errors, confidence)
        return max(low, 0.0), high


def _moved(p: np.ndarray, n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Errors of log rates as chance moves them, shape (draws, outcomes, groups).

    Of the outcomes of a group, what one gains the others lose: rates err as a multinomial does.
    """
    if len(p) == 2:
        drawn = rng.standard_normal((_N_DRAWS, 1, p.shape[1]))
        return np.asarray(drawn * np.stack([1 / p[0], -1 / p[1]]) * np.sqrt(p[0] * p[1] / n))
    free = np.sqrt(p / n) * rng.standard_normal((_N_DRAWS, *p.shape))
    return np.asarray((free - p * free.sum(axis=1, keepdims=True)) / p)


# Findings ----------------------------------------------------------------------------------------


def _of_columns(
    case: AuditCase, columns: tuple[Grouping, ...], target: Target
) -> Iterator[Finding]:
    found = _Counted.of(case, columns, target)
    label = {"columns": listed([g.name for g in columns]), "outcome": outcome(target)}
    for metric, group, text in (
        (EPSILON, _ALL, "Differential fairness ε of “{outcome}” between groups of {columns}, among "
                        "generated rows"),
        (CHANGE, _ALL, "Differential fairness ε of “{outcome}” between groups of {columns}: "
                       "generated minus real rows"),
        (CHANGE, ANY_TWO, "How far any two groups of {columns} have come apart in the log ratio of "
                          "their rates of “{outcome}”, or of any other outcome, from real to "
                          "generated rows"),
    ):  # fmt: skip
        yield Finding(
            metric=metric,
            label=message(metric if group is _ALL else f"{metric}.any_two", text, **label),
            heading=_HEADINGS[metric],
            estimate=found.estimate(metric, group),
            group={g.name: group.text_en for g in columns},
            words=words_of(group),
            null=found.null(group) if metric == CHANGE else None,
            sides=found.sides(metric),
            doubt=found.doubt,
            hollow=found.doubt is not None,
            note=found.note(group),
        )


@dataclass(frozen=True, eq=False)
class _Counted:
    """Rates of each outcome in each group, or each cell of several columns.

    made: None where samples lack a column, which `missing` names. unseen: of holdout rows. kept:
    groups with enough rows that may be told of, bools. shown: places of outcomes told apart.
    """

    case: AuditCase
    columns: tuple[Grouping, ...]
    target: Target
    real: list[GroupRates]
    made: list[GroupRates] | None
    unseen: list[GroupRates] | None
    missing: str | None
    kept: np.ndarray
    shown: list[int]

    @classmethod
    def of(cls, case: AuditCase, columns: tuple[Grouping, ...], target: Target) -> _Counted:
        """Counted in the data of a case."""
        names = (*(g.name for g in columns), target.name)
        missing = next((name for name in names if name in case.samples.absent), None)
        real, worth = _rates(case.train, columns, target), worth_of_samples(case)
        made = None if missing else _rates(case.samples, columns, target, worth)
        held = Knowledge.HOLDOUT in case.data
        kept = _large(real[0], told=True) & (_large(made[0]) if made else True)
        return cls(
            case,
            columns,
            target,
            real,
            made,
            unseen=_rates(case.holdout, columns, target) if held else None,
            missing=missing,
            kept=kept,
            shown=_shown(real, kept),
        )

    def estimate(self, metric: str, group: Message) -> Estimate:
        """Of one metric: of all groups, or of any two."""
        data = self._data(metric)
        if self.sides_of_all is None:
            n, method = min(map(len, data)), by_person(_METHODS[metric], *data)
            return Estimate.undefined(self._reason, n=n, method=method, unit=_UNIT)
        made, real = self.sides_of_all
        if metric == EPSILON:
            method = by_person(_METHODS[metric], *data)
            return _of_all(epsilon(made, self._rng(metric), method), data)
        return self._change(group, made, real)

    def null(self, group: Message) -> Estimate | None:
        """The same change of unseen rows in the place of samples."""
        if self.unseen is None or self.sides_of_all is None:
            return None
        kept = self.kept & _large(self.unseen[0], told=True)
        if kept.sum() < 2:
            return None
        shown = self.shown if _shown(self.unseen, kept) == self.shown else [0]
        return self._change(group, *(_some(of, kept, shown) for of in (self.unseen, self.real)))

    def _change(self, group: Message, made: Outcomes, real: Outcomes) -> Estimate:
        data = self._data(CHANGE)
        method = by_person(_METHODS[CHANGE], *data)
        if group is _ALL:
            return _of_all(epsilon_change(made, real, self._rng(CHANGE), method), data)
        n = min(map(len, data))
        return ratios_apart(made, real).estimate(n=n, method=method, unit=_UNIT, most=math.inf)

    @property
    def sides_of_all(self) -> tuple[Outcomes, Outcomes] | None:
        """Rates among samples and real rows; None where there is nothing to compare."""
        if self.made is None or self.kept.sum() < 2:
            return None
        made, real = (_some(of, self.kept, self.shown) for of in (self.made, self.real))
        return made, real

    def sides(self, metric: str) -> tuple[Side, ...]:
        """What both sides add to the variance."""
        rows = len(self.case.samples), len(self.case.train)
        return () if self.sides_of_all is None else _sides(metric, *self.sides_of_all, rows)

    def note(self, group: Message) -> Message | None:
        """Who takes no part; of any two groups which they are."""
        if group is _ALL:
            return both(no_part(self._named(~self.kept)), self._as_one)
        pair = furthest(
            listed([g.name for g in self.columns]),
            self._named(self.kept),
            None if self.sides_of_all is None else ratios_apart(*self.sides_of_all),
            self._named(~self.kept),
        )
        return both(pair, self._as_one)

    @property
    def _as_one(self) -> Message | None:
        """That outcomes are not told apart; None where all are."""
        return _AS_ONE if len(self.shown) < len(self.real) else None

    @property
    def doubt(self) -> Message | None:
        """Large groups take no part, lack outcomes or share one; None where nothing is told."""
        if self.made is None or self.kept.sum() < 2:
            return None
        large = large_anywhere(self.case, self.columns)
        kept = np.flatnonzero(self.kept)
        return (
            untold(self._named(large & ~self.kept))
            or unlabelled(self.case, self.columns, self.target, kept)
            or self._as_one
        )

    def _named(self, groups: np.ndarray) -> list[str | Message]:
        return [named(self.columns, int(i)) for i in np.flatnonzero(groups)]

    @property
    def _reason(self) -> Message:
        if self.missing is not None:
            return absent(self.missing)
        return message(
            "bias.differential_fairness.one_group",
            "Not estimable: fewer than two groups of {columns} have {minimum:integer} rows with a "
            "label on both sides that may be told of.",
            columns=listed([g.name for g in self.columns]),
            minimum=JUDGED,
        )

    def _data(self, metric: str) -> tuple[Dataset, ...]:
        return (self.case.samples,) if metric == EPSILON else (self.case.train, self.case.samples)

    def _rng(self, metric: str) -> np.random.Generator:
        return self.case.rng(f"{metric}.{'.'.join(g.name for g in self.columns)}")


def _sides(metric: str, made: Outcomes, real: Outcomes, rows: tuple[int, int]) -> tuple[Side, ...]:
    """What both sides add to the variance, that of the ratio which leads on each."""
    sides: list[Side] = []
    kinds: tuple[Literal["generated", "real"], ...] = ("generated", "real")
    for kind, rates, n in zip(kinds, (made, real), rows, strict=True):
        sides.append(Side(kind=kind, n=n, variance=lead_variance(rates)))
    return tuple(sides[:1] if metric == EPSILON else sides)


def _of_all(estimate: Estimate, data: Sequence[Dataset]) -> Estimate:
    """With the number of all rows: those of some groups would tell how many the others have."""
    return estimate.model_copy(update={"n": min(len(d) for d in data)})


def _rates(
    data: Dataset, columns: tuple[Grouping, ...], target: Target, worth: float = 1.0
) -> list[GroupRates]:
    """How often each group, or each cell of several columns, gets each outcome.

    The favoured one comes first; of two outcomes the other is its absence, and not counted again.
    """
    code, classes, n_groups = joint(columns, data), target.encode(data), _n_groups(columns)
    return [
        GroupRates.of(code, np.where(classes < 0, -1, classes == y), n_groups, data.persons, worth)
        for y in _outcomes(target)
    ]


def _outcomes(target: Target) -> list[int]:
    """Classes that are counted, the favoured one first."""
    others = range(len(target.classes) - 1) if len(target.classes) > 2 else ()
    return [target.favoured, *others]


def _shown(rates: Sequence[GroupRates], kept: np.ndarray) -> list[int]:
    """Places of the outcomes that are told apart: all, or the favoured one alone.

    Where few people of a group have one of the others, what the rest leaves over would tell them.
    """
    all_told = all(of.told[kept].all() for of in rates)
    return list(range(len(rates))) if all_told else [0]


def _large(rates: GroupRates, *, told: bool = False) -> np.ndarray:
    """Groups with enough independent rows that may be told of, bools (groups,)."""
    enough = np.array([rates[i].independent[1] >= JUDGED for i in range(len(rates.n))])
    return enough & rates.told if told else enough


def _some(rates: Sequence[GroupRates], kept: np.ndarray, shown: Sequence[int]) -> Outcomes:
    """Rates of some groups and outcomes."""
    return [[rates[y][int(i)] for i in np.flatnonzero(kept)] for y in shown]


_AS_ONE = message(
    "bias.differential_fairness.as_one",
    "All outcomes but the favoured one count as one, as few people of some group have one of them.",
)


def _too_many(columns: Sequence[Grouping]) -> Message:
    return message(
        "bias.differential_fairness.too_many",
        "Differential fairness between groups of {columns}: too many groups.",
        columns=listed([g.name for g in columns]),
    )
