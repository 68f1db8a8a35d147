"""ROC statistics of an attack's scores: higher = member, ties count half.

Scores are compared as they come: attack, direction and thresholds' rule are fixed before labels are
seen, so no correction for a search is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import beta, binom, norm, rankdata, t

from genaudit.stats.intervals import Interval, clopper_pearson

#: Fewest records a side from which an area has an interval.
MIN_SIDE = 30

#: Quantiles by which a mean over a distribution is taken.
_MIDDLES = (np.arange(50) + 0.5) / 50


@dataclass(frozen=True)
class Auc:
    """Area under the ROC curve: chance that a member scores above a non-member.

    se: DeLong's standard error; 0 where the scores separate fully or are all equal.
    """

    value: float
    se: float
    n_members: int
    n_non_members: int

    def interval(self, confidence: float) -> Interval:
        """Two-sided interval on the logit scale, inside [0, 1].

        (0, 1) with under `MIN_SIDE` records a side: their spread is then no guide to the error, in
        tied scores above all. Student's t with the smaller side's degrees of freedom, as DeLong's
        normal limit is too short with few records. Where the error is 0 the interval does not
        shrink to a point.
        """
        n = min(self.n_members, self.n_non_members)
        if n < MIN_SIDE:
            return 0.0, 1.0
        if self.se == 0.0:
            return self._without_error(confidence, n)
        half = t.isf((1 - confidence) / 2, n - 1) * self.se / (self.value * (1 - self.value))
        centre = logit(self.value)
        return float(expit(centre - half)), float(expit(centre + half))

    def _without_error(self, confidence: float, n: int) -> Interval:
        # n disjoint pairs all ordered alike: their chance is at least tail ** (1 / n). All equal:
        # on each side a share of that complement may score otherwise.
        unseen = 1 - ((1 - confidence) / 2) ** (1 / n)
        width = unseen if self.value in (0.0, 1.0) else 2 * unseen
        return max(0.0, self.value - width), min(1.0, self.value + width)


def auc(members: np.ndarray, non_members: np.ndarray) -> Auc:
    """Area under the ROC curve with DeLong's standard error, in O(n log n).

    Args:
        members: Scores, shape (m,), higher = member.
        non_members: Scores, shape (k,).

    Source: DeLong et al. 1988, Biometrics 44, equation 6; ranks as in Sun & Xu 2014, IEEE SPL 21.

    >>> a = auc(np.array([3.0, 2.0, 1.0]), np.array([2.0, 0.0]))
    >>> round(a.value, 4)  # (2 + 1.5 + 1) of 6 pairs
    0.75
    """
    m, k = len(members), len(non_members)
    if min(m, k) == 0:
        return Auc(math.nan, math.nan, m, k)
    ranks = rankdata(np.concatenate([members, non_members]))
    # Share of the other side below (members) or above (non-members), ties half.
    of_members = (ranks[:m] - rankdata(members)) / k
    of_others = 1 - (ranks[m:] - rankdata(non_members)) / m
    if min(m, k) < 2:
        return Auc(float(of_members.mean()), math.nan, m, k)
    variance = of_members.var(ddof=1) / m + of_others.var(ddof=1) / k
    return Auc(float(of_members.mean()), math.sqrt(variance), m, k)


Taken = Callable[[int, int], tuple[int, int]]


def _plainly(count: int, _n: int) -> tuple[int, int]:
    return count, count


@dataclass(frozen=True, eq=False)
class TprAtFpr:
    """Share of members found at a fixed rate of false accusations.

    value: share of members above the threshold that admits at most fpr of the non-members.
    achieved_fpr: share of non-members above that threshold, at most fpr.
    """

    value: float
    fpr: float
    achieved_fpr: float
    members: np.ndarray
    non_members: np.ndarray

    def interval(self, confidence: float, taken_for: Taken = _plainly) -> Interval:
        """Exact two-sided interval of the TPR where the *true* FPR is fpr.

        taken_for: count, n -> smallest and largest number that the count may be taken for.

        Half of each tail pays for the threshold, which is itself estimated: a stricter order
        statistic has a true FPR of at most fpr, a looser one of at least fpr (binomial, exact). The
        other half pays for the members above it (Clopper-Pearson). The low end is 0 where there
        are too few non-members for any threshold to be strict enough.
        """
        half, n = (1 - confidence) / 4, len(self.members)
        strict = self.strict(confidence)
        loose = _order_above(half, len(self.non_members), self.fpr)
        low, high = 0.0, 1.0
        if strict is not None:
            above = int((self.members > self.non_members[strict]).sum())
            low = clopper_pearson(taken_for(above, n)[0], n, 1 - 2 * half)[0]
        if loose is not None:
            above = int((self.members >= self.non_members[loose]).sum())
            high = clopper_pearson(taken_for(above, n)[1], n, 1 - 2 * half)[1]
        return low, high

    def strict(self, confidence: float) -> int | None:
        """Index of the non-member, best first, whose score is the threshold behind the low end."""
        return _order_below((1 - confidence) / 4, len(self.non_members), self.fpr)

    def ceiling(self, confidence: float, leaked: float = 1.0) -> float:
        """Low end where a share of the members, by default all, is found without an error.

        With the default, the largest that these numbers of records allow.
        """
        if self.strict(confidence) is None:
            return 0.0
        n = len(self.members)
        return clopper_pearson(round(leaked * n), n, (1 + confidence) / 2)[0]

    def at_low_end(self, tpr: float, confidence: float) -> float:
        """Expected TPR at the threshold behind the low end, which is stricter, of a true TPR.

        For normal scores of one spread, whose members lie higher by as much as gives that TPR; of
        leaks that show in the highest scores alone, such as copies, more is left. 0 where there is
        no such threshold.
        """
        strict = self.strict(confidence)
        if strict is None:
            return 0.0
        # True FPRs of an order statistic are a beta variable; its middle quantiles stand for it.
        fprs = beta.ppf(_MIDDLES, strict + 1, len(self.non_members) - strict)
        return float(norm.cdf(norm.ppf(fprs) + norm.ppf(tpr) - norm.ppf(self.fpr)).mean())


def tpr_at_fpr(members: np.ndarray, non_members: np.ndarray, fpr: float) -> TprAtFpr | None:
    """TPR at a fixed FPR; None (refused) where fpr lies under 1 / len(non_members).

    No interpolation: an FPR that cannot be reached with these non-members is not reported.

    Args:
        members: Scores, shape (m,), m >= 1, higher = member.
        non_members: Scores, shape (k,).
        fpr: In (0, 1).

    Source: Carlini et al. 2022, Membership Inference Attacks From First Principles, section IV.

    >>> found = tpr_at_fpr(np.array([9.0, 8.0, 1.0, 0.5]), np.arange(5.0), 0.2)
    >>> found.value, found.achieved_fpr
    (0.5, 0.2)
    """
    if len(members) == 0 or fpr * len(non_members) < 1 - 1e-9:
        return None
    ordered = np.sort(non_members)[::-1]
    threshold = ordered[math.floor(fpr * len(ordered) + 1e-9)]
    return TprAtFpr(
        value=float((members > threshold).mean()),
        fpr=fpr,
        achieved_fpr=float((ordered > threshold).mean()),
        members=members,
        non_members=ordered,
    )


def roc_points(
    members: np.ndarray, non_members: np.ndarray, fprs: Sequence[float]
) -> list[tuple[float, float]]:
    """(FPR, TPR) at each FPR that these non-members can reach; a step curve, never interpolated.

    >>> roc_points(np.array([3.0, 1.0]), np.array([2.0, 0.0]), (0.1, 0.5))
    [(0.5, 1.0)]
    """
    found = ((fpr, tpr_at_fpr(members, non_members, fpr)) for fpr in fprs)
    return [(fpr, at.value) for fpr, at in found if at is not None]


def _order_below(tail: float, n: int, fpr: float) -> int | None:
    """Index of the loosest descending order statistic whose true FPR is at most fpr, or None.

    More than k of n scores fall in the top fpr unless Bin(n, fpr) <= k, so the order statistic k
    (from 0) lies beyond the top fpr with chance P(Bin <= k).
    """
    k = int(binom.ppf(tail, n, fpr))
    while k >= 0 and binom.cdf(k, n, fpr) > tail:
        k -= 1
    return k if k >= 0 else None


def _order_above(tail: float, n: int, fpr: float) -> int | None:
    """Index of the strictest descending order statistic whose true FPR is at least fpr, or None."""
    k = int(binom.isf(tail, n, fpr))
    while k < n and binom.sf(k, n, fpr) > tail:
        k += 1
    return k if k < n else None
