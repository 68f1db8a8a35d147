"""Canaries: made-up rows that a recorded coin put into the training, guessed from samples alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from genaudit.audits._power import shown
from genaudit.audits.privacy._game import MAX_POOL, TAU, log_ratio
from genaudit.audits.privacy._membership import Attack, area
from genaudit.audits.privacy._reach import Reach
from genaudit.case import AuditCase, Knowledge, Outcome, audit, ranged
from genaudit.data.dataset import Dataset
from genaudit.data.disclosure import SMALL_CELL
from genaudit.modalities.table.gaps import Gaps, compared
from genaudit.modalities.table.space import Keys, Space
from genaudit.result import Claim, Estimate, Finding, Message, message
from genaudit.stats.epsilon import DYADIC, one_run_bound, one_run_chance, one_run_counts
from genaudit.stats.intervals import Interval
from genaudit.stats.modelled import gaussian_epsilon, gaussian_shift, one_run_shift
from genaudit.subject import Access

EPSILON = "privacy.canaries.epsilon"
EXCESS = "privacy.canaries.excess"
FDP = "privacy.canaries.epsilon_fdp"
GAUSSIAN = "privacy.canaries.epsilon_gaussian"
AUC = "privacy.canaries.auc"

#: δ at which ε is told where nobody claims one.
_DELTA = 1e-6

#: Level of the bound that is printed as the value; the interval begins at half of it.
_ALPHA = 0.05

_METHOD = "one run, nested guesses about fair coins; supposes nothing of the mechanism"
_BY_CURVE = (
    "one run, guesses about fair coins; model-based: supposes that all canaries together are told "
    "apart no better than by Gaussian noise"
)
_BY_NOISE = (
    "one run, guesses about fair coins; model-based: supposes independent Gaussian noise for each "
    "canary"
)


@dataclass(frozen=True)
class CanariesOptions:
    """Parameters of the attack.

    max_pool: most samples, and most reference rows, among which the nearest is sought.
    tau: distance, as a share of the longest, below which nearer means little; fixed beforehand.
    """

    max_pool: int = ranged(MAX_POOL, 1)
    tau: float = ranged(TAU, 1e-6, 1)


@audit(
    title="Canaries that a coin put into the training, and the ε that they prove",
    needs={Access.SAMPLES, Knowledge.CANARIES},
    source="Steinke, Nasr, Jagielski 2023, Privacy Auditing with One (1) Training Run, section 5; "
    "Mahloujifar, Melis, Chaudhuri 2024, Auditing f-Differential Privacy in One Run; Dong, Roth, "
    "Su 2022 (Gaussian differential privacy); Chen et al. 2020, GAN-Leaks, section 4.4 "
    "(calibration by a reference)",
    options=CanariesOptions,
    metrics=(EPSILON, EXCESS, FDP, GAUSSIAN, AUC),
)
def canaries(case: AuditCase, options: CanariesOptions) -> Outcome:
    """Which of some made-up rows were trained on, guessed from the samples alone.

    Before the training somebody made up rows that nobody has, and tossed a fair coin for each:
    heads, and it was trained on like any record. The attacker knows all of them but no coin, and
    accuses the generator of having seen those that lie nearer to its samples than to a reference:
    unseen rows, else the training rows without canaries. As coins decided, the score of right
    guesses bounds ε from below whatever the generator does: a mechanism that keeps to ε lets each
    guess be right with chance e^ε / (1 + e^ε) at most. How many are guessed, members alone or both
    sides, is settled before anybody looks at a coin.

    Beside it stand two bounds that suppose a model, and say so: one for a mechanism whose trade-off
    between the two errors is no worse than that of Gaussian noise, and one for noise that is
    Gaussian and independent for each canary, as is nearly so in private training of many records.
    They are larger, and wrong where the model is; no verdict follows from them.
    """
    scores, coins, attack = _attack(case, options)
    members, others = attack.scores
    note = message(
        "privacy.canaries.note",
        "{n:integer} made-up rows, of which a fair coin put {members} into the training; looked "
        "for were the nearest of {samples} samples and of {reference} reference rows. The value of "
        "ε is what is refuted at 5%, and its interval begins with what is refuted at 2.5%.",
        n=len(members) + len(others), members=shown(len(members)),
        samples=shown(attack.reach.n_searched), reference=shown(attack.reach.n_reference),
    )  # fmt: skip
    if min(len(members), len(others)) < SMALL_CELL:
        return Outcome((_undefined(len(members) + len(others)),))
    whole = area(attack).model_copy(update={"label": _AREA, "note": note})
    claim = case.subject.claim
    found = (*_epsilon(scores, coins, claim, note), *_modelled(scores, coins, claim))
    return Outcome((*found, whole))


def _attack(case: AuditCase, options: CanariesOptions) -> tuple[np.ndarray, np.ndarray, Attack]:
    """Score of each canary and its coin, in the order in which they were made, and the attack."""
    planted, coins = case.canaries
    samples, calm = case.samples, _reference(case)
    columns = compared(samples, planted, *([calm] if calm is not None else []))
    if calm is not None:
        # A canary among the reference rows would tell what its coin decided.
        found = Keys.of(calm, columns).exact, Keys.of(planted, columns).exact
        calm = calm.take(np.flatnonzero(~np.isin(*found)))
        calm = calm if len(calm) else None
    rng = case.rng("privacy.canaries")
    drawn = samples.take(rng.permutation(len(samples))[: options.max_pool])
    space = Space.fit(calm if calm is not None else drawn, columns, drawn, planted)
    attacked = space.encode(planted)
    near, far, n_reference = space.nearest(attacked, space.encode(drawn)), np.zeros(len(coins)), 0
    if calm is not None:
        pool = calm.take(rng.permutation(len(calm))[: options.max_pool])
        far, n_reference = space.nearest(attacked, space.encode(pool)), len(pool)
    scores = log_ratio(far, near, options.tau)
    n_lost = Gaps.of(samples, columns, planted).n_rows()
    n = max(int(coins.sum()), 1)
    attack = Attack(
        "privacy.canaries", _NAME, (scores[coins], scores[~coins]), (far[coins], far[~coins]),
        _BLIND, Reach(len(samples), len(drawn), n_reference, n, n, n_lost),
    )  # fmt: skip
    return scores, coins, attack


def _reference(case: AuditCase) -> Dataset | None:
    """Rows of the population without canaries; no coin has a part in the choice."""
    if Knowledge.HOLDOUT in case.data:
        return case.reference
    return case.data.get(Knowledge.TRAIN)


def _epsilon(
    scores: np.ndarray, coins: np.ndarray, claim: Claim | None, note: Message
) -> tuple[Finding, ...]:
    """The bound, and what it is beyond the claim where it is beyond it.

    Ties are broken by the order in which canaries were made, which knows no coin.
    """
    delta = _DELTA if claim is None else claim.delta
    rungs: dict[float, float] = {}

    def bound(confidence: float) -> float:
        if confidence not in rungs:
            rungs[confidence] = _bound(scores, coins, delta, (1 - confidence) / 2)
        return rungs[confidence]

    def estimate(less: float) -> Estimate:
        def interval(confidence: float) -> Interval:
            return bound(confidence) - less, math.inf

        return Estimate.of(
            bound(1 - 2 * _ALPHA) - less, interval, n=len(scores), method=_METHOD, unit="ε"
        )  # fmt: skip

    shown, ceiling = bound(1 - 2 * _ALPHA), _ceiling(coins, delta)
    found = Finding(
        metric=EPSILON,
        label=_proved(delta),
        estimate=estimate(0.0), chance=0.0, ceiling=ceiling, note=note,
    )  # fmt: skip
    if claim is None or shown <= claim.epsilon:
        return (found,)
    beyond = Finding(
        metric=EXCESS,
        label=message("privacy.canaries.excess", "ε that canaries prove beyond the claim"),
        estimate=estimate(claim.epsilon), ceiling=max(0.0, ceiling - claim.epsilon), note=note,
        detectable=max(0.0, ceiling - claim.epsilon),
    )  # fmt: skip
    return beyond, found


def _modelled(scores: np.ndarray, coins: np.ndarray, claim: Claim | None) -> Iterator[Finding]:
    """The bounds that suppose a model, for information."""
    delta = _DELTA if claim is None else claim.delta
    for metric, method, shift in ((FDP, _BY_CURVE, _by_curve), (GAUSSIAN, _BY_NOISE, _by_noise)):

        def bound(alpha: float, shift: Shift = shift) -> float:
            return gaussian_epsilon(shift(scores, coins, alpha), delta)

        def interval(confidence: float, bound: Callable[[float], float] = bound) -> Interval:
            return bound((1 - confidence) / 2), math.inf

        yield Finding(
            metric=metric,
            label=_MODELLED[metric],
            estimate=Estimate.of(
                bound(_ALPHA), interval, n=len(scores), method=method, unit="ε"
            ),
            chance=0.0,
        )  # fmt: skip


#: From scores and coins to a lower bound on mu of a Gaussian at a level.
Shift = Callable[[np.ndarray, np.ndarray, float], float]


def _by_curve(scores: np.ndarray, coins: np.ndarray, alpha: float) -> float:
    each = alpha / len(_TOP)
    counts = (one_run_counts(scores, coins, DYADIC, top=top) for top in _TOP)
    return max(one_run_shift(len(coins), found, each) for found in counts)


def _by_noise(scores: np.ndarray, coins: np.ndarray, alpha: float) -> float:
    ((guessed, right),) = one_run_counts(scores, coins, (1 / 2,))
    return gaussian_shift(guessed, right, alpha)


#: Guesses about both sides, and about members alone: where a generator repeats rows, that a canary
#: is not repeated is no sign of anything. Both are tried, and each has half of the level.
_TOP = (False, True)


def _bound(scores: np.ndarray, coins: np.ndarray, delta: float, alpha: float) -> float:
    """Lower bound on ε at a level; 0 is soon found, as it takes no search."""
    each = alpha / len(_TOP)
    seen = [top for top in _TOP if one_run_chance(scores, coins, 0.0, delta, each, top=top) < each]
    return max([0.0, *(one_run_bound(scores, coins, delta, each, top=top)[0] for top in seen)])


def _ceiling(coins: np.ndarray, delta: float) -> float:
    """The bound had every guess been right."""
    return max(one_run_bound(coins * 1.0, coins, delta, _ALPHA / len(_TOP), top=t)[1] for t in _TOP)


def _proved(delta: float) -> Message:
    return message(
        "privacy.canaries.epsilon", "ε at δ = {delta} is at least this, as canaries prove",
        delta=f"{delta:g}",
    )  # fmt: skip


def _undefined(n: int) -> Finding:
    reason = message(
        "privacy.canaries.few",
        "Fewer than ten canaries are in the training, or fewer than ten are not; plant more.",
    )
    return Finding(
        metric=EPSILON, label=_proved(_DELTA),
        estimate=Estimate.undefined(reason, n=max(n, 1), method=_METHOD, unit="ε"),
    )  # fmt: skip


_NAME = message("privacy.canaries.name", "nearness to the samples")
_AREA = message(
    "privacy.canaries.auc", "How well nearness to the samples tells which canaries were in (AUC)"
)
_BLIND = message(
    "privacy.canaries.blind", "An attacker without the samples, who goes by the reference alone"
)
_MODELLED = {
    FDP: message(
        "privacy.canaries.epsilon_fdp",
        "ε that canaries prove of a mechanism no worse than Gaussian noise (f-DP, model-based)",
    ),
    GAUSSIAN: message(
        "privacy.canaries.epsilon_gaussian",
        "ε that canaries prove if the noise is Gaussian and independent for each (model-based)",
    ),
}
