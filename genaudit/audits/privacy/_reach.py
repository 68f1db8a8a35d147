"""How much of a subject an attack by distance looks at, and what that lets it show."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from genaudit.audits._power import POWER_CONFIDENCE, default_limit
from genaudit.stats.intervals import Interval
from genaudit.stats.roc import auc


@dataclass(frozen=True)
class Reach:
    """What of the subject the attack has looked at; it bounds what the attack can show.

    n_samples: samples. n_searched: samples among which the nearest was sought. n_reference:
    reference rows likewise. n_train: training rows. n_persons: persons behind them.
    n_unreadable: samples with lost cells, at most. recall: share of records whose nearest row was
    found, measured on so many records; 1 and 0 where the search was exact.
    """

    n_samples: int
    n_searched: int
    n_reference: int
    n_train: int
    n_persons: int
    n_unreadable: int
    recall: float = 1.0
    measured_on: int = 0

    @property
    def searched(self) -> float:
        """Share of the samples that was searched."""
        return self.n_searched / self.n_samples

    @property
    def seen(self) -> float:
        """Largest share of training rows whose copies are found among the searched samples."""
        return self.recall * min(1.0, self.n_searched / self.n_train)

    @property
    def held(self) -> float:
        """Largest share of training rows whose copies all samples can hold."""
        return min(1.0, self.n_samples / self.n_train)

    def whole(self, interval: Interval, chance: float) -> Interval:
        """The interval of the leak of all samples, from that of the samples that were searched.

        A leak beyond chance grows at most in proportion to the samples that are searched, as each
        sample betrays what it is near to. Every unreadable sample may be a copy of another member,
        and every nearest row that was not found may have betrayed one.
        """
        low, high = interval
        beyond = max(0.0, high - chance) * (1 / self.searched - 1)
        unseen = self.n_unreadable / self.n_persons + 1 - self.recall
        return low, min(1.0, high + beyond + unseen)


def auc_ceiling(m: int, k: int, seen: float) -> float:
    """Low end of the area where a share of the members is found and the others score by chance."""
    found = round(seen * m)
    members = np.concatenate([np.full(found, 2.0), np.linspace(0, 1, m - found)])
    return auc(members, np.linspace(0, 1, k)).interval(POWER_CONFIDENCE)[0]


def auc_detectable(m: int, k: int, reach: Reach) -> float | None:
    """Smallest area that would be flagged four times of five; None where none can be."""
    limit = default_limit("privacy.distance.auc")
    # Error of the area where nothing leaks (Mann & Whitney 1947).
    se = math.sqrt((m + k + 1) / (12 * m * k))
    margin = float(norm.isf((1 - POWER_CONFIDENCE) / 2) + norm.isf(0.2)) * se
    needed = 0.5 + (limit + margin - 0.5) / (reach.searched * reach.recall)
    # If every sample is a copy, that share of the members is found for certain.
    return needed if needed < 0.5 + reach.held / 2 else None
