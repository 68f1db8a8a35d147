"""Canaries in sampled Gaussian steps: ratios against densities, bounds that hold and find."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from genaudit.stats.sampled import Watched, moments, noise_bound, step_scores

ALPHA, RUNS = 0.05, 300
MOST = ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / RUNS)


def _naive(seen: float, noise: float, rate: float) -> float:
    """Log of the ratio of two densities."""
    without = norm.pdf(seen, 0, noise)
    return float(np.log(((1 - rate) * without + rate * norm.pdf(seen, 1, noise)) / without))


def _training(
    rng: np.random.Generator, m: int, *, noise: float, real: float, rate: float, steps: int,
    clip: float = 1.0,
) -> Watched:  # fmt: skip
    """What is seen of m canaries where the noise is `real` and the claim says `noise`."""
    members = rng.random(m) < 0.5
    drawn = rng.random((steps, m)) < rate
    seen = clip * (members & drawn) + real * rng.standard_normal((steps, m))
    calm = seen[:, ~members]
    return Watched(step_scores(seen, noise, rate).sum(0), members, float(np.square(calm).mean()),
                   calm.size, noise, rate, steps)  # fmt: skip


@pytest.mark.parametrize("rate", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("noise", [0.5, 3.0])
def test_scores_are_ratios_of_densities(noise: float, rate: float) -> None:
    """The closed form is the naive twin, and stays finite where densities are 0."""
    for seen in (-2.0, 0.0, 0.4, 1.0, 3.0):
        assert step_scores(np.array(seen), noise, rate) == pytest.approx(_naive(seen, noise, rate))
    assert np.isfinite(step_scores(np.array([-1e3, 1e3]), noise, rate)).all()


@pytest.mark.parametrize(("shift", "spread"), [(1.0, 2.0), (3.0, 0.7)])
def test_moments_are_integrals(shift: float, spread: float) -> None:
    """Mean and mean square of a score, by adaptive quadrature."""
    noise, rate = 1.5, 0.2

    def integral(centre: float, power: int) -> float:
        found, _ = quad(
            lambda y: norm.pdf(y, centre, spread) * float(step_scores(y, noise, rate)) ** power,
            centre - 11 * spread, centre + 11 * spread, limit=200,
        )  # fmt: skip
        return float(found)

    member, other = moments(shift, spread, noise=noise, rate=rate)
    calm = [integral(0.0, power) for power in (1, 2)]
    drawn = [integral(shift, power) for power in (1, 2)]

    assert other == pytest.approx(calm, rel=1e-6)
    assert member == pytest.approx([0.8 * c + 0.2 * d for c, d in zip(calm, drawn, strict=True)],
                                   rel=1e-6)  # fmt: skip


@pytest.mark.parametrize(("noise", "rate"), [(1.0, 0.05), (4.0, 0.3)])
def test_bounds_hold(noise: float, rate: float) -> None:
    """Of honest trainings no more than the level have a bound below their noise."""
    rng = np.random.default_rng(3)
    bounds = [
        noise_bound(_training(rng, 400, noise=noise, real=noise, rate=rate, steps=20), ALPHA)
        for _ in range(RUNS)
    ]

    assert np.mean(np.array(bounds) < noise) <= MOST
    assert np.median(bounds) < 2.5 * noise


@pytest.mark.parametrize(("real", "clip"), [(1.0, 1.0), (2.0, 2.0), (2.0, 10.0)])
def test_faults_are_found(real: float, clip: float) -> None:
    """Half of the noise, or twice the clip, is a multiplier of half; the claim is refuted."""
    rng = np.random.default_rng(4)
    found = noise_bound(
        _training(rng, 2000, noise=2.0, real=real, rate=0.2, steps=50, clip=clip), ALPHA
    )

    assert real / clip < found < 1.25 * real / clip


def test_nothing_seen_is_no_bound() -> None:
    """Canaries that were never in the training are consistent with any noise."""
    rng = np.random.default_rng(5)
    found = [
        noise_bound(_training(rng, 200, noise=1.0, real=1.0, rate=0.2, steps=5, clip=0.0), ALPHA)
        for _ in range(20)
    ]

    assert np.isinf(found).sum() >= 17
