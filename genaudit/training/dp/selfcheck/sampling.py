"""Is a batch what the accountant takes it for: each unit in it by a coin of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.stats import binom, binomtest

from genaudit.result import Message, message
from genaudit.stats.independence import binomial_moments, lag_p_value, variance_p_value
from genaudit.training.dp.selfcheck.bench import ALPHA, Bench, positions
from genaudit.training.dp.selfcheck.outcome import failed, skipped

#: How many units are drawn in all, about; fewest and most batches.
_DRAWN, _BATCHES = 32_000, (400, 2000)

#: Shares of batches that are larger, or smaller, than sizes that are looked at.
_TAILS = (0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0.005)

#: Units whose draws are compared with each other.
_COMPARED = 2048


@dataclass(frozen=True, eq=False)
class _Draws:
    """Batches that were drawn.

    inside: which of the compared units were in each, boolean, shape (batches, units).
    times: how often each unit was drawn, shape (n,). sizes: shape (batches,).
    doubles: units that were in a batch more than once.
    """

    inside: np.ndarray
    times: np.ndarray
    sizes: np.ndarray
    doubles: int


def rate(bench: Bench) -> Message:
    """Units are drawn as often as the accountant is told."""
    draws, q = _draws(bench), _rate(bench)
    drawn, trials = int(draws.sizes.sum()), len(draws.sizes) * len(draws.times)
    tails = float(binom.cdf(drawn, trials, q)), float(binom.sf(drawn - 1, trials, q))
    p_value = min(1.0, 2 * min(tails))
    if p_value < ALPHA:
        raise failed(
            "rate",
            "units are in a batch with chance {found:number}, and {claimed:number} is accounted "
            "for",
            p_value=p_value, found=round(drawn / trials, 6), claimed=round(q, 6),
        )  # fmt: skip
    return message(
        "selfcheck.rate_ok",
        "units are drawn at the rate {found:number}, and {claimed:number} is accounted for",
        found=round(drawn / trials, 6), claimed=round(q, 6),
    )  # fmt: skip


def equal(bench: Bench) -> Message:
    """No unit is drawn more often than another."""
    draws = _draws(bench)
    batches = len(draws.sizes)
    q = float(np.clip(draws.sizes.sum() / batches / len(draws.times), 1e-12, 1 - 1e-9))
    each = np.square(draws.times - batches * q) / (batches * q * (1 - q))
    upper = each.sum() > len(each)
    p_value = _spread_p_value(each, batches, q)
    if upper and p_value < ALPHA:
        raise failed(
            "unequal",
            "some units are drawn more often than others: up to {most:number} times the mean",
            p_value=p_value,
            most=round(float(draws.times.max() / max(draws.times.mean(), 1e-12)), 3),
        )
    return message("selfcheck.equal_ok", "no unit is drawn more often than another")


def poisson(bench: Bench) -> Message:
    """Units are drawn independently: of each other, and of the batches before."""
    draws = _draws(bench)
    batches, n = len(draws.sizes), len(draws.times)
    if draws.doubles:
        raise failed(
            "doubles", "a unit is in a batch more than once: {times:integer} times",
            times=draws.doubles,
        )  # fmt: skip
    q = float(np.clip(draws.sizes.sum() / batches / n, 1e-12, 1 - 1e-9))
    sizes = np.square(draws.sizes - n * q) / (n * q * (1 - q))
    each = np.square(draws.times - batches * q) / (batches * q * (1 - q))
    standard = (draws.inside - q) / np.sqrt(q * (1 - q))
    bernstein = float(np.square(standard).max()) / 3
    vary = message("selfcheck.sizes", "batches do not vary in size as they should")
    by = [
        (_spread_p_value(sizes, n, q), vary),
        (_tails_p_value(draws.sizes, n, q), vary),
        (_spread_p_value(each, batches, q) if each.sum() < len(each) else 1.0,
         message("selfcheck.turns", "units are drawn in turns")),
        (lag_p_value(standard, scale=bernstein),
         message("selfcheck.together", "units are drawn together")),
        (lag_p_value(standard.T.copy(), scale=bernstein),
         message("selfcheck.after", "batches depend on each other")),
    ]  # fmt: skip
    p_value, what = min(by, key=lambda item: item[0])
    if len(by) * p_value < ALPHA:
        raise failed(
            "not_poisson",
            "draws are not Poisson, which is what is accounted for: {what}",
            p_value=min(1.0, len(by) * p_value), what=what,
        )  # fmt: skip
    return message(
        "selfcheck.poisson_ok",
        "draws are Poisson, over {batches:integer} batches",
        batches=batches,
    )


def _spread_p_value(squares: np.ndarray, trials: int, q: float) -> float:
    """Whether squared deviations of binomials spread as they should, in one sum."""
    variance, skewness = binomial_moments(trials, q)
    return variance_p_value(
        np.array([squares.sum()]), len(squares), variance=variance, skewness=skewness
    )


def _tails_p_value(sizes: np.ndarray, n: int, q: float) -> float:
    """Whether as many batches are very large, or very small, as of a binomial, by Bonferroni."""
    upper = {int(binom.isf(tail, n, q)) for tail in _TAILS}
    lower = {int(binom.ppf(tail, n, q)) for tail in _TAILS}
    found = [(int((sizes > k).sum()), float(binom.sf(k, n, q))) for k in upper]
    found += [(int((sizes < k).sum()), float(binom.cdf(k - 1, n, q))) for k in lower]
    return min(1.0, len(found) * min(
        float(binomtest(seen, len(sizes), chance).pvalue) for seen, chance in found
    ))  # fmt: skip


def _rate(bench: Bench) -> float:
    q = bench.promise.sampling_rate
    assert q is not None
    return q


def _draws(bench: Bench) -> _Draws:
    return bench.once("draws", lambda: _measured(bench))


def _drawn(bench: Bench) -> Iterator[np.ndarray]:
    """Batches without end: of another trainer where one is spent, as a draw may be charged."""
    trainer, n = bench.unused(), 0
    while True:
        try:
            found = positions(trainer.draw())
        except Exception:  # budgets end in many ways; another trainer has one of its own
            if not n or not bench.is_factory:
                raise
            trainer, n = bench.fresh(), 0
            continue
        n += 1
        yield found


def _measured(bench: Bench) -> _Draws:
    n, q = bench.promise.n_units, _rate(bench)
    assert n is not None
    if not 0 < q < 1:
        raise skipped("whole_batches", "it draws no samples: its rate is {q:number}", q=q)
    batches = int(np.clip(np.ceil(_DRAWN / max(n * q, 1e-9)), *_BATCHES)) * bench.effort
    compared = min(n, _COMPARED)
    inside = np.zeros((batches, compared), dtype=bool)
    times, sizes, doubles = np.zeros(n), np.zeros(batches), 0
    for i, drawn in enumerate(islice(_drawn(bench), batches)):
        if drawn.size and not (drawn.min() >= 0 and drawn.max() < n):
            raise failed(
                "foreign", "it draws unit {unit:integer} of {n:integer}",
                unit=int(drawn.max() if drawn.max() >= n else drawn.min()), n=n,
            )  # fmt: skip
        found = np.unique(drawn)
        doubles += drawn.size - found.size
        np.add.at(times, drawn, 1)
        sizes[i] = drawn.size
        inside[i, found[found < compared]] = True
    return _Draws(inside, times, sizes, doubles)
