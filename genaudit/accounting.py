"""From mechanisms to ε(δ) by privacy loss distributions; no torch.

Source: Sommer, Meiser, Mohammadi 2019 (privacy loss classes) as implemented by dp-accounting, which
rounds the privacy loss up, so every ε here is an upper bound.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache, reduce
from typing import Any

from scipy import optimize

from genaudit.errors import OptionError
from genaudit.ledger import Mechanism

#: Neighbouring relations by their name in the ledger.
RELATIONS = ("zero-out", "add-remove")

#: Discretisation of the privacy loss where ε is 4; `_interval` makes it a share of ε.
_FINE = 1e-4

#: Ten times as fast, for the search alone: what is returned has been checked at `_FINE`.
_COARSE = 1e-3

#: The ε for which both are given.
_UNIT = 4.0

#: Beyond this a promise is empty.
MAX_EPSILON = 10_000

#: Pure ε beyond this together are added up (basic composition): their exponential overflows.
_MAX_PURE = 700.0

#: Gaussians that are roughly beyond this ε promise nothing, and no grid holds their loss.
_MAX_ROUGH = 1e9

#: More noise than this is not told from this much.
_MAX_NOISE = 1e9


def epsilon(mechanisms: Iterable[Mechanism], delta: float, relation: str = "zero-out") -> float:
    """ε at `delta` of all mechanisms together, for one unit (record or person) under `relation`.

    >>> m = Mechanism(name="poisson_gaussian", noise_multiplier=1.0, sampling_rate=0.01, steps=1000)
    >>> round(epsilon([m], 1e-5), 2)
    1.83
    """
    return _total(mechanisms, delta, relation, _FINE)


def noise_multiplier(
    target: float,
    delta: float,
    *,
    sampling_rate: float,
    steps: int,
    beside: Iterable[Mechanism] = (),
    relation: str = "zero-out",
) -> float:
    """Smallest noise multiplier (to 0.1%) such that training and `beside` spend at most `target`.

    Raises:
        OptionError: what stands beside already spends the target, or ε or δ is out of range.
    """
    _check(target, delta)
    beside = tuple(beside)
    others = epsilon(beside, delta, relation)
    if math.isinf(others):
        raise OptionError(
            f"Expected a delta that an accountant can tell from 0, got {delta:g}; take a larger "
            "one that is still well under 1/n, such as 1e-10."
        )
    if others >= target:
        raise OptionError(
            f"Everything beside training already spends ε = {others:.3g} of {target:g}; give it "
            "less, or raise ε."
        )

    def spent(sigma: float, interval: float) -> float:
        training = Mechanism(name="poisson_gaussian", noise_multiplier=sigma,
                             sampling_rate=sampling_rate, steps=steps)  # fmt: skip
        return _total((*beside, training), delta, relation, interval)

    return _smallest(spent, target)


def gaussian_multiplier(target: float, delta: float, *, count: int = 1) -> float:
    """Smallest noise multiplier (to 0.1%) at which `count` Gaussian releases spend ≤ `target`.

    Source: Balle & Wang 2018, theorem 8, as implemented by dp-accounting; several releases are one
    whose noise multiplier is smaller by the square root of their number.
    """
    from dp_accounting import get_sigma_gaussian

    _check(target, delta)
    # A hair more, so that an accountant that rounds up agrees.
    return 1.0003 * float(get_sigma_gaussian(target, delta)) * math.sqrt(count)


def _check(target: float, delta: float) -> None:
    if not 0 < target < math.inf:
        raise OptionError(f"Expected epsilon={target!r} to be a number above 0.")
    if target > MAX_EPSILON:
        raise OptionError(
            f"Expected epsilon of at most {MAX_EPSILON:,}, got {target:g}; such a promise "
            "protects nobody. Train without epsilon instead, and say so."
        )
    if not 0 < delta < 1:
        raise OptionError(f"Expected delta={delta!r} in (0, 1); no Gaussian noise gives another.")


def _smallest(spent: Callable[[float, float], float], target: float) -> float:
    """Smallest noise multiplier (to 0.1%) with `spent(sigma, _FINE) <= target`."""
    sigma, slack = 1.0, 0.0
    for _ in range(2):
        # The coarse ε is too high by an amount that hardly changes with sigma.
        sigma = _root(lambda s: spent(s, _COARSE), target + slack)
        slack += target - spent(sigma, _FINE)
    while spent(sigma, _FINE) > target:
        sigma *= 1.0003
    return sigma


def _root(spent: Callable[[float], float], target: float) -> float:
    """The noise multiplier at which `spent`, which falls with it, equals `target`."""
    high = 1.0
    while spent(high) > target:
        high *= 2
        if high > 1e5:
            raise OptionError(f"No noise reaches ε = {target:g} in this many steps; take fewer.")
    low = high / 2
    while low > 0.05 and spent(low) <= target:
        low, high = low / 2, low
    if spent(low) <= target:
        return low
    root = optimize.brentq(
        lambda x: spent(math.exp(x)) - target, math.log(low), math.log(high), xtol=1e-4
    )
    return math.exp(root)


def _merged(mechanisms: Iterable[Mechanism]) -> Counter[Mechanism]:
    """Mechanisms that differ in their number of steps alone, added up."""
    merged: Counter[Mechanism] = Counter()
    for mechanism in mechanisms:
        merged[mechanism.model_copy(update={"steps": 1})] += mechanism.steps
    return merged


def _total(mechanisms: Iterable[Mechanism], delta: float, relation: str, interval: float) -> float:
    if relation not in RELATIONS:
        raise OptionError(f"Expected a relation of {', '.join(RELATIONS)}, got {relation!r}.")
    if not 0 <= delta < 1:
        raise OptionError(f"Expected delta={delta!r} in [0, 1).")
    every = _merged(mechanisms)
    pure = {m: steps for m, steps in every.items() if m.name == "pure"}
    added = sum(steps * (m.epsilon or 0.0) for m, steps in pure.items())
    large, added = (pure, added) if added > _MAX_PURE else ({}, 0.0)
    delta -= sum(steps * m.delta for m, steps in large.items())
    merged = tuple(sorted(((m, k) for m, k in every.items() if m not in large), key=str))
    if not merged:
        return added if delta >= 0 else math.inf
    rough = sum(_rough(mechanism, steps, delta) for mechanism, steps in merged)
    if delta < 0 or not rough < _MAX_ROUGH:
        return math.inf
    return added + _epsilon(merged, delta, _interval(rough, interval))


def _interval(rough: float, interval: float) -> float:
    """A grid that is fine for the ε at hand: its width is a share of a rough ε, in powers of two.

    A fixed one would need minutes and gigabytes where ε is 1,000, and 1% off where it is 0.02.
    """
    return float(interval * 2.0 ** math.ceil(math.log2(max(rough, 1e-4) / _UNIT)))


def _rough(mechanism: Mechanism, steps: int, delta: float) -> float:
    """ε by the central limit (Dong, Roth, Su 2022, corollary 4), or without sampling if less."""
    if mechanism.name not in ("gaussian", "poisson_gaussian"):
        return steps * (mechanism.epsilon or 0.0)
    assert mechanism.noise_multiplier is not None
    inverse, tail = 1 / mechanism.noise_multiplier, math.sqrt(2 * math.log(1 / max(delta, 1e-30)))
    rate = mechanism.sampling_rate or 1.0

    def of(mu: float) -> float:
        return mu * mu / 2 + mu * tail

    alone = of(inverse * math.sqrt(steps))
    # Beyond this exponent sampling hides nothing, and its formula overflows.
    if mechanism.sampling_rate is None or inverse > 10:
        return alone
    return min(alone, of(rate * math.sqrt(steps * math.expm1(inverse * inverse))))


@cache
def _epsilon(merged: tuple[tuple[Mechanism, int], ...], delta: float, interval: float) -> float:
    # A record replaced by one that contributes nothing (zero-out) has the same pair of dominating
    # distributions as a record removed or added, so one loss distribution serves both relations.
    losses = (_loss(m, interval).self_compose(steps) for m, steps in merged)
    total = reduce(lambda a, b: a.compose(b), losses)
    return float(total.get_epsilon_for_delta(delta))


@cache
def _loss(mechanism: Mechanism, interval: float) -> Any:
    """The privacy loss distribution of one step of a mechanism."""
    from dp_accounting.pld import common
    from dp_accounting.pld import privacy_loss_distribution as pld

    match mechanism.name:
        case "gaussian" | "poisson_gaussian":
            return pld.from_gaussian_mechanism(
                min(mechanism.noise_multiplier or 0.0, _MAX_NOISE),
                value_discretization_interval=interval,
                sampling_prob=mechanism.sampling_rate or 1.0,
            )
        case "pure":
            return pld.from_privacy_parameters(
                common.DifferentialPrivacyParameters(mechanism.epsilon, mechanism.delta),
                value_discretization_interval=interval,
            )
        case _:
            raise OptionError(f"No accountant is known for mechanism {mechanism.name!r}.")
