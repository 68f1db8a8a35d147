"""Do two runs with one seed differ, in their noise and in the units that they draw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import binomtest

from genaudit.result import Message, message
from genaudit.training.dp.selfcheck.bench import ALPHA, Bench, positions, take, vector
from genaudit.training.dp.selfcheck.noise import deviation, independence
from genaudit.training.dp.selfcheck.outcome import cannot_tell, failed, skipped

#: Batches that are compared, at least and at most; steps whose noise is compared.
_BATCHES, _STEPS = (20, 2000), 4

#: Noise below this share of the claimed deviation is none.
_ROUNDING = 1e-4

#: Units in the batch on which noise is compared.
_BATCH = 4


def draws(bench: Bench) -> Message:
    """Two trainings with one seed draw different units."""
    promise = bench.promise
    if promise.sampling_rate is not None and promise.sampling_rate >= 1:
        raise skipped(
            "whole_batches", "it draws no samples: its rate is {q:number}", q=promise.sampling_rate
        )
    first, second = bench.fresh(), bench.fresh()
    expected = (promise.n_units or 100) * (promise.sampling_rate or 0.1)
    n = int(np.clip(math.ceil(200 / max(expected, 1e-9)), *_BATCHES))
    seen = [[_batch(trainer) for _ in range(n)] for trainer in (first, second)]
    # So many coins never fall alike twice by chance.
    if seen[0] == seen[1]:
        raise failed(
            "repeated_draws",
            "two runs with one seed draw the same units: who knows the seed knows who was in a "
            "batch",
        )
    return message("selfcheck.draws_ok", "two runs with one seed draw different units")


def noise(bench: Bench) -> Message:
    """Two trainings with one seed add different noise."""
    promise = bench.promise
    assert promise.divisor is not None
    claimed = deviation(bench)
    batch = take(bench.pool(_BATCH), slice(0, _BATCH))
    steps = _STEPS * bench.effort
    first, second = (
        _noise(bench.fresh(), batch, promise.divisor, steps) / claimed for _ in range(2)
    )
    noisy = (np.abs(first) > _ROUNDING) & (np.abs(second) > _ROUNDING)
    if not noisy.any():
        raise cannot_tell("no_noise_at_all", "there is no noise that could be compared")
    # Signs agree like coins, whatever the deviation of each number.
    agree = int((np.sign(first[noisy]) == np.sign(second[noisy])).sum())
    p_value = float(binomtest(agree, int(noisy.sum())).pvalue)
    same = float(np.abs(first - second)[noisy].mean()) < 0.05 * float(np.abs(first[noisy]).mean())
    if same or (p_value < ALPHA and not bench.fails(independence)):
        raise failed(
            "repeated_noise",
            "two runs with one seed add the same noise: who knows the seed can take it off",
            p_value=0.0 if same else p_value,
        )
    return message("selfcheck.noise_streams_ok", "two runs with one seed add different noise")


def _batch(trainer: Any) -> tuple[int, ...]:
    return tuple(sorted(map(int, positions(trainer.draw()))))


def _noise(trainer: Any, batch: Any, divisor: float, steps: int) -> np.ndarray:
    """Noise of a few steps side by side."""
    found = []
    for _ in range(steps):
        before = vector(trainer.clipped_sum(batch))
        found.append(vector(trainer.step(batch)) * divisor - before)
    return np.concatenate(found)
