"""What right guesses say: residual risk of members beyond controls, of all and of the worst.

Guesses are dealt beforehand over parts (columns to guess, halves of the columns): each record is
attacked once, so that all guesses are independent, and no part was chosen for what it found.

Source: Giomi et al. 2023, A Unified Framework for Quantifying Privacy Risk in Synthetic Data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.stats import binom

from genaudit.audits._power import (
    DOUBT_CONFIDENCE,
    POWER_CONFIDENCE,
    default_limit,
    shown_of,
    smallest,
)
from genaudit.audits.privacy._game import UNLIKE, Game, Sides
from genaudit.audits.privacy._membership import limits
from genaudit.audits.privacy._reach import Reach
from genaudit.audits.privacy.copies import incomparable
from genaudit.audits.words import listed
from genaudit.case import AuditCase
from genaudit.data.disclosure import SMALL_CELL, taken_for
from genaudit.modalities.table.search import Encoded
from genaudit.result import Estimate, Figure, Finding, Message, message
from genaudit.stats.halves import middle_halves
from genaudit.stats.intervals import Interval
from genaudit.stats.multiplicity import holm
from genaudit.stats.residual import residual_interval, residual_risk

METHOD = "ratio of two rates of failure, score interval"
WORST_METHOD = "ratio of two rates of failure, score interval; the low end pays for the choice"
UNIT = "share of what is left to learn about training rows"

#: Most members, and most controls, that are attacked.
MAX_ATTACKS = 2000

#: Whether what is guessed of each row from a pool is right, in the part of that number, bools (n,).
Attack = Callable[[Encoded, Encoded, int], np.ndarray]

#: Chance of naming any part that is none of those where members are guessed beyond chance.
_ALPHA = 0.05


@dataclass(frozen=True)
class Tally:
    """Right guesses, and all guesses, about members and about controls."""

    right: int
    n: int
    control_right: int
    n_control: int

    @classmethod
    def of(cls, right: Sides) -> Tally:
        """Of bools, one for each guess about members and about controls."""
        members, controls = right
        return cls(int(members.sum()), len(members), int(controls.sum()), len(controls))

    def unknown(self) -> Message | None:
        """Why nothing follows from these guesses; None where something does."""
        if min(self.n, self.n_control) < SMALL_CELL:
            return FEW
        return CERTAIN if math.isnan(self.value()) else None

    def value(self) -> float:
        """Residual risk; a few right guesses count as the middle of one to nine."""
        right, control = self._taken()
        return residual_risk(sum(right) / 2, self.n, sum(control) / 2, self.n_control)

    def interval(self, confidence: float) -> Interval:
        """Interval of the residual risk, of whatever a reader may take the counts for."""
        right, control = self._taken()
        ends = {(right[0], control[1]), (right[1], control[0])}
        found = [residual_interval(k, self.n, c, self.n_control, confidence) for k, c in ends]
        return min(low for low, _ in found), max(high for _, high in found)

    def _taken(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Least and most right guesses about members, and about controls, that a reader sees."""
        members = taken_for(self.right, self.n)
        return members, taken_for(self.control_right, self.n_control)

    def low_if(self, risk: float, quantile: float) -> float:
        """Low end at `POWER_CONFIDENCE` that a true risk reaches at a quantile of its guesses."""
        c = self.control_right / self.n_control
        right = int(binom.ppf(quantile, self.n, min(1.0, c + risk * (1 - c))))
        control = taken_for(self.control_right, self.n_control)[1]
        low = taken_for(right, self.n)[0]
        return residual_interval(low, self.n, control, self.n_control, POWER_CONFIDENCE)[0]


@dataclass(frozen=True, eq=False)
class Guesses:
    """Guesses of one attack on a case.

    right: whether each guess about members and about controls is right, from the samples; blind:
    from reference rows in their place. part: which part each guess was dealt to. names: of the
    parts. reach: what was looked at.
    """

    right: Sides
    blind: Sides
    part: Sides
    names: tuple[str, ...]
    reach: Reach

    def parts(self, right: Sides) -> list[Sides]:
        """Some guesses by their part; a part may have none."""
        members, controls = self.part
        return [(right[0][members == j], right[1][controls == j]) for j in range(len(self.names))]

    def named(self, names: Sequence[str], owner: np.ndarray) -> Guesses:
        """The same guesses where each part is one of these names, at the positions `owner`."""
        members, controls = self.part
        return replace(self, part=(owner[members], owner[controls]), names=tuple(names))

    def doubt(self) -> Message | None:
        """Why members cannot be held against controls: they differ to who has no samples."""
        low, high = Tally.of(self.blind).interval(DOUBT_CONFIDENCE)
        if not low <= 0 <= high:
            return UNLIKE
        return _FAVOURED if Tally.of(self.right).interval(DOUBT_CONFIDENCE)[1] < 0 else None


def play(
    played: Game, rng: np.random.Generator, most: int, n_parts: int, attack: Attack
) -> Guesses:
    """Deal members and controls over the parts of an attack, and let it guess.

    As many of either, each attacked once: with the samples, and with the reference in their place.
    """
    n = min(most, *(len(records) for records in played.records))
    rows = Encoded.joined([r.take(rng.permutation(len(r))[:n]) for r in played.records])
    part = np.arange(n) % n_parts
    both = np.concatenate([part, part])
    found = []
    for pool in (played.samples, played.reference):
        right = np.zeros(2 * n, dtype=bool)
        for j in range(min(n, n_parts)):
            right[both == j] = attack(rows.take(both == j), pool, j)
        found.append((right[:n], right[n:]))
    names = tuple(str(j + 1) for j in range(n_parts))
    return Guesses(found[0], found[1], (part, part), names, played.reach)


def findings(
    case: AuditCase, played: Game, guesses: Guesses, audit: str, labels: Sequence[Message]
) -> tuple[Finding, ...]:
    """Risk over all guesses and in the worst part, under these labels."""
    doubt = played.doubt() or incomparable(case) or guesses.doubt()
    found = (overall(f"{audit}.risk", labels[0], guesses), _worst(audit, labels[1], guesses))
    return tuple(f.model_copy(update={"doubt": doubt}) for f in found)


def overall(
    metric: str, label: Message, guesses: Guesses, looked_at: Reach | None = None
) -> Finding:
    """Risk over all guesses; `looked_at` is what a reader is told was searched."""
    tally, reach = Tally.of(guesses.right), guesses.reach
    base = Finding(
        metric=metric,
        label=label,
        estimate=_estimate(tally, reach),
        null=_estimate(Tally.of(_halves(guesses.right[1]))),
        baseline=_estimate(Tally.of(guesses.blind)),
        baseline_label=_BLIND,
        chance=0.0,
        note=_note(tally, looked_at or reach),
    )
    if base.estimate.value is None:
        return base
    limit = default_limit(metric)

    def flagged(risk: float) -> bool:
        return tally.low_if(risk * reach.searched, 0.2) > limit

    update = {
        "ceiling": max(0.0, tally.low_if(reach.seen, 0.5)),
        "detectable": smallest(flagged, limit, reach.held) if reach.held > limit else None,
    }
    return base.model_copy(update=update)


def _estimate(tally: Tally, reach: Reach | None = None) -> Estimate:
    n = tally.n + tally.n_control
    if reason := tally.unknown():
        return Estimate.undefined(reason, n=max(n, 1), method=METHOD, unit=UNIT)

    def interval(confidence: float) -> Interval:
        found = tally.interval(confidence)
        return found if reach is None else reach.whole(found, 0.0)

    return Estimate.of(tally.value(), interval, n=n, method=METHOD, unit=UNIT)


def _worst(audit: str, label: Message, guesses: Guesses) -> Finding:
    return Finding(
        metric=f"{audit}.worst",
        label=label,
        estimate=worst(guesses.parts(guesses.right), guesses.reach),
        null=worst([_halves(controls) for _, controls in guesses.parts(guesses.right)]),
        baseline=worst(guesses.parts(guesses.blind)),
        baseline_label=_BLIND,
        chance=0.0,
        note=_named(guesses),
    )


def worst(parts: Sequence[Sides], reach: Reach | None = None) -> Estimate:
    """Largest risk of several parts, each of guesses about members and about controls.

    The low end is the largest of all parts, each at a confidence that leaves any of them an error
    as rare as that of one (Bonferroni, the first step of Holm). The high end is the largest of all
    at the confidence itself: too low only where that of the worst part is.
    """
    dealt = list(map(Tally.of, parts))
    tallies = [t for t in dealt if t.unknown() is None]
    n = max(1, sum(t.n + t.n_control for t in tallies))
    if not tallies:
        reason = next((r for t in dealt if (r := t.unknown())), FEW)
        return Estimate.undefined(reason, n=n, method=WORST_METHOD, unit=UNIT)

    def interval(confidence: float) -> Interval:
        stricter = 1 - (1 - confidence) / len(tallies)
        low = max(t.interval(stricter)[0] for t in tallies)
        high = max(t.interval(confidence)[1] for t in tallies)
        return (low, high) if reach is None else reach.whole((low, high), 0.0)

    value = max(t.value() for t in tallies)
    return Estimate.of(value, interval, n=n, method=WORST_METHOD, unit=UNIT)


def forest(guesses: Guesses, audit: str, title: Message) -> tuple[Figure, ...]:
    """Risk of each part, with intervals that hold one by one."""
    estimates = zip(guesses.names, _by_part(guesses), strict=True)
    rows = tuple((name, e.value, e.low, e.high, None, None) for name, e in estimates
                 if e.value is not None)  # fmt: skip
    if len(rows) < 2:
        return ()
    headers = (
        message("figure.part", "Part"),
        message("figure.risk", "Residual risk"),
        message("figure.low", "95% interval from"),
        message("figure.high", "to"),
        message("figure.limit_low", "Limit from"),
        message("figure.limit_high", "to"),
    )
    figure = Figure(
        id=f"{audit}.parts", kind="forest", title=title, description=_FOREST, headers=headers,
        rows=rows, unit=UNIT, metric=f"{audit}.worst",
    )  # fmt: skip
    return (figure,)


def _by_part(guesses: Guesses) -> list[Estimate]:
    return [_estimate(Tally.of(sides), guesses.reach) for sides in guesses.parts(guesses.right)]


def _halves(right: np.ndarray) -> Sides:
    """Controls as members of an attack that has nothing to find."""

    def value(one: np.ndarray, other: np.ndarray) -> float:
        return Tally.of((right[one], right[other])).value()

    one, other = middle_halves(len(right), value)
    return right[one], right[other]


def _named(guesses: Guesses) -> Message:
    """The parts where members are guessed beyond chance."""
    p_values = {
        j: e.p_above(0.0) for j, e in enumerate(_by_part(guesses)) if e.value is not None
    }  # fmt: skip
    found = sorted(holm(p_values, _ALPHA))
    return message(
        "privacy.residual.worst_note",
        "The worst of {n}, drawn before anything was guessed; the largest of so many estimates "
        "lies above the risk of its part more often than below, so read the interval, which pays "
        "for the choice. Beyond chance, by Holm at {alpha:percent}: {parts}.",
        n=str(len(p_values)),
        alpha=_ALPHA,
        parts=listed([guesses.names[j] for j in found]),
    )


def _note(tally: Tally, reach: Reach) -> Message:
    return message(
        "privacy.residual.note",
        "Right were {right} of {n} guesses about training rows, and {control} of {n_control} about "
        "unseen rows; no row counts more than once. {limits}",
        right=shown_of(tally.right, tally.n),
        n=shown_of(tally.n, tally.n),
        control=shown_of(tally.control_right, tally.n_control),
        n_control=shown_of(tally.n_control, tally.n_control),
        limits=limits(reach),
    )


def undefined(
    audit: str, metrics: Sequence[str], labels: Sequence[Message], reason: Message, n: int
) -> tuple[Finding, ...]:
    """The same findings where nobody can be attacked."""
    estimate = partial(Estimate.undefined, reason, n=max(n, 1), method=METHOD, unit=UNIT)
    return tuple(
        Finding(metric=f"{audit}.{metric}", label=label, estimate=estimate())
        for metric, label in zip(metrics, labels, strict=True)
    )


NO_ROWS = message(
    "privacy.distance.no_singletons",
    "Fewer than ten training rows, or ten unseen rows, occur once in all real tables.",
)
NO_COLUMNS = message(
    "privacy.residual.columns",
    "Fewer than two columns can be compared, so that none can be known and another guessed.",
)
FEW = message(
    "privacy.residual.few",
    "Fewer than {minimum:integer} guesses about training rows, or about unseen rows.",
    minimum=SMALL_CELL,
)
CERTAIN = message(
    "privacy.residual.certain",
    "There are no guesses about unseen rows that are wrong, so that nothing is left to learn.",
)
_FAVOURED = message(
    "privacy.residual.favoured",
    "Unseen rows are guessed better than training rows: the generator, or whoever made the "
    "samples, has seen the holdout, or the two are not alike, so that comparing tells nothing.",
)
_BLIND = message(
    "privacy.residual.blind", "The same attacker with unseen real rows in place of the samples"
)
_FOREST = message(
    "privacy.residual.parts",
    "How much better training rows are guessed than unseen rows, as a share of what is left to "
    "learn. Each interval holds by itself; that of the worst pays for the choice.",
)
