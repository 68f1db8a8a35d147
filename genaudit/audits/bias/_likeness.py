"""How far generated rows of a group are from unseen real rows, beyond what chance adds.

The distance of two samples of one population is never 0, and is larger the fewer rows there are.
So the distance of generated rows from the holdout is set against that of as many training rows from
the same holdout: where the samples are like real rows the two are exchangeable, and their
difference, the excess, is as often above 0 as below, however small the group is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import ndtr

from genaudit.audits.bias._groups import ESTIMABLE, Grouping, worth_of_samples
from genaudit.case import AuditCase
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import SMALL_CELL
from genaudit.data.schema import Column
from genaudit.modalities.table.learner import levels_of
from genaudit.stats.clusters import cluster_sums
from genaudit.stats.components import component_interval
from genaudit.stats.intervals import Interval

#: Rows that a level of its own is expected to have; others of a group are one level.
_EXPECTED = 20

#: Parts of a large group, each of the size of a small one, that are averaged.
_MAX_PARTS = 8

#: How fast a direction becomes sure, per standard error. At 1 squares are in the mean a third of
#: those of certain directions; a little more keeps the variance of the size of a normal number
#: (0.363), and of differences of such sizes.
_SURE = 1.2

#: Rows of generated, training and holdout tables, in this order, as positions of each.
Rows = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Coded:
    """One column of all three tables as codes, each of shape (n,), -1 where a value is missing.

    places: of the distinct numbers, ascending, in standard deviations of all real rows; None for
        levels, where a missing value is a level of its own. size: number of codes.
    """

    name: str
    codes: tuple[np.ndarray, ...]
    size: int
    places: np.ndarray | None = None

    @classmethod
    def of(cls, column: Column, made: Dataset, train: Dataset, holdout: Dataset) -> Coded:
        """The codes of a column."""
        tables = [d.frame[column.name] for d in (made, train, holdout)]
        if column.discrete:
            levels = levels_of(column, pd.concat([t.astype(object) for t in tables]))
            where = {level: i for i, level in enumerate(levels)}
            coded = [pd.to_numeric(t.astype(object).map(where)).fillna(len(levels)) for t in tables]
            return cls(column.name, tuple(c.to_numpy(np.int64) for c in coded), len(levels) + 1)
        numbers = [_on_scale(t.to_numpy(dtype=float), column) for t in tables]
        known = [x[~np.isnan(x)] for x in numbers]
        values = np.unique(np.concatenate(known))
        spread = float(np.std(np.concatenate(known[1:])))
        codes = [np.where(np.isnan(x), -1, np.searchsorted(values, x)) for x in numbers]
        return cls(column.name, tuple(codes), len(values), values / (spread or 1.0))


def _on_scale(values: np.ndarray, column: Column) -> np.ndarray:
    """Numbers on the scale that the schema declares, so that a long tail does not outvote all."""
    if column.scale != "log":
        return values
    return np.sign(values) * np.log1p(np.abs(values))


@dataclass(frozen=True, eq=False)
class Witness:
    """A distance as a difference of means, and how each row moves it, shape (n,) each, mean 0.

    The function whose means differ most is read off the same rows (Kantorovich's potential of a
    Wasserstein distance, the signs of a total variation distance). Where its direction is chance, a
    row moves the distance less than it moves that function, so that such places are weighted down:
    the size of a normal number varies by 36% of the number's variance.
    """

    value: float
    one: np.ndarray
    other: np.ndarray


def level_distance(one: np.ndarray, other: np.ndarray, size: int) -> Witness:
    """Total variation distance of two samples of codes.

    >>> level_distance(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2).value
    0.25
    """
    p, q = (np.bincount(c, minlength=size) / len(c) for c in (one, other))
    signs, sure = _directions(p, q, len(one), len(other))
    return _witness(one, other, signs / 2, sure / 2)


def number_distance(one: np.ndarray, other: np.ndarray, places: np.ndarray) -> Witness:
    """First Wasserstein distance of two samples of codes of `places`, missing values apart.

    What is stated is compared by how far the numbers lie apart, and the shares of missing values by
    their difference; the two are added. With a few stated values on one side the latter is alone.

    >>> number_distance(np.array([0, 1]), np.array([1, 2]), np.array([0.0, 1.0, 3.0])).value
    1.5
    """
    missing = level_distance((one < 0).astype(np.int64), (other < 0).astype(np.int64), 2)
    stated = one >= 0, other >= 0
    shares = [s.mean() for s in stated]
    if min(s.sum() for s in stated) < (1 if min(shares) == 1 else ESTIMABLE):
        return missing
    x, y = one[stated[0]], other[stated[1]]
    f, g = (np.cumsum(np.bincount(c, minlength=len(places))) / len(c) for c in (x, y))
    gaps = np.diff(places)
    signs, sure = (d[:-1] * gaps for d in _directions(f, g, len(x), len(y)))
    found = _witness(x, y, _sums_from(signs), _sums_from(sure))
    parts = []
    for rows, share, mine, rest in zip(
        stated, shares, (found.one, found.other), (missing.one, missing.other), strict=True
    ):
        whole = rest.copy()
        whole[rows] += mine / share
        parts.append(whole)
    return Witness(found.value + missing.value, parts[0], parts[1])


def _sums_from(steps: np.ndarray) -> np.ndarray:
    """Sum of the steps from each place on; one more than there are steps."""
    return np.append(np.cumsum(steps[::-1])[::-1], 0.0)


def _directions(p: np.ndarray, q: np.ndarray, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Sign of each difference of shares of n and of m rows, and how sure it is, in (-1, 1)."""
    whole = (n * p + m * q) / (n + m)
    error = np.sqrt(np.maximum(whole * (1 - whole), 0.0) * (1 / n + 1 / m))
    z = np.divide(p - q, error, out=np.zeros_like(error), where=error > 0)
    return np.sign(p - q), 2 * ndtr(_SURE * z) - 1


def _witness(
    one: np.ndarray, other: np.ndarray, potential: np.ndarray, moved: np.ndarray
) -> Witness:
    value = potential[one].mean() - potential[other].mean()
    f, g = moved[one], moved[other]
    return Witness(float(value), f - f.mean(), g - g.mean())


# Excess ------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Excess:
    """How much further generated rows of a group are from the holdout than training rows are.

    values: excess of each column, shape (columns,). errors: its variance and degrees of freedom in
        each table. together: the same of the mean over columns. n: rows of either side.
    """

    values: np.ndarray
    errors: tuple[tuple[tuple[float, float], ...], ...]
    together: tuple[tuple[float, float], ...]
    n: int

    @property
    def value(self) -> float:
        """Mean over columns; NaN where there is none."""
        return float(self.values.mean()) if len(self.values) else math.nan

    def interval(self, confidence: float) -> Interval:
        """Student's t interval of the mean over columns."""
        return component_interval(self.value, self.together, confidence)

    def of_column(self, j: int, confidence: float) -> Interval:
        """Student's t interval of one column."""
        return component_interval(float(self.values[j]), self.errors[j], confidence)


@dataclass(frozen=True, eq=False)
class Likeness:
    """The three tables of a case as codes, for one sensitive column.

    groups: code of each row's group, shape (n,) each. persons: the number of each row's person;
    None where a row is one. worth: of a generated row in independent ones. uncompared: columns that
    the samples lack.
    """

    grouping: Grouping
    groups: Rows
    columns: tuple[Coded, ...]
    persons: tuple[np.ndarray | None, ...]
    worth: float
    uncompared: tuple[str, ...]
    seed: np.random.SeedSequence

    @classmethod
    def of(cls, case: AuditCase, grouping: Grouping) -> Likeness:
        """All modelled columns but the sensitive one; made once for the case."""
        return case.once(("bias.likeness", grouping.name), lambda: cls._of(case, grouping))

    @classmethod
    def _of(cls, case: AuditCase, grouping: Grouping) -> Likeness:
        tables = (case.samples, case.train, case.holdout)
        columns = [c for c in case.schema.modelled if c.name != grouping.name]
        coded = case.once("bias.likeness.columns", dict)
        for c in columns:
            if c.name not in coded and c.name not in case.samples.absent:
                coded[c.name] = Coded.of(c, *tables)
        made, train, holdout = (grouping.codes(d) for d in tables)
        stream = [case.seed, *f"bias.likeness.{grouping.name}".encode()]
        return cls(
            grouping,
            (made, train, holdout),
            tuple(coded[c.name] for c in columns if c.name in coded),
            tuple(d.persons for d in tables),
            worth_of_samples(case),
            tuple(c.name for c in columns if c.name not in coded),
            np.random.SeedSequence(stream),
        )

    def rows(self, level: int) -> Rows:
        """Positions of a group's rows in each table, in an order of chance."""
        rng = np.random.default_rng([*self.seed.generate_state(2).tolist(), level])
        made, train, holdout = (rng.permutation(np.flatnonzero(g == level)) for g in self.groups)
        return made, train, holdout

    def units(self, level: int) -> np.ndarray:
        """Persons of a group in each table, rows where a row is one, shape (3,)."""
        mine = (g == level for g in self.groups)
        return np.array([int(m.sum()) if p is None else len(np.unique(p[m]))
                         for m, p in zip(mine, self.persons, strict=True)])  # fmt: skip

    def comparable(self, level: int, n: int | None = None) -> tuple[Coded, ...]:
        """The columns with the rare levels of a group merged; those of one level are left out.

        n: rows that a level is expected to have some of; those of the group's smallest table where
        none are given.
        """
        rows = self.rows(level)
        n = min(map(len, rows)) if n is None else n
        merged = (c if c.places is not None else _merged(c, rows, n) for c in self.columns)
        return tuple(c for c in merged if c is not None)

    def excess(self, level: int) -> tuple[tuple[str, ...], Excess]:
        """The columns that are compared, and the excess of a group in them."""
        columns, rows = self.comparable(level), self.rows(level)
        n = min(len(rows[0]), len(rows[1]))
        part = (rows[0][:n], rows[1][:n], rows[2])
        return tuple(c.name for c in columns), self._excess(columns, [part])

    def null(self, level: int) -> Excess:
        """The excess of one half of a group's training rows over the other half."""
        columns, rows = self.comparable(level), self.rows(level)
        half = len(rows[1]) // 2
        only_real = replace(
            self, persons=(self.persons[1], *self.persons[1:]), worth=1.0,
            groups=(self.groups[1], *self.groups[1:]),
        )  # fmt: skip
        real = [replace(c, codes=(c.codes[1], *c.codes[1:])) for c in columns]
        return only_real._excess(real, [(rows[1][:half], rows[1][half : 2 * half], rows[2])])

    def pair(self, level: int, other: int) -> tuple[Excess, Excess]:
        """The excesses of two groups at one size, that of the smaller one in each table.

        A group that is larger is cut into parts of that size, whose excesses are averaged.
        """
        rows = self.rows(level), self.rows(other)
        n = min(len(r) for side in rows for r in side[:2])
        h = min(len(side[2]) for side in rows)
        found = []
        for which, side in ((level, rows[0]), (other, rows[1])):
            k = min(len(side[0]) // n, len(side[1]) // n, len(side[2]) // h, _MAX_PARTS)
            parts = [(side[0][i * n : (i + 1) * n], side[1][i * n : (i + 1) * n],
                      side[2][i * h : (i + 1) * h]) for i in range(k)]  # fmt: skip
            found.append(self._excess(self.comparable(which, min(n, h)), parts))
        return found[0], found[1]

    def _excess(self, columns: Sequence[Coded], parts: Sequence[Rows]) -> Excess:
        values = np.zeros(len(columns))
        total = [np.zeros(len(g)) for g in self.groups]
        errors = []
        for j, column in enumerate(columns):
            mine = [np.zeros(len(g)) for g in self.groups]
            for part in parts:
                value, moves = _column_excess(column, part)
                values[j] += value / len(parts)
                for table, rows, move in zip(mine, part, moves, strict=True):
                    table[rows] += move / len(rows) / len(parts)
            errors.append(tuple(self._errors(mine, parts)))
            total = [a + b / len(columns) for a, b in zip(total, mine, strict=True)]
        n = len(parts[0][0])
        return Excess(values, tuple(errors), tuple(self._errors(total, parts)), n)

    def _errors(
        self, moves: Sequence[np.ndarray], parts: Sequence[Rows]
    ) -> Iterator[tuple[float, float]]:
        """Variance that the rows of each table add, with degrees of freedom."""
        for i, (move, persons) in enumerate(zip(moves, self.persons, strict=True)):
            rows = np.concatenate([part[i] for part in parts])
            sums = move[rows] if persons is None else cluster_sums(move[rows], persons[rows])
            k = len(sums)
            variance = float(np.sum(sums**2)) * k / max(k - 1, 1)
            # Rows that all agree cannot show how they may differ.
            variance = max(variance, 0.25 / (k**2 * len(rows)))
            yield (variance / self.worth if i == 0 else variance), max(k - 1.0, 1.0)


def _column_excess(column: Coded, part: Rows) -> tuple[float, tuple[np.ndarray, ...]]:
    """Excess of one column, and how each row of each table moves it."""
    made, train, holdout = (codes[rows] for codes, rows in zip(column.codes, part, strict=True))
    if column.places is None:
        far, floor = (level_distance(c, holdout, column.size) for c in (made, train))
    else:
        far, floor = (number_distance(c, holdout, column.places) for c in (made, train))
    return far.value - floor.value, (far.one, -floor.one, floor.other - far.other)


def _merged(column: Coded, rows: Rows, n: int) -> Coded | None:
    """A column of levels in which rare levels of a group are one; None where one level is left.

    No level but the merged one holds a few real rows, nor does that: a distance from rows that
    anybody can count tells the counts of the others.
    """
    real = np.stack(
        [np.bincount(column.codes[i][rows[i]], minlength=column.size) for i in (1, 2)]
    )  # fmt: skip
    share = real.sum(axis=0) / max(real.sum(), 1)
    kept = (share * n >= _EXPECTED) & (real >= SMALL_CELL).all(axis=0)
    while kept.any() and _a_few(real[:, ~kept].sum(axis=1)):
        candidates = np.flatnonzero(kept)
        kept[candidates[np.argmin(share[candidates])]] = False
    if not kept.any():
        return None
    place = np.where(kept, np.cumsum(kept) - 1, kept.sum())
    return replace(column, codes=tuple(place[c] for c in column.codes), size=int(kept.sum()) + 1)


def _a_few(counts: np.ndarray) -> bool:
    return bool(((counts > 0) & (counts < SMALL_CELL)).any())
