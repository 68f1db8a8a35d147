"""Lower bounds on epsilon where chance decided who is a member, and the output who is guessed.

`stats.epsilon` settles how many are guessed beforehand. Whoever guesses what stands in the output,
and nothing else, cannot: how many stand there is seen with the output alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

#: Beyond this no number of guesses tells one epsilon from another.
_MAX_EPSILON = 50.0


@dataclass(frozen=True)
class Guesses:
    """Guesses about candidates of whom fair coins, independent of each other, made members.

    n_candidates: records, or pairs of which one is a member. guessed: those that are guessed at
    all, by the output alone. right: right ones. paired: whether a coin chose one of two records.
    """

    n_candidates: int
    guessed: int
    right: int
    paired: bool

    def p_value(self, epsilon: float, delta: float) -> float:
        """Chance that an (epsilon, delta)-private run lets so many of its guesses be right.

        Given the output, a guess is right with chance e^ε / (1 + e^ε) at most, whatever the others
        are, so that the number of guesses may depend on the output. Outputs for which δ lets more
        than that happen have a chance of 2 δ a candidate at most. Swapping the records of a pair
        removes one and adds one, which (2 ε, (1 + e^ε) δ) hides.

        Args:
            epsilon: Add/remove-one record, at delta; >= 0.
            delta: In [0, 1).

        Source: Steinke, Nasr, Jagielski 2023, proposition 5.1 and theorem 5.2, δ by the union
        bound; group privacy as in Dwork & Roth 2014, theorem 2.2.

        >>> Guesses(100, 5, 5, paired=False).p_value(0.0, 0.0)  # five heads in a row
        0.03125
        """
        if self.paired:
            delta *= 1 + math.exp(min(epsilon, 700.0))
            epsilon *= 2
        q = 1 / (1 + math.exp(-epsilon))
        tail = float(binom.sf(self.right - 1, self.guessed, q))
        return min(1.0, tail + 2 * self.n_candidates * delta)

    def epsilon(self, delta: float, alpha: float) -> float:
        """The largest epsilon that these guesses refute at level alpha, 0 where none.

        Args:
            delta: In [0, 1), at which epsilon holds.
            alpha: Chance of a bound above the true epsilon.

        >>> round(Guesses(800, 800, 800, paired=False).epsilon(0.0, 0.05), 2)
        5.59
        >>> round(Guesses(800, 800, 800, paired=True).epsilon(0.0, 0.05), 2)  # half of it
        2.79
        """
        if self.p_value(0.0, delta) >= alpha:
            return 0.0
        if self.p_value(_MAX_EPSILON, delta) < alpha:
            return _MAX_EPSILON
        found = brentq(lambda e: self.p_value(e, delta) - alpha, 0.0, _MAX_EPSILON, xtol=1e-9)
        return max(0.0, float(found) - 1e-9)


def of_coins(members_hit: np.ndarray, others_hit: np.ndarray) -> Guesses:
    """Guesses where a fair coin of its own made each record a member: who is hit is guessed to be.

    Args:
        members_hit: Whether each member was hit, bools (m,).
        others_hit: The same of those that are none, bools (k,).
    """
    right = int(members_hit.sum())
    n_candidates = len(members_hit) + len(others_hit)
    return Guesses(n_candidates, right + int(others_hit.sum()), right, paired=False)


def of_split(members_hit: np.ndarray, others_hit: np.ndarray, rng: np.random.Generator) -> Guesses:
    """Guesses where a random split of fixed sizes decided: of a pair the one that is hit alone.

    Fixed sizes are no independent coins: who knows all others knows the last one. But where a
    member and a non-member make a pair at random, then, given the pairs and who is in none, each
    split that leaves one member in each pair is as likely, so that which of the two it is are
    fair coins, independent of each other. A pair of which both are hit, or neither, is not guessed.

    Args:
        members_hit: Whether each member was hit, bools (m,).
        others_hit: The same of non-members, bools (k,); the longer side is in no pair in part.
        rng: Of the pairs, drawn without a look at who is hit.
    """
    n = min(len(members_hit), len(others_hit))
    member = members_hit[rng.permutation(len(members_hit))[:n]]
    other = others_hit[rng.permutation(len(others_hit))[:n]]
    return Guesses(n, int((member != other).sum()), int((member & ~other).sum()), paired=True)
