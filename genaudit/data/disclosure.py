"""The small-cell rule: the report is itself a release, so it shows no count of a few people.

Source: the threshold rule of statistical disclosure control (Hundepool et al., Statistical
Disclosure Control, 2012, section 5.1); 10 is a common limit for published tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from genaudit.result import Message, message

SMALL_CELL = 10

_HIDDEN = "disclosure.hidden"

_lifted: ContextVar[bool] = ContextVar("lifted", default=False)


@contextmanager
def lifted(*, lift: bool = True) -> Iterator[None]:
    """Within it every count is shown, for a reader who may see the data themselves.

    >>> with lifted():
    ...     shown_count(3)
    3
    """
    token = _lifted.set(lift)
    try:
        yield
    finally:
        _lifted.reset(token)


def is_lifted() -> bool:
    """Whether small counts are shown here."""
    return _lifted.get()


def shown_count(n: int, minimum: int = SMALL_CELL) -> int | None:
    """A count that may be printed: None where it is positive but under `minimum`.

    >>> shown_count(0), shown_count(3), shown_count(25)
    (0, None, 25)
    """
    return None if 0 < n < minimum and not is_lifted() else n


def shown_share(count: float, n: int, minimum: int = SMALL_CELL) -> float | None:
    """The share, or None where n is 0, or `count` or what it leaves over is under the limit.

    >>> shown_share(3, 100), shown_share(25, 100), shown_share(99, 100)
    (None, 0.25, None)
    """
    # 99 of 100 tells as much about the one who is left as 1 of 100 tells about the one.
    hidden = 0 < count < minimum or 0 < n - count < minimum
    return None if n == 0 or (hidden and not is_lifted()) else count / n


def taken_for(count: int, n: int, minimum: int = SMALL_CELL) -> tuple[int, int]:
    """Smallest and largest number that a reader may take `count` of n for.

    >>> taken_for(0, 200), taken_for(3, 200), taken_for(25, 200), taken_for(199, 200)
    ((0, 0), (1, 9), (25, 25), (191, 199))
    """
    if is_lifted():
        return count, count
    if 0 < count < minimum:
        return 1, min(minimum - 1, n)
    if 0 < n - count < minimum:
        return max(n - minimum + 1, 1), n - 1
    return count, count


def in_tens(n: int, total: int, minimum: int = SMALL_CELL) -> int:
    """How many of n rows to use where a known total has more: so that nobody tells how many more.

    >>> in_tens(1000, 1000), in_tens(996, 1000), in_tens(4, 1000)
    (1000, 990, 0)
    """
    return n if n == total or is_lifted() else n - n % minimum


def hidden() -> Message:
    """Why a number is not in a report that could be there."""
    return message(_HIDDEN, "Not shown: it would tell how many a few people are, or nearly so.")


def is_hidden(reason: Message | None) -> bool:
    """Whether a number that is missing could be there, and is withheld."""
    return reason is not None and reason.id == _HIDDEN


def shown_parts(counts: np.ndarray, minimum: int = SMALL_CELL) -> np.ndarray:
    """Which parts of a known total may be printed, bools (parts,); 0 may.

    One hidden part is what the others leave of the total, so a second one is hidden with it, and
    more until all that is hidden is at least `minimum` in sum.

    >>> shown_parts(np.array([400, 9, 20])).tolist()
    [True, False, False]
    >>> shown_parts(np.array([400, 8, 7, 0])).tolist()
    [True, False, False, True]
    """
    counts = np.asarray(counts)
    if is_lifted():
        return np.ones(counts.shape, dtype=bool)
    return _with_partners(counts, (counts == 0) | (counts >= minimum), minimum)


def shown_cells(counts: np.ndarray, minimum: int = SMALL_CELL) -> np.ndarray:
    """Which cells of a table with known margins may be printed, bools of its shape (rows, columns).

    As `shown_parts` in every row and every column, until no more cells have to be hidden.

    Source: Hundepool et al. 2012, section 5.3 (secondary suppression).

    >>> shown_cells(np.array([[3, 40, 50], [60, 70, 80], [20, 30, 90]])).tolist()
    [[False, False, True], [True, True, True], [False, False, True]]
    """
    counts = np.asarray(counts)
    if is_lifted():
        return np.ones(counts.shape, dtype=bool)
    shown = (counts == 0) | (counts >= minimum)
    while True:
        before = shown
        for axis in (0, 1):
            lines = zip(np.moveaxis(counts, axis, 0), np.moveaxis(shown, axis, 0), strict=True)
            shown = np.stack([_with_partners(c, s, minimum) for c, s in lines], axis=axis)
        if (before == shown).all():
            return shown


def _with_partners(counts: np.ndarray, shown: np.ndarray, minimum: int) -> np.ndarray:
    """What may be shown of a line with a known sum where some parts must be hidden."""
    shown = shown.copy()
    while not shown.all() and (np.count_nonzero(~shown) == 1 or counts[~shown].sum() < minimum):
        left = np.flatnonzero(shown & (counts > 0))
        if not len(left):
            break
        shown[left[np.argmin(counts[left])]] = False
    return shown
