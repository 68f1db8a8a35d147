"""Does the noise of a step reach what is released.

A step that adds noise to what it hands back, and follows the clean sum with its weights, passes
every look at the noise.
"""

from __future__ import annotations

import numpy as np

from genaudit.result import Message, message
from genaudit.training.dp.selfcheck.bench import Bench, count, take
from genaudit.training.dp.selfcheck.memory import equal
from genaudit.training.dp.selfcheck.outcome import cannot_tell, failed, skipped
from genaudit.training.dp.selfcheck.protocol import Units
from genaudit.training.dp.selfcheck.reached import Place, numbers

#: Units of a batch, and numbers of an array below which equal signs are no wonder.
_BATCH, _FEWEST = 8, 64

#: How far the lengths of steps may be apart where their signs alone count.
_ALIKE = 1e-2


def reaches(bench: Bench) -> Message:
    """Of two steps on one batch, and one on another, what follows the batch differs every time.

    What is the same after both steps on one batch, bit for bit, and another one after a step on
    other units, was computed on records and has no noise. The first step of some optimizers (Adam)
    shows signs alone, which noise may leave as they are: it tells nothing.
    """
    pool = bench.pool(2 * _BATCH)
    chosen = bench.rng(11).permutation(count(pool))
    batch, other = take(pool, chosen[:_BATCH]), take(pool, chosen[_BATCH : 2 * _BATCH])
    (first, one), (second, again), (_, another) = (_after(bench, b) for b in (batch, batch, other))
    if np.array_equal(first, second):
        raise cannot_tell("same_noise", "two steps have the same noise, so nothing can be compared")
    start = numbers(bench.fresh().released())
    places = one.keys() & again.keys() & another.keys()
    if not places:
        raise skipped("nothing_released", "no array can be reached from what is released")
    for place in sorted(places):
        if one[place].size < _FEWEST or _by_sign(one[place], start.get(place)):
            continue
        if equal(one[place], again[place]) and not equal(one[place], another[place]):
            raise failed(
                "unnoised",
                "what is released follows the units of a step, and not its noise: {path}",
                path=place[0],
            )
    return message(
        "selfcheck.noised_ok",
        "none of {n:integer} arrays that are released follows units without noise",
        n=len(places),
    )


def _after(bench: Bench, batch: Units) -> tuple[np.ndarray, dict[Place, np.ndarray]]:
    """The gradient of a first step on a batch, and copies of what is released then."""
    trainer = bench.fresh()
    gradient = np.array(trainer.step(batch), dtype=float)
    return gradient, numbers(trainer.released())


def _by_sign(after: np.ndarray, before: np.ndarray | None) -> bool:
    """Whether all numbers that moved have moved equally far."""
    if before is None or before.shape != after.shape:
        return False
    moved = np.abs(after - before)
    moved = moved[moved > 0]
    return bool(moved.size and moved.min() > (1 - _ALIKE) * moved.max())
