"""Rows of one table in another by their values: columns may be missing, renamed, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import pdist

from genaudit.training.dp.selfcheck.rows import rounding
from genaudit.training.dp.selfcheck.rows.chance import by_company, by_drawing

#: Rows of the training data that are looked for at most; columns of a table that are compared.
_ROWS, _COLUMNS = 50_000, 1024

#: Values of a column by which its twin is found, and the chance of one that the twin lacks.
_VALUES, _NEVER = 3000, 1e-9

#: Points for the same name, and for the same place: more and less than any values can give.
_NAME, _PLACE = 100.0, 1e-6

#: Columns of numbers of many digits, each in one record alone, by which one row is known.
_TELLING = 3

#: Roundings that leave so much of a number that it is hardly met by chance.
_FINE = {"single", "written single", "none", "decimals 6", "decimals 7", "digits 6", "digits 7"}

#: Numbers of a big array that are tried first, how many make it big, and the share that must be
#: known: numbers of few digits are met by chance.
_TRIED, _BIG, _SHARE = 4000, 2000, 0.005

#: Columns by which a row of few digits is known where no two records are anywhere near each other,
#: rows of a table that are looked at so, and records that are held against each other for that.
_SEVERAL, _SINGLE, _HELD = 6, 4, 1000

#: Pairs of columns up to which each is left out in its turn.
_FEW = 12


@dataclass(frozen=True)
class Match:
    """Rows of the training data that are in a table. p_value: None where there is no doubt."""

    found: int
    p_value: float | None = None


@dataclass
class Known:
    """Rows that must not be there.

    Args:
        table: The rows.
        rng: Which rows where there are very many, and which of them nobody has.
        controls: Rows that nobody has, for each.
    """

    table: pd.DataFrame
    rng: np.random.Generator
    controls: int = 10
    _codes: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    _likely: dict[str, tuple[np.ndarray, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.table)
        some = self.rng.permutation(n)[:_ROWS] if n > _ROWS else np.arange(n)
        rows = self.table.iloc[some, :_COLUMNS]
        self.names = list(map(_named, rows.columns))
        self.columns = [rounding.column(rows.iloc[:, j]) for j in range(rows.shape[1])]
        self.orders = [self.rng.permuted(np.tile(np.arange(len(some)), (self.controls, 1)), axis=1)
                       for _ in self.columns]  # fmt: skip

    def codes(self, name: str, j: int) -> np.ndarray:
        """Column j, rounded."""
        if (name, j) not in self._codes:
            self._codes[name, j] = rounding.codes(self.columns[j], rounding.by_name(name))
        return self._codes[name, j]

    def likely(self, name: str) -> tuple[np.ndarray, ...]:
        """Values in order, the column of each, and the logarithm of how often they are there."""
        if name not in self._likely:
            parts = []
            for j in range(len(self.columns)):
                values, counts = np.unique(self.codes(name, j), return_counts=True)
                points = np.log(counts / counts.sum()) - np.log(_NEVER)
                parts.append((values, np.full(len(values), j), points))
            values, which, points = (np.concatenate(p) for p in zip(*parts, strict=True))
            order = np.argsort(values, kind="stable")
            self._likely[name] = values[order], which[order], points[order]
        return self._likely[name]

    def values(self, name: str) -> np.ndarray:
        """Values of all columns, in order."""
        return self.likely(name)[0]

    def known_alone(self, name: str, j: int) -> bool:
        """Whether a value of column j, rounded so, tells whose it is."""
        numbers, codes = self.columns[j], self.codes(name, j)
        if name not in _FINE or numbers.dtype == np.int64 or not len(codes):
            return False
        told = rounding.telling(rounding.by_name(name)(numbers))
        return bool(told.mean() > 0.8 and len(rounding.distinct(codes)) > 0.95 * len(codes))


@dataclass(frozen=True)
class _Pair:
    """A column of a table, the known one that it is, and how it was rounded."""

    codes: np.ndarray
    j: int
    name: str
    share: float


def matched(known: Known, table: pd.DataFrame, level: float) -> Match | None:
    """Rows of the training data in a table; None = no more than by chance.

    At least two columns must be paired. What is found must be more than rows that nobody has, with
    the same values in other company, and more than fresh draws of such rows would hold.
    """
    table = _folded(table, len(known.columns))
    if table.shape[1] < 2 or table.shape[1] > _COLUMNS or len(known.columns) < 2:
        return None
    if _shares_nothing(known, table):
        return None
    pairs = _paired(known, table)
    if len(pairs) < 2:
        return None
    alone = [p for p in pairs if known.known_alone(p.name, p.j)]
    told = _hits(known, alone) if len(alone) >= _TELLING else 0
    if n := told or _hits_far_apart(known, pairs, level):
        return Match(n)
    chosen = list(_chosen(pairs))
    for some in chosen:
        found, p_value = _compared(known, some)
        if p_value < level / len(chosen):
            return Match(found, p_value)
    return None


def _folded(table: pd.DataFrame, width: int) -> pd.DataFrame:
    """Rows that stand one after the other in one column."""
    if table.shape[1] > 1 or not width or len(table) % width:
        return table
    return pd.DataFrame(table.to_numpy().reshape(-1, width))


def _shares_nothing(known: Known, table: pd.DataFrame) -> bool:
    """Whether some numbers of a big array tell that it is something else, such as weights."""
    types = set(table.dtypes)
    if (
        table.size < _BIG
        or len(types) > 1
        or not all(isinstance(t, np.dtype) and t.kind in "fiub" for t in types)
    ):
        return False
    flat = table.to_numpy().ravel()
    some = known.rng.choice(flat, min(len(flat), _TRIED)).astype(float)
    return all(
        rounding.among(
            rounding.codes(some, rounding.by_name(name)), known.values(name)
        ).mean() < _SHARE
        for name in rounding.roundings(some)
    )  # fmt: skip


def _paired(known: Known, table: pd.DataFrame) -> list[_Pair]:
    """Each column of a table with a column of the known ones, by name and by shared values."""
    columns = [rounding.column(table.iloc[:, i]) for i in range(table.shape[1])]
    n = len(known.columns)
    points, shares = np.zeros((len(columns), n)), np.zeros((len(columns), n))
    names = [["none"] * n for _ in columns]
    for i, values in enumerate(columns):
        for name in rounding.roundings(values):
            got, share = _likeness(known, values, name)
            for j in np.flatnonzero(got > points[i]):
                points[i, j], shares[i, j], names[i][j] = got[j], share[j], name
        points[i] += _PLACE * (np.arange(n) == i)
        points[i] += _NAME * (shares[i] > 0) * (np.array(known.names) == _named(table.columns[i]))
    pairs = [
        _Pair(rounding.codes(columns[i], rounding.by_name(names[i][j])), j, names[i][j],
              float(shares[i, j]))
        for i, j in zip(*linear_sum_assignment(-points), strict=True) if shares[i, j] > 0
    ]  # fmt: skip
    return sorted(pairs, key=lambda p: -p.share)


def _likeness(known: Known, values: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean log-likelihood of values in each known column, and the share that is in it at all."""
    mine, counts = np.unique(
        rounding.codes(values[: 20 * _VALUES], rounding.by_name(name)), return_counts=True
    )
    if len(mine) > _VALUES:
        some = np.linspace(0, len(mine) - 1, _VALUES).astype(int)
        mine, counts = mine[some], counts[some]
    theirs, which, points = known.likely(name)
    low, high = np.searchsorted(theirs, mine), np.searchsorted(theirs, mine, side="right")
    lengths = high - low
    at = np.repeat(low - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())
    weight = np.repeat(counts / counts.sum(), lengths)
    n = len(known.columns)
    return (np.bincount(which[at], weight * points[at], n), np.bincount(which[at], weight, n))


def _chosen(pairs: list[_Pair]) -> Iterator[list[_Pair]]:
    """All pairs; fewer of those that share most; all but one: a column may be somebody else's."""
    n = len(pairs)
    yield from (
        pairs[:k] for k in sorted({n, 3 * n // 4, n // 2, 3, 2}, reverse=True) if 2 <= k <= n
    )
    if 4 <= n <= _FEW:
        yield from (pairs[:i] + pairs[i + 1 :] for i in range(n - 1))


def _compared(known: Known, pairs: list[_Pair]) -> tuple[int, float]:
    """Real rows that are there, and how likely that is by chance."""
    there = rounding.distinct(mixed([p.codes for p in pairs]))
    real = [known.codes(p.name, p.j) for p in pairs]
    rows = mixed(real)
    needles = rounding.distinct(rows)
    found = int(rounding.among(needles, there).sum())
    if not found:
        return 0, 1.0
    drawn = by_drawing(rows, there, len(pairs[0].codes))
    if drawn > 0.5:  # the rest costs ten times as much
        return found, drawn
    orders = [known.orders[p.j] for p in pairs]
    foreign = rounding.distinct(np.concatenate([
        mixed([c[o[k]] for c, o in zip(real, orders, strict=True)]) for k in range(known.controls)
    ]))  # fmt: skip
    foreign = foreign[~rounding.among(foreign, needles)]
    also = int(rounding.among(foreign, there).sum())
    return found, max(drawn, by_company(found, len(needles), also, len(foreign)))


def _hits_far_apart(known: Known, pairs: list[_Pair], level: float) -> int:
    """Real rows that are there with few decimals, where records are so far apart that none is met.

    If no two of k records are within c steps of the last decimal, one draw is within one step of
    another by chance at most 2 / (k² c) times: where c times as far is wide, c times as many are.
    Some columns may be paired wrongly; half of them are enough.
    """
    some = [p for p in pairs if p.name.startswith("decimals")
            and known.columns[p.j].dtype != np.int64]  # fmt: skip
    if len(some) < _SEVERAL or len(some[0].codes) > _SINGLE:
        return 0
    name = max(p.name for p in some)
    real = np.stack([known.codes(name, p.j) for p in some], axis=1)
    columns = np.stack([known.columns[p.j] for p in some], axis=1)
    step = 10.0 ** -int(name.removeprefix("decimals "))
    # For each row of the table, and each record that it could meet.
    chance = level / (len(some[0].codes) * len(real))
    found = 0
    for row in np.stack([p.codes for p in some], axis=1):
        same = real == row
        best = same[same.sum(1).argmax()]
        enough = max(_SEVERAL, (len(some) + 1) // 2)
        found += bool(best.sum() >= enough and _far_apart(columns[:, best], step, chance))
    return found


def _far_apart(columns: np.ndarray, step: float, chance: float) -> bool:
    """Whether no two records are so near each other that a made one has this chance to meet one."""
    held = columns[np.isfinite(columns).all(1)][:_HELD]
    if len(held) < 2:
        return False
    steps = 1 + 2 / (chance * len(held) ** 2)
    return bool(pdist(held, "chebyshev").min() > steps * step)


def _hits(known: Known, pairs: list[_Pair]) -> int:
    """Real rows that are there, by these columns."""
    rows = rounding.distinct(mixed([known.codes(p.name, p.j) for p in pairs]))
    there = rounding.distinct(mixed([p.codes for p in pairs]))
    return int(rounding.among(rows, there).sum())


def mixed(columns: list[np.ndarray]) -> np.ndarray:
    """One code for each row, of the codes in its columns."""
    total = np.zeros(len(columns[0]), dtype=np.uint64)
    for codes in columns:
        total = (total ^ codes.view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        total ^= total >> np.uint64(29)
    return total


def _named(name: object) -> str:
    return str(name).strip().lower()
