"""Does what is released follow the noisy gradients alone.

A gradient that is clipped and noised stays what it is, however far units are from others. What is
pulled to a batch, or counted on the records, goes with them: it is looked at with extreme units,
and with other units in the memory of the trainer. An optimizer whose steps have a length of their
own (Adam) hides the first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from genaudit.result import Message, message
from genaudit.training.dp.selfcheck.bench import Bench, count, is_float, scaled, take
from genaudit.training.dp.selfcheck.memory import changeable, changed, check_unread
from genaudit.training.dp.selfcheck.outcome import cannot_tell, failed, skipped
from genaudit.training.dp.selfcheck.protocol import Units
from genaudit.training.dp.selfcheck.reached import Place, numbers

#: By how much units are multiplied: far beyond the bound, and as far again.
_FACTORS = (1e4, 1e8)

#: How many times as large what is released must be there. What follows a mean is 1e4 times as
#: large; what follows clipped gradients differs by chance, which never makes so much of it twice.
_TIMES = 1000.0

#: Trainings at each distance, steps of each, and units in a batch that is given.
_TRAININGS, _STEPS, _BATCH = 2, 2, 16

#: Where the gradient stands beside what is released.
_GRADIENT: Place = ("", ())

#: The largest number in each place.
_Sizes = dict[Place, float]


def gradients(bench: Bench) -> Message:
    """What is released neither grows with extreme units nor changes with units without a step."""
    pool = bench.pool()
    trainer = bench.fresh()
    check_unread(trainer, lambda: numbers(trainer.released()))
    if not any(is_float(a) for a in pool):
        raise skipped("no_extremes", "units hold no floating-point numbers that could be extreme")
    batch = take(pool, bench.rng(10).permutation(count(pool))[:_BATCH])
    with np.errstate(all="ignore"):  # numbers are as large as that
        far, farther = (_given(bench, scaled(batch, factor)) for factor in _FACTORS)
        n = _check_far(far, farther, message("selfcheck.in_batch", "in the batch of a step"))
        if changeable(trainer):
            far, farther = (_held(bench, factor) for factor in _FACTORS)
            _check_far(far, farther, message("selfcheck.in_memory", "in the trainer's memory"))
    if not n:
        raise skipped("nothing_released", "no array can be reached from what is released")
    return message(
        "selfcheck.following_ok",
        "none of {n:integer} arrays that are released follows units past the clipped gradients",
        n=n,
    )


def _given(bench: Bench, batch: Units) -> list[_Sizes]:
    """What is released after each step on a batch, in a few trainings."""
    trainers = (bench.fresh() for _ in range(_TRAININGS))
    return [_sizes(t, t.step(batch)) for t in trainers for _ in range(_STEPS)]


def _held(bench: Bench, factor: float) -> list[_Sizes]:
    """The same in steps of the training itself, on records that are extreme."""
    found: list[_Sizes] = []
    for trainer in (bench.fresh() for _ in range(_TRAININGS)):
        with changed(trainer, lambda a: a * factor if is_float(a) else a):
            found += [_sizes(trainer, trainer.step()) for _ in range(_STEPS)]
    return found


def _check_far(far: list[_Sizes], farther: list[_Sizes], where: Message) -> int:
    """Nothing is much larger where units are farther; how many arrays were looked at."""
    places = set.intersection(*(set(sizes) for sizes in (*far, *farther)))
    grown = [p for p in places if min(s[p] for s in farther) > _TIMES * max(s[p] for s in far)]
    if _GRADIENT in grown:
        raise cannot_tell(
            "gradient_grows",
            "the gradient grows with extreme units, so what is released may do so as well",
        )
    if grown:
        raise failed(
            "follows_units",
            "what is released grows with units that are extreme {where}, which no clipped gradient "
            "does: {path}",
            where=where, path=min(grown)[0],
        )  # fmt: skip
    return len(places) - 1


def _sizes(trainer: Any, gradient: Any) -> _Sizes:
    """The largest numbers of what is released, and of the gradient."""
    found = {_GRADIENT: _largest(np.asarray(gradient, dtype=float))}
    for place, array in numbers(trainer.released()).items():
        found[place] = _largest(array)
    return found


def _largest(array: np.ndarray) -> float:
    """Of its finite numbers, signs apart."""
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))
