"""Budgets: everything together stays within ε, and two accountants agree on it."""

from __future__ import annotations

import re

import pytest

from genaudit import accounting
from genaudit.errors import BudgetError, GenauditWarning, OptionError
from genaudit.ledger import Mechanism
from genaudit.training.dp import budget
from genaudit.training.recipe import Recipe


@pytest.mark.parametrize(
    ("epsilon", "before"),
    [(1.0, ()), (3.0, ()), (3.0, (Mechanism(name="pure", epsilon=0.3, delta=1e-7),))],
)
def test_solved_budget_is_spent_and_not_exceeded(
    epsilon: float, before: tuple[Mechanism, ...]
) -> None:
    """All mechanisms compose to at most ε, and to nearly all of it."""
    recipe = Recipe.of(epsilon=epsilon, delta=1e-5, steps=50, batch_size=100)

    solved = budget.solve(recipe, recipe.settled(2000), 2000, "zero-out", before)
    spent = accounting.epsilon(solved.mechanisms, 1e-5)

    assert 0.98 * epsilon < spent <= epsilon
    assert solved.training.sampling_rate == 0.05


def test_delta_and_what_comes_before_are_checked() -> None:
    """A δ of 1/n and a budget that is spent before training are refused."""
    recipe = Recipe.of(epsilon=1.0, delta=1e-3, steps=5)
    with pytest.raises(OptionError, match="1/n"):
        budget.solve(recipe, recipe.settled(1000), 1000, "zero-out")
    recipe = Recipe.of(epsilon=1.0, delta=1e-6, steps=5)
    with pytest.raises(OptionError, match="spends all"):
        budget.solve(recipe, recipe.settled(1000), 1000, "zero-out",
                     [Mechanism(name="pure", epsilon=1.0)])  # fmt: skip


def test_accountants_that_disagree_stop_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ε that is off by a twentieth in either direction is noticed."""
    training = Mechanism(
        name="poisson_gaussian", noise_multiplier=1.0, sampling_rate=0.02, steps=500
    )
    budget.cross_check(training, 1e-5)
    for factor in (0.95, 1.05):
        off = factor * accounting.epsilon([training], 1e-5)
        monkeypatch.setattr(budget, "epsilon", lambda *_, off=off: off)
        with pytest.raises(BudgetError, match="disagree"):
            budget.cross_check(training, 1e-5)


def test_a_total_beyond_its_bound_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole, pure mechanisms included, stays under the bound by Rényi divergence."""
    whole = [
        Mechanism(name="pure", epsilon=0.2, delta=1e-7),
        Mechanism(name="gaussian", noise_multiplier=8.0),
        Mechanism(name="poisson_gaussian", noise_multiplier=1.0, sampling_rate=0.02, steps=500),
    ]
    budget.check_bound(whole, 1e-5, "zero-out")
    spent = accounting.epsilon(whole, 1e-5)

    monkeypatch.setattr(budget, "epsilon", lambda *_: 1.3 * spent)
    with pytest.raises(BudgetError, match="the whole training"):
        budget.check_bound(whole, 1e-5, "zero-out")


@pytest.mark.parametrize("epsilon", [pytest.param(0.05, marks=pytest.mark.slow), 1000.0])
def test_epsilon_far_from_one(epsilon: float) -> None:
    """A tiny and a huge ε are solved as exactly, and as quickly, as any other."""
    recipe = Recipe.of(family="vae", epsilon=epsilon, delta=1e-6, preset="quick")

    solved = budget.solve(recipe, recipe.settled(3658), 3658, "zero-out")

    spent = accounting.epsilon(solved.mechanisms, 1e-6)
    assert 0.995 * epsilon < spent <= epsilon


@pytest.mark.parametrize(("epsilon", "n", "why"), [
    (1e-4, 2000, "the noise on each count"), (0.5, 30, "the noise on each count"),
    pytest.param(1e-7, 5226, "the noise on each count", marks=pytest.mark.slow),
    (0.2, 3658, "second accountant"),
])  # fmt: skip
def test_an_epsilon_too_small_says_which_would_do(
    monkeypatch: pytest.MonkeyPatch, epsilon: float, n: int, why: str
) -> None:
    """It is refused before anything large is computed, and what it names is taken."""
    if why == "second accountant":
        monkeypatch.setattr(budget, "_GRID", 2**20)  # so that it is quick
    fields = {"family": "vae", "delta": 1e-6, "preset": "quick"}
    recipe = Recipe.of(epsilon=epsilon, **fields)
    with pytest.raises(OptionError, match=why) as error:
        budget.solve(recipe, recipe.settled(n), n, "zero-out")

    found = re.search(r"From about epsilon = ([0-9.e-]+) on", str(error.value))
    assert found is not None
    named = Recipe.of(epsilon=float(found[1]), **fields)
    assert budget.solve(named, named.settled(n), n, "zero-out").training.steps > 0


def test_an_epsilon_that_no_second_accountant_can_check() -> None:
    """Where Opacus's PRV says infinity, nothing is trained on one accountant's word."""
    recipe = Recipe.of(family="vae", epsilon=10_000, delta=1e-6, preset="quick")
    with pytest.raises(OptionError, match="PRV finds no finite"):
        budget.solve(recipe, recipe.settled(3658), 3658, "zero-out")


def test_a_delta_near_one_record_is_warned_of() -> None:
    """Below 1/n it is taken, but not in silence."""
    recipe = Recipe.of(family="vae", epsilon=3.0, delta=4e-4, preset="quick")

    with pytest.warns(GenauditWarning, match=r"with chance 80%. Take 1e-05"):
        budget.solve(recipe, recipe.settled(2000), 2000, "zero-out")
