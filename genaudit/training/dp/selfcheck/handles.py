"""Can what is released, or goes on without a budget, get hold of a real record.

Everything that can be reached from it is walked through. An array in it that shares memory with
the units, or holds their rows, columns or exact statistics of columns, is a handle; bytes are
looked through as a file would be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from genaudit.result import Message, message
from genaudit.training.dp.selfcheck.bench import Bench, as_units, is_float
from genaudit.training.dp.selfcheck.bundle import look
from genaudit.training.dp.selfcheck.outcome import Stopped, failed, skipped
from genaudit.training.dp.selfcheck.reached import reached
from genaudit.training.dp.selfcheck.rows import rounding
from genaudit.training.dp.selfcheck.rows.matching import mixed
from genaudit.training.dp.selfcheck.rows.packed import opened
from genaudit.training.dp.selfcheck.rows.sought import Sought
from genaudit.training.dp.selfcheck.rows.statistics import Statistics

#: Steps of the training before the walk, so that a batch that is kept is there.
_STEPS = 3

#: Rows of an array that are compared.
_ROWS = 100_000

#: Rows of one array that must be real ones; share of equal units above which rows tell nothing.
_FEWEST, _COMMON = 3, 0.05

#: Different numbers of many digits by which one row is known, in each precision.
_TELLING = {"single": 3, "half": 8, "brain": 10}

#: Share of different numbers from which on a column tells whose they are.
_DISTINCT = 0.95

#: Numbers of such columns that make a column of an array one of them: in single precision chance
#: gives some of a few hundred thousand.
_NUMBERS = {"none": 3, "single": 6}


def generator(bench: Bench) -> Message:
    """What is released cannot reach a real record."""
    trainer = bench.unused()
    for _ in range(_STEPS):
        trainer.step()
    units = as_units(trainer.units())
    known, n = [_Rows(a) for a in units], 0
    statistics = [Statistics(a.reshape(len(a), -1)) for a in units]
    sought: list[Sought] = []
    for thing, path in reached(trainer.released()):
        n += 1
        if isinstance(thing, bytes):
            sought = sought or [_sought(a, bench) for a in units if is_float(a) and a.size]
            held = _in_bytes(sought, thing)
        else:
            held = any(np.shares_memory(thing, a) for a in units if a.size) or any(
                rows.holds(thing) for rows in known
            )
            if not held and any(s.held(thing) for s in statistics):
                raise failed(
                    "statistics",
                    "what is released, or trained without a budget, holds exact statistics of "
                    "columns, such as their means, without noise: {path}",
                    path=path,
                )
        if held:
            raise failed(
                "handle",
                "what is released, or trained without a budget, holds real records: {path}",
                path=path,
            )
    if not n:
        raise skipped("nothing_released", "no array can be reached from what is released")
    return message(
        "selfcheck.handle_ok",
        "none of {n:integer} arrays that can be reached from it holds a record", n=n,
    )  # fmt: skip


def _sought(units: np.ndarray, bench: Bench) -> Sought:
    return Sought(units.reshape(len(units), -1), bench.rng(7))


def _in_bytes(sought: Sequence[Sought], content: bytes) -> bool:
    """Whether records are in bytes, as they would be in a file."""
    try:
        for name, inner in opened("", content):
            look(sought, name, inner)
    except Stopped:
        return True
    return False


class _Rows:
    """Rows and columns of real units, to be found again."""

    def __init__(self, units: np.ndarray) -> None:
        rows = units.reshape(len(units), -1)
        widths = {rows.shape[1], units.shape[-1] if units.ndim > 2 else rows.shape[1]}
        self.widths = {width for width in widths if width > 1}
        # By width and precision: codes of all rows, and of those that are known by themselves.
        self.codes: dict[tuple[int, str], tuple[np.ndarray, np.ndarray]] = {}
        for width in self.widths:
            if units.dtype.kind in "fiub":
                self._learn(rows.reshape(-1, width), width)
        self.columns = _told_columns(rows)

    def holds(self, array: np.ndarray) -> bool:
        """Whether rows or columns of it are those of units.

        At least half of its rows, and more than a few, or one that is known by itself; or a column
        half of whose numbers are those of one record each.
        """
        if not array.size or not array.ndim:
            return False
        precisions = _precisions(array)
        return any(
            self._is_row(rows[:_ROWS, :width], width, precision)
            for width in self.widths for rows in _shaped(array, width) for precision in precisions
        ) or self._has_column(array)  # fmt: skip

    def _learn(self, rows: np.ndarray, width: int) -> None:
        rows = rows[(rows != 0).any(1)]  # an empty place is nobody's record
        single = _coded(rows, "single")
        # Rows that many units share are no sign of a unit.
        if not len(rows) or len(rounding.distinct(single)) < (1 - _COMMON) * len(rows):
            return
        plain = np.where(rounding.telling(rows.astype(float)), rows, np.nan)
        ordered = np.sort(plain, axis=1)
        different = np.isfinite(ordered[:, 0]) + (np.diff(ordered, axis=1) > 0).sum(1)
        for precision, enough in _TELLING.items():
            codes = _coded(rows, precision)
            self.codes[width, precision] = (
                rounding.distinct(codes), rounding.distinct(codes[different >= enough]),
            )  # fmt: skip

    def _is_row(self, rows: np.ndarray, width: int, precision: str) -> bool:
        if (width, precision) not in self.codes:
            return False
        known, alone = self.codes[width, precision]
        codes = _coded(rows, precision)
        if rounding.among(codes, alone).any():
            return True
        found = int(rounding.among(codes, known).sum())
        return found >= _FEWEST and 2 * found >= min(len(rows), 2 * len(known))

    def _has_column(self, array: np.ndarray) -> bool:
        """Whether half of a column, or of a row, are numbers that one record alone has."""
        for precision, known in self.columns.items():
            if precision == "none" and np.array_equal(_some(array), rounding.single(_some(array))):
                continue
            plain = rounding.codes(array.astype(float), rounding.by_name(precision))
            found = rounding.among(plain.ravel(), known).reshape(plain.shape)
            if found.sum() < _NUMBERS[precision]:
                continue
            for axis in range(found.ndim):
                n = found.sum(axis)
                if ((n >= _NUMBERS[precision]) & (2 * n >= found.shape[axis])).any():
                    return True
        return False


def _told_columns(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Numbers of the columns in which nearly all are different and none is whole, by precision."""
    if rows.dtype.kind != "f" or not rows.size:
        return {}
    rows = rows[np.isfinite(rows).all(1)]
    chosen = [
        c[c % 1 != 0] for c in rows.T.astype(float)
        if rounding.telling(c).mean() > _DISTINCT
        and len(rounding.distinct(c)) > _DISTINCT * len(c)
    ]  # fmt: skip
    if not chosen:
        return {}
    numbers = np.concatenate(chosen)
    wanted = ["single"] if np.array_equal(rounding.single(numbers), numbers) else ["none", "single"]
    return {
        p: rounding.distinct(rounding.codes(numbers, rounding.by_name(p))) for p in wanted
    }  # fmt: skip


def _shaped(array: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """An array as rows of at least this width: as it is, turned, and one after the other."""
    if array.ndim == 1:
        if array.size % width == 0:
            yield array.reshape(-1, width)
        return
    for size in {array.shape[-1], array.size // len(array)}:
        if size >= width:
            yield array.reshape(-1, size)
    if array.ndim == 2 and len(array) >= width:
        yield array.T


def _precisions(array: np.ndarray) -> list[str]:
    """Single, and what is coarser if that is how its numbers are written."""
    some = _some(array)
    return ["single", *(
        p for p in ("half", "brain") if np.array_equal(rounding.by_name(p)(some), some)
    )]  # fmt: skip


def _some(array: np.ndarray) -> np.ndarray:
    flat = array.ravel()[:5000].astype(float)
    return flat[np.isfinite(flat)]


def _coded(rows: np.ndarray, precision: str) -> np.ndarray:
    """One code for each row, numbers in a precision."""
    plain = rounding.codes(rows.astype(float), rounding.by_name(precision))
    return mixed([np.ascontiguousarray(c) for c in plain.T])
