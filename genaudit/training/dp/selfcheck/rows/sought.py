"""The rows of one table in all forms in which they are looked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from genaudit.training.dp.selfcheck.bench import ALPHA
from genaudit.training.dp.selfcheck.rows.chance import by_company, by_drawing
from genaudit.training.dp.selfcheck.rows.matching import Known, Match, matched
from genaudit.training.dp.selfcheck.rows.needles import FORMS, Form, present
from genaudit.training.dp.selfcheck.rows.statistics import Statistics, numbers

#: Rows that are looked for at most as bytes, and rows that nobody has beside each.
_ROWS, _CONTROLS = 400, 10

#: Rows whose columns are looked for as bytes, and by which common rows are known.
_FIRST, _ALL = 20_000, 50_000

#: Significant digits from which on a number is one record's alone.
_DIGITS = 12

#: Letters from which on a name that hardly anybody shares is told from chance.
_LONG = 10


class Sought:
    """Rows that must not be there.

    Args:
        table: A data frame, or an array of shape (n, width).
        rng: Which rows, and which of them nobody has.
    """

    def __init__(self, table: pd.DataFrame | np.ndarray, rng: np.random.Generator) -> None:
        frame = table if isinstance(table, pd.DataFrame) else pd.DataFrame(table)
        self._table, self._rng = table, rng
        self._known = Known(frame, rng, _CONTROLS)
        self._statistics = Statistics(table)
        self._values = frozenset(text.encode() for text in _telling(frame))
        self._lines = _taken(table, rng.permutation(len(table))[:_ROWS])
        self._first = _taken(table, np.arange(len(table))[:_FIRST])
        self._needles = {form: form.needles(self._of(form)) for form in FORMS}
        self._all = frozenset().union(*self._needles.values())
        self._columns = frozenset().union(*(k for f, k in self._needles.items() if not f.of_rows))
        self.n = sum(map(len, self._needles.values()))

    def told(self, content: bytes) -> bool:
        """Whether a value that is one record's alone is written there."""
        return bool(present(content, self._values))

    def counted(self, tables: Sequence[pd.DataFrame], in_order: np.ndarray) -> bool:
        """Whether exact statistics of its columns are in tables or among the numbers of a file."""
        held = self._statistics.held
        return any(held(numbers(table)) for table in tables) or held(in_order)

    def in_tables(self, tables: Sequence[pd.DataFrame]) -> Match | None:
        """Rows by their values, in tables of a file."""
        matches = (matched(self._known, table, ALPHA) for table in tables)
        return next((m for m in matches if m is not None), None)

    def in_bytes(self, content: bytes, *, columns_only: bool = False) -> Match | None:
        """Rows, and pieces of columns, as they are written."""
        there = present(content, self._columns if columns_only else self._all)
        matches = (
            self._judged(form, there & known, content)
            for form, known in self._needles.items() if not there.isdisjoint(known)
        )  # fmt: skip
        return next((m for m in matches if m is not None), None)

    @cached_property
    def _nobodys(self) -> list[Any]:
        """Tables with rows that nobody has."""
        table = _taken(self._table, np.arange(len(self._table))[:_ALL])
        return [_shuffled(table, self._rng) for _ in range(_CONTROLS)]

    def _of(self, form: Form) -> Any:
        return self._lines if form.of_rows else self._first

    def _judged(self, form: Form, found: set[bytes], content: bytes) -> Match | None:
        """What was found in one form; None = no more than by chance."""
        if not found.isdisjoint(form.by_itself(self._of(form))):
            return Match(len(found))
        p_value = self._drawn(form, found, len(content)) if form.of_rows else 0.0
        if p_value >= ALPHA:
            return None
        known, size = self._needles[form], len(self._of(form))
        foreign = set().union(*(form.needles(t[:size]) for t in self._nobodys)) - known
        # Together, so that where there are too many places both are looked for in the same ones.
        there = present(content, frozenset(known | foreign))
        n, also = len(there & known), len(there & foreign)
        p_value = max(p_value, by_company(n, len(known), also, len(foreign)))
        return Match(len(found), p_value) if p_value < ALPHA else None

    def _drawn(self, form: Form, found: set[bytes], size: int) -> float:
        """Chance to find these where as many rows as there is place for are anybody's."""
        known = self._needles[form]
        rows = form.write(_taken(self._table, np.arange(len(self._table))[:_ALL]))
        n = size * len(known) / sum(map(len, known))
        return by_drawing(_hashes(rows), _hashes(found), n, tried=_hashes(known))


def _hashes(needles: Iterable[bytes]) -> np.ndarray:
    return np.array([hash(k) for k in needles], dtype=np.int64)


def _taken(table: Any, rows: np.ndarray) -> Any:
    return table.iloc[rows] if isinstance(table, pd.DataFrame) else table[rows]


def _shuffled(table: Any, rng: np.random.Generator) -> Any:
    """Rows that nobody has: each column in an order of its own."""
    if isinstance(table, pd.DataFrame):
        return pd.DataFrame(
            {c: table[c].to_numpy()[rng.permutation(len(table))] for c in table.columns}
        )
    return rng.permuted(table, axis=0)


def _telling(frame: pd.DataFrame) -> list[str]:
    """Values that are one record's alone: numbers of many digits, and long names that few share."""
    found: list[str] = []
    for name in frame.columns:
        values = frame[name].dropna()
        if values.dtype == np.float64:
            # Ends of a column are what leaks first: as bounds, as edges of cells.
            some = [values.min(), values.max(), *values.head(_ROWS)] if len(values) else []
            found += [text for text in map(repr, map(float, some)) if _digits(text) >= _DIGITS]
        elif not pd.api.types.is_numeric_dtype(values) and values.nunique() > 0.95 * len(values):
            found += [text for text in map(str, values.head(_ROWS)) if len(text) >= _LONG]
    return found


def _digits(text: str) -> int:
    """Significant digits of a written number."""
    mantissa = text.lower().partition("e")[0].replace(".", "").replace("-", "")
    return len(mantissa.strip("0"))
