"""What membership scores say: findings of one attack, with a null and an attacker without samples.

Source: Carlini et al. 2022 (TPR at low FPR); DeLong et al. 1988 (AUC).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from genaudit.audits._power import POWER_CONFIDENCE, default_limit, shown, smallest
from genaudit.audits.privacy._game import Game, Sides, game, left_out
from genaudit.audits.privacy._reach import Reach, auc_ceiling, auc_detectable
from genaudit.audits.privacy.copies import incomparable
from genaudit.case import AuditCase, Outcome
from genaudit.data.disclosure import taken_for
from genaudit.result import Estimate, Finding, Message, message
from genaudit.stats.halves import middle_halves
from genaudit.stats.intervals import Interval, clopper_pearson
from genaudit.stats.roc import auc, tpr_at_fpr

AUC_METHOD = "area under the ROC curve, DeLong on the logit scale"
AUC_UNIT = "chance that a member scores above a non-member"
_TPR_UNIT = "share of members"
_TPR_METHOD = "exact binomial, threshold from non-members"

#: Rates of false accusation -> the end of their metric's id.
_RATES = {0.01: "tpr_at_1pct_fpr", 0.001: "tpr_at_01pct_fpr"}


def metrics(audit: str) -> tuple[str, str]:
    """What `outcome` finds: ids of the area and of the rate."""
    return f"{audit}.auc", f"{audit}.{_RATES[0.01]}"


@dataclass(frozen=True, eq=False)
class Attack:
    """What an attack is called, and its scores: of members and non-members, higher = member.

    audit: its id. name: as it stands in a sentence. blind: scores of an attacker who has not seen
    the samples. blind_label: who that is.
    """

    audit: str
    name: Message
    scores: Sides
    blind: Sides
    blind_label: Message
    reach: Reach


def outcome(case: AuditCase, audit: str, name: Message, score: Callable[[Game], Sides]) -> Outcome:
    """Area and TPR at 1% of an attack.

    Args:
        case: Attacked.
        audit: Its id.
        name: Of the attack, as it stands in a sentence.
        score: Of members and non-members.
    """
    played, reach = game(case)
    if played is None:
        return Outcome(undefined(audit, name, reach.n_train), not_measured=left_out(case))
    blind = strongest_blind(played.told, played.near_reference)
    attack = Attack(audit, name, score(played), *blind, reach)
    doubt = played.doubt() or incomparable(case)
    # What its rate means says `privacy.distance`; once is enough for a reader.
    said = ((area(attack), note(played)), (rate(attack, 0.01), None))
    found = tuple(f.model_copy(update={"doubt": doubt, "note": n}) for f, n in said)
    return Outcome(found, not_measured=left_out(case))


def note(played: Game) -> Message:
    """Who was attacked, and what was looked at."""
    reach = played.reach
    return message(
        "privacy.distance.note",
        "{members} members and {others} non-members, each row single in all real tables; {samples} "
        "samples, {reference} reference rows. {limits}",
        members=shown(len(played.records[0])),
        others=shown(len(played.records[1])),
        samples=shown(reach.n_samples),
        reference=shown(reach.n_reference),
        limits=limits(reach),
    )


def limits(reach: Reach) -> Message:
    """What of the samples the attack did not see, and what the interval makes of it."""
    if reach.measured_on:
        return message(
            "privacy.distance.approximate",
            "{part} There are too many pairs to compare: nearest rows come from an approximate "
            "index, which found that of {recall:percent} of {n} records looked up in full. Upper "
            "ends suppose that each one not found betrays a member.",
            part=_part(reach),
            recall=reach.recall,
            n=shown(reach.measured_on),
        )
    return _part(reach)


def _part(reach: Reach) -> Message:
    if reach.n_searched == reach.n_samples and not reach.n_unreadable:
        return message("privacy.distance.whole", "All were searched and could be read.")
    return message(
        "privacy.distance.part",
        "Searched were {searched} of them, and cells of {unreadable} cannot be read. Upper ends "
        "suppose that samples that were not searched leak as much as the others, and that all that "
        "cannot be read are copies.",
        searched=shown(reach.n_searched),
        unreadable=shown(reach.n_unreadable),
    )


REFERENCE_ALONE = message("privacy.attack.blind", "An attacker who sees the reference alone")

_LEARNER = message(
    "privacy.attack.blind_learner",
    "Trees that learned from the other half of members and non-members alone",
)


def strongest_blind(told: tuple[Sides, ...], near_reference: Sides) -> tuple[Sides, Message]:
    """Scores of the strongest attacker who has not seen the subject, and who that is.

    Args:
        told: As those of a `Game`; empty where there are too few rows to learn from.
        near_reference: Distances to the nearest reference row.
    """
    return (told[-1], _LEARNER) if told else (near_reference, REFERENCE_ALONE)


def _halves(
    scores: Sides, value: Callable[[np.ndarray, np.ndarray], float | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Non-members as members of a null attack: two halves of them, by the value of the attack."""
    rows = scores[1]
    one, other = middle_halves(len(rows), lambda a, b: value(rows[a], rows[b]))
    return rows[one], rows[other]


def area(attack: Attack) -> Finding:
    """Area under the ROC curve."""
    (members, others), reach = attack.scores, attack.reach

    def estimate(members: np.ndarray, non_members: np.ndarray) -> Estimate:
        found = auc(members, non_members)
        n = len(members) + len(non_members)
        return Estimate.of(found.value, found.interval, n=n, method=AUC_METHOD, unit=AUC_UNIT)

    main = auc(members, others)
    m, k = len(members), len(others)
    return Finding(
        metric=f"{attack.audit}.auc",
        label=_auc_label(attack.name),
        estimate=Estimate.of(
            main.value,
            lambda confidence: reach.whole(main.interval(confidence), 0.5),
            n=m + k,
            method=AUC_METHOD,
            unit=AUC_UNIT,
        ),
        null=estimate(*_halves(attack.scores, lambda a, b: auc(a, b).value)),
        baseline=estimate(*attack.blind),
        baseline_label=attack.blind_label,
        chance=0.5,
        ceiling=auc_ceiling(m, k, reach.seen),
        detectable=auc_detectable(m, k, reach),
    )


def rate(attack: Attack, fpr: float) -> Finding:
    """Share of members found at a rate of false accusations."""
    (members, others), reach = attack.scores, attack.reach
    m, k, metric = len(members), len(others), f"{attack.audit}.{_RATES[fpr]}"
    found = tpr_at_fpr(members, others, fpr)
    halves = _halves(attack.scores, lambda a, b: rate_estimate(a, b, fpr).value)
    base = Finding(
        metric=metric,
        label=_tpr_label(attack.name, fpr),
        estimate=rate_estimate(members, others, fpr, reach),
        null=rate_estimate(*halves, fpr),
        baseline=rate_estimate(*attack.blind, fpr),
        baseline_label=attack.blind_label,
        chance=fpr,
    )
    if found is None:
        return base
    # The limit of the 1% rate is the yardstick; the rarer rate is measured against chance.
    limit = default_limit(metric) or fpr

    def flagged(share: float) -> bool:
        # The threshold is stricter than fpr, to be sure of it.
        kept = found.at_low_end(share, POWER_CONFIDENCE)
        hits = int(binom.ppf(0.2, m, kept * reach.searched * reach.recall))
        return clopper_pearson(taken_for(hits, m)[0], m, (1 + POWER_CONFIDENCE) / 2)[0] > limit

    note = message(
        "privacy.distance.tpr_note",
        "The threshold accuses at most {fpr:percent} of {others} non-members; the interval also "
        "pays for a threshold estimated from so many. A few members found may be any number from "
        "one to nine in value and interval.",
        fpr=fpr,
        others=shown(k),
    )
    update = {
        "ceiling": found.ceiling(POWER_CONFIDENCE, reach.seen),
        "detectable": smallest(flagged, limit, reach.held) if reach.held > limit else None,
        "note": note,
    }
    return base.model_copy(update=update)


def rate_estimate(
    members: np.ndarray, non_members: np.ndarray, fpr: float, reach: Reach | None = None
) -> Estimate:
    """TPR at an FPR, with the interval of all samples where only some were searched."""
    n = len(members)
    found = tpr_at_fpr(members, non_members, fpr)
    if found is None:
        reason = message(
            "privacy.distance.refused",
            "{n} non-members cannot show a rate of {fpr:percent}; at least {least:integer} can.",
            n=shown(len(non_members)),
            fpr=fpr,
            least=math.ceil(1 / fpr - 1e-9),
        )
        return Estimate.undefined(reason, n=max(n, 1), method=_TPR_METHOD, unit=_TPR_UNIT)

    def interval(confidence: float) -> Interval:
        searched = found.interval(confidence, taken_for)
        return searched if reach is None else reach.whole(searched, fpr)

    value = sum(taken_for(round(found.value * n), n)) / 2 / n
    return Estimate.of(value, interval, n=n, method=_TPR_METHOD, unit=_TPR_UNIT)


def undefined(
    audit: str, name: Message, n: int, fprs: Sequence[float] = (0.01,)
) -> tuple[Finding, ...]:
    """The same findings where nobody can be attacked."""
    reason = message(
        "privacy.distance.no_singletons",
        "Fewer than ten training rows, or ten unseen rows, occur once in all real tables.",
    )
    tpr = Estimate.undefined(reason, n=n, method=_TPR_METHOD, unit=_TPR_UNIT)
    area = Estimate.undefined(reason, n=n, method=AUC_METHOD, unit=AUC_UNIT)
    rates = (
        Finding(metric=f"{audit}.{_RATES[f]}", label=_tpr_label(name, f), estimate=tpr)
        for f in fprs
    )
    return (Finding(metric=f"{audit}.auc", label=_auc_label(name), estimate=area), *rates)


def _auc_label(name: Message) -> Message:
    return message(
        "privacy.attack.auc", "How well {attack} tells members from non-members (AUC)", attack=name
    )


def _tpr_label(name: Message, fpr: float) -> Message:
    return message(
        "privacy.attack.tpr",
        "Share of members found by {attack} where {fpr:percent} of non-members are accused",
        attack=name,
        fpr=fpr,
    )
