"""The budget of a private training: who spends what, solved before any record is read."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from genaudit.accounting import epsilon, gaussian_multiplier, noise_multiplier
from genaudit.errors import BudgetError, GenauditWarning, OptionError
from genaudit.ledger import Mechanism
from genaudit.training.recipe import Recipe, Settled, check_delta, safe_delta

#: Part of ε that pays for the number of records, where it is not public.
COUNT_FRACTION = 0.05

#: Part of δ that pays for levels learned by preprocessing.
PREPROCESSING_DELTA = 0.1

#: Noise on a count, as a share of all units, beyond which nothing is learned; and where it may be.
_DROWNED, _HEARD = 0.25, 0.02

#: Points of the grid on which Opacus's PRV may work: beyond it takes minutes and gigabytes.
_GRID = 2**24

#: How far two accountants may be apart, and the error that Opacus's own may have, as shares of ε.
_AGREE, _PRV_ERROR = 0.01, 0.002


@dataclass(frozen=True)
class Budget:
    """All mechanisms of one training.

    n: units, public or noisy. before: mechanisms that come before the marginals.
    """

    n: int
    before: tuple[Mechanism, ...]
    marginals: Mechanism
    training: Mechanism

    @property
    def mechanisms(self) -> list[Mechanism]:
        """Everything that is spent."""
        return [*self.before, self.marginals, self.training]


class _TooSmallError(OptionError):
    """ε is too small. enough: one that may do, at a guess."""

    def __init__(self, said: str, enough: float, instead: str) -> None:
        self.said, self.enough, self.instead = said, enough, instead
        super().__init__(
            f"{said} From about epsilon = {_rounded_up(enough):g} on it would do; or {instead}."
        )


#: Guesses at an ε that would do; each is tried, and a second or third one has always done.
_GUESSES = 8


def solve(
    recipe: Recipe, settled: Settled, n: int, relation: str, before: Sequence[Mechanism] = ()
) -> Budget:
    """The least noise at which everything together spends at most ε, to 0.1%.

    Raises:
        OptionError: δ is not under 1/n, nothing is left to train with, or ε is too small for so
            few units or to be checked; it names one that would do.
        BudgetError: two accountants disagree.
    """
    check_delta(recipe.delta or 0.0, n)
    _warn_of_delta(recipe.delta or 0.0, n)
    try:
        return _solved(recipe, settled, n, relation, before)
    except _TooSmallError as error:
        found = error
    enough = found.enough
    for _ in range(_GUESSES):
        named = recipe.model_copy(update={"epsilon": _rounded_up(enough)})
        try:
            _solved(named, settled, n, relation, before)
            break
        except _TooSmallError as more:
            enough = max(more.enough, 1.2 * _rounded_up(enough))
    raise _TooSmallError(found.said, enough, found.instead)


def _warn_of_delta(delta: float, n: int) -> None:
    if delta > 0.1 / n:
        warnings.warn(
            f"delta = {delta:g} is not far below 1/n = {1 / n:.3g}: what keeps to it may "
            f"still publish a whole record with chance {delta * n:.0%}. Take "
            f"{safe_delta(n):g} or less.",
            GenauditWarning,
            stacklevel=3,
        )


def _solved(
    recipe: Recipe, settled: Settled, n: int, relation: str, before: Sequence[Mechanism]
) -> Budget:
    assert recipe.epsilon is not None
    assert recipe.delta is not None
    rest = recipe.epsilon - sum(m.epsilon or 0.0 for m in before)
    if rest <= 0:
        raise OptionError(
            f"What comes before training spends all of ε = {recipe.epsilon:g}; give it less."
        )
    marginals = Mechanism(
        name="gaussian",
        noise_multiplier=gaussian_multiplier(settled.marginal_fraction * rest, recipe.delta),
    )
    _check_heard(recipe, n, marginals)
    rate = settled.batch_size / n
    sigma = noise_multiplier(
        recipe.epsilon, recipe.delta, sampling_rate=rate, steps=settled.steps,
        beside=[*before, marginals], relation=relation,
    )  # fmt: skip
    training = Mechanism(
        name="poisson_gaussian", noise_multiplier=sigma, sampling_rate=rate, steps=settled.steps
    )
    cross_check(training, recipe.delta, whole=recipe.epsilon)
    solved = Budget(n, tuple(before), marginals, training)
    check_bound(solved.mechanisms, recipe.delta, relation)
    return solved


def _check_heard(recipe: Recipe, n: int, marginals: Mechanism) -> None:
    """Refuse an ε at which noise drowns every count, and name one that would do."""
    assert recipe.epsilon is not None
    assert marginals.noise_multiplier is not None
    if marginals.noise_multiplier <= _DROWNED * n:
        return
    units = "records" if recipe.rows_per_person is None else "persons"
    raise _TooSmallError(
        f"Expected an epsilon that {n:,} {units} can be told apart from noise "
        f"with, got {recipe.epsilon:g}: the noise on each count would be "
        f"{marginals.noise_multiplier:,.0f}.",
        recipe.epsilon * marginals.noise_multiplier / (_HEARD * n),
        f"train on more {units}",
    )


def _rounded_up(value: float) -> float:
    """To one significant digit."""
    unit = 10.0 ** math.floor(math.log10(value))
    return math.ceil(value / unit - 1e-9) * unit


def check_bound(mechanisms: Sequence[Mechanism], delta: float, relation: str) -> None:
    """Hold the total (PLD) against the bound by Rényi divergence, to which pure ε are added.

    Source: Mironov 2017 (composition); Dwork & Roth 2014, theorem 3.16 (what is added).

    Raises:
        BudgetError: the total exceeds it, so one of the two is wrong.
    """
    pure = [m for m in mechanisms if m.name == "pure"]
    rest = [m for m in mechanisms if m.name != "pure"]
    bound = _renyi(rest, delta - sum(m.delta for m in pure)) + sum(m.epsilon or 0.0 for m in pure)
    total = epsilon(list(mechanisms), delta, relation)
    if total > bound * (1 + _PRV_ERROR):
        raise BudgetError(
            f"Accountants disagree on the whole training: PLD says ε = {total:.4g}, the bound by "
            f"Rényi divergence {bound:.4g}; nothing was trained. Please report this."
        )


def _renyi(gaussians: Sequence[Mechanism], delta: float) -> float:
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = [(m.noise_multiplier, m.sampling_rate or 1.0, m.steps) for m in gaussians]
    with warnings.catch_warnings():
        # It says that another order would be tighter; a looser bound is still a bound.
        warnings.simplefilter("ignore")
        return float(accountant.get_epsilon(delta))


def cross_check(training: Mechanism, delta: float, whole: float | None = None) -> None:
    """Compare the accountant (PLD) with Opacus's two for the steps of training.

    Args:
        training: Its steps.
        delta: δ at which they are compared.
        whole: ε of everything that is spent, of which a message speaks.

    Raises:
        BudgetError: PLD and PRV are more than 1% apart, or PLD exceeds the bound by RDP.
        OptionError: ε is so small or so large that PRV cannot be had here.
    """
    from opacus.accountants import PRVAccountant

    ours, bound = epsilon([training], delta), _renyi([training], delta)
    _check_grid(training, delta, ours, ours if whole is None else whole)
    prv = PRVAccountant()
    prv.history = [(training.noise_multiplier, training.sampling_rate, training.steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = prv.get_epsilon(delta, eps_error=_PRV_ERROR * ours, delta_error=delta / 1000)
        except (ValueError, RuntimeError, ArithmeticError):
            theirs = math.inf
    if not math.isfinite(theirs):  # its grid does not reach every ε: it says infinity, or fails
        raise OptionError(
            f"Expected an epsilon that a second accountant can check, got "
            f"{ours if whole is None else whole:g}: Opacus's PRV finds no finite ε for {training}. "
            "Take a smaller epsilon, or fewer steps."
        )
    if abs(ours - theirs) > _AGREE * ours or ours > bound * (1 + _PRV_ERROR):
        raise BudgetError(
            f"Accountants disagree on {training}: PLD says ε = {ours:.4g}, Opacus's PRV "
            f"{theirs}, its RDP {bound:.4g}; nothing was trained. Please report this."
        )


def _check_grid(training: Mechanism, delta: float, ours: float, whole: float) -> None:
    """Refuse an ε whose grid PRV could not hold; its width is a share of ε (Gopi et al. 2021)."""
    error = delta / 1000
    reach = _renyi([training], error / 4) + 3
    width = _PRV_ERROR * ours / math.sqrt(training.steps * math.log(12 / error) / 2)
    points = 2 * reach / width
    if points > _GRID and math.isfinite(reach):
        raise _TooSmallError(
            f"Expected an epsilon that a second accountant can check, got {whole:g} for "
            f"{training.steps:,} steps: its grid would need {points:,.0f} points, more than "
            f"{_GRID:,}.",
            whole * points / _GRID,
            "take fewer steps",
        )
