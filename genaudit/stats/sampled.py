"""Canaries in Poisson-sampled Gaussian steps: the best statistic, and the noise that it bounds.

In each step a member is drawn with chance q, so its coordinate of the noisy sum is a mixture of two
normal distributions; a non-member's is noise alone. What the steps add up to is the privacy loss of
the training itself. All of it supposes that steps are such: print what follows as model-based.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm

#: Share of the chance of being wrong that the measured noise has; the mean scores have the rest.
_SPREAD = 0.1

#: Nodes of the quadrature over one step's noise, and how many deviations they reach.
_NODES, _REACH = 4001, 12.0

#: Shift, in clips, beyond which a canary is as good as unclipped.
_MAX_SHIFT = 1e6


def step_scores(seen: np.ndarray, noise: float, rate: float) -> np.ndarray:
    """Log-likelihood ratio of one step for each canary: it is in the data, or it is not.

    Args:
        seen: What the noisy sum holds along each canary, in clips, any shape.
        noise: Noise multiplier of the claim, > 0.
        rate: Chance of a member to be drawn, in (0, 1].

    Source: Mironov, Talwar, Zhang 2019, section 3: the pair of distributions that dominates a step.

    >>> step_scores(np.array([0.0, 0.5, 1.0]), 1.0, 1.0)
    array([-0.5,  0. ,  0.5])
    """
    exponent = (2 * np.asarray(seen, dtype=float) - 1) / (2 * noise**2)
    if rate == 1:
        return exponent
    found: np.ndarray = np.logaddexp(math.log1p(-rate), math.log(rate) + exponent)
    return found


@dataclass(frozen=True, eq=False)
class Watched:
    """What was seen of canaries over all steps of one training.

    scores: sums of `step_scores`, shape (m,). members: what each coin decided, shape (m,).
    squares: mean square, over steps and non-members, of what was seen, in clips; n_squares: of how
    many numbers. noise, rate, steps: of the claim.
    """

    scores: np.ndarray
    members: np.ndarray
    squares: float
    n_squares: int
    noise: float
    rate: float
    steps: int


def noise_bound(watched: Watched, alpha: float) -> float:
    """Upper bound on the noise multiplier that the training really had; infinite where none is.

    The multiplier is the noise over what one member adds. The first is measured on non-members, by
    its exact distribution; the second is the least whose mean scores are as far apart as those seen
    (normal, as they are sums over steps and canaries). An accountant makes an ε of it.

    Args:
        watched: At least 30 members and as many others.
        alpha: Chance of a bound below the true multiplier.
    """
    most = watched.squares * watched.n_squares
    spread = math.sqrt(most / float(chi2.ppf(_SPREAD * alpha, watched.n_squares)))
    shift = _least_shift(watched, spread, float(norm.isf((1 - _SPREAD) * alpha)))
    return spread / shift if shift > 0 else math.inf


def _least_shift(watched: Watched, spread: float, z: float) -> float:
    members = watched.members
    apart = float(watched.scores[members].mean() - watched.scores[~members].mean())
    n, k = int(members.sum()), int((~members).sum())

    def beyond(shift: float) -> float:
        """How much farther apart than this shift and chance would bring them."""
        (mean, square), (calm, calm_square) = moments(
            shift, spread, noise=watched.noise, rate=watched.rate
        )
        steps = watched.steps
        error = math.sqrt(steps * ((square - mean**2) / n + (calm_square - calm**2) / k))
        return apart - steps * (mean - calm) - z * error

    if beyond(0.0) <= 0:
        return 0.0
    high = 1.0
    while beyond(high) > 0:
        high *= 2
        if high > _MAX_SHIFT:
            return _MAX_SHIFT
    return float(brentq(beyond, 0.0, high, xtol=1e-9))


def moments(
    shift: float, spread: float, *, noise: float, rate: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Mean and mean square of a step's score, of a member and of a non-member.

    Args:
        shift: What a drawn member adds, in clips.
        spread: Deviation of the noise, in clips, > 0.
        noise: Of the claim, by which scores are made.
        rate: Chance to be drawn.

    >>> (mean, _), (calm, _) = moments(1.0, 2.0, noise=2.0, rate=1.0)
    >>> round(mean, 6), round(calm, 6)  # half of the squared shift in deviations, either way
    (0.125, -0.125)
    """
    at = np.linspace(-_REACH, _REACH, _NODES)
    weights = norm.pdf(at)
    weights /= weights.sum()

    def of(centre: float) -> tuple[float, float]:
        scores = step_scores(centre + spread * at, noise, rate)
        return float(weights @ scores), float(weights @ scores**2)

    calm, drawn = of(0.0), of(shift)
    mixed = tuple((1 - rate) * c + rate * d for c, d in zip(calm, drawn, strict=True))
    return (mixed[0], mixed[1]), calm
