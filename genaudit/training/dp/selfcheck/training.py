"""Are steps of the training itself what steps on given units are: noise on the sum that was drawn.

What is looked at elsewhere are steps on units that a check gives. Here they are the training's own,
from its first one on: each draws as it always does, and hands over what it drew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from genaudit.result import Message, message
from genaudit.stats.independence import variance_p_value
from genaudit.training.dp.selfcheck import noise
from genaudit.training.dp.selfcheck.bench import (
    ALPHA,
    Bench,
    as_units,
    positions,
    take,
    vector,
)
from genaudit.training.dp.selfcheck.outcome import Stopped, cannot_tell, failed

#: Most steps of a training that are looked at; fewest that tell anything where it ends early.
_STEPS, _FEWEST = 60, 8

#: What must hold of steps on given units before others are compared with them.
_REST = (
    noise.divisor, noise.scale, noise.mean, noise.shape, noise.independence, noise.empty,
)  # fmt: skip

#: Tests that share the level: of noise over all and in each step, and of its part along the sum.
_TESTS = 4


@dataclass(frozen=True, eq=False)
class _Seen:
    """Steps of the training: clipped sums of what was drawn, and what else the optimizer got.

    sums, rest: in units of the claimed deviation, shape (steps, parameters).
    """

    sums: np.ndarray
    rest: np.ndarray


def steps(bench: Bench) -> Message:
    """Steps of the training have the claimed noise, on the clipped sum of the units drawn."""
    if any(bench.fails(check) for check in _REST):
        raise cannot_tell(
            "training_rests",
            "steps on given units are faulty already, so those of the training are not compared "
            "with them",
        )
    seen = _watched(bench)
    if not np.isfinite(seen.rest).all():
        raise failed("training_not_finite", "a step of the training is not finite")
    if np.square(seen.rest).mean() < 1:
        _check_scale(seen)  # too little noise is also too little along the sum
    _check_sum(seen)  # and a wrong sum looks like too much noise
    _check_scale(seen)
    return message(
        "selfcheck.training_ok",
        "{n:integer} steps of the training have the claimed noise on what they drew",
        n=len(seen.rest),
    )


def _check_sum(seen: _Seen) -> None:
    """Nothing but noise is added to the sum of what was drawn."""
    p_value = _TESTS * _along(seen)
    if p_value < ALPHA:
        along = float((seen.rest * seen.sums).sum() / np.square(seen.sums).sum())
        raise failed(
            "training_sum",
            "in the training itself the optimizer gets {factor:number} times the clipped sum of "
            "the units that were drawn, on average: another batch, another bound or another "
            "divisor",
            p_value=min(1.0, p_value), factor=round(1 + along, 4),
        )  # fmt: skip


def _check_scale(seen: _Seen) -> None:
    """Noise has the claimed deviation over all and in each step."""
    squares = np.square(seen.rest)
    width = squares.shape[1]
    local = squares.mean(1)
    worst = int(np.argmax(np.abs(np.log(np.maximum(local, 1e-24)))))
    in_step = message("selfcheck.in_training_step", "in step {step:integer}", step=worst + 1)
    p_value, where, share = min(
        (variance_p_value(squares.sum(keepdims=True), squares.size),
         message("selfcheck.over_all", "over all"), squares.mean()),
        (variance_p_value(squares.sum(1), width), in_step, local[worst]),
        key=lambda item: item[0],
    )  # fmt: skip
    if _TESTS * p_value >= ALPHA:
        return
    p_value, share = min(1.0, _TESTS * p_value), round(float(np.sqrt(share)), 4)
    if share < 1:
        raise failed(
            "training_little",
            "in the training itself the noise {where} has {share:number} times the claimed "
            "deviation, less than what ε was computed for",
            p_value=p_value, where=where, share=share,
        )  # fmt: skip
    raise failed(
        "training_much",
        "in the training itself what the optimizer gets {where} is {share:number} times as far "
        "from the clipped sum of the units that were drawn as noise would bring it",
        p_value=p_value, where=where, share=share,
    )  # fmt: skip


def _along(seen: _Seen) -> float:
    """Chance that noise along the sum is as far off, in its mean or in its spread.

    Each step on its own has a standard normal number there, whatever weights noise led to before.
    """
    lengths = np.linalg.norm(seen.sums, axis=1)
    some = lengths > 0
    if not some.any():
        return 1.0
    along = (seen.rest * seen.sums).sum(1)[some] / lengths[some]
    return min(
        2 * float(norm.sf(abs(along.sum()) / np.sqrt(len(along)))),
        variance_p_value(np.square(along).sum(keepdims=True), len(along)),
    )


def _watched(bench: Bench) -> _Seen:
    """Steps of trainings that took none before, as many of each as can be had."""
    found = [step for _ in range(bench.effort) for step in _steps(bench, bench.unused())]
    sums, rest = (np.stack(arrays) for arrays in zip(*found, strict=True))
    return _Seen(sums, rest)


def _steps(bench: Bench, trainer: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """Clipped sum and the rest of each step.

    Raises:
        Stopped: the training ends too early, or does not draw once by `draw`.
    """
    most = min(_STEPS, bench.promise.steps or _STEPS)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for _ in range(most):
        try:
            found.append(_step(bench, trainer))
        except Stopped:
            raise
        except Exception as error:  # budgets end in many ways
            if len(found) >= _FEWEST:
                break
            raise cannot_tell(
                "training_short",
                "the training ended with {error} after {n:integer} steps that could be looked at, "
                "too few to tell",
                error=type(error).__name__, n=len(found),
            ) from error  # fmt: skip
    return found


def _step(bench: Bench, trainer: Any) -> tuple[np.ndarray, np.ndarray]:
    """One step on what was drawn before it."""
    claimed, divisor = noise.deviation(bench), bench.promise.divisor
    assert divisor is not None
    drawn = trainer.draw()
    places = positions(drawn)
    if len(np.unique(places)) < len(places):  # trainers differ in what they make of doubles
        drawn = places = np.unique(places)
    before = vector(trainer.clipped_sum(take(as_units(trainer.units()), places)))
    with _handing(trainer, drawn) as times:
        after = vector(trainer.step()) * divisor
    if times[0] != 1:
        raise cannot_tell(
            "training_draws",
            "a step of the training calls `draw` {times:integer} times: only where it does so once "
            "is known which units are in it",
            times=times[0],
        )
    return before / claimed, (after - before) / claimed


@contextmanager
def _handing(trainer: Any, drawn: Any) -> Iterator[list[int]]:
    """Let `draw` hand out one batch; how often it was asked stands in the list."""
    own, honest, times = "draw" in getattr(trainer, "__dict__", {}), trainer.draw, [0]

    def draw() -> Any:
        times[0] += 1
        return drawn

    try:
        trainer.draw = draw
    except AttributeError as error:  # it has slots
        raise cannot_tell(
            "training_slots", "its `draw` cannot be replaced, so it is not known what is in a step"
        ) from error
    try:
        yield times
    finally:
        if own:
            trainer.draw = honest
        else:
            del trainer.draw
