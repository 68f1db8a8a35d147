"""Does one unit stay one unit: gradients that do not mix, sums that move by the bound at most."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from genaudit.result import Message, message
from genaudit.training.dp.selfcheck.bench import (
    Bench,
    as_units,
    count,
    is_float,
    joined,
    matrix,
    offers,
    replaced,
    scaled,
    take,
    vector,
)
from genaudit.training.dp.selfcheck.outcome import cannot_tell, failed, skipped
from genaudit.training.dp.selfcheck.protocol import Units

#: Units in the batches that are looked at; units that are tried on a batch of the training's size.
_BATCH, _FEW = 8, 2

#: Units that each one is added to where all are tried; CPU seconds that this may take.
_SMALL, _SECONDS = 2, 5.0

#: What rounding may change, as a share of what is compared.
_ROUNDING = 1e-3

#: By how much floating-point numbers of a unit are multiplied: one direction or the other, steep.
_FACTORS = (1.0, -1.0, 30.0, -30.0, 1e4, -1e4)


def influence(bench: Bench) -> Message:
    """Changing or dropping one unit leaves the gradients of the others unchanged."""
    pool = bench.pool(_BATCH + 2)
    chosen = bench.rng(1).permutation(count(pool))
    batch, other = take(pool, chosen[:_BATCH]), take(pool, chosen[_BATCH : _BATCH + 1])
    base = matrix(bench.trainer.per_sample_grads(batch), _BATCH)
    again = matrix(bench.trainer.per_sample_grads(batch), _BATCH)
    if _apart(base, again) > _ROUNDING:
        raise cannot_tell(
            "not_repeatable",
            "the same batch gives other gradients the second time, so nothing can be compared",
        )
    for j in (0, _BATCH // 2, _BATCH - 1):
        rest = np.arange(_BATCH) != j
        for factor in (1.0, -30.0):
            changed = replaced(batch, j, scaled(other, factor))
            after = matrix(bench.trainer.per_sample_grads(changed), _BATCH)
            _check_same(base[rest], after[rest], j, message("selfcheck.another", "is another"))
    fewer = take(batch, slice(0, _BATCH - 1))
    after = matrix(bench.trainer.per_sample_grads(fewer), _BATCH - 1)
    _check_same(base[:-1], after, _BATCH - 1, message("selfcheck.left_out", "is left out"))
    _check_missing(bench, batch, scaled(other, -30.0))
    return message("selfcheck.influence_ok", "gradients of units do not depend on each other")


def _check_missing(bench: Bench, batch: Units, other: Units) -> None:
    """What stands in for a missing number does not depend on the rest of the batch."""
    last = _BATCH - 1
    for one in _gaps(take(batch, slice(0, 1))):
        holed = replaced(batch, 0, one)
        try:
            base, again, after = (
                matrix(bench.trainer.per_sample_grads(units), _BATCH)[:last]
                for units in (holed, holed, replaced(holed, last, other))
            )
        except Exception:  # what missing numbers do to a sum is looked at elsewhere
            return
        if np.allclose(base, again, _ROUNDING, equal_nan=True):
            _check_same(base, after, last, message("selfcheck.another", "is another"))


def bounded(bench: Bench) -> Message:
    """One unit more or less moves the clipped sum by C at most, another one by 2C."""
    bound = bench.promise.max_grad_norm
    assert bound is not None
    if offers(bench.trainer, "per_sample_grads") and bench.fails(influence):
        raise cannot_tell("mixed", "units influence each other, so none has a bound of its own")
    pool = bench.pool(2 * _BATCH)
    chosen = bench.rng(2).permutation(count(pool))
    most = _most(bench, bound, chosen[:_BATCH], chosen[_BATCH : 2 * _BATCH])
    usual = min(bench.usual(1.3), count(pool) - _FEW)
    if usual > _BATCH:
        # What is summed in parts may be bounded in the first of them alone.
        most = max(most, _most(bench, bound, chosen[:usual], chosen[usual : usual + _FEW]))
    tried, moved = _every(bench, bound, chosen)
    most = max(most, moved)
    if most < 0.5 * bound:
        raise cannot_tell(
            "never_clipped",
            "no unit that was tried reached the bound C = {bound:number} (the most was "
            "{most:number}), so it was not put to the test",
            bound=bound, most=round(most, 6),
        )  # fmt: skip
    return message(
        "selfcheck.bounded_ok",
        "one unit moves the clipped sum by at most {times:number} C; {tried:integer} of "
        "{n:integer} units were tried",
        times=round(most / bound, 4), tried=tried, n=count(pool),
    )  # fmt: skip


def not_finite(bench: Bench) -> Message:
    """A unit with NaN or infinite numbers leaves the clipped sum finite and within the bound."""
    bound = bench.promise.max_grad_norm
    assert bound is not None
    if offers(bench.trainer, "per_sample_grads") and bench.fails(influence):
        raise cannot_tell("mixed", "units influence each other, so none has a bound of its own")
    pool = bench.pool(_BATCH)
    batch = take(pool, slice(0, _BATCH))
    summed = _sum(bench, batch)
    spoiled = list(_spoiled(take(pool, slice(0, 1))))
    if not spoiled:
        raise skipped("no_floats", "units hold no floating-point numbers that could be NaN")
    for value, one in spoiled:
        try:
            after = _sum(bench, replaced(batch, 0, one))
        except Exception as error:
            raise failed(
                "not_finite_raises",
                "a unit with {value} in it ends the training with {error}, which shows that it "
                "is there",
                value=value, error=type(error).__name__,
            ) from error  # fmt: skip
        moved = float(np.linalg.norm(after - summed))
        if not np.isfinite(moved):
            raise failed(
                "not_finite_shows",
                "a unit with {value} in it makes the clipped sum not finite, which shows that it "
                "is there",
                value=value,
            )
        if moved > 2 * bound * (1 + _ROUNDING) and not bench.fails(bounded):
            raise failed(
                "not_finite_moves",
                "a unit with {value} in it moves the clipped sum by {times:number} times C, and 2 "
                "are allowed",
                value=value, times=round(moved / bound, 4),
            )  # fmt: skip
    return message("selfcheck.not_finite_ok", "units that are not finite leave no trace")


def _most(bench: Bench, bound: float, base_at: np.ndarray, tried: np.ndarray) -> float:
    """By how much units at some positions, as they are and steep, move the sum of others at most.

    Raises:
        Stopped: by more than the bound, or sums cannot be compared.
    """
    base, pool = take(bench.pool(), base_at), take(bench.pool(), tried)
    summed = _sum(bench, base)
    if _apart(summed, _sum(bench, base)) > _ROUNDING:
        raise cannot_tell(
            "sum_not_repeatable",
            "the same batch gives another clipped sum the second time, so nothing can be compared",
        )
    slack, most = _slack(summed, bound), 0.0
    for one in _candidates(pool):
        moved = _moved(bench, base, summed, one, bound)
        other = float(np.linalg.norm(_sum(bench, replaced(base, 1, one)) - summed))
        if not other <= 2 * (bound + slack):
            raise failed(
                "unbounded_replace",
                "another unit in the place of one moved the clipped sum by {times:number} times C "
                "= {bound:number}, and 2 are allowed",
                times=round(other / bound, 4), bound=bound,
            )  # fmt: skip
        most = max(most, moved)
    return most


def _every(bench: Bench, bound: float, order: np.ndarray) -> tuple[int, float]:
    """Add each unit as it is, for what goes wrong with a rare kind of them.

    Returns:
        How many there was time for, and by how much one moved the sum at most.
    """
    pool = bench.pool()
    base = take(pool, order[:_SMALL])
    summed, most = _sum(bench, base), 0.0
    end = time.process_time() + _SECONDS
    for tried, i in enumerate(order):
        if time.process_time() > end:
            return tried, most
        most = max(most, _moved(bench, base, summed, take(pool, slice(i, i + 1)), bound))
    return len(order), most


def _moved(bench: Bench, base: Units, summed: np.ndarray, one: Units, bound: float) -> float:
    """By how much one unit more moves the sum of others.

    At the end of them, so that chance that belongs to a place stays with the others.

    Raises:
        Stopped: by more than the bound.
    """
    moved = float(np.linalg.norm(_sum(bench, joined(base, one)) - summed))
    if not moved <= bound + _slack(summed, bound):
        raise failed(
            "unbounded",
            "one unit more moved the clipped sum by {times:number} times C = {bound:number}",
            times=round(moved / bound, 4), bound=bound,
        )  # fmt: skip
    return moved


def _slack(summed: np.ndarray, bound: float) -> float:
    """Rounding errors of all that is summed."""
    return _ROUNDING * (bound + float(np.abs(summed).max()))


def _sum(bench: Bench, units: Units) -> np.ndarray:
    return vector(bench.trainer.clipped_sum(as_units(units)))


def _candidates(pool: Units) -> Iterator[Units]:
    """Single units, as they are and as extremes."""
    factors = _FACTORS if any(is_float(a) for a in pool) else _FACTORS[:1]
    for factor in factors:
        for i in range(count(pool)):
            yield scaled(take(pool, slice(i, i + 1)), factor)


def _gaps(one: Units) -> Iterator[Units]:
    """The unit with one number missing, or all of them, in each array of them."""
    for k, array in enumerate(one):
        if is_float(array) and array.size:
            single, whole = array.copy(), np.full_like(array, np.nan)
            single.reshape(-1)[0] = np.nan
            yield from ((*one[:k], changed, *one[k + 1 :]) for changed in (single, whole))


def _spoiled(one: Units) -> Iterator[tuple[str, Units]]:
    """The unit with one number, or all of them, that cannot be computed with."""
    for k, array in enumerate(one):
        if not is_float(array) or not array.size:
            continue
        for value in (np.nan, np.inf, -np.inf, np.finfo(array.dtype).max):
            single, whole = array.copy(), np.full_like(array, value)
            single.reshape(-1)[0] = value
            for changed in (single, whole):
                yield f"{value:.3g}", (*one[:k], changed, *one[k + 1 :])


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """Relative distance; infinite where shapes differ or a number is not finite."""
    if a.shape != b.shape:
        return float("inf")
    far = float(np.linalg.norm(a - b)) / max(float(np.linalg.norm(a)), 1e-12)
    return far if np.isfinite(far) else float("inf")


def _finite(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both without what is missing in both."""
    kept = ~(np.isnan(a) & np.isnan(b))
    return a[kept], b[kept]


def _check_same(before: np.ndarray, after: np.ndarray, j: int, how: Message) -> None:
    worst = (
        max((_apart(*_finite(a, b)) for a, b in zip(before, after, strict=True)), default=0.0)
        if before.shape == after.shape
        else float("inf")
    )
    if worst > _ROUNDING:
        raise failed(
            "influenced",
            "the gradient of a unit changes by {share} where unit {j} of the batch {how}: "
            "something in the module or the batch mixes units",
            share=f"{worst:.1%}" if np.isfinite(worst) else "no finite amount", j=j, how=how,
        )  # fmt: skip
