"""Other units in a trainer's memory, where it lets them be changed: what reads them shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from genaudit.training.dp.selfcheck.bench import as_units
from genaudit.training.dp.selfcheck.outcome import failed
from genaudit.training.dp.selfcheck.reached import Place


def check_unread(trainer: Any, read: Callable[[], Mapping[Place, np.ndarray]]) -> None:
    """What is released stays as it is where units change in memory and no step is taken.

    Args:
        trainer: Whose units are changed, and put back.
        read: What is released, as arrays of its own.

    Raises:
        Stopped: it is the same for the same units each time, and other for other units.
    """
    if not changeable(trainer):
        return
    first, again = read(), read()
    steady = {p for p in first.keys() & again.keys() if equal(first[p], again[p])}
    if not steady:
        return
    with changed(trainer, lambda a: np.broadcast_to(a[:1], a.shape)):
        other = read()
    last = read()
    steady = {p for p in steady & last.keys() if equal(first[p], last[p])}
    for place in sorted(steady):
        if place not in other or not equal(first[place], other[place]):
            raise failed(
                "read_for_release",
                "what is released is computed on records as they are, without noise: {path}",
                path=place[0],
            )


def changeable(trainer: Any) -> bool:
    """Whether the trainer hands out its own memory, and no copy that was made for the answer."""
    arrays, again = as_units(trainer.units()), as_units(trainer.units())
    return all(a.flags.writeable for a in arrays) and all(map(np.may_share_memory, arrays, again))


@contextmanager
def changed(trainer: Any, change: Callable[[np.ndarray], np.ndarray]) -> Iterator[None]:
    """Units changed in memory for a while."""
    arrays = as_units(trainer.units())
    saved = [a.copy() for a in arrays]
    try:
        for array, old in zip(arrays, saved, strict=True):
            array[...] = change(old)
        yield
    finally:
        for array, old in zip(arrays, saved, strict=True):
            array[...] = old


def equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays hold the same to the last bit, what is no number included."""
    return np.array_equal(a, b, equal_nan=True)
