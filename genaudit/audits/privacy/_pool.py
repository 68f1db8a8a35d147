"""Members and others of whom some were hit: how many of the members chance does not explain."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scipy.stats import binom

from genaudit.audits._power import DOUBT_CONFIDENCE, POWER_CONFIDENCE, smallest
from genaudit.stats.intervals import Interval, beyond_chance


@dataclass(frozen=True)
class Pool:
    """Counts of a pool whose labels are dealt at random if nothing leaks; n, n_others >= 1.

    hit, n: members that were hit, and all. others_hit, n_others: the same of those that are none.
    """

    hit: int
    n: int
    others_hit: int
    n_others: int

    def value(self) -> float:
        """Most likely share of members whose hit chance does not explain, not below 0."""
        chance = self.others_hit / self.n_others
        return 0.0 if chance >= 1 else max(0.0, (self.hit / self.n - chance) / (1 - chance))

    def interval(self, confidence: float) -> Interval:
        """Exact interval of that share among these members; it holds the value."""
        low, high = beyond_chance(self.hit, self.n, self.others_hit, self.n_others, confidence)
        value = self.value()
        return min(low / self.n, value), max(high / self.n, value)

    def unequal(self) -> bool:
        """Whether either side was hit more often than the other, beyond 99.9%."""
        turned = Pool(self.others_hit, self.n_others, self.hit, self.n)
        return any(p.interval(DOUBT_CONFIDENCE)[0] > 0 for p in (self, turned))

    def ceiling(self, most: int | None = None) -> float:
        """Low end had every member been hit, or as many as there are samples to hit them."""
        return self._low_if(self._reached(most), 0.5)

    def detectable(self, limit: float = 0.0, most: int | None = None) -> float | None:
        """Smallest share hit beside chance that shows four times of five; None where none does.

        limit: what its low end has to be beyond. most: members that can be hit at all.
        """
        return smallest(lambda s: self._low_if(s, 0.2) > limit, limit, self._reached(most))

    def _reached(self, most: int | None) -> float:
        return 1.0 if most is None else min(1.0, most / self.n)

    def _low_if(self, share: float, quantile: float) -> float:
        caused = int(binom.ppf(quantile, self.n, share))
        by_chance = round((self.n - caused) * self.others_hit / self.n_others)
        return replace(self, hit=caused + by_chance).interval(POWER_CONFIDENCE)[0]
