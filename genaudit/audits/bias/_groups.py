"""Sensitive columns as groups of people, the same for real, generated and holdout rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, selection_rate

from genaudit.audits.words import listed
from genaudit.case import AuditCase, Knowledge, Outcome
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import SMALL_CELL, in_tens, shown_cells, shown_parts
from genaudit.data.schema import Column
from genaudit.errors import DataError
from genaudit.modalities.table.learner import Target, levels_of, show_apart
from genaudit.result import Estimate, Figure, Finding, Message, Side, message, words_of
from genaudit.stats.clusters import equal_worth, n_units, rate_worth
from genaudit.stats.contrast import rate_contrast
from genaudit.stats.intervals import Interval

#: Below this a group's number is shown with its interval but not judged.
JUDGED = 30

#: Below this a group's number is "not estimable" and, with real rows, not shown either.
ESTIMABLE = SMALL_CELL

#: Of a group's rows so many may have lost their outcome before that is a doubt.
_LOST = 0.02

#: More categories than this of a few rows each are no groups.
_MANY = 40

_NOT_STATED = message("group.not_stated", "(not stated)")


@dataclass(frozen=True)
class Grouping:
    """One sensitive column as groups. Numbers are cut at quartiles of the real rows, by name.

    Where three of four real rows or more share the smallest value, at those of the other rows.

    levels: names of the groups; the last is `(not stated)` where a value is missing somewhere, or
        longer where a category is called that.
    edges: the quartiles, for a numeric column.
    said: levels that are words of ours and no names of the data.
    """

    name: str
    levels: tuple[str, ...]
    edges: tuple[float, ...] = ()
    said: tuple[Message, ...] = ()

    @classmethod
    def of(cls, column: Column, real: Dataset, *others: Dataset) -> Grouping:
        """The groups of a column, from its declaration and the real rows."""
        values = real.frame[column.name]
        edges: tuple[float, ...] = ()
        said: tuple[Message, ...] = ()
        if column.discrete:
            levels = levels_of(column, values)
        else:
            edges = _edges(values.dropna().to_numpy(dtype=float))
            said = tuple(_bands(column, edges))
            levels = tuple(band.english for band in said)
        if any(_unstated(d, column.name) for d in (real, *others)):
            rest = _NOT_STATED
            while rest.text_en in levels:  # a category may be called so
                rest = message("group.not_stated_at_all", f"{rest.text_en} (missing)")
            levels, said = (*levels, rest.text_en), (*said, rest)
        return cls(column.name, levels, edges, said)

    @property
    def rest(self) -> str | None:
        """The level of those who state none; None where all do."""
        known = (_NOT_STATED.id, "group.not_stated_at_all")
        return self.levels[-1] if self.said and self.said[-1].id in known else None

    @property
    def words(self) -> dict[str, Message]:
        """Level -> message, for the levels that are words of ours."""
        return words_of(*self.said)

    def codes(self, data: Dataset) -> np.ndarray:
        """Position of each record's group among the levels, shape (n,); -1 where it has none."""
        values = data.frame[self.name]
        rest = -1 if self.rest is None else len(self.levels) - 1
        if self.edges:
            numbers = values.to_numpy(dtype=float)
            codes = np.searchsorted(self.edges, numbers, side="right")
            return np.where(np.isnan(numbers), rest, codes)
        where = {level: i for i, level in enumerate(self.levels)}
        return pd.to_numeric(values.astype(object).map(where)).fillna(rest).to_numpy(np.int64)

    def counts(self, data: Dataset) -> np.ndarray:
        """Rows in each group, shape (levels,)."""
        codes = self.codes(data)
        return np.bincount(codes[codes >= 0], minlength=len(self.levels))

    def told(self, data: Dataset) -> np.ndarray:
        """Groups whose number of rows may be printed, bools (levels,)."""
        codes, persons = self.codes(data), data.persons
        mine = None if persons is None else persons[codes >= 0]
        people = n_units(codes[codes >= 0], mine, len(self.levels))
        return shown_parts(self.counts(data)) & shown_parts(people)


@dataclass(frozen=True)
class Rate:
    """k of n rows, each of which is worth so much of an independent one, in (0, 1]."""

    k: int
    n: int
    worth: float = 1.0

    @property
    def value(self) -> float:
        """Share k / n; n is positive."""
        return self.k / self.n

    @property
    def independent(self) -> tuple[float, float]:
        """The counts k and n in independent rows."""
        return self.k * self.worth, self.n * self.worth

    @property
    def variance(self) -> float:
        """Squared error of the share; never 0, so that no rate looks free of chance."""
        k, n = self.independent
        p = (k + 0.5) / (n + 1)
        return p * (1 - p) / max(n, 1.0)


def side(kind: Literal["generated", "real"], rows: int, *rates: Rate) -> Side:
    """What the rows of one side add to the variance of a sum or difference of its rates.

    rows: all of that side, of which the groups have their shares.
    """
    return Side(kind=kind, n=rows, variance=sum(rate.variance for rate in rates))


def as_real(estimate: Estimate, rows: int) -> tuple[Side, ...]:
    """All chance of an estimate as that of real rows; nothing where it has no interval.

    Learners, extremes and distances have no variance of rows of their own; what real rows would
    have to grow by is told from how wide the interval is, as if all of it shrank with them.

    rows: all real rows, of which the groups have their shares.
    """
    if estimate.low is None or estimate.high is None:
        return ()
    error = (estimate.high - estimate.low) / 2 / _TWO_SIDED
    return (Side(kind="real", n=rows, variance=error**2),)


#: Standard errors from the middle of a normal 95% interval to its ends.
_TWO_SIDED = 1.96


def within_one(interval: Interval) -> Interval:
    """An interval of a difference of shares ends where differences of shares end."""
    return max(interval[0], -1.0), min(interval[1], 1.0)


def share_of(hit: np.ndarray, persons: np.ndarray | None, worth: float = 1.0) -> Rate:
    """The share of hits among rows, of which those of one person (codes) may be alike.

    worth: that of a row where persons are None.
    """
    k, n = int(np.sum(hit)), len(hit)
    if persons is None or not n:
        return Rate(k, n, worth)
    return Rate(k, n, rate_worth(hit, persons) / n)


def worth_of_samples(case: AuditCase) -> float:
    """What a sample is worth of an independent one, where samples name no persons.

    Whoever makes rows of persons may make several for each, as the training rows have; as it is
    not said which, each counts for as little as a training row. Where a mitigation used rows again
    it is not said which either, so each counts as if it stood there as often as any does.
    """
    persons, alone = case.train.persons, 1.0 / case.subject.repeats
    if persons is None or case.samples.persons is not None:
        return alone
    return alone * equal_worth(persons) / len(persons)


def joint(columns: Sequence[Grouping], data: Dataset) -> np.ndarray:
    """Number of each row's joint group of some columns, shape (n,); -1 where it lacks one.

    The last column runs fastest, as in `numpy.ravel_multi_index`.
    """
    code = np.zeros(len(data), dtype=np.int64)
    for grouping in columns:
        mine = grouping.codes(data)
        code = np.where((code >= 0) & (mine >= 0), code * len(grouping.levels) + mine, -1)
    return code


def large_anywhere(case: AuditCase, columns: Sequence[Grouping]) -> np.ndarray:
    """Joint groups with enough independent rows to judge on some side, bools (groups,).

    Whether these have a label or not: what a group lacks on the other side, or lacks labels for, is
    not known, and nothing passes for want of it.
    """
    real = [(case.data[k], 1.0) for k in (Knowledge.TRAIN, Knowledge.HOLDOUT) if k in case.data]
    made = [(d, worth_of_samples(case)) for d in (case.samples, *case.subject.replicates)]
    n = math.prod(len(g.levels) for g in columns)
    found = np.zeros(n, dtype=bool)
    for data, worth in (*real, *made):
        if any(g.name in data.absent for g in columns):
            continue
        codes, persons = joint(columns, data), data.persons
        rows = [codes == i for i in range(n)]
        units = [worth * m.sum() if persons is None else equal_worth(persons[m]) for m in rows]
        found |= np.array(units) >= JUDGED
    return found


@dataclass(frozen=True, eq=False)
class GroupRates:
    """How often each group gets the favoured outcome, as Fairlearn counts it.

    n, k: rows with a label, and with the favoured one. worth: see `Rate`. told: groups whose size
    and rate may be printed, bools (groups,).
    """

    n: tuple[int, ...]
    k: tuple[int, ...]
    worth: tuple[float, ...]
    told: np.ndarray

    @classmethod
    def of(
        cls,
        groups: np.ndarray,
        favoured: np.ndarray,
        n_groups: int,
        persons: np.ndarray | None = None,
        worth: float = 1.0,
    ) -> GroupRates:
        """From group codes and labels 0 / 1 (-1 = not known: left out), shape (n,).

        Where a group has rows without a label, its rows with one are counted down to a multiple of
        ten at the same rate: the two numbers would tell how many the former are.

        Args:
            groups: Group codes, -1 = none.
            favoured: Labels.
            n_groups: Number of groups.
            persons: The number of each row's person; None where a row is a person.
            worth: That of a row where persons are None.
        """
        known = (groups >= 0) & (favoured >= 0)
        if not known.any():
            return cls((0,) * n_groups, (0,) * n_groups, (1.0,) * n_groups, np.ones(n_groups, bool))
        everybody = np.bincount(groups[groups >= 0], minlength=n_groups)
        groups, favoured = groups[known], favoured[known]
        persons = None if persons is None else persons[known]
        n, k = cls._counted(groups, favoured, n_groups)
        kept = [in_tens(int(a), int(b)) for a, b in zip(n, everybody, strict=True)]
        rates = [share_of(favoured[groups == g] == 1, _some(persons, groups == g), worth)
                 for g in range(n_groups)]  # fmt: skip
        scaled = [round(k[g] * kept[g] / max(int(n[g]), 1)) for g in range(n_groups)]
        told = _told(2 * groups + favoured, None, n_groups)
        if persons is not None:
            told &= _told(2 * groups + favoured, persons, n_groups)
        return cls(tuple(kept), tuple(scaled), tuple(r.worth for r in rates), told)

    @staticmethod
    def _counted(
        groups: np.ndarray, favoured: np.ndarray, n_groups: int
    ) -> tuple[np.ndarray, list[int]]:
        """Rows, and favoured rows by Fairlearn's rate, of each group."""
        n = np.bincount(groups, minlength=n_groups)
        cells, weight = np.unique(np.column_stack([groups, favoured]), axis=0, return_counts=True)
        # A row for each cell, weighted by its people: the same rates a hundred times faster.
        rates = MetricFrame(
            metrics={"rate": selection_rate},
            y_true=pd.Series(cells[:, 1]),
            y_pred=pd.Series(cells[:, 1]),
            sensitive_features=pd.Series(cells[:, 0], name="group"),
            sample_params={"rate": {"sample_weight": pd.Series(weight)}},
        ).by_group["rate"]
        return n, [round(rates.get(i, 0.0) * int(n[i])) for i in range(n_groups)]

    def __getitem__(self, group: int) -> Rate:
        return Rate(self.k[group], self.n[group], self.worth[group])


def _told(cells: np.ndarray, units: np.ndarray | None, n_groups: int) -> np.ndarray:
    """Groups whose size and rate may be printed, from 2 * group + label of each row."""
    n = n_units(cells // 2, units, n_groups)
    labels = n_units(cells, units, 2 * n_groups).reshape(-1, 2)
    return shown_parts(n) & shown_cells(labels).all(axis=1)


def _some(values: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[rows]


def favoured_rates(
    data: Dataset, grouping: Grouping, target: Target, worth: float = 1.0
) -> GroupRates:
    """How often each group of a data set gets the favoured outcome; `worth` as in `share_of`."""
    classes = target.encode(data)
    favoured = np.where(classes < 0, -1, classes == target.favoured)
    codes = grouping.codes(data)
    return GroupRates.of(codes, favoured, len(grouping.levels), data.persons, worth)


def within_bands(groupings: Iterable[Grouping]) -> list[Message]:
    """What is not measured of numbers, as their groups are bands that nobody declared."""
    return [
        message(
            "bias.within_bands",
            "Differences within groups of {column}: it is a number, so its groups were made by "
            "cutting at the quartiles of the real rows.",
            column=g.name,
        )
        for g in groupings
        if g.edges
    ]


def check_groups(case: AuditCase, _: object = None) -> None:
    """Refuse a sensitive column of categories that are no groups, such as numbers or names.

    Raises:
        DataError: it has many categories in train, none of which ten rows share.
    """
    for column in case.schema.sensitive:
        counts = case.train.frame[column.name].value_counts()
        counts = counts[counts > 0]  # levels that the schema declares and train lacks
        if column.discrete and len(counts) > _MANY and counts.iloc[0] < ESTIMABLE:
            raise DataError(
                f"Sensitive column {column.name!r} of train has {len(counts):,} categories, none "
                f"of which {ESTIMABLE} rows share, so that it has no groups; declare it as a "
                "number, bring fewer categories, or give it another role."
            )


def check_labels(case: AuditCase, _: object = None) -> None:
    """Refuse real rows in which a whole group has no label, or all or none have the favoured one.

    Raises:
        DataError: a group of ten or more rows, none of which has a value in the target column; or
            ten or more rows with a value there that all, or none of them, have the favoured one;
            or a sensitive column without groups.
    """
    check_groups(case)
    target = case.schema.target
    for knowledge in (Knowledge.TRAIN, Knowledge.HOLDOUT):
        if target is None or not case.schema.sensitive or knowledge not in case.data:
            continue
        data = case.data[knowledge]
        _check_outcomes(target, data, knowledge, Target.of(target, case.train))
        for column in case.schema.sensitive:
            grouping = Grouping.of(column, data)
            codes, labelled = grouping.codes(data), data.frame[target.name].notna().to_numpy()
            for i, level in enumerate(grouping.levels):
                mine = codes == i
                if mine.sum() >= ESTIMABLE and not labelled[mine].any():
                    raise DataError(
                        f"Target column {target.name!r} of {knowledge} has no value in the group "
                        f"{level!r} of {column.name!r}; bring rows of it with a value, or give one "
                        "of the two columns another role."
                    )


def _check_outcomes(column: Column, data: Dataset, knowledge: Knowledge, target: Target) -> None:
    values, classes = data.frame[column.name].dropna(), target.encode(data)
    favoured = classes[classes >= 0] == target.favoured
    if len(values) < ESTIMABLE:
        return
    if len(set(values)) == 1:
        raise DataError(
            f"Target column {column.name!r} of {knowledge} has the value '{values.iloc[0]}' "
            "alone, so that no gap exists there; bring rows of two outcomes, or give the "
            "column another role."
        )
    if len(favoured) >= ESTIMABLE and len(set(favoured)) == 1:
        has = "alone" if favoured.all() else "nowhere"
        change = "" if target.threshold is not None else "name another category last, "
        raise DataError(
            f"Target column {column.name!r} of {knowledge} has the favoured outcome "
            f"'{target.classes[-1]}' {has}, so that no gap exists there; bring rows of both "
            f"outcomes, {change}or give the column another role."
        )


def in_words(group: dict[str, str]) -> str:
    """A group for a label, such as `Female (sex), Black (race)`."""
    return ", ".join(f"{level} ({column})" for column, level in group.items())


def outcome(target: Target) -> str | Message:
    """The favoured outcome in words: a name of the data, but for a number above its median."""
    if target.threshold is None:
        return target.outcome
    known = {"column": target.name, "bound": target.classes[-1].rpartition(" ")[2]}
    if target.classes[-1].startswith("above "):
        return message("outcome.above", "{column} above {bound}", **known)
    return message("outcome.at_least", "{column} of at least {bound}", **known)


def with_words(found: Outcome, groupings: Iterable[Grouping]) -> Outcome:
    """What was found, with bands of numbers and `(not stated)` as words wherever they stand."""
    words = {(g.name, level): m for g in groupings for level, m in g.words.items()}
    if not words:
        return found
    findings = tuple(_worded(f, words) for f in found.findings)
    groups = [_group_message(f.group, words) for f in found.findings]
    names = words_of(*(group for group in groups if group.words))
    figures = tuple(_worded_figure(figure, names) for figure in found.figures)
    return replace(found, findings=findings, figures=figures)


def too_few(group: dict[str, str], minimum: int) -> Message:
    """The reason of an estimate that rests on too few rows; it never prints how few."""
    return message(
        "bias.too_few",
        "Not estimable: fewer than {minimum:integer} rows of {group} to go by on one side.",
        minimum=minimum,
        group=in_words(group),
    )


def scarcer(group: dict[str, str], n: float, reference: str, n_reference: float) -> dict[str, str]:
    """Which of a group and the one it is compared with (a level of its column) has fewer rows.

    >>> scarcer({"sex": "f"}, 500, "m", 0)
    {'sex': 'm'}
    """
    return group if n <= n_reference else dict.fromkeys(group, reference)


def few(group: dict[str, str]) -> Message:
    """The doubt of an estimate that rests on few rows."""
    return message(
        "bias.few",
        "Fewer than {minimum:integer} rows of {group} to go by on one side: too few for a verdict.",
        minimum=JUDGED,
        group=in_words(group),
    )


def absent(column: str) -> Message:
    """The reason of an estimate about a column that the samples lack."""
    return message("bias.absent", "Generated rows have no column {column}.", column=column)


def gone(
    group: dict[str, str], made: Rate, share: float, real: Rate | None = None
) -> Message | None:
    """The doubt of a pass of a share: the group lost most of its people, or came from nowhere.

    A group of a few per cent may do so within any limit of a difference of shares. By chance it
    does in less than one case in a hundred, as thirty rows are due at least.

    made, real: its share among samples, and among real rows. share: what it should be.
    """
    (k, n), (k_real, n_real) = made.independent, (0.0, 0.0) if real is None else real.independent
    wanted, of_real = share * n, made.value * n_real
    lost = wanted >= JUDGED and k < wanted / 2
    new = real is not None and of_real >= JUDGED and k_real < of_real / 2
    if not lost and not new:
        return None
    return message(
        "bias.halved",
        "{group} has less than half of the rows on one side that it would have by the other: a "
        "group that lost most of its people, or came (nearly) from nowhere, passes no limit on a "
        "difference of shares.",
        group=in_words(group),
    )


def named(columns: Sequence[Grouping], i: int) -> str | Message:
    """The i-th joint group of some columns in words: a level of one, or levels of several."""
    at = np.unravel_index(i, [len(g.levels) for g in columns])
    levels = [g.levels[int(j)] for g, j in zip(columns, at, strict=True)]
    said = [g.words.get(level, level) for g, level in zip(columns, levels, strict=True)]
    if len(said) == 1:
        return said[0]
    fields = {f"level{i}": level for i, level in enumerate(said)}
    text = " & ".join(f"{{{name}}}" for name in fields)
    return message("group.joined", text, **fields).model_copy(update={"texts": {"zh": text}})


def unlabelled(
    case: AuditCase, columns: Sequence[Grouping], target: Target, groups: Iterable[int]
) -> Message | None:
    """The doubt of a pass, if clearly more samples than real rows of a group lack an outcome.

    Rates among rows with an outcome say nothing about who has one: those who are favoured may have
    lost it.

    groups: joint groups of the columns that are compared.
    """
    if any(name in case.samples.absent for name in (target.name, *(g.name for g in columns))):
        return None
    sides = [(d, joint(columns, d), target.encode(d) >= 0) for d in (case.samples, case.train)]
    worth = worth_of_samples(case), 1.0

    def lost(i: int) -> bool:
        made, real = (
            share_of(known[codes == i], _some(data.persons, codes == i), of)
            for (data, codes, known), of in zip(sides, worth, strict=True)
        )
        if not made.n or not real.n or real.value - made.value <= _LOST:
            return False
        parts = [(sign, *rate.independent) for sign, rate in ((1, real), (-1, made))]
        return rate_contrast(parts, 0.95)[0] > 0

    if not (names := [named(columns, i) for i in groups if lost(i)]):
        return None
    return message(
        "bias.unlabelled",
        "Clearly more generated than real rows have no value of {column} in these groups: {groups}."
        " Whether they are treated like those that have one is not known.",
        column=target.name,
        groups=listed(names),
    )


def alike(target: Target, n_favoured: float, n: float) -> Message | None:
    """The doubt of a gap among samples, if (nearly) all or none of which have the outcome.

    n_favoured, n: samples with the favoured outcome, and with any.
    """
    if min(n_favoured, n - n_favoured) >= JUDGED:
        return None
    return message(
        "bias.alike",
        "Fewer than {minimum:integer} generated rows have “{outcome}”, or fewer than that have any "
        "other: groups that are alike for want of one of the two are not treated alike.",
        minimum=JUDGED,
        outcome=outcome(target),
    )


def other_outcomes(target: Target) -> list[Message]:
    """What is not measured of a target of several outcomes, of which one is favoured."""
    if len(target.classes) < 3:
        return []
    return [
        message(
            "bias.other_outcomes",
            "Gaps in outcomes of {column} other than “{outcome}”, which count as one here; "
            "differential fairness looks at each.",
            column=target.name, outcome=target.classes[-1],
        )
    ]  # fmt: skip


def no_sensitive() -> Message:
    """What is not measured where the schema names no sensitive column."""
    return message(
        "bias.no_sensitive",
        "Differences between groups: the schema marks no column as sensitive.",
    )


def no_target() -> Message:
    """What is not measured where the schema names no target column."""
    return message(
        "bias.no_target",
        "Differences between groups in an outcome: the schema marks no column as target.",
    )


def _unstated(data: Dataset, column: str) -> bool:
    return column not in data.absent and bool(data.frame[column].isna().any())


def _edges(values: np.ndarray) -> tuple[float, ...]:
    """Where numbers are cut, so that nobody is in the lowest band by name alone.

    >>> _edges(np.array([0, 0, 0, 0, 1])), _edges(np.array([0, 0, 1, 2, 3]))
    ((1.0,), (1.0, 2.0))
    """
    least = values.min() if len(values) else 0
    for rows in (values, values[values > least]):
        edges = np.unique(np.quantile(rows, (0.25, 0.5, 0.75))) if len(rows) else rows
        if (edges > least).any():
            return tuple(float(e) for e in edges[edges > least])
    return tuple(float(e) for e in np.unique(values))  # one value, or none: one group


def _bands(column: Column, edges: tuple[float, ...]) -> Iterable[Message]:
    shown = show_apart(column, edges)
    yield message("group.below", "below {high}", high=shown[0])
    for low, high in pairwise(shown):
        yield message("group.between", "{low} to below {high}", low=low, high=high)
    yield message("group.above", "{low} and above", low=shown[-1])


_Words = Mapping[tuple[str, str], Message]


def _group_message(group: Mapping[str, str], words: _Words) -> Message:
    """`in_words` as a message."""
    fields: dict[str, str | Message] = {}
    for i, (column, level) in enumerate(group.items()):
        fields |= {f"column{i}": column, f"level{i}": words.get((column, level), level)}
    text = ", ".join(f"{{level{i}}} ({{column{i}}})" for i in range(len(group)))
    return message(f"group.{len(group)}", text, **fields)


def _worded(finding: Finding, words: _Words) -> Finding:
    found = {level: words[c, level] for c, level in finding.group.items() if (c, level) in words}
    columns = tuple(finding.group)
    texts = {m.english: m for (column, _), m in words.items() if column in columns}
    if found:
        texts[in_words(finding.group)] = _group_message(finding.group, words)
    estimate = finding.estimate
    update = {
        "words": {**finding.words, **found},
        "label": _said(finding.label, texts),
        "doubt": _said(finding.doubt, texts),
        "estimate": estimate.model_copy(update={"reason": _said(estimate.reason, texts)}),
    }
    return finding.model_copy(update=update)


def _said(sentence: Message | None, texts: Mapping[str, Message]) -> Message | None:
    """The sentence with its group, and the group of reference, as messages."""
    if sentence is None:
        return None
    fields = {k: v for k, v in sentence.params.items() if k in ("group", "reference")}
    words = {k: texts[v] for k, v in fields.items() if isinstance(v, str) and v in texts}
    return sentence.model_copy(update={"words": {**sentence.words, **words}})


def _worded_figure(figure: Figure, names: Mapping[str, Message]) -> Figure:
    labels = {str(row[0]) for row in figure.rows}
    words = {text: m for text, m in names.items() if text in labels}
    return figure.model_copy(update={"words": {**figure.words, **words}})
