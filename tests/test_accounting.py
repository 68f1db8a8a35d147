"""ε(δ) against closed forms and against Opacus' accountants."""

from __future__ import annotations

import math
import warnings

import pytest
from scipy import optimize, stats

from genaudit.accounting import epsilon, gaussian_multiplier, noise_multiplier
from genaudit.errors import OptionError
from genaudit.ledger import Mechanism

SETTINGS = [(1.0, 0.01, 1000), (0.7, 0.004, 500), (2.0, 0.05, 2000)]


def _sgd(sigma: float, rate: float, steps: int) -> Mechanism:
    return Mechanism(
        name="poisson_gaussian", noise_multiplier=sigma, sampling_rate=rate, steps=steps
    )


def _gaussian_delta(epsilon: float, sigma: float) -> float:
    """δ(ε) of the Gaussian mechanism: Balle and Wang 2018, theorem 8, sensitivity 1."""
    a, b = 1 / (2 * sigma), epsilon * sigma
    return float(stats.norm.cdf(a - b) - math.exp(epsilon) * stats.norm.cdf(-a - b))


@pytest.mark.parametrize("sigma", [0.8, 2.0, 10.0])
@pytest.mark.parametrize("delta", [1e-3, 1e-6])
def test_gaussian_has_its_closed_form(sigma: float, delta: float) -> None:
    """One Gaussian release costs what Balle and Wang's formula says, and never less."""
    exact = optimize.brentq(lambda e: _gaussian_delta(e, sigma) - delta, 0, 50)

    found = epsilon([Mechanism(name="gaussian", noise_multiplier=sigma)], delta)

    assert exact <= found <= exact + 2e-3


def test_gaussians_compose_as_one_with_less_noise() -> None:
    """Sixteen Gaussian releases with noise σ are one with σ / 4."""
    exact = optimize.brentq(lambda e: _gaussian_delta(e, 10 / math.sqrt(16)) - 1e-5, 0, 50)

    found = epsilon([Mechanism(name="gaussian", noise_multiplier=10, steps=16)], 1e-5)

    assert found == pytest.approx(exact, abs=3e-3)
    assert found >= exact


@pytest.mark.parametrize(("sigma", "rate", "steps"), SETTINGS)
def test_training_agrees_with_opacus(sigma: float, rate: float, steps: int) -> None:
    """PLD lies within 1% of Opacus' PRV accountant, and below its looser RDP accountant."""
    with warnings.catch_warnings():
        # Opacus warns of what its own dependencies will drop; none of it concerns accounting.
        warnings.simplefilter("ignore")
        from opacus.accountants import PRVAccountant, RDPAccountant

        theirs = {}
        for accountant in (PRVAccountant(), RDPAccountant()):
            accountant.history = [(sigma, rate, steps)]
            theirs[accountant.mechanism()] = accountant.get_epsilon(delta=1e-5)

    found = epsilon([_sgd(sigma, rate, steps)], 1e-5)

    assert found == pytest.approx(theirs["prv"], rel=0.01, abs=0.01)
    assert found <= theirs["rdp"] + 1e-3


def test_split_blocks_equal_one_block() -> None:
    """A run logged in two blocks costs exactly what the same run in one block costs."""
    whole = epsilon([_sgd(1.1, 0.01, 300)], 1e-5)

    assert epsilon([_sgd(1.1, 0.01, 100), _sgd(1.1, 0.01, 200)], 1e-5) == whole


def test_order_of_mechanisms_is_no_matter() -> None:
    """The sum of touches does not depend on the order in which they were written."""
    parts = [Mechanism(name="pure", epsilon=0.3), _sgd(1.1, 0.01, 100),
             Mechanism(name="gaussian", noise_multiplier=5)]  # fmt: skip

    assert epsilon(parts, 1e-5) == epsilon(reversed(parts), 1e-5)


def test_pure_mechanisms_add_up() -> None:
    """Two ε-DP releases cost at most the sum, and with one alone exactly its ε at δ = 0."""
    half = Mechanism(name="pure", epsilon=0.5)

    assert epsilon([half], 0.0) == pytest.approx(0.5, abs=1e-3)
    assert 0.5 < epsilon([half, half], 1e-9) <= 1.0 + 1e-3


def test_delta_of_a_mechanism_is_not_forgotten() -> None:
    """A mechanism with its own δ has no ε at a smaller δ."""
    spends = Mechanism(name="pure", epsilon=0.5, delta=1e-6)

    assert epsilon([spends], 1e-5) <= 0.5 + 1e-3
    assert epsilon([spends], 1e-7) == math.inf


@pytest.mark.parametrize("large", [709.0, 710.0, 5000.0, 1e300])
def test_a_pure_epsilon_whose_exponential_overflows(large: float) -> None:
    """It costs what it says, beside other mechanisms too, and its δ is not forgotten."""
    pure = Mechanism(name="pure", epsilon=large, delta=1e-6)
    beside = Mechanism(name="gaussian", noise_multiplier=5)

    assert epsilon([pure], 1e-5) == large
    assert epsilon([pure, beside], 1e-5) == large + epsilon([beside], 1e-5 - 1e-6)
    assert epsilon([pure], 1e-7) == epsilon([pure, beside], 1e-7) == math.inf


def test_many_pure_epsilons_that_overflow_together() -> None:
    """Each could be composed, but not all."""
    pure, beside = (
        Mechanism(name="pure", epsilon=200),
        Mechanism(name="gaussian", noise_multiplier=5),
    )

    found = epsilon([pure] * 5 + [beside], 1e-5)

    assert found == pytest.approx(1000 + epsilon([beside], 1e-5), rel=1e-3)


def test_noise_beyond_numbers() -> None:
    """Next to no noise promises nothing, and endless noise spends nothing."""
    assert epsilon([Mechanism(name="gaussian", noise_multiplier=1e-200)], 1e-5) == math.inf
    assert epsilon([Mechanism(name="gaussian", noise_multiplier=1e200)], 1e-5) == 0.0


def test_a_delta_too_small_to_account_for_is_refused() -> None:
    """Where accountants lose so small a probability, the message names δ."""
    beside = [Mechanism(name="gaussian", noise_multiplier=30)]

    with pytest.raises(OptionError, match="delta that an accountant can tell from 0, got 1e-50"):
        noise_multiplier(1.0, 1e-50, sampling_rate=0.01, steps=10, beside=beside)


def test_nothing_costs_nothing() -> None:
    """No mechanism, no ε."""
    assert epsilon([], 1e-5) == 0.0


def test_more_steps_more_rate_less_noise_cost_more() -> None:
    """ε moves the way it must in every parameter."""
    base = epsilon([_sgd(1.0, 0.01, 100)], 1e-5)

    assert epsilon([_sgd(1.0, 0.01, 200)], 1e-5) > base
    assert epsilon([_sgd(1.0, 0.02, 100)], 1e-5) > base
    assert epsilon([_sgd(0.9, 0.01, 100)], 1e-5) > base
    assert epsilon([_sgd(1.0, 0.01, 100)], 1e-6) > base


@pytest.mark.parametrize("target", [0.5, 3.0, pytest.param(8.0, marks=pytest.mark.slow)])
def test_noise_hits_its_target(target: float) -> None:
    """The noise spends at most ε, and 0.2% less noise would spend more."""
    beside = [Mechanism(name="pure", epsilon=0.1)]

    sigma = noise_multiplier(target, 1e-5, sampling_rate=0.1, steps=100, beside=beside)

    assert epsilon([*beside, _sgd(sigma, 0.1, 100)], 1e-5) <= target
    assert epsilon([*beside, _sgd(sigma * 0.998, 0.1, 100)], 1e-5) > target


def test_gaussian_noise_hits_its_target() -> None:
    """The same for plain Gaussian releases."""
    sigma = gaussian_multiplier(1.0, 1e-6, count=7)

    assert epsilon([Mechanism(name="gaussian", noise_multiplier=sigma, steps=7)], 1e-6) <= 1.0
    assert epsilon([Mechanism(name="gaussian", noise_multiplier=sigma * 0.998, steps=7)], 1e-6) > 1


def test_a_budget_spent_beside_training_is_refused() -> None:
    """Where all else already costs the target, the message says so."""
    with pytest.raises(OptionError, match=r"already spends ε = .* of 1"):
        noise_multiplier(1.0, 1e-5, sampling_rate=0.01, steps=10,
                         beside=[Mechanism(name="pure", epsilon=2.0)])  # fmt: skip


@pytest.mark.parametrize(
    ("target", "delta"), [(0.0, 1e-5), (-1.0, 1e-5), (math.nan, 1e-5), (1.0, 0.0), (1.0, 1.0)]
)
def test_impossible_targets_are_refused(target: float, delta: float) -> None:
    """A target that no noise can reach is one clear sentence, not a search without end."""
    with pytest.raises(OptionError):
        noise_multiplier(target, delta, sampling_rate=0.01, steps=10)
    with pytest.raises(OptionError):
        gaussian_multiplier(target, delta)


def test_unknown_relations_and_mechanisms_are_refused() -> None:
    """The accountant guesses nothing."""
    with pytest.raises(OptionError, match="relation"):
        epsilon([Mechanism(name="gaussian", noise_multiplier=1)], 1e-5, "replace-one")
    with pytest.raises(OptionError, match="'magic'"):
        epsilon([Mechanism(name="magic", epsilon=1)], 1e-5)


@pytest.mark.parametrize("fields", [
    {"name": "gaussian"}, {"name": "poisson_gaussian", "noise_multiplier": 1.0},
    {"name": "poisson_gaussian", "sampling_rate": 0.1}, {"name": "pure"},
])  # fmt: skip
def test_half_a_mechanism_is_refused(fields: dict[str, object]) -> None:
    """A mechanism without what its kind needs would be accounted wrongly, so it cannot be made."""
    with pytest.raises(ValueError, match="needs"):
        Mechanism.model_validate(fields)


def test_an_empty_promise_is_refused() -> None:
    """An ε of a million is refused with a sentence, not computed for minutes."""
    with pytest.raises(OptionError, match="protects nobody"):
        noise_multiplier(1e6, 1e-6, sampling_rate=0.01, steps=10)
    with pytest.raises(OptionError, match="protects nobody"):
        gaussian_multiplier(1e6, 1e-6)
