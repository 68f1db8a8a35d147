"""The nearest rows of mixed types, exact, at the speed of matrix products and without most of them.

Coordinates are integers small enough that products in float32 are exact: the same rows give the
same distance on every machine, whichever pairs are compared together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from threadpoolctl import threadpool_limits

from genaudit.modalities.table.boxes import Boxes

#: Levels of a column beyond which comparing codes is cheaper than one-hot blocks in a product.
_MAX_ONE_HOT = 64

#: Distances computed in one go: 20 MB of them.
_BLOCK = 512 * 10_000

#: Bytes of one side of the product that are kept rather than worked out again for each box.
_KEPT = 256 * 2**20

#: Most pairs that are compared if need be; beyond it the nearest rows are sought where they are
#: likeliest, so that such a share of queries finds the true one, measured on so many queries.
EXACT, RECALL, _MEASURED = 5 * 10**10, 0.99, 1000

#: Queries that are sought together, and fewest rows of a box: products are fast, few are in vain.
_TOGETHER, _BOX = 4096, 128


@dataclass(frozen=True, eq=False)
class Encoded:
    """Rows in a `Space`: numbers on the integer scale (NaN = missing) and level codes."""

    numbers: np.ndarray
    codes: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: np.ndarray | slice) -> Encoded:
        """Some of the rows (positions, a mask or a slice)."""
        return Encoded(self.numbers[rows], self.codes[rows])

    @classmethod
    def joined(cls, parts: Sequence[Encoded]) -> Encoded:
        """Rows of one space, one part after the other."""
        return cls(
            np.concatenate([p.numbers for p in parts]), np.concatenate([p.codes for p in parts])
        )


@dataclass(frozen=True)
class Scale:
    """Squared distances of encoded rows as products of matrices.

    unit: integer steps on the scale of one column; all sums stay below 2**24. n_numbers: columns of
    numbers. n_levels: of each column of codes, missing is the last; -1 equals no other.
    """

    unit: int
    n_numbers: int
    n_levels: tuple[int, ...]

    @property
    def width(self) -> int:
        """Columns of either side of a product."""
        return 3 * self.n_numbers + 1 + sum(self.n_levels[j] for j in self.narrow)

    @cached_property
    def narrow(self) -> list[int]:
        """Columns of codes that go into products."""
        return [j for j, n in enumerate(self.n_levels) if n <= _MAX_ONE_HOT + 1]

    @cached_property
    def wide(self) -> list[int]:
        """Columns of codes that are compared."""
        return [j for j in range(len(self.n_levels)) if j not in self.narrow]

    def left(self, rows: Encoded) -> np.ndarray:
        """Rows as the left side of a product, shape (rows, d)."""
        square, present, value = self._parts(rows.numbers)
        one_hot = self._one_hot(rows.codes, self.unit**2)
        # Narrow columns enter the product as minus one where they agree.
        narrow = np.full((len(rows), 1), len(self.narrow) * self.unit**2)
        return np.hstack([square, present, -2 * value, narrow, one_hot], dtype=np.float32)

    def right(self, rows: Encoded) -> np.ndarray:
        """Rows as the right side of a product, shape (rows, d)."""
        square, present, value = self._parts(rows.numbers)
        one_hot = self._one_hot(rows.codes, -1)
        narrow = np.ones((len(rows), 1))
        return np.hstack([present, square, value, narrow, one_hot], dtype=np.float32)

    def apart(
        self, left: np.ndarray, right: np.ndarray, codes: np.ndarray, others: np.ndarray
    ) -> np.ndarray:
        """Squared distances on the integer scale, float32 of shape (rows, others).

        Args:
            left: Of the product, shape (rows, d).
            right: Of the product, shape (d, others).
            codes: `compared` of the rows on the left, shape (wide, rows).
            others: `compared` of the rows on the right, shape (wide, others).
        """
        squared = left @ right
        if len(codes):
            differs = np.empty(squared.shape, dtype=bool)
            n = np.zeros(squared.shape, dtype=np.min_scalar_type(len(codes)))
            for mine, theirs in zip(codes, others, strict=True):
                np.not_equal(mine[:, None], theirs, out=differs)
                n += differs.view(np.uint8)
            squared += n * np.float32(self.unit**2)
        return squared

    def compared(self, codes: np.ndarray, unknown: int) -> np.ndarray:
        """Level codes of the wide columns, shape (wide, rows), as few bytes as hold them.

        Args:
            codes: shape (rows, columns of codes).
            unknown: What stands for -1, below 0: not the same on both sides, so that it equals no
                other.
        """
        most = max((self.n_levels[j] for j in self.wide), default=0)
        codes = np.where(codes < 0, unknown, codes)[:, self.wide].T
        return np.ascontiguousarray(codes, dtype=np.min_scalar_type(-most - 1))

    def share(self, squared: np.ndarray) -> np.ndarray:
        """Of the longest, in [0, 1]; the array is overwritten."""
        squared /= (self.n_numbers + len(self.n_levels)) * self.unit**2
        return squared

    def blocks(self, queries: Encoded, pool: Encoded) -> Iterator[tuple[slice, np.ndarray]]:
        """`apart` of some queries at a time and the whole pool."""
        left, right = self.left(queries), self.right(pool).T.copy()
        codes, others = self.compared(queries.codes, -2), self.compared(pool.codes, -1)
        step = max(1, _BLOCK // max(len(pool), 1))
        for start in range(0, len(queries), step):
            block = slice(start, start + step)
            # A second thread gains little on narrow products, and stalls them on a busy machine.
            with threadpool_limits(1):
                squared = self.apart(left[block], right, codes[:, block], others)
            yield block, squared

    def boxes(self, rows: Encoded, size: int) -> Boxes:
        """Rows cut into boxes."""
        return Boxes.of(rows.numbers, rows.codes, self.n_levels, self.unit, size)

    def _parts(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(x² or unit² where missing, 1 where present, x or 0 where missing).

        With (a, b, c) and (a', b', c') the product a b' + b a' - 2 c c' is (x - x')² where both are
        present, unit² where one is missing, 0 where both are.
        """
        gone = np.isnan(numbers)
        value = np.where(gone, 0.0, numbers)
        return np.where(gone, float(self.unit**2), value**2), 1.0 - gone, value

    def _one_hot(self, codes: np.ndarray, scale: float) -> np.ndarray:
        sizes = np.array([self.n_levels[j] for j in self.narrow], dtype=np.int64)
        ends = np.cumsum(sizes)
        codes = codes[:, self.narrow]
        # One column more takes what equals no other, and is cut off.
        cells = np.zeros((len(codes), int(sizes.sum()) + 1), dtype=np.float32)
        at = np.where(codes < 0, cells.shape[1] - 1, codes + (ends - sizes))
        np.put_along_axis(cells, at, scale, axis=1)
        return cells[:, :-1]


@dataclass(frozen=True, eq=False)
class Nearest:
    """Distances of queries to their nearest rows.

    distance: in [0, 1], shape (queries,). recall: share of the queries for which the nearest row
    was found, 1 where the search was exact. measured_on: queries by which that is known, compared
    with all rows after the search was settled by others; 0 where it was exact.
    """

    distance: np.ndarray
    recall: float = 1.0
    measured_on: int = 0


class Search:
    """The nearest rows of a pool, without looking at rows that are surely further away.

    Exact: the pool is cut into boxes, and a box is passed over by a query for which a row was found
    that is as near as any in the box can be. Where all rows are about as far from each other no box
    is passed over, and the search costs what comparing all pairs does.

    Source: Friedman, Bentley & Finkel 1977, ACM TOMS 3 (boxes of k-d trees), with the levels of a
    box for its range.
    """

    def __init__(self, scale: Scale, pool: Encoded) -> None:
        # Bounds are worked out for every box, rows for a few: boxes grow with the pool.
        self._scale = scale
        self._size = max(_BOX, round(len(pool) ** 0.5))
        self._boxes = scale.boxes(pool, self._size)
        self._pool = pool.take(self._boxes.order)
        kept = len(pool) * scale.width * 4 <= _KEPT
        self._right = scale.right(self._pool) if kept else None
        self._codes = scale.compared(self._pool.codes, -1)

    def nearest(self, queries: Encoded, most: int | None = None) -> np.ndarray:
        """Distance of each query to the nearest row, in [0, 1], shape (queries,).

        Args:
            queries: Rows.
            most: Boxes that are looked into for one query, the most promising first; None = all
                that may hold the nearest row. With fewer a distance may come out too large.
        """
        best = np.empty(len(queries))
        # Queries that are alike are sought together, as they look into the same boxes.
        alike = self._scale.boxes(queries, _TOGETHER)
        # Threads wait for each other longer than products of this size take.
        with threadpool_limits(1):
            for start, end in pairwise(alike.starts):
                for at in range(start, end, _TOGETHER):
                    rows = alike.order[at : min(at + _TOGETHER, end)]
                    best[rows] = self._among(queries.take(rows), most)
        return np.sqrt(self._scale.share(best))

    def sought(self, queries: Encoded) -> Nearest:
        """Distances to the nearest rows, exact where queries x rows is at most `EXACT` pairs.

        Beyond, each query looks into as many boxes as those pairs allow, and into twice as many
        until enough of some queries find their nearest row. The recall is that of other queries.
        """
        if len(queries) * len(self._pool) <= EXACT:
            return Nearest(self.nearest(queries))
        step = max(2, len(queries) // _MEASURED)
        settled_by, tried = (np.arange(first, len(queries), step) for first in (0, step // 2))
        distance = self.nearest(queries, self._enough(queries.take(settled_by), len(queries)))
        true = self.nearest(queries.take(tried))
        recall = float((distance[tried] == true).mean())
        distance[tried] = true
        return Nearest(distance, recall, len(tried))

    def _enough(self, queries: Encoded, n: int) -> int | None:
        """Boxes to look into for each of n queries, judged by some of them; None = all."""
        most = max(1, EXACT * len(self._boxes) // (n * len(self._pool)))
        true = self.nearest(queries)
        while most < len(self._boxes):
            if (self.nearest(queries, most) == true).mean() >= RECALL:
                return most
            most *= 2
        return None

    def _among(self, queries: Encoded, most: int | None) -> np.ndarray:
        """Least squared distances on the integer scale of a few queries."""
        least = self._boxes.bounds(queries.numbers, queries.codes)
        if most is not None and most < len(self._boxes):
            worst = np.partition(least, most - 1, axis=1)[:, [most - 1]]
            least[least > worst] = np.inf
        left, codes = self._scale.left(queries), self._scale.compared(queries.codes, -2)
        best = np.full(len(queries), np.inf, dtype=np.float32)

        def look(box: int, rows: np.ndarray) -> None:
            start, end = self._boxes.starts[box : box + 2]
            # The rows of a box that could not be cut are equal, and one speaks for all.
            within = slice(start, end if end - start <= self._size else start + 1)
            if self._right is None:
                right = self._scale.right(self._pool.take(within))
            else:
                right = self._right[within]
            others = self._codes[:, within]
            found = self._scale.apart(left[rows], right.T, codes[:, rows], others)
            best[rows] = np.minimum(best[rows], found.min(axis=1))

        first = least.argmin(axis=1)
        for box in np.unique(first):
            look(box, np.flatnonzero(first == box))
        least[np.arange(len(queries)), first] = np.inf
        needed = np.flatnonzero((least < best[:, None]).any(axis=0))
        for box in needed[np.argsort(least[:, needed].min(axis=0), kind="stable")]:
            rows = np.flatnonzero(least[:, box] < best)
            if len(rows):
                look(box, rows)
        return best


def few_nearest(squared: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions and values of the k least of each row, least first, of equal ones the first.

    Args:
        squared: shape (n, m).
        k: At most m.
    """
    n, m = squared.shape
    # k runs of columns have a value below the k-th least of their minima, so k values are below
    # it, and not many more.
    length = max(1, m // (8 * k))
    runs = squared[:, : m // length * length].reshape(n, -1, length).min(axis=2)
    most = np.partition(runs, k - 1, axis=1)[:, [k - 1]]
    row, column = np.nonzero(squared <= most)
    value = squared[row, column]
    order = np.lexsort((value, row))
    kept = order[np.searchsorted(row, np.arange(n))[:, None] + np.arange(k)]
    return column[kept], value[kept]
