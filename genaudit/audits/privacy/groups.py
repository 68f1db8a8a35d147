"""Which groups of people the samples expose most: membership inference within each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from genaudit.audits._power import DOUBT_CONFIDENCE
from genaudit.audits.bias._groups import Grouping, in_words, no_sensitive, with_words
from genaudit.audits.privacy import ensemble
from genaudit.audits.privacy._game import Game, Sides, game, left_out
from genaudit.audits.privacy._membership import (
    AUC_METHOD,
    AUC_UNIT,
    REFERENCE_ALONE,
    Attack,
    area,
    rate,
)
from genaudit.audits.privacy._reach import Reach
from genaudit.audits.privacy.copies import incomparable
from genaudit.case import EVERY, AuditCase, Knowledge, NoOptions, Outcome, audit
from genaudit.data.disclosure import SMALL_CELL
from genaudit.result import LADDER, Estimate, Figure, Finding, Message, message
from genaudit.stats.contrast import difference
from genaudit.stats.intervals import Interval
from genaudit.stats.multiplicity import holm
from genaudit.stats.roc import MIN_SIDE, auc
from genaudit.subject import Access

_ID = "privacy.groups"

#: The attack that is played: the default headline.
_ATTACK = message("privacy.groups.ensemble", "the ensemble")
_METRICS = tuple(f"{_ID}.{what}" for what in ("auc", "tpr_at_1pct_fpr", "difference"))

_METHOD = "difference of two areas, DeLong and MOVER"
_UNIT = "difference of AUC"

#: Chance that any group is named that is no more exposed than the others.
_ALPHA = 0.05


@audit(
    title="Groups that are exposed most",
    needs={Access.SAMPLES, Knowledge.TRAIN, Knowledge.HOLDOUT},
    source="DeLong et al. 1988; Zou & Donner 2008, Stat. Med. 27, eq. 5; Holm 1979; on groups that "
    "leak more: Yaghini, Kulynych, Cherubin, Veale & Troncoso 2019, Disparate Vulnerability",
    modalities=EVERY,
    described=True,
    metrics=_METRICS,
)
def groups(case: AuditCase, _options: NoOptions) -> Outcome:
    """Whether some groups of people pay more for the release than others.

    The attacker knows to which group a person belongs, and attacks as everybody is attacked; but
    members are held against non-members of their own group, so that a group whose records are
    unusual is not taken for one that is remembered. What each group leaks more than all others is
    its area less theirs; a group is named where that is above zero after Holm's correction over all
    groups, and the picture's intervals hold for all groups together.
    """
    return exposure(case)


def exposure(case: AuditCase) -> Outcome:
    """What the audit finds; the attack is played once for the case."""
    return case.once(_ID, lambda: _exposure(case))


def _exposure(case: AuditCase) -> Outcome:
    groupings = [Grouping.of(c, case.train, case.non_members) for c in case.schema.sensitive]
    if not groupings:
        return Outcome((), not_measured=(no_sensitive(),))
    played, _ = game(case)
    if played is None:
        return Outcome((), not_measured=(_NOBODY,))
    doubt = played.doubt() or incomparable(case)
    parts = [part for g in groupings for part in _parts(case, played, g)]
    scores = ensemble.scores(case, played)
    found = [f for p in parts if p.enough for f in _findings(scores, played, p, doubt)]
    found += [_unattacked(p) for p in parts if not p.enough]
    done = tuple(_named(found))
    unmeasured = (*left_out(case), *_too_small(groupings, parts))
    return with_words(Outcome(done, _figure(done), unmeasured), groupings)


@dataclass(frozen=True, eq=False)
class Part:
    """One group among the attacked, and all others, as positions of members and non-members.

    n: people of the group in train.
    """

    group: dict[str, str]
    inside: tuple[np.ndarray, np.ndarray]
    outside: tuple[np.ndarray, np.ndarray]
    n: int

    @property
    def enough(self) -> bool:
        """Whether there are enough of either for an interval."""
        return min(map(len, (*self.inside, *self.outside))) >= MIN_SIDE


def _parts(case: AuditCase, played: Game, grouping: Grouping) -> Iterator[Part]:
    """The groups of a column that are large enough to be shown."""
    tables = (case.train, case.non_members)
    told = grouping.told(tables[0]) & grouping.told(tables[1])
    codes = [grouping.codes(t)[rows] for t, rows in zip(tables, played.rows[:2], strict=True)]
    for i, level in enumerate(grouping.levels):
        inside = (_tens(codes[0] == i), _tens(codes[1] == i))
        outside = (_tens(codes[0] != i), _tens(codes[1] != i))
        if told[i]:
            mine = case.train.take(grouping.codes(case.train) == i)
            yield Part({grouping.name: level}, inside, outside, mine.n_units())


def _tens(mask: np.ndarray) -> np.ndarray:
    """Positions in a mask but for a few, as how many there are would tell of those that repeat."""
    at = np.flatnonzero(mask)
    return at[: len(at) - len(at) % SMALL_CELL]


def _findings(scores: Sides, played: Game, part: Part, doubt: Message | None) -> Iterator[Finding]:
    """Area, rate, and the area less that of all others."""
    reach = replace(played.reach, n_train=part.n, n_persons=part.n)
    inside = _some(scores, part.inside)
    blind = _some(played.near_reference, part.inside)
    named = in_words(part.group)
    low, high = auc(*blind).interval(DOUBT_CONFIDENCE)
    doubt = doubt or (None if low <= 0.5 <= high else _UNLIKE)
    whole = Attack(_ID, _ATTACK, inside, blind, REFERENCE_ALONE, reach)
    one = area(whole)
    more = Finding(
        metric=f"{_ID}.difference",
        label=_label("difference", named),
        estimate=_difference(inside, _some(scores, part.outside), reach, played.reach),
        baseline=_difference(blind, _some(played.near_reference, part.outside)),
        baseline_label=REFERENCE_ALONE,
        chance=0.0,
    )
    for what, f in (("auc", one), ("tpr", rate(whole, 0.01)), ("difference", more)):
        said = {"label": _label(what, named), "heading": _heading(what)}
        # Who was attacked says the ensemble.
        told = {"group": part.group, "doubt": doubt, "note": None}
        yield f.model_copy(update={**said, **told})


def _unattacked(part: Part) -> Finding:
    """The headline of a group of whom, or of all others, too few can be attacked."""
    reason = message(
        "privacy.groups.few",
        "Fewer than {minimum:integer} members or non-members of {group}, or of all others, can be "
        "attacked.",
        minimum=MIN_SIDE,
        group=in_words(part.group),
    )
    return Finding(
        metric=f"{_ID}.auc",
        label=_label("auc", in_words(part.group)),
        heading=_heading("auc"),
        estimate=Estimate.undefined(reason, n=part.n, method=AUC_METHOD, unit=AUC_UNIT),
        group=part.group,
    )


def _some(scores: Sides, rows: tuple[np.ndarray, np.ndarray]) -> Sides:
    return scores[0][rows[0]], scores[1][rows[1]]


def _difference(
    one: Sides, other: Sides, reach: Reach | None = None, reach_of_all: Reach | None = None
) -> Estimate:
    a, b = auc(*one), auc(*other)

    def interval(confidence: float) -> Interval:
        of_a, of_b = a.interval(confidence), b.interval(confidence)
        if reach is not None and reach_of_all is not None:
            of_a, of_b = reach.whole(of_a, 0.5), reach_of_all.whole(of_b, 0.5)
        low, high = difference(a.value, of_a, b.value, of_b)
        return max(low, -1.0), min(high, 1.0)

    n = sum(map(len, (*one, *other)))
    return Estimate.of(a.value - b.value, interval, n=n, method=_METHOD, unit=_UNIT)


def _named(findings: list[Finding]) -> Iterator[Finding]:
    """The findings, with a warning at the groups that are exposed more than all others."""
    keys = {i: f.estimate.p_above(0.0) for i, f in enumerate(findings)
            if f.metric.endswith(".difference") and f.doubt is None}  # fmt: skip
    more = holm(keys, _ALPHA)
    for i, f in enumerate(findings):
        warning = message(
            "privacy.groups.more",
            "People of {group} are exposed more than all others (corrected for {n:integer} "
            "comparisons, at 5%).",
            group=in_words(f.group), n=len(keys),
        )  # fmt: skip
        yield f.model_copy(update={"warning": warning}) if i in more else f


def _too_small(groupings: list[Grouping], parts: list[Part]) -> Iterator[Message]:
    for g in groupings:
        left = len(g.levels) - sum(g.name in part.group for part in parts)
        if left:
            yield message(
                "privacy.groups.small",
                "Exposure of {n:integer} groups by {column}: they have so few people that their "
                "numbers are not shown.",
                n=left,
                column=g.name,
            )


def _figure(findings: tuple[Finding, ...]) -> tuple[Figure, ...]:
    """Each group less all others, with intervals that hold for all groups together."""
    metric = f"{_ID}.difference"
    drawn = [f for f in findings if f.metric == metric and f.estimate.value is not None]
    if not drawn:
        return ()
    together = next(c for c in LADDER if c >= min(1 - _ALPHA / len(drawn), LADDER[-1]))

    def ends(estimate: Estimate) -> tuple[float | None, float | None]:
        return next((b.low, b.high) for b in estimate.ladder if b.confidence == together)

    rows = tuple(
        (in_words(f.group), f.estimate.value, *ends(f.estimate), None, None) for f in drawn
    )
    figure = Figure(
        id=metric,
        kind="forest",
        title=message(
            "privacy.groups.figure", "Exposure of each group less that of all others, by {attack}",
            attack=_ATTACK,
        ),
        description=message(
            "privacy.groups.figure.text",
            "Right of zero a group is exposed more than all others. The intervals hold together: "
            "in 19 of 20 reports none of them misses.",
        ),
        headers=(
            message("figure.group", "Group"),
            message("figure.difference", "Difference"),
            message("privacy.groups.from", "Interval from"),
            message("figure.high", "to"),
            message("figure.limit_low", "Limit from"),
            message("figure.limit_high", "to"),
        ),
        rows=rows,
        unit=_UNIT,
        metric=metric,
    )  # fmt: skip
    return (figure,)


def _label(what: str, group: str) -> Message:
    name, text = _LABELS[what]
    return message(name, f"{{group}}: {text}", group=group, attack=_ATTACK)


def _heading(what: str) -> Message:
    name, text = _LABELS[what]
    return message(f"{name}.heading", f"By group: {text}", attack=_ATTACK)


_LABELS: Mapping[str, tuple[str, str]] = {
    "auc": ("privacy.groups.auc", "how well {attack} tells its members from non-members (AUC)"),
    "tpr": (
        "privacy.groups.tpr",
        "share of its members found by {attack} where 1% of its non-members are accused",
    ),
    "difference": (
        "privacy.groups.difference", "how much more its AUC is than that of all others, by {attack}"
    ),
}  # fmt: skip

_UNLIKE = message(
    "privacy.groups.unlike",
    "Members and non-members of this group can be told apart without the samples, so the two are "
    "not alike and the attack proves nothing about it.",
)
_NOBODY = message(
    "privacy.groups.nobody",
    "Exposure of groups: hardly any training row, or unseen row, occurs once in all real tables.",
)
