"""When two rows are equal, nearly equal, or how far apart: the geometry of mixed-type tables.

`Keys` answers the first two with hashes, in time linear in rows. `Space` answers the third: a
distance in [0, 1] in which every column weighs the same, numbers are compared by rank and levels by
equality, and a missing value is at distance 0 from another and 1 from everything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from genaudit.data.dataset import Dataset
from genaudit.data.schema import Column
from genaudit.modalities.table.search import Encoded, Scale, Search

#: A number with more representable values than this is rounded before rows count as nearly equal.
_MAX_EXACT = 100

#: How many times as far anybody else's row must be before a sample is taken for one row's copy.
_BY_FAR = 3.0

#: Distances computed in one go: 20 MB of them.
_BLOCK = 512 * 10_000


@dataclass(frozen=True, eq=False)
class Keys:
    """Hashes of the rows of one table.

    exact: shape (n,); equal rows have equal hashes.
    near: shape (n, columns); two rows share `near[:, j]` when they are equal in all columns but
        perhaps the j-th, numbers with many values rounded to 1% of their range.
    owner: shape (n,); rows of one person have one number. None where each row is a person.
    place: shape (n, d); coordinates on the integer scale of a `Space`, of records that are no rows
        and are nearly equal where they are near.
    """

    exact: np.ndarray
    near: np.ndarray
    owner: np.ndarray | None = None
    place: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.exact)

    def take(self, rows: np.ndarray) -> Keys:
        """The hashes of some rows (positions or a mask)."""
        owner = None if self.owner is None else self.owner[rows]
        place = None if self.place is None else self.place[rows]
        return Keys(self.exact[rows], self.near[rows], owner, place)

    def n_units(self, rows: np.ndarray) -> int:
        """Number of persons behind the rows in a mask; of rows where each row is a person."""
        return int(rows.sum() if self.owner is None else len(np.unique(self.owner[rows])))

    @classmethod
    def of(cls, data: Dataset, columns: Sequence[Column]) -> Keys:
        """Hashes of the rows of a table over some columns of its schema, O(rows x columns).

        Columns without declared bounds are compared without rounding.
        """
        exact = np.zeros(len(data), dtype=np.uint64)
        rounded = np.zeros((len(data), len(columns)), dtype=np.uint64)
        for j, column in enumerate(columns):
            values = data.frame[column.name]
            salt = np.uint64(0x9E3779B97F4A7C15 * (2 * j + 1) % 2**64)
            # Sums of well-mixed hashes collide no more than hashes do, and one column can be
            # taken out of a sum again.
            exact += _mixed(_hashed(values) ^ salt)
            rounded[:, j] = _mixed(_hashed(_coarse(values, column)) ^ salt)
        columns_salt = np.arange(1, len(columns) + 1, dtype=np.uint64)
        near = _mixed(rounded.sum(axis=1, dtype=np.uint64)[:, None] - rounded) ^ columns_salt
        return cls(exact, near, _owners(data))

    @classmethod
    def joined(cls, parts: Sequence[Keys]) -> Keys:
        """Hashes of several tables, one after the other; no person is in two of them."""
        owners, next_owner = [], 0
        for owner in (p.owner for p in parts):
            if owner is not None:
                owners.append(owner + next_owner)
                next_owner += int(owner.max(initial=-1)) + 1
        places = [p.place for p in parts if p.place is not None]
        return cls(
            np.concatenate([p.exact for p in parts]),
            np.concatenate([p.near for p in parts]),
            np.concatenate(owners) if len(owners) == len(parts) else None,
            np.concatenate(places) if len(places) == len(parts) else None,
        )


@dataclass(frozen=True, eq=False)
class Hits:
    """Which rows of a pool were found among samples.

    apart: rows that a key sets apart from those of all other persons of the pool, shape (n, keys);
        the key of a whole row, or of all but one column each.
    hit: visible rows that a sample equals, or nearly equals.
    rows: number of samples that hit any of the pool's rows in a mask, shape (n,).
    """

    apart: np.ndarray
    hit: np.ndarray
    rows: Callable[[np.ndarray], int]

    @property
    def visible(self) -> np.ndarray:
        """Rows that some key sets apart, bools (n,)."""
        return np.asarray(self.apart.any(axis=1))

    def n_least(self, among: np.ndarray) -> int:
        """Rows in a mask that are set apart by the key that sets fewest apart."""
        return int(self.apart[among].sum(axis=0).min(initial=int(among.sum())))


def exact_hits(pool: Keys, samples: Keys) -> Hits:
    """Rows that one person alone has in the pool, and which of them a sample equals."""
    visible = _once(pool.exact, pool.owner)
    hit = visible & _found(pool.exact, samples.exact)

    def rows(among: np.ndarray) -> int:
        return int(_found(samples.exact, pool.exact[hit & among]).sum())

    return Hits(visible[:, None], hit, rows)


def near_hits(pool: Keys, samples: Keys) -> Hits:
    """Rows that some all-but-one-column key sets apart, and which of them a sample shares one with.

    A row equal to a sample in every column shares all keys, so exact hits are among the near ones.
    """
    columns = range(pool.near.shape[1])
    unique, shared = np.zeros(pool.near.shape, dtype=bool), np.zeros(pool.near.shape, dtype=bool)
    for j in columns:
        unique[:, j] = _once(pool.near[:, j], pool.owner)
        shared[:, j] = unique[:, j] & _found(pool.near[:, j], samples.near[:, j])

    def rows(among: np.ndarray) -> int:
        met = np.zeros(len(samples), dtype=bool)
        for j in columns:
            met |= _found(samples.near[:, j], pool.near[shared[:, j] & among, j])
        return int(met.sum())

    return Hits(unique, np.asarray(shared.any(axis=1)), rows)


def place_hits(pool: Keys, samples: Keys) -> Hits:
    """Rows with a place of their own, and which of them a sample lies nearer to by far.

    A sample hits the nearest row where that is less than a third as far as the nearest row of
    anybody else. Exact hits are among these hits.

    Source: Yoon, Choi, Kwon & Ryu 2023, section 3 (nearest against second nearest training image).
    """
    assert pool.place is not None, "both have places"
    assert samples.place is not None, "both have places"
    visible = _once(_row_keys(pool.place), pool.owner)
    nearest, near = nearer_by_far(samples.place, pool.place, pool.owner, _BY_FAR)
    met = near & visible[nearest]
    hit = np.zeros(len(pool), dtype=bool)
    hit[nearest[met]] = True

    def rows(among: np.ndarray) -> int:
        return int((met & among[nearest]).sum())

    return Hits(visible[:, None], hit, rows)


def nearer_by_far(
    queries: np.ndarray, pool: np.ndarray, owner: np.ndarray | None, times: float, others: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Nearest row of the pool, and whether it is nearer by far, shape (queries,) each.

    By far: fewer than `others` rows of anybody else are at most so many times as far. A query
    without a place (NaN) is near to nothing.
    """
    owner = np.arange(len(pool)) if owner is None else owner
    right, square = pool.T.astype(np.float32), (pool**2).sum(axis=1)
    nearest, near = np.zeros(len(queries), dtype=np.int64), np.zeros(len(queries), dtype=bool)
    step = max(1, _BLOCK // max(len(pool), 1))
    for start in range(0, len(queries), step):
        block = queries[start : start + step].astype(np.float32)
        squared = square - 2 * (block @ right) + (block**2).sum(axis=1)[:, None]
        first = np.where(np.isnan(squared), np.inf, squared).argmin(axis=1)
        least = squared[np.arange(len(block)), first].copy()
        squared[owner[first][:, None] == owner] = np.inf
        nearest[start : start + step] = first
        near[start : start + step] = least * times**2 < _kth(squared, others)
    return nearest, near


def _kth(squared: np.ndarray, k: int) -> np.ndarray:
    """The k-th smallest number of each row, shape (rows,); infinite where there are fewer."""
    if k > squared.shape[1]:
        return np.full(len(squared), np.inf)
    return squared.min(axis=1) if k == 1 else np.partition(squared, k - 1, axis=1)[:, k - 1]


def _row_keys(place: np.ndarray) -> np.ndarray:
    """A number for each row, the same for equal ones, shape (n,)."""
    return np.unique(place, axis=0, return_inverse=True)[1].ravel()


def one_row_each(data: Dataset, rng: np.random.Generator) -> Dataset:
    """A random row of each person; all rows where the schema names no person.

    Statistics that deal labels to rows at random need rows that are independent. The row is random
    so that its chance of having been copied is that of the person's other rows.
    """
    if data.schema.person is None:
        return data
    return data.take(one_each(data, np.arange(len(data)), rng))


def one_each(data: Dataset, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Of some rows (positions) a random one of each person, in order."""
    owner = _owners(data)
    if owner is None:
        return rows
    shuffled = rng.permutation(rows)
    return np.sort(shuffled[~pd.Series(owner[shuffled]).duplicated().to_numpy()])


@dataclass(frozen=True, eq=False)
class Space:
    """A distance between rows of mixed types, fitted on reference rows that are never attacked.

    A number becomes its rank among the reference rows, so that heavy tails do not swallow the
    scale; levels differ or do not. The squared distance is the mean over columns of squared
    differences in [0, 1]. Coordinates are integers small enough that products in float32 are
    exact: the same rows give the same distance on every machine.

    Source: Gower 1971, Biometrics 27, with ranks for ranges and squares for absolute values.
    """

    columns: tuple[Column, ...]
    knots: dict[str, np.ndarray]
    levels: dict[str, dict[str, int]]
    whole: int | None = None  # columns of the space that this is a part of

    @classmethod
    def fit(cls, reference: Dataset, columns: Sequence[Column], *others: Dataset) -> Space:
        """The space whose ranks come from `reference`; `others` only name levels to expect."""
        tables = (reference, *others)
        knots, levels = {}, {}
        for column in columns:
            if _numeric(column):
                knots[column.name] = np.sort(reference.frame[column.name].dropna().to_numpy(float))
            else:
                seen = {v for t in tables for v in _texts(t.frame[column.name]).dropna().unique()}
                levels[column.name] = {level: i for i, level in enumerate(sorted(seen))}
        return cls(tuple(columns), knots, levels)

    @cached_property
    def unit(self) -> int:
        """Integer steps on the scale of one column: all sums of a product stay below 2**24."""
        columns = len(self.columns) if self.whole is None else self.whole
        return int(min(1000, math.isqrt(2**22 // max(columns, 1))))

    def part(self, names: Collection[str], *rows: Encoded) -> tuple[Space, tuple[Encoded, ...]]:
        """The space of some columns alone, and rows of this space in it."""
        numbers = [j for j, name in enumerate(self.knots) if name in names]
        codes = [j for j, name in enumerate(self.levels) if name in names]
        space = Space(
            tuple(c for c in self.columns if c.name in names),
            {k: v for k, v in self.knots.items() if k in names},
            {k: v for k, v in self.levels.items() if k in names},
            len(self.columns) if self.whole is None else self.whole,
        )
        return space, tuple(Encoded(r.numbers[:, numbers], r.codes[:, codes]) for r in rows)

    def encode(self, data: Dataset) -> Encoded:
        """Rows in this space; a level that no table of `fit` had equals no other."""
        numbers = [self._ranks(data.frame[name], knots) for name, knots in self.knots.items()]
        codes = []
        for name, levels in self.levels.items():
            # Of each different value once: a table has few.
            which, values = pd.factorize(data.frame[name])
            known = [levels.get(value, -1) for value in values]
            codes.append(np.array([*known, len(levels)], dtype=np.int32)[which])
        return Encoded(_stacked(numbers, len(data), float), _stacked(codes, len(data), np.int32))

    @cached_property
    def scale(self) -> Scale:
        """What distances are computed with."""
        return Scale(self.unit, len(self.knots), tuple(len(v) + 1 for v in self.levels.values()))

    def search(self, pool: Encoded) -> Search:
        """Rows in which the nearest ones are sought, ready for many queries."""
        return Search(self.scale, pool)

    def nearest(self, queries: Encoded, pool: Encoded) -> np.ndarray:
        """Distance of each query to the nearest row of the pool, in [0, 1], shape (queries,)."""
        return self.search(pool).nearest(queries)

    def squared(self, queries: Encoded, pool: Encoded) -> Iterator[tuple[slice, np.ndarray]]:
        """Squared distances in [0, 1] of some queries at a time to the whole pool.

        Yields:
            Which queries, and an array of shape (these, pool) that may be overwritten.
        """
        for block, apart in self.scale.blocks(queries, pool):
            yield block, self.scale.share(apart)

    def steps(self, queries: Encoded, pool: Encoded) -> Iterator[tuple[slice, np.ndarray]]:
        """As `squared`, in whole numbers that float32 holds exactly.

        Equal distances are equal numbers, and sums of those of two parts of a space are exact.
        """
        return self.scale.blocks(queries, pool)

    def _ranks(self, values: pd.Series, knots: np.ndarray) -> np.ndarray:
        x = values.to_numpy(dtype=float)
        if len(knots) == 0:
            return np.where(np.isnan(x), np.nan, 0.0)
        below = np.searchsorted(knots, x, side="left") + np.searchsorted(knots, x, side="right")
        ranks = np.round(below / (2 * len(knots)) * self.unit)
        return np.where(np.isnan(x), np.nan, ranks)


def _numeric(column: Column) -> bool:
    return column.modelled and not column.discrete


def _texts(values: pd.Series) -> pd.Series:
    return values.astype(object)


def _stacked(columns: list[np.ndarray], n: int, dtype: type) -> np.ndarray:
    return np.column_stack(columns) if columns else np.zeros((n, 0), dtype=dtype)


def _owners(data: Dataset) -> np.ndarray | None:
    """The number of the person of each row, shape (n,); None where the schema names no person."""
    person = data.schema.person
    return None if person is None else pd.factorize(data.frame[person.name])[0]


def _once(keys: np.ndarray, owner: np.ndarray | None) -> np.ndarray:
    """Rows whose key no other person has."""
    if owner is None:
        return np.asarray(~pd.Series(keys).duplicated(keep=False).to_numpy())
    pairs = pd.DataFrame({"key": keys, "owner": owner})
    held = pairs.drop_duplicates()["key"]
    return np.asarray(~pairs["key"].isin(held[held.duplicated()]).to_numpy())


def _found(keys: np.ndarray, among: np.ndarray) -> np.ndarray:
    return pd.Series(keys).isin(among).to_numpy()


def _hashed(values: pd.Series) -> np.ndarray:
    """A 64-bit hash of each canonical value; levels hash as their text, whatever their code."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        # -1 (missing) picks the hash that is appended last.
        levels = values.cat.categories.astype(str).to_numpy(dtype=object)
        hashes = np.append(pd.util.hash_array(levels, categorize=False), np.uint64(1))
        return hashes[values.cat.codes.to_numpy()]
    if pd.api.types.is_float_dtype(values):
        return pd.util.hash_array(values.to_numpy(dtype=float) + 0.0)  # -0.0 becomes 0.0
    return pd.util.hash_array(values.fillna("").astype(str).to_numpy(dtype=object))


def _coarse(values: pd.Series, column: Column) -> pd.Series:
    """Values rounded to 1% of the column's range, where it has more values than that would keep."""
    if not _numeric(column) or column.bounds is None:
        return values
    low, high = column.bounds
    step = column.resolution
    if step and (high - low) / step < _MAX_EXACT:
        return values
    if column.scale == "log":
        unit = step or (high - low) / 1e4
        share = np.log1p((values - low).clip(lower=0) / unit) / np.log1p((high - low) / unit)
    else:
        share = (values - low) / (high - low)
    rounded = np.floor(share * _MAX_EXACT)
    # A spike is a value of its own: zero gains are not nearly a small gain.
    for i, spike in enumerate(column.spikes):
        rounded = rounded.where(values != spike, -1.0 - i)
    return rounded


def _mixed(x: np.ndarray) -> np.ndarray:
    """Finaliser of MurmurHash3, so that sums and differences of hashes stay well spread."""
    x = x ^ (x >> np.uint64(33))
    x = x * np.uint64(0xFF51AFD7ED558CCD)
    x = x ^ (x >> np.uint64(33))
    x = x * np.uint64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> np.uint64(33))
