"""Any two groups, whichever they are: what gaps to one group of reference, or extremes, hide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from scipy.stats import t

from genaudit.audits.bias._groups import Rate
from genaudit.audits.words import listed
from genaudit.result import Estimate, Message, message
from genaudit.stats.intervals import Interval, wilson
from genaudit.stats.maxima import Maxima
from genaudit.stats.widening import Limits, widening, widening_interval

#: In the place of a group's name, where a number is of the pair that is furthest apart.
ANY_TWO = message("group.any_two", "any two groups")

#: The same, but for the group that all others are held against by name.
ANY_TWO_OTHERS = message("group.any_two_others", "any two other groups")


@dataclass(frozen=True, eq=False)
class Pairs:
    """Quantities of every ordered pair of groups, of which the largest smallest one is told.

    one, other: places of the groups of each pair, shape (P,). values: of each quantity, (P,) each.
    limits: of each quantity at an error.
    """

    one: np.ndarray
    other: np.ndarray
    values: tuple[np.ndarray, ...]
    limits: tuple[Limits, ...]

    def estimate(self, *, n: int, method: str, unit: str, most: float = 1.0) -> Estimate:
        """How far any two of the groups have come apart (`stats.widening`), and that is `most`."""

        def interval(confidence: float) -> Interval:
            low, high = widening_interval(self.limits, confidence)
            return low, min(high, most)

        return Estimate.of(
            widening(self.values),
            interval,
            n=n,
            method=method,
            unit=unit,
        )

    @property
    def furthest(self) -> tuple[int, int] | None:
        """Places of the two that look furthest apart, the one ahead first; None for none."""
        least = np.min(self.values, axis=0)
        top = int(least.argmax())
        return (int(self.one[top]), int(self.other[top])) if least[top] > 0 else None


def all_pairs(n_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the groups of every ordered pair, each of shape (P,)."""
    one, other = np.array(list(permutations(range(n_groups), 2))).T
    return one, other


# Of rates ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Side:
    """Differences of two groups' rates on one side; how far their intervals reach down and up."""

    rates: Sequence[Rate]
    each: Sequence[Sequence[Rate]]
    one: np.ndarray
    other: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """One minus other of each pair, shape (P,): means over trainings, where there are some."""
        sides = self.each or [self.rates]
        rates = np.mean([[rate.value for rate in side] for side in sides], axis=0)
        return np.asarray(rates[self.one] - rates[self.other])

    def reach(self, tail: float) -> tuple[np.ndarray, np.ndarray]:
        """Distances to both limits, (P,) each: Zou & Donner 2008, equation 7."""
        if self.each:
            half = t.isf(tail, len(self.each) - 1) * np.sqrt(self._variance)
            return half, half
        ends = np.array([wilson(*rate.independent, 1 - 2 * tail) for rate in self.rates])
        rates = np.array([rate.value for rate in self.rates])
        down, up = rates - ends[:, 0], ends[:, 1] - rates
        return (
            np.hypot(down[self.one], up[self.other]),
            np.hypot(up[self.one], down[self.other]),
        )

    @property
    def _variance(self) -> np.ndarray:
        """Of mean differences over trainings, as `Trainings` has it of one."""
        rates = np.array([[rate.value for rate in side] for side in self.each])
        spread = (rates[:, self.one] - rates[:, self.other]).var(axis=0, ddof=1)
        alone = np.mean([[rate.variance for rate in side] for side in self.each], axis=0)
        by_rows = alone[self.one] + alone[self.other]
        return np.asarray(np.where(spread > 0, spread, by_rows) / len(rates))


def of_rates(
    made: Sequence[Rate], real: Sequence[Rate] = (), each: Sequence[Sequence[Rate]] = ()
) -> Pairs:
    """How far groups are ahead in rates among samples; and what they gained on real rates, if any.

    Args:
        made: Rates of two groups or more among samples.
        real: Of the same groups, in the same order; none where samples are looked at alone.
        each: Rates in every training, where there are several, of which `made` is all together.
    """
    one, other = all_pairs(len(made))
    samples = _Side(made, each, one, other)

    def ahead(tail: float) -> tuple[np.ndarray, np.ndarray]:
        down, up = samples.reach(tail)
        return samples.values - down, samples.values + up

    if not real:
        return Pairs(one, other, (samples.values,), (ahead,))
    before = _Side(real, (), one, other)
    gained = samples.values - before.values

    def gains(tail: float) -> tuple[np.ndarray, np.ndarray]:
        (down, up), (fell, rose) = samples.reach(tail), before.reach(tail)
        return gained - np.hypot(down, rose), gained + np.hypot(up, fell)

    return Pairs(one, other, (gained, samples.values), (gains, ahead))


# Of cells with a covariance ----------------------------------------------------------------------


def of_maxima(found: Maxima, n_groups: int, *, ahead: bool = True) -> Pairs:
    """The same of contrasts of cells: all pairs of groups, for one outcome or label after another.

    ahead: whether a pair that came closer counts for nothing, as it does not where a gain is a harm
    whoever was ahead.
    """
    one, other = all_pairs(n_groups)
    blocks = len(found.contrasts) // len(one)
    gained, lead = found.contrasts @ (found.first - found.second), found.contrasts @ found.first
    values, limits = (gained, lead), (found.changes, found.firsts)
    kept = 2 if ahead else 1
    return Pairs(np.tile(one, blocks), np.tile(other, blocks), values[:kept], limits[:kept])


# Words -------------------------------------------------------------------------------------------


def furthest(
    words: Sequence[str | Message], pairs: Pairs | None, few: Sequence[str | Message] = ()
) -> Message | None:
    """Which two groups look furthest apart, and which had too few rows to take part.

    Args:
        words: Names of the groups of the pairs.
        pairs: None where fewer than two groups have enough rows.
        few: Names of the groups that take no part.
    """
    pair = None if pairs is None else pairs.furthest
    first = None if pair is None else message(
        "bias.pairs.furthest", "Of any two, furthest apart: {one} above {other}.",
        one=words[pair[0]], other=words[pair[1]],
    )  # fmt: skip
    second = None if not few else message(
        "bias.pairs.few", "Groups with too few rows to take part: {groups}.", groups=listed(few)
    )  # fmt: skip
    if first is None or second is None:
        return first or second
    return message("bias.pairs.both", "{first} {second}", first=first, second=second)
