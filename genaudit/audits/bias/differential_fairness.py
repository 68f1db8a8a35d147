"""How much a label tells about the group: the largest log ratio of rates between any two groups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from genaudit.audits.bias._groups import (
    JUDGED,
    Grouping,
    GroupRates,
    Rate,
    absent,
    check_labels,
    no_sensitive,
    no_target,
    outcome,
    with_words,
    within_bands,
    worth_of_samples,
)
from genaudit.audits.words import by_person, listed
from genaudit.case import EVERY, AuditCase, Knowledge, Outcome, audit, ranged
from genaudit.data.dataset import Dataset
from genaudit.modalities.table.learner import Target
from genaudit.result import Estimate, Finding, Message, Side, message, words_of
from genaudit.stats.contrast import difference
from genaudit.stats.extremes import largest_interval
from genaudit.stats.intervals import Interval
from genaudit.subject import Access

EPSILON = "bias.differential_fairness.epsilon"
CHANGE = "bias.differential_fairness.change"

_UNIT = "log ratio of rates"
_METHODS = {
    EPSILON: "bounds of the largest of several log ratios, rows with a label",
    CHANGE: "bounds of the largest of several log ratios on both sides combined (MOVER), rows with "
    "a label",
}  # fmt: skip

#: What Dirichlet(1) adds to each of the two labels of a group.
_ALPHA = 0.5

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
    ratios. Rates are smoothed as if a group had one row more, half with each outcome. Groups with
    fewer than 30 rows with a label on either side take no part and are named.
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


def smoothed_epsilon(rates: Sequence[Rate]) -> float:
    """Largest |log p(y | a) / p(y | b)| over outcomes y and groups a, b, with smoothed rates.

    Source: Foulds et al. 2020, equation 8, concentration 1 spread over two outcomes.
    """
    logs = _log_rates(rates)
    return float(np.max(np.ptp(logs, axis=1)))


def _log_rates(rates: Sequence[Rate]) -> np.ndarray:
    """Smoothed log rates of the outcome and of its absence, shape (2, groups)."""
    k, n = (np.array([getattr(r, name) for r in rates], dtype=float) for name in ("k", "n"))
    p = (k + _ALPHA) / (n + 2 * _ALPHA)
    return np.log(np.stack([p, 1 - p]))


def epsilon(
    rates: Sequence[Rate], rng: np.random.Generator, method: str = _METHODS[EPSILON]
) -> Estimate:
    """ε of at least two groups."""
    bounds = _Bounds(rates, rng)
    return Estimate.of(
        bounds.value, bounds.interval, n=sum(r.n for r in rates), method=method, unit=_UNIT
    )


def epsilon_change(
    made: Sequence[Rate],
    real: Sequence[Rate],
    rng: np.random.Generator,
    method: str = _METHODS[CHANGE],
) -> Estimate:
    """ε of generated rows minus that of real ones, for the same groups in the same order."""
    one, other = _Bounds(made, rng), _Bounds(real, rng)
    return Estimate.of(
        one.value - other.value,
        lambda c: difference(one.value, one.interval(c), other.value, other.interval(c)),
        n=min(sum(r.n for r in side) for side in (made, real)),
        method=method,
        unit=_UNIT,
    )


def lead_variance(rates: Sequence[Rate]) -> float:
    """Variance of the log ratio that is the largest."""
    logs = _log_rates(rates)
    y = int(np.argmax(np.ptp(logs, axis=1)))
    ends = [rates[int(at(logs[y]))] for at in (np.argmax, np.argmin)]
    p = [(r.k + _ALPHA) / (r.n + 2 * _ALPHA) for r in ends]
    p = p if y == 0 else [1 - x for x in p]
    return sum((1 - x) / (x * (r.independent[1] + 1)) for x, r in zip(p, ends, strict=True))


class _Bounds:
    """ε of some groups with its interval at every confidence, from one set of draws."""

    def __init__(self, rates: Sequence[Rate], rng: np.random.Generator) -> None:
        logs, p = _log_rates(rates), np.exp(_log_rates(rates))
        n = np.array([r.independent[1] for r in rates]) + 2 * _ALPHA
        # The two outcomes of a group err as one: what one gains the other loses.
        slope = np.stack([1 / p[0], -1 / p[1]]) * np.sqrt(p[0] * p[1] / n)
        one, other = np.nonzero(~np.eye(len(rates), dtype=bool))
        self.value = float(np.max(np.ptp(logs, axis=1)))
        self._values = (logs[:, one] - logs[:, other]).ravel()
        self._se = np.hypot(slope[:, one], slope[:, other]).ravel()
        moved = rng.standard_normal((_N_DRAWS, 1, len(rates))) * slope
        apart = (moved[..., one] - moved[..., other]).reshape(_N_DRAWS, -1)
        self._errors = apart / self._se

    def interval(self, confidence: float) -> Interval:
        low, high = largest_interval(self._values, self._se, self._errors, confidence)
        return max(low, 0.0), high


# Findings ----------------------------------------------------------------------------------------


def _of_columns(
    case: AuditCase, columns: tuple[Grouping, ...], target: Target
) -> Iterator[Finding]:
    real = _rates(case.train, columns, target)
    missing = [n for n in (*(g.name for g in columns), target.name) if n in case.samples.absent]
    made = None if missing else _rates(case.samples, columns, target, worth_of_samples(case))
    unseen = _rates(case.holdout, columns, target) if Knowledge.HOLDOUT in case.data else None
    kept = _large(real, told=True) & (_large(made) if made else True)
    rows = len(case.samples), len(case.train)
    label = {"columns": listed([g.name for g in columns]), "outcome": outcome(target)}
    for metric, text in (
        (EPSILON, "Differential fairness ε of “{outcome}” between groups of {columns}, among "
                  "generated rows"),
        (CHANGE, "Differential fairness ε of “{outcome}” between groups of {columns}: generated "
                 "minus real rows"),
    ):  # fmt: skip
        data = (case.samples,) if metric == EPSILON else (case.train, case.samples)
        method = by_person(_METHODS[metric], *data)
        rng = case.rng(f"{metric}.{'.'.join(g.name for g in columns)}")
        reason, null = None, None
        if missing:
            reason = absent(missing[0])
        elif kept.sum() < 2:
            reason = message(
                "bias.differential_fairness.one_group",
                "Not estimable: fewer than two groups of {columns} have {minimum:integer} rows "
                "with a label on both sides.",
                columns=listed([g.name for g in columns]),
                minimum=JUDGED,
            )
        elif metric == CHANGE and unseen and (both := kept & _large(unseen, told=True)).sum() > 1:
            null = epsilon_change(_some(unseen, both), _some(real, both), rng, method)
        if reason is not None or made is None:
            n = min(len(d) for d in data)
            estimate = Estimate.undefined(
                reason or absent(target.name), n=n, method=method, unit=_UNIT
            )
        elif metric == EPSILON:
            estimate = epsilon(_some(made, kept), rng, method)
        else:
            estimate = epsilon_change(_some(made, kept), _some(real, kept), rng, method)
        yield Finding(
            metric=metric,
            label=message(metric, text, **label),
            heading=_HEADINGS[metric],
            estimate=_of_all(estimate, data),
            group={g.name: _ALL.text_en for g in columns},
            words=words_of(_ALL),
            null=null and _of_all(null, data),
            sides=() if reason or made is None else _sides(metric, made, real, kept, rows),
            note=_note(columns, kept),
        )


def _sides(
    metric: str, made: GroupRates, real: GroupRates, kept: np.ndarray, rows: tuple[int, int]
) -> tuple[Side, ...]:
    """What both sides add to the variance, that of the ratio which leads on each."""
    sides: list[Side] = []
    kinds: tuple[Literal["generated", "real"], ...] = ("generated", "real")
    for kind, rates, n in zip(kinds, (made, real), rows, strict=True):
        variance = lead_variance(_some(rates, kept))
        sides.append(Side(kind=kind, n=n, variance=variance))
    return tuple(sides[:1] if metric == EPSILON else sides)


def _of_all(estimate: Estimate, data: Sequence[Dataset]) -> Estimate:
    """With the number of all rows: those of some groups would tell how many the others have."""
    return estimate.model_copy(update={"n": min(len(d) for d in data)})


def _rates(
    data: Dataset, columns: tuple[Grouping, ...], target: Target, worth: float = 1.0
) -> GroupRates:
    """How often each group, or each cell of several columns, gets the favoured outcome."""
    code = np.zeros(len(data), dtype=np.int64)
    for grouping in columns:
        mine = grouping.codes(data)
        code = np.where((code >= 0) & (mine >= 0), code * len(grouping.levels) + mine, -1)
    classes = target.encode(data)
    favoured = np.where(classes < 0, -1, classes == target.favoured)
    return GroupRates.of(code, favoured, _n_groups(columns), data.persons, worth)


def _large(rates: GroupRates, *, told: bool = False) -> np.ndarray:
    """Groups with enough independent rows that may be told of, bools (groups,)."""
    enough = np.array([rates[i].independent[1] >= JUDGED for i in range(len(rates.n))])
    return enough & rates.told if told else enough


def _some(rates: GroupRates, kept: np.ndarray) -> list[Rate]:
    return [rates[int(i)] for i in np.flatnonzero(kept)]


def _note(columns: tuple[Grouping, ...], kept: np.ndarray) -> Message | None:
    """Which groups take no part; None where all do."""
    names: list[str | Message] = []
    shape = [len(g.levels) for g in columns]
    for i in np.flatnonzero(~kept):
        at = np.unravel_index(int(i), shape)
        levels = [g.levels[int(j)] for g, j in zip(columns, at, strict=True)]
        said = [g.words.get(level, level) for g, level in zip(columns, levels, strict=True)]
        names.append(said[0] if len(said) == 1 else _joined(said))
    if not names:
        return None
    return message(
        "bias.differential_fairness.note",
        "Groups with too few rows with a label on either side to take part: {groups}.",
        groups=listed(names),
    )


def _joined(levels: Sequence[str | Message]) -> Message:
    fields = {f"level{i}": level for i, level in enumerate(levels)}
    text = " & ".join(f"{{{name}}}" for name in fields)
    return message("group.joined", text, **fields).model_copy(update={"texts": {"zh": text}})


def _too_many(columns: Sequence[Grouping]) -> Message:
    return message(
        "bias.differential_fairness.too_many",
        "Differential fairness between groups of {columns}: too many groups.",
        columns=listed([g.name for g in columns]),
    )
