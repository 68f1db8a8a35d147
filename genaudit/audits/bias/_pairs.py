"""Any two groups, whichever they are: what gaps to one group of reference, or extremes, hide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np
from scipy.stats import beta, t

from genaudit.audits.bias._groups import Rate
from genaudit.audits.words import listed
from genaudit.result import Estimate, Message, message
from genaudit.stats.intervals import Interval
from genaudit.stats.maxima import Maxima
from genaudit.stats.widening import Limits, widening, widening_interval

#: In the place of a group's name, where a number is of the pair that is furthest apart.
ANY_TWO = message("group.any_two", "any two groups")


def any_two(levels: Sequence[str]) -> Message:
    """What stands in the place of a group's name, and is none of these."""
    found = ANY_TWO
    while found.text_en in levels:
        found = message("group.any_two_of_all", f"{found.text_en} (of all)")
    return found


def is_any_two(words: Mapping[str, Message]) -> bool:
    """Whether a finding with these words is of the pair that is furthest apart."""
    return any(word.id in (ANY_TWO.id, "group.any_two_of_all") for word in words.values())


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

        return Estimate.of(widening(self.values), interval, n=n, method=method, unit=unit)

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
    """Differences of two groups' rates, or of their logarithms, on one side.

    rates: of the groups. each: in every training, where there are several, of which `rates` are all
    together. one, other: places of the groups of each pair. values: what is subtracted, (groups,).
    log: whether that are logarithms.
    """

    rates: Sequence[Rate]
    each: Sequence[Sequence[Rate]]
    one: np.ndarray
    other: np.ndarray
    values: np.ndarray
    log: bool = False

    @property
    def apart(self) -> np.ndarray:
        """One minus other of each pair, shape (P,)."""
        return np.asarray(self.values[self.one] - self.values[self.other])

    def reach(self, tail: float) -> tuple[np.ndarray, np.ndarray]:
        """How far the limits of each pair reach down and up, (P,) each.

        By exact limits of each rate: at the small errors of many pairs those of a score interval
        fail where an outcome is rare. Source: Zou & Donner 2008, equation 7 (MOVER).
        """
        if self.each:
            half = t.isf(tail, len(self.each) - 1) * np.sqrt(self._variance)
            return half, half
        low, high = _exact(self.rates, tail)
        if self.log:
            with np.errstate(divide="ignore"):
                low, high = np.log(low), np.log(high)
        down, up = np.maximum(self.values - low, 0.0), np.maximum(high - self.values, 0.0)
        return (
            np.hypot(down[self.one], up[self.other]),
            np.hypot(up[self.one], down[self.other]),
        )

    @property
    def _variance(self) -> np.ndarray:
        """Of mean differences over trainings; not below what chance of their rows alone gives."""
        rates = np.array([[rate.value for rate in side] for side in self.each])
        spread = (rates[:, self.one] - rates[:, self.other]).var(axis=0, ddof=1)
        alone = np.mean([[rate.variance for rate in side] for side in self.each], axis=0)
        return np.asarray(np.maximum(spread, alone[self.one] + alone[self.other]) / len(rates))


def _exact(rates: Sequence[Rate], tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Clopper-Pearson limits of rates, (groups,) each, at an error; counts need not be whole."""
    k, n = np.array([rate.independent for rate in rates]).T
    none, everybody = k <= 0, k >= n
    low = beta.ppf(tail, np.where(none, 1, k), n - k + 1)
    high = beta.isf(tail, k + 1, np.where(everybody, 1, n - k))
    return np.where(none, 0.0, low), np.where(everybody, 1.0, high)


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
    means = np.mean([[rate.value for rate in side] for side in each or [made]], axis=0)
    samples = _Side(made, each, one, other, means)
    if not real:
        return Pairs(one, other, (samples.apart,), (_limits(samples),))
    before = _Side(real, (), one, other, np.array([rate.value for rate in real]))
    return _of_sides(samples, before)


def of_ratios(
    made: Sequence[Sequence[Rate]],
    real: Sequence[Sequence[Rate]],
    logs: tuple[np.ndarray, np.ndarray],
) -> Pairs:
    """The same of log ratios of rates of several outcomes, one after another.

    Args:
        made: Rates of each outcome in each group among samples.
        real: Among real rows.
        logs: Estimates of the logarithms of both, shape (outcomes, groups) each.
    """
    one, other = all_pairs(len(made[0]))
    found = [
        _of_sides(*(_Side(rates, (), one, other, values, log=True)
                    for rates, values in zip(sides, both, strict=True)))
        for sides, both in zip(zip(made, real, strict=True), zip(*logs, strict=True), strict=True)
    ]  # fmt: skip

    def limits(which: int) -> Limits:
        def of(tail: float) -> tuple[np.ndarray, np.ndarray]:
            ends = [pairs.limits[which](tail) for pairs in found]
            low, high = (np.concatenate(of_each) for of_each in zip(*ends, strict=True))
            return low, high

        return of

    gained, ahead = (np.concatenate([pairs.values[i] for pairs in found]) for i in (0, 1))
    n = len(found)
    return Pairs(np.tile(one, n), np.tile(other, n), (gained, ahead), (limits(0), limits(1)))


def _limits(side: _Side) -> Limits:
    def of(tail: float) -> tuple[np.ndarray, np.ndarray]:
        down, up = side.reach(tail)
        return side.apart - down, side.apart + up

    return of


def _of_sides(made: _Side, real: _Side) -> Pairs:
    gained = made.apart - real.apart

    def gains(tail: float) -> tuple[np.ndarray, np.ndarray]:
        (down, up), (fell, rose) = made.reach(tail), real.reach(tail)
        return gained - np.hypot(down, rose), gained + np.hypot(up, fell)

    return Pairs(made.one, made.other, (gained, made.apart), (gains, _limits(made)))


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
    column: str | Message,
    words: Sequence[str | Message],
    pairs: Pairs | None,
    few: Sequence[str | Message] = (),
    form: Literal["gap", "ahead", "apart"] = "apart",
) -> Message | None:
    """Which two groups the number is of, and which take no part.

    Args:
        column: Whose groups they are.
        words: Names of the groups of the pairs.
        pairs: None where fewer than two groups have enough rows.
        few: Names of the groups that take no part.
        form: Whether it is a gap, or how far two came apart, and then whether in one rate, of which
            one is ahead, or in any of several.
    """
    pair = None if pairs is None else pairs.furthest
    first = None
    if pair is not None:
        names = {"column": column, "one": words[pair[0]], "other": words[pair[1]]}
        first = message(f"bias.pairs.{form}", _FORMS[form], **names)
    return both(first, no_part(few))


def both(first: Message | None, second: Message | None) -> Message | None:
    """Two sentences, or the one that is there."""
    if first is None or second is None:
        return first or second
    return message("bias.pairs.both", "{first} {second}", first=first, second=second)


def no_part(groups: Sequence[str | Message]) -> Message | None:
    """Which groups take no part; None for no groups."""
    if not groups:
        return None
    return message(
        "bias.pairs.few",
        "Groups that take no part, for too few rows or as they would tell of a few people: "
        "{groups}.",
        groups=listed(groups),
    )


_FORMS = {
    "gap": "Of groups of {column} furthest apart: {one} (higher) and {other}.",
    "ahead": "Of any two groups of {column}, {one} (ahead now) and {other} have come apart most.",
    "apart": "Of any two groups of {column}, {one} and {other} have come apart most.",
}


def untold(groups: Sequence[str | Message]) -> Message | None:
    """The doubt of a pass where groups that are large take no part; None for no groups.

    A group may be large among real rows and gone among samples, or have a few rows of an outcome.
    """
    if not groups:
        return None
    return message(
        "bias.pairs.untold",
        "Groups that are large take no part, for too few rows on one side or of one outcome, or as "
        "they would tell of a few people ({groups}): whether they have come apart is not known.",
        groups=listed(groups),
    )


def too_few_groups(column: str | Message, minimum: int) -> Message:
    """The reason of a number that no two groups have."""
    return message(
        "bias.pairs.one_group",
        "Not estimable: fewer than two groups of {column} have {minimum:integer} rows to go by on "
        "each side that may be told of.",
        column=column,
        minimum=minimum,
    )
