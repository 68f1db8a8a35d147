"""Is the noise what it claims to be: its scale, mean, shape and independence; the public divisor.

The noise of a step is what the optimizer got, times the divisor, less the clipped sum that stood
there before; divided by the claimed deviation it is standard normal, every number for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest, chi2, f, kstest, norm

from genaudit.result import Message, message
from genaudit.stats.independence import lag_p_value, variance_p_value
from genaudit.training.dp.selfcheck.bench import ALPHA, Bench, count, take, vector
from genaudit.training.dp.selfcheck.outcome import (
    Stopped,
    cannot_tell,
    failed,
)
from genaudit.training.dp.selfcheck.pairs import pair_p_value, twin_p_value
from genaudit.training.dp.selfcheck.protocol import Units

#: Units in the batches on which noise is looked at, besides an empty batch and one as large as
#: those of the training.
_SIZES = (1, 6, 24)

#: Parameters below which one direction more or less shows in the law of all of them.
_NARROW = 64

#: Deviations beyond which numbers of noise are counted.
_TAILS = (2.5, 3.0, 3.5)

#: Deviations that are rounding, so that no noise on both is the same noise.
_NONE = 1e-5

#: Numbers of noise that are looked at, about, in each of these batches.
_NUMBERS = 2**15

#: Fewest and most steps on each batch.
_STEPS = (16, 64)


@dataclass(frozen=True, eq=False)
class _Seen:
    """Steps on one batch: clipped sums and noise in units of the claimed deviation.

    sums, noise: shape (steps, parameters).
    """

    sums: np.ndarray
    noise: np.ndarray


def scale(bench: Bench) -> Message:
    """The deviation of the noise is the claimed one, for every parameter and every step."""
    noise = _noise(bench)
    steps, width = noise.shape
    overall = float(np.sqrt(np.square(noise).mean()))
    squares = np.square(noise)
    by = [
        (message("selfcheck.over_all", "over all"), squares.sum(keepdims=True), noise.size),
        (message("selfcheck.in_parameter", "in a parameter"), squares.sum(0), steps),
        (message("selfcheck.in_step", "in a step"), squares.sum(1), width),
    ]
    found = [(variance_p_value(totals, n), where, totals / n) for where, totals, n in by]
    p_value, where, local = min(found, key=lambda item: item[0])
    # Each of the three has a third of the level.
    if 3 * p_value < ALPHA:
        worst = float(np.sqrt(local.flat[np.argmax(np.abs(np.log(np.maximum(local, 1e-24))))]))
        if worst < 1:
            raise failed(
                "noise_little",
                "the noise {where} has {worst:number} times the claimed deviation, less than what "
                "ε was computed for",
                p_value=min(1.0, 3 * p_value), where=where, worst=round(worst, 4),
            )  # fmt: skip
        raise failed(
            "noise_much",
            "the noise {where} has {worst:number} times the claimed deviation, more than it says",
            p_value=min(1.0, 3 * p_value), where=where, worst=round(worst, 4),
        )  # fmt: skip
    return message(
        "selfcheck.noise_scale_ok",
        "noise has {share:number} times the claimed deviation, over {n:integer} numbers",
        share=round(overall, 4), n=noise.size,
    )  # fmt: skip


def mean(bench: Bench) -> Message:
    """The noise has mean 0, whatever its deviation, over all and for every parameter."""
    noise = _noise(bench)
    noise = noise / _spread(noise)
    steps = len(noise)
    total = float(noise.sum() / np.sqrt(noise.size))
    # Sums of a parameter, and of everything: shifted ones are large.
    p_value = 2 * min(
        2 * float(norm.sf(abs(total))),
        float(chi2.sf(np.square(noise.sum(0)).sum() / steps, noise.shape[1])),
    )
    if p_value < ALPHA:
        raise failed(
            "noise_mean", "the noise is not centred: its mean is {mean:number} deviations",
            p_value=p_value, mean=round(float(noise.mean()), 5),
        )  # fmt: skip
    return message("selfcheck.noise_mean_ok", "noise is centred")


def shape(bench: Bench) -> Message:
    """The noise is normal, whatever its deviation."""
    noise = _residual(bench)
    # Compared with a normal of its own spread: that only makes a false alarm rarer (Lilliefors).
    noise = noise.ravel() / _spread(noise)
    # The whole and each of the tails have a quarter of the level.
    tests = 1 + len(_TAILS)
    p_value = tests * float(kstest(noise, "norm").pvalue)
    if p_value < ALPHA:
        raise failed(
            "noise_shape", "the noise is not normal, and ε was computed for normal noise",
            p_value=min(1.0, p_value),
        )  # fmt: skip
    p_value, beyond, seen, expected = min(_tail(noise, beyond) for beyond in _TAILS)
    if tests * p_value < ALPHA:
        raise failed(
            "noise_tails",
            "noise is beyond {beyond:number} deviations {seen:integer} times, and normal noise "
            "would be {expected:number} times: δ counts what is there",
            p_value=min(1.0, tests * p_value), beyond=beyond, seen=seen, expected=expected,
        )  # fmt: skip
    return message("selfcheck.noise_shape_ok", "noise is normal")


def independence(bench: Bench) -> Message:
    """Noise of a parameter tells nothing of another's, nor of that in another step."""
    noise = _residual(bench)
    noise = noise / _spread(noise)
    parameters = message("selfcheck.parameters", "parameters")
    by = [
        (lag_p_value(noise), parameters),
        (lag_p_value(noise.T.copy()), message("selfcheck.steps", "steps")),
    ]
    if not bench.fails(_divided):  # what is left of a sum is no noise, and its part ties numbers
        noise = np.concatenate([seen.noise for seen in _batches(bench)])
        noise = noise / _spread(noise)
        by += [(pair_p_value(noise, bench.rng(8)), parameters),
               (twin_p_value(noise, bench.rng(9)), parameters)]  # fmt: skip
    p_value, axis = min(by, key=lambda item: item[0])
    if len(by) * p_value < ALPHA:
        raise failed(
            "noise_dependent",
            "noise of different {axis} is not independent: averaging over them removes it",
            p_value=min(1.0, len(by) * p_value), axis=axis,
        )  # fmt: skip
    return message(
        "selfcheck.noise_independence_ok", "noise is independent over parameters and steps"
    )


def empty(bench: Bench) -> Message:
    """A batch without units gets the noise that other batches get."""
    _batches(bench)  # what other batches raise has nothing to do with empty ones
    try:
        seen = bench.once("empty", lambda: _steps(bench, 0))
    except Stopped:
        raise
    except Exception as error:
        raise failed(
            "empty_raises",
            "a batch without units ends the training with {error}; Poisson batches may be empty",
            error=type(error).__name__,
        ) from error  # fmt: skip
    if not np.isfinite(seen.noise).all():
        raise failed("empty_not_finite", "a batch without units makes the step not finite")
    _noise(bench)
    # Other sizes may differ among themselves: only what none of them has is the empty batch's own.
    p_value, ratio = max(_ratio(seen.noise, other.noise) for other in _batches(bench))
    # Noise that is not normal, or not independent, spreads otherwise: that stands elsewhere.
    if p_value < ALPHA and not (bench.fails(independence) or bench.fails(shape)):
        raise failed(
            "empty_noise",
            "on a batch without units the noise has {share:number} times the deviation that it has "
            "on others",
            p_value=p_value, share=round(ratio**0.5, 4),
        )  # fmt: skip
    return message("selfcheck.empty_ok", "batches without units get the same noise")


def divisor(bench: Bench) -> Message:
    """The clipped sum reaches the optimizer whole, divided by the public constant alone."""
    if bench.fails(independence):
        raise cannot_tell(
            "divisor_hidden", "noise that is not independent hides by what sums are divided"
        )
    return _divided(bench)


def deviation(bench: Bench) -> float:
    """The claimed deviation of the noise on a clipped sum.

    Raises:
        Stopped: it claims no noise.
    """
    promise = bench.promise
    assert promise.noise_multiplier is not None
    assert promise.max_grad_norm is not None
    found = promise.noise_multiplier * promise.max_grad_norm
    if found <= 0:
        raise cannot_tell("claims_no_noise", "it claims no noise, so there is none to examine")
    return found


def _tail(noise: np.ndarray, beyond: float) -> tuple[float, float, int, float]:
    """Chance of so few or so many numbers beyond, beyond what, how many, how many to expect."""
    seen, chance = int((np.abs(noise) > beyond).sum()), 2 * float(norm.sf(beyond))
    p_value = float(binomtest(seen, noise.size, chance).pvalue)
    return p_value, beyond, seen, round(noise.size * chance, 1)


def _ratio(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Whether both have one variance, and the first over the second."""
    squares = (float(np.square(noise).mean()) + _NONE**2 for noise in (one, other))
    ratio = next(squares) / next(squares)
    tails = f.cdf(ratio, one.size, other.size), f.sf(ratio, one.size, other.size)
    return min(1.0, 2 * float(min(tails))), ratio


def _divided(bench: Bench) -> Message:
    """What `divisor` says, if noise is independent."""
    factors = []
    for seen in _batches(bench):
        weight = float(np.square(seen.sums).sum())
        if weight > 0:
            # What the optimizer got, projected on the sum: 1 but for the noise along it.
            off = float((seen.noise * seen.sums).sum()) / weight
            factors.append((1 + off, off * np.sqrt(weight)))
    if not factors:
        raise cannot_tell("no_sum", "clipped sums are 0, so no divisor can be told")
    worst = max(factors, key=lambda f: abs(f[1]))
    p_value = min(1.0, 2 * len(factors) * float(norm.sf(abs(worst[1]))))
    if p_value < ALPHA:
        raise failed(
            "divisor",
            "the optimizer gets {factor:number} times the clipped sum over the public divisor: it "
            "is divided by something else, such as the size of the batch, or more than this sum is "
            "in the gradient",
            p_value=p_value, factor=round(worst[0], 4),
        )  # fmt: skip
    return message("selfcheck.divisor_ok", "sums are divided by the public constant")


def _batches(bench: Bench) -> list[_Seen]:
    return bench.once("noise", lambda: [_steps(bench, n) for n in _sizes(bench)])


def _sizes(bench: Bench) -> tuple[int, ...]:
    usual = bench.usual(1.3)  # above the mean, as half of the training's batches are
    return (*_SIZES, usual) if usual > max(_SIZES) else _SIZES


def _noise(bench: Bench) -> np.ndarray:
    """The noise of all steps, shape (steps, parameters), where it can be told from the sum.

    Raises:
        Stopped: the divisor is not the public one, so the noise cannot be read.
    """
    if bench.fails(divisor):
        raise _no_divisor()
    noise = np.concatenate([seen.noise for seen in _batches(bench)])
    if not np.isfinite(noise).all():
        raise failed("noise_not_finite", "steps on ordinary units are not finite")
    return noise


def _residual(bench: Bench) -> np.ndarray:
    """The noise of all steps without its part along the sum, which a wrong divisor would change.

    Of few parameters that part is too much of the whole: there the noise is left as it is.

    Raises:
        Stopped: there are few parameters, and the divisor is not the public one.
    """
    batches = _batches(bench)
    if batches[0].noise.shape[1] < _NARROW:
        if bench.fails(_divided):
            raise _no_divisor()
        return np.concatenate([seen.noise for seen in batches])
    parts = []
    for seen in batches:
        squares = np.maximum(np.square(seen.sums).sum(1, keepdims=True), 1e-30)
        along = (seen.noise * seen.sums).sum(1, keepdims=True) / squares
        part = seen.noise - along * seen.sums
        # A wrong divisor also scales the noise, by another factor for each size of batch.
        parts.append(part / _spread(part))
    return np.concatenate(parts)


def _no_divisor() -> Stopped:
    return cannot_tell(
        "no_divisor", "noise can be read only where sums are divided by the public constant"
    )


def _spread(noise: np.ndarray) -> float:
    """Root of the mean square.

    Raises:
        Stopped: there is no noise, or it is not finite.
    """
    found = float(np.sqrt(np.square(noise).mean()))
    if not 0 < found < np.inf:
        raise cannot_tell("no_noise", "there is no finite noise whose law could be told")
    return found


def _steps(bench: Bench, n: int) -> _Seen:
    """Steps on a batch of n units."""
    trainer, promise = bench.trainer, bench.promise
    assert promise.divisor is not None
    claimed = deviation(bench)
    pool = bench.pool(max(_SIZES))
    batch = take(pool, bench.rng(3).permutation(count(pool))[:n])
    sums, noise = [], []
    for _ in range(bench.effort * _n_steps(trainer, batch)):
        before = vector(trainer.clipped_sum(batch))
        after = vector(trainer.step(batch)) * promise.divisor
        sums.append(before / claimed)
        noise.append((after - before) / claimed)
    return _Seen(np.stack(sums), np.stack(noise))


def _n_steps(trainer: Any, batch: Units) -> int:
    width = len(vector(trainer.clipped_sum(batch)))
    return int(np.clip(_NUMBERS // max(1, width), *_STEPS))
