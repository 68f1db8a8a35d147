"""Lower bounds on epsilon from guesses about membership that a recorded coin decided.

They suppose nothing of the mechanism; `stats.modelled` has those that do.

How many of the candidates are guessed is settled before the coins are looked at. Guesses are
nested: whoever guesses more adds less certain ones. Where δ is small for that many candidates the
worst of all these numbers has an exact chance (`nested_p_value`); else each has a share of alpha.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import brentq
from scipy.stats import beta, binom

from genaudit.stats.walk import crossing_chance

#: Of the candidates on each side, how many are guessed: more tells more, unless errors come in.
SHARES = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 10, 2 / 5, 1 / 2)

#: The same where each number has to be paid for: halves of halves.
DYADIC = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2)

#: Share of alpha that 2 m delta may take for the nested test to be the better one.
_FREE = 1 / 4

#: Beyond this no number of guesses tells one epsilon from another.
_MAX_EPSILON = 50.0

#: Guesses and right ones, for each number of guesses.
Counts = Sequence[tuple[int, int]]


def one_run_p_value(m: int, r: int, v: int, epsilon: float, delta: float) -> float:
    """Chance that an (epsilon, delta)-private run lets at least v of r guesses be right.

    Args:
        m: Candidates, each a member by its own fair coin.
        r: Guesses, chosen without looking at the coins.
        v: Right ones.
        epsilon: Add/remove-one record, at delta; >= 0.
        delta: In [0, 1).

    Source: Steinke, Nasr, Jagielski 2023, theorem 5.2 (its proof gives this computable form).

    >>> round(one_run_p_value(10, 10, 10, 0.0, 0.0), 6)  # ten coins called right
    0.000977
    """
    q = 1 / (1 + math.exp(-epsilon))
    tail = float(binom.sf(v - 1, r, q))
    if delta == 0 or v == 0:
        return tail
    i = np.arange(1, v + 1)
    steepest = max(0.0, float(((binom.sf(v - i - 1, r, q) - tail) / i).max()))
    return min(1.0, tail + 2 * m * delta * steepest)


def one_run_epsilon(m: int, r: int, v: int, delta: float, alpha: float) -> float:
    """The largest epsilon that these guesses refute at level alpha, 0 where none.

    >>> round(one_run_epsilon(100, 100, 100, 0.0, 0.05), 3)
    3.493
    """
    return _refuted(lambda epsilon: one_run_p_value(m, r, v, epsilon, delta), alpha)


def nested_p_value(m: int, counts: Counts, epsilon: float, delta: float) -> float:
    """Chance that an (epsilon, delta)-private run lets nested guesses be right as often as these.

    What counts is the least likely of all numbers of guesses; its chance is that of a walk, as each
    guess, given the output and the guesses before it, is right with chance e^ε / (1 + e^ε) at most.
    Outputs for which δ lets more than that happen have a chance of 2 m δ at most, whatever they do.

    Args:
        m: Candidates, each a member by its own fair coin.
        counts: Guesses and right ones, ascending; the more guesses hold the fewer.
        epsilon: Add/remove-one record, at delta; >= 0.
        delta: In [0, 1).

    Source: Steinke, Nasr, Jagielski 2023, section 5: right guesses are dominated by independent
    coins one after the other, so what grows with them all is too; δ by the union bound.

    >>> round(nested_p_value(10, [(4, 4), (10, 10)], 0.0, 0.0), 6)  # as likely as ten of ten
    0.000977
    """
    q = 1 / (1 + math.exp(-epsilon))
    numbers, right = (np.array(part) for part in zip(*counts, strict=True))
    least = float(binom.sf(right - 1, numbers, q).min())
    if least >= 1 / 2:
        return 1.0
    least *= 1 + 1e-9  # equal chances are equal, whatever rounding says
    lines = binom.isf(least, numbers, q).astype(int)
    lines += binom.sf(lines - 1, numbers, q) > least
    return min(1.0, crossing_chance(numbers.tolist(), lines.tolist(), q) + 2 * m * delta)


def _refuted(p_value: Callable[[float], float], alpha: float) -> float:
    """The largest epsilon whose p-value is under alpha, 0 where that of 0 is not."""
    if p_value(0.0) >= alpha:
        return 0.0
    if p_value(_MAX_EPSILON) < alpha:
        return _MAX_EPSILON
    found = brentq(lambda epsilon: p_value(epsilon) - alpha, 0.0, _MAX_EPSILON, xtol=1e-6)
    # Chances of counts jump: the side that is refuted for sure.
    return max(0.0, float(found) - 1e-6)


def one_run_counts(
    scores: np.ndarray, members: np.ndarray, shares: Sequence[float] = SHARES, *, top: bool = False
) -> list[tuple[int, int]]:
    """Guesses and right ones: a share of highest scores as members, one of lowest as none.

    Args:
        scores: Attack scores, shape (m,), higher = member; ties are broken by a fixed shuffle, as
            candidates may stand in an order that tells of their coins.
        members: Boolean, shape (m,).
        shares: Of the candidates, each at most a half; fixed before scores are seen.
        top: Guess members alone, where a low score is no sign of anything.

    >>> one_run_counts(np.array([3.0, 1.0, 2.0, 0.0]), np.array([True, True, False, False]), (0.5,))
    [(4, 2)]
    """
    shuffled = np.random.default_rng(len(scores)).permutation(len(scores))
    order = shuffled[np.argsort(scores[shuffled], kind="stable")]
    found = []
    for share in shares:
        k = int(share * len(scores))
        right = int(members[order[len(order) - k :]].sum())
        if not top:
            right += int((~members[order[:k]]).sum())
        found.append((k if top else 2 * k, right))
    return found


def one_run_chance(
    scores: np.ndarray, members: np.ndarray, epsilon: float, delta: float, alpha: float, *,
    top: bool = False,
) -> float:  # fmt: skip
    """Chance of guesses this good under (epsilon, delta), the choice of how many paid for.

    Args:
        scores: Attack scores, shape (m,), higher = member.
        members: What each coin decided, boolean, shape (m,).
        epsilon: Of the claim, at delta.
        delta: Of the claim.
        alpha: Level that it is held against, which settles how.
        top: Guess members alone.
    """
    m = len(scores)
    if _nests(m, delta, alpha):
        return nested_p_value(m, one_run_counts(scores, members, top=top), epsilon, delta)
    counts = one_run_counts(scores, members, DYADIC, top=top)
    each = [one_run_p_value(m, r, v, epsilon, delta) for r, v in counts]
    return min(1.0, len(counts) * min(each))


def one_run_bound(
    scores: np.ndarray, members: np.ndarray, delta: float, alpha: float, *, top: bool = False
) -> tuple[float, float]:
    """A lower bound on epsilon, and the largest that this many candidates could have shown.

    Args:
        scores: Attack scores, shape (m,), higher = member.
        members: What each coin decided, boolean, shape (m,).
        delta: Of the claim.
        alpha: Chance of a bound above the true epsilon.
        top: Guess members alone.
    """
    m = len(scores)
    if not _nests(m, delta, alpha):
        counts = one_run_counts(scores, members, DYADIC, top=top)
        share = alpha / len(counts)
        low = max(one_run_epsilon(m, r, v, delta, share) for r, v in counts)
        return low, max(one_run_epsilon(m, r, r, delta, share) for r, _ in counts)
    counts = one_run_counts(scores, members, top=top)
    best = [(r, r) for r, _ in counts]
    return (
        _refuted(lambda epsilon: nested_p_value(m, counts, epsilon, delta), alpha),
        _refuted(lambda epsilon: nested_p_value(m, best, epsilon, delta), alpha),
    )


def _nests(m: int, delta: float, alpha: float) -> bool:
    """Whether the nested test is used: settled by what is known before any score."""
    return 2 * m * delta <= _FREE * alpha


def many_runs_epsilon(
    n_members: int, n_found: int, n_others: int, n_accused: int, delta: float, alpha: float
) -> float:
    """Lower bound on epsilon from one guess about each of many independent runs; supposes nothing.

    Args:
        n_members: Runs with the record.
        n_found: Of them, those that are called so.
        n_others: Runs without it.
        n_accused: Of them, those that are called runs with it.
        delta: Of the claim.
        alpha: Chance of a bound above the true epsilon; half of it goes to either rate.

    Source: Jagielski, Ullman, Oprea 2020, section 4; rates by Clopper & Pearson 1934.

    >>> round(many_runs_epsilon(500, 500, 500, 0, 0.0, 0.05), 2)
    4.91
    """
    found = 0.0 if n_found == 0 else float(beta.ppf(alpha / 2, n_found, n_members - n_found + 1))
    missed = 1 - found
    accused = (
        1.0
        if n_accused == n_others
        else float(beta.isf(alpha / 2, n_accused + 1, n_others - n_accused))
    )
    ratios = ((found - delta, accused), (1 - accused - delta, missed))
    return max([0.0, *(math.log(a / b) for a, b in ratios if a > 0)])
