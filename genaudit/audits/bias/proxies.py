"""How far other columns give a sensitive column away, in samples against real rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genaudit.audits.bias._groups import (
    Grouping,
    absent,
    no_sensitive,
    with_words,
    worth_of_samples,
)
from genaudit.audits.bias._likeness import Coded
from genaudit.audits.figures import bar, bars
from genaudit.audits.learners import taught
from genaudit.audits.quality.utility import Skill, skill
from genaudit.audits.words import COLUMN_WORD, by_person, listed
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import SMALL_CELL
from genaudit.data.schema import Column
from genaudit.modalities.table.learner import MAX_CLASSES, Target
from genaudit.result import Estimate, Figure, Finding, Message, message, words_of
from genaudit.stats.association import Association, cramer, eta, standard_error
from genaudit.stats.clusters import cluster_sums, n_units
from genaudit.stats.components import component_interval
from genaudit.stats.intervals import Interval, normal
from genaudit.stats.multiplicity import holm
from genaudit.subject import Access

AUC = "bias.proxies.auc_change"
TIE = "bias.proxies.association_change"

_AUC_UNIT = "difference of AUC"
_TIE_UNIT = "difference of squared associations"
_AUC_METHOD = (
    "two areas of cross-fitted learners, DeLong, variance between learners, Satterthwaite's t"
)
_TIE_METHOD = "Cramér's V squared of levels, epsilon squared of ranks; delta method"

#: Learners of each half of a table, rows that one of several needs and takes at most, and rows that
#: are asked about.
_PER_HALF = 2
_MIN_ROWS = 50
_MAX_ROWS = 2000
_MAX_ASKED = 10_000

#: Levels of a column at most; rarer ones are one level.
_MAX_LEVELS = 50

#: Columns of each sensitive column in the chart.
_SHOWN = 8

#: Chance that any column is named whose tie has not grown.
_ALPHA = 0.05

#: In the place of a group's name, where a number is about all of them.
_ALL = message("group.all", "all groups")

_MADE, _REAL = message("series.generated", "generated"), message("series.real", "real")

_HEADINGS = {
    AUC: message(
        f"{AUC}.heading",
        "How much better all other columns together tell the groups apart among generated rows "
        "than among real rows",
    ),
    TIE: message(
        f"{TIE}.heading",
        "How much more closely each column is tied to the sensitive one among generated rows than "
        "among real rows",
    ),
}


@dataclass(frozen=True, eq=False)
class Asked:
    """A sensitive column as classes that learners tell apart.

    target: the groups that are frequent enough, at most `MAX_CLASSES`. left_out: the others.
    """

    grouping: Grouping
    target: Target
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, case: AuditCase, grouping: Grouping) -> Asked:
        """The largest groups of which there are enough people in each table."""
        told = grouping.told(case.train) & grouping.told(case.holdout)
        counts = np.stack([_people(d, grouping) for d in (case.train, case.holdout, case.samples)])
        order = np.argsort(-grouping.counts(case.train), kind="stable")
        stated = [i for i in order if grouping.levels[i] not in grouping.words]
        # Each class is asked about in both halves.
        kept = [i for i in stated if told[i] and counts[:, i].min() >= 4 * SMALL_CELL]
        names = tuple(grouping.levels[i] for i in sorted(kept[:MAX_CLASSES]))
        target = Target(grouping.name, names, tuple((name,) for name in names))
        return cls(grouping, target, tuple(n for n in grouping.levels if n not in names))


def _people(data: Dataset, grouping: Grouping) -> np.ndarray:
    codes = grouping.codes(data)
    mine = None if data.persons is None else data.persons[codes >= 0]
    return n_units(codes[codes >= 0], mine, len(grouping.levels))


@audit(
    title="Columns that give a sensitive column away",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="Predictability of the protected attribute: Feldman, Friedler, Moeller, Scheidegger & "
    "Venkatasubramanian 2015, KDD, section 4; DeLong et al. 1988; Cramér 1946; Kruskal & Wallis "
    "1952; Holm 1979",
    modalities=EVERY,
    described=True,
    metrics=(AUC, TIE),
)
def proxies(case: AuditCase, _options: NoOptions) -> Outcome:
    """Ask how well the group of a person can be told from all other columns, and from each.

    Somebody takes the sensitive column out of the samples and believes that what is learned is
    blind. Jobs and marital status give the group away, and a generator that exaggerates what is
    typical of a group gives it away more than real data do. The same learner tells the group from
    all other columns, among generated rows and among real rows that it has not learned from; and
    each column's tie to the sensitive one is set against that among real rows. Both differences are
    signed: above zero the samples give away more. A tie that has grown is named after Holm's
    correction over all columns.
    """
    if not case.schema.sensitive:
        return Outcome((), not_measured=(no_sensitive(),))
    discrete = [c for c in case.schema.sensitive if c.discrete]
    groupings = [Grouping.of(c, case.train, case.holdout) for c in discrete]
    findings: list[Finding] = []
    figures: list[Figure] = []
    for g in groupings:
        asked = Asked.of(case, g)
        findings.append(_auc_finding(case, asked))
        ties = list(_ties(case, asked))
        findings += _named([t.finding for t in ties], g.name)
        figures += _figure(g, ties)
    numbers = [_a_number(c) for c in case.schema.sensitive if not c.discrete]
    return with_words(Outcome(tuple(findings), tuple(figures), tuple(numbers)), groupings)


# All columns together ----------------------------------------------------------------------------


def _auc_finding(case: AuditCase, asked: Asked) -> Finding:
    name = asked.grouping.name
    method = by_person(_AUC_METHOD, case.train, case.samples, case.holdout)
    n = min(len(case.samples), len(case.holdout))
    reason = _unasked(case, asked)
    sides = None if reason else _sides(case, asked.target)
    finding = Finding(
        metric=AUC,
        label=message(
            AUC,
            "How much better all other columns together tell the groups of “{column}” apart among "
            "generated rows than among real rows",
            column=name,
        ),
        heading=_HEADINGS[AUC],
        estimate=Estimate.undefined(
            reason or _too_few_groups(name), n=n, method=method, unit=_AUC_UNIT
        ),
        group={name: _ALL.text_en},
        words=words_of(_ALL),
    )
    if sides is None:
        return finding
    made, real, null = sides
    note = message(
        "bias.proxies.note",
        "AUC among generated rows {made:number}, among real rows {real:number} (the mean of each "
        "group against the others; 0.5 is a coin); {k:integer} learners a side. Groups that take "
        "no part, as they are rare or not stated: {groups}.",
        made=round(made.value, 3),
        real=round(real.value, 3),
        k=len(real.aucs),
        groups=listed([asked.grouping.words.get(n, n) for n in asked.left_out]),
    )
    told = {"n": n, "method": method}
    return finding.model_copy(
        update={
            "estimate": auc_change(made, real, worth_of_samples(case)).model_copy(update=told),
            "null": None if null is None else auc_change(*null).model_copy(update=told),
            "note": note,
        }
    )


def _unasked(case: AuditCase, asked: Asked) -> Message | None:
    name = asked.grouping.name
    if name in case.samples.absent:
        return absent(name)
    return None if len(asked.target.classes) > 1 else _too_few_groups(name)


def _too_few_groups(column: str) -> Message:
    return message(
        "bias.proxies.one_group",
        "Not estimable: fewer than two groups of {column} have enough rows on each side.",
        column=column,
    )


Pair = tuple[Skill, Skill]


def _sides(case: AuditCase, target: Target) -> tuple[Skill, Skill, Pair | None] | None:
    """Skill among generated rows, among real rows, and twice among real rows as a null.

    Learners of one half of the samples are asked about the other half, and the other way round; as
    many learn as many training rows each and are asked about halves of the holdout.
    """
    rng = case.rng(f"bias.proxies.{target.name}.halves")
    halves, taught_by, unseen = (_halves(d, rng) for d in (case.samples, case.train, case.holdout))
    sizes = [int((target.encode(d) >= 0).sum()) for d in (*halves, *taught_by)]
    k = _PER_HALF if min(sizes) >= _PER_HALF * _MIN_ROWS else 1
    m = min(min(sizes) // k, _MAX_ROWS)
    made = _cross_fitted(case, target, halves, halves[::-1], k, m, "made")
    real = _cross_fitted(case, target, taught_by, unseen, k, m, "real")
    if made is None or real is None:
        return None
    null = (real[0], real[1]) if k > 1 else None
    return _joined(*made), _joined(*real), null


def _halves(data: Dataset, rng: np.random.Generator) -> tuple[Dataset, Dataset]:
    """Two disjoint halves; where each row has a person, a person stays in one."""
    units = np.arange(len(data)) if data.persons is None else data.persons
    n = int(units.max()) + 1
    first = np.isin(units, rng.permutation(n)[: n // 2])
    return data.take(first), data.take(~first)


def _cross_fitted(
    case: AuditCase,
    target: Target,
    data: Sequence[Dataset],
    asked: Sequence[Dataset],
    k: int,
    m: int,
    stream: str,
) -> list[Skill] | None:
    """Skill of learners of each table about another one; None where a class is rare there."""
    found = []
    for i, (rows, others) in enumerate(zip(data, asked, strict=True)):
        labels = target.encode(others)
        order = case.rng(f"bias.proxies.{target.name}.asked.{i}").permutation(len(others))
        known = np.sort(order[labels[order] >= 0][:_MAX_ASKED])
        test = others.take(known)
        name = f"bias.proxies.{target.name}.{stream}.{i}"
        p = taught(case, rows, target, test, k, m, name)
        y = labels[known]
        if (np.bincount(y, minlength=len(target.classes)) < SMALL_CELL).any():
            return None
        one = skill(p, y, test.persons)
        if one is None:
            return None
        found.append(one)
    return found


def _joined(one: Skill, other: Skill) -> Skill:
    """The mean of the skills about two tables that share no rows."""
    persons = None
    if one.persons is not None and other.persons is not None:
        persons = np.concatenate([one.persons, other.persons + one.persons.max() + 1])
    return Skill(
        np.concatenate([one.aucs, other.aucs]),
        np.concatenate([one.influence, other.influence]) / 2,
        min(one.n_min, other.n_min),
        persons,
    )


def auc_change(made: Skill, real: Skill, worth: float = 1.0) -> Estimate:
    """Mean AUC of one side minus that of another on other rows; worth: of a row of the former."""
    components = []
    for side, independent in ((made, worth), (real, 1.0)):
        sums = side.influence
        if side.persons is not None:
            sums = cluster_sums(sums, side.persons)
        rows = max(float(np.sum(sums**2)), 1 / (2 * side.n_min) ** 2) / independent
        components += [(rows, math.inf), *side.between]
    value = made.value - real.value

    def interval(confidence: float) -> Interval:
        low, high = component_interval(value, components, confidence)
        return max(low, -1.0), min(high, 1.0)

    n = min(len(made.influence), len(real.influence))
    return Estimate.of(value, interval, n=n, method=_AUC_METHOD, unit=_AUC_UNIT)


# Columns one by one ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Tie:
    """How closely one column is tied to a sensitive one: among real and generated rows."""

    column: str
    finding: Finding
    made: Estimate | None = None
    real: Estimate | None = None

    @property
    def strongest(self) -> float:
        """The larger of the two, 0 where neither is known."""
        return max((e.value or 0.0 for e in (self.made, self.real) if e is not None), default=0.0)


def _ties(case: AuditCase, asked: Asked) -> list[Tie]:
    """All columns but the sensitive one, the strongest tie of real rows first."""
    numbers = set() if case.description is None else set(case.description.names)
    columns = [c for c in case.schema.modelled
               if c.name != asked.grouping.name and c.name not in numbers]  # fmt: skip
    ties = [_tie(case, asked, c) for c in columns]
    return sorted(ties, key=lambda t: -1.0 if t.real is None else -(t.real.value or 0.0))


def _tie(case: AuditCase, asked: Asked, column: Column) -> Tie:
    name = asked.grouping.name
    method = by_person(_TIE_METHOD, case.train, case.samples, case.holdout)
    n = min(len(case.samples), len(case.train))
    reason = _unasked(case, asked)
    if not reason and column.name in case.samples.absent:
        reason = absent(column.name)
    found = None if reason else _associations(case, asked, column)
    reason = reason or message(
        "bias.proxies.no_values",
        "Not estimable: too few rows of one side have a value of {column}.",
        column=column.name,
    )
    finding = Finding(
        metric=TIE,
        label=message(
            TIE,
            "How much more closely “{column}” is tied to “{sensitive}” among generated rows than "
            "among real rows",
            column=column.name,
            sensitive=name,
        ),
        heading=_HEADINGS[TIE],
        estimate=Estimate.undefined(reason, n=n, method=method, unit=_TIE_UNIT),
        group={COLUMN_WORD.text_en: column.name, name: _ALL.text_en},
        words=words_of(COLUMN_WORD, _ALL),
    )
    if found is None:
        return Tie(column.name, finding)
    made, real, unseen = found

    def change(one: tuple[float, float]) -> Estimate:
        value, error = one[0] - real[0], math.hypot(one[1], real[1])
        return Estimate.of(value, lambda c: normal(value, error, c), n=n, method=method,
                           unit=_TIE_UNIT)  # fmt: skip

    note = message(
        "bias.proxies.levels",
        "Among generated rows {made:number}, among real rows {real:number} (0 = not tied, 1 = one "
        "tells the other).",
        made=max(round(made[0], 3), 0.0) + 0.0,
        real=max(round(real[0], 3), 0.0) + 0.0,
    )
    finding = finding.model_copy(
        update={"estimate": change(made), "null": change(unseen), "note": note}
    )
    return Tie(column.name, finding, *(_level(side, n, method) for side in (made, real)))


def _level(side: tuple[float, float], n: int, method: str) -> Estimate:
    value, error = side
    return Estimate.of(value, lambda c: normal(value, error, c), n=n, method=method)


def _associations(
    case: AuditCase, asked: Asked, column: Column
) -> tuple[tuple[float, float], ...] | None:
    """Value and error among generated, training and holdout rows; None without enough values."""
    tables = (case.samples, case.train, case.holdout)
    coded = Coded.of(column, *tables)
    groups = [asked.target.encode(d) for d in tables]
    known = [(g >= 0) & (c >= 0) for g, c in zip(groups, coded.codes, strict=True)]
    if min(k.sum() for k in known) < 4 * SMALL_CELL:
        return None
    level = _levels(coded, known) if coded.places is None else None
    ranks = _real_ranks(coded, known)
    worth = (worth_of_samples(case), 1.0, 1.0)
    told = None if level is None else _told(level, coded, groups, known, len(asked.target.classes))
    found = []
    for data, g, c, k, w in zip(tables, groups, coded.codes, known, worth, strict=True):
        if level is not None and told is not None:
            one = cramer(g[k], level[c[k]], told, SMALL_CELL)
        else:
            one = eta(g[k], ranks[c[k]], len(asked.target.classes))
        found.append((one.value, _error(one, data, k, w)))
    return tuple(found)


def _real_ranks(coded: Coded, known: Sequence[np.ndarray]) -> np.ndarray:
    """Rank of each number among real rows, in [0, 1], whatever the samples are, shape (size,)."""
    counts = sum(np.bincount(coded.codes[i][known[i]], minlength=coded.size) for i in (1, 2))
    return (np.cumsum(counts) - counts / 2) / np.sum(counts)


def _error(found: Association, data: Dataset, known: np.ndarray, worth: float) -> float:
    sums = found.influence
    if data.persons is not None:
        sums = cluster_sums(sums, data.persons[known])
    return standard_error(found, sums) / math.sqrt(worth)


def _told(
    level: np.ndarray,
    coded: Coded,
    groups: Sequence[np.ndarray],
    known: Sequence[np.ndarray],
    n_groups: int,
) -> np.ndarray:
    """Cells that chance alone would fill well in each table, bools (groups, levels)."""
    real = [1, 2]
    g = np.concatenate([groups[i][known[i]] for i in real])
    c = np.concatenate([level[coded.codes[i][known[i]]] for i in real])
    of_groups = np.bincount(g, minlength=n_groups) / len(g)
    of_levels = np.bincount(c, minlength=int(level.max()) + 1) / len(c)
    expected = np.outer(of_groups, of_levels) * min(k.sum() for k in known)
    return np.asarray(expected >= 2 * SMALL_CELL)


def _levels(coded: Coded, known: Sequence[np.ndarray]) -> np.ndarray:
    """Level of each code, with those that few real rows have as one, shape (size,)."""
    counts = sum(
        np.bincount(coded.codes[i][known[i]], minlength=coded.size) for i in (1, 2)
    )  # fmt: skip
    order = np.argsort(-counts, kind="stable")
    kept = np.zeros(coded.size, dtype=bool)
    kept[order[:_MAX_LEVELS]] = True
    kept &= counts >= 4 * SMALL_CELL
    return np.where(kept, np.cumsum(kept) - 1, kept.sum())


def _named(findings: Sequence[Finding], sensitive: str) -> Iterator[Finding]:
    """The findings, with a warning at the ties that are closer than in real data."""
    p = {i: f.estimate.p_above(0.0) for i, f in enumerate(findings)
         if f.estimate.value is not None}  # fmt: skip
    more = holm(p, _ALPHA)
    for i, f in enumerate(findings):
        warning = message(
            "bias.proxies.gives_away",
            "“{column}” gives “{sensitive}” away more than in real data (corrected for {n:integer} "
            "columns, at 5%).",
            column=f.group[COLUMN_WORD.text_en],
            sensitive=sensitive,
            n=len(p),
        )
        yield f.model_copy(update={"warning": warning}) if i in more else f


def _a_number(column: Column) -> Message:
    return message(
        "bias.proxies.number",
        "How far other columns give {column} away: it is a number and has no groups.",
        column=column.name,
    )


def _figure(grouping: Grouping, ties: Sequence[Tie]) -> tuple[Figure, ...]:
    known = [t for t in ties if t.real is not None and t.made is not None]
    strongest = sorted(known, key=lambda t: -t.strongest)[:_SHOWN]
    rows = [bar(t.column, series, side)
            for t in strongest for series, side in ((_MADE, t.made), (_REAL, t.real))]  # fmt: skip
    return bars(
        f"bias.proxies.ties.{grouping.name}",
        rows,
        message("figure.ties.title", "Columns that tell “{column}” most", column=grouping.name),
        message(
            "figure.ties.text",
            "How closely each column is tied to the sensitive one among generated and among real "
            "rows (Cramér's V squared, epsilon squared of ranks): 0 = not at all, 1 = one tells "
            "the other. {shown:integer} of {n:integer} columns.",
            shown=len(strongest),
            n=len(ties),
        ),
        message("figure.tie", "Squared association"),
        series=(_MADE, _REAL),
        unit="squared association",
    )
