"""A claim held against its record: does the release spend what it says, and is every read paid for?

That a claim must be true is no matter of policy, so its limits stand here. How much it promises is:
a policy may limit ε and δ, and without such a limit nobody says that they are small enough.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from genaudit.accounting import epsilon
from genaudit.ledger import Mechanism, Touch, TouchKind
from genaudit.result import LARGEST, Claim, Estimate, Finding, Limit, Section, Status, message
from genaudit.subject import Subject

#: What stands for an ε that is infinite: any number is a floor of it.
_ENDLESS = 1000.0

#: A δ far above the tails that the accountant cuts off, 1e-15 a composition, and counts as endless.
_RESOLVED = 1e-12

_METHOD = "privacy loss distributions of all release touches"
_COUNT = "count of release touches"
_PROMISE = "the claim as it was made"

_EXCESS = message("privacy.claim.excess", "ε that the release spent beyond what is claimed")
_UNPAID = message(
    "privacy.claim.unaccounted", "Reads that flow into the release and that no ε covers"
)
_EPSILON = "privacy.claim.epsilon", "ε that is promised, for {unit}"
_DELTA = "privacy.claim.delta", "δ that is promised, for {unit}"
_UNITS = {
    "record": message("privacy.claim.record", "one record"),
    "person": message("privacy.claim.person", "one person"),
}
_UNVERIFIED = message(
    "privacy.claim.unverified",
    "The subject brings no record of what was read, so nothing here verifies its claim.",
)
_NO_EPSILON = message(
    "privacy.claim.no_epsilon",
    "No read on record is paid for by an ε, so there is none to hold against the claim.",
)
_SMALL_DELTA = message(
    "privacy.claim.small_delta",
    "The claimed δ is so small that rounding in the accountant hides the ε that goes with it.",
)
_FLOOR = message(
    "privacy.claim.floor",
    "The release spent at least so much beyond the claim; at the claimed δ there is no upper end.",
)

LIMITS = {
    limit.metric: limit
    for limit in (
        Limit(
            metric="privacy.claim.excess",
            value=0.001,
            owner="genaudit",
            rationale="A claim must not be smaller than what was spent (rounding apart).",
        ),
        Limit(
            metric="privacy.claim.unaccounted",
            value=0,
            owner="genaudit",
            rationale="A claim holds only where every read for the release is accounted for.",
        ),
        Limit(
            metric="privacy.canaries.excess",
            value=0,
            owner="genaudit",
            rationale="No run of a release that keeps its claim shows a larger ε.",
        ),
    )
}


def section(subject: Subject) -> list[Section]:
    """The section on the subject's claim; none where nothing is claimed."""
    claim = subject.claim
    if claim is None:
        return []
    excess, unpaid = _held(subject, claim)
    note = _FLOOR if excess.value is not None and excess.high is None else None
    findings = (
        Finding(metric="privacy.claim.excess", label=_EXCESS, estimate=excess, note=note),
        Finding(metric="privacy.claim.unaccounted", label=_UNPAID, estimate=unpaid),
        *_promised(claim),
    )
    title = message("audit.privacy.claim", "The claim, held against the ledger")
    source = "Sommer, Meiser, Mohammadi 2019 (composition by privacy loss distributions)"
    return [
        Section(
            audit="privacy.claim",
            title=title,
            status=Status.RAN,
            findings=findings,
            source=source,
        )
    ]


def _promised(claim: Claim) -> tuple[Finding, Finding]:
    """How much is promised, true or not: the two findings before tell that."""

    def told(said: tuple[str, str], value: float, unit: str) -> Finding:
        estimate = Estimate.exact(value, n=1, method=_PROMISE, unit=unit)
        label = message(*said, unit=_UNITS[claim.unit])
        return Finding(metric=said[0], label=label, estimate=estimate)

    return told(_EPSILON, claim.epsilon, "ε"), told(_DELTA, claim.delta, "δ")


def _held(subject: Subject, claim: Claim) -> tuple[Estimate, Estimate]:
    """ε beyond the claim, and the number of reads that nothing pays for."""
    n = max(len(subject.touches), 1)
    if not subject.touches:
        return (
            Estimate.undefined(_UNVERIFIED, n=n, method=_METHOD, unit="ε"),
            Estimate.undefined(_UNVERIFIED, n=n, method=_COUNT, unit="touches"),
        )
    reads = [t for t in subject.touches if t.kind in (TouchKind.ACCOUNTED, TouchKind.UNACCOUNTED)]
    paid = [t.mechanism for t in reads if t.mechanism is not None]
    unpaid = sum(not _covered(t, claim) for t in reads)
    if not reads and subject.kind == "model folder":
        unpaid = 1  # a model was trained on records, whatever its lineage leaves out
    return (
        _excess(paid, claim, n),
        Estimate.exact(float(unpaid), n=n, method=_COUNT, unit="touches"),
    )


def _covered(touch: Touch, claim: Claim) -> bool:
    """Whether what this read spent was accounted for the unit and the relation of the claim.

    What was spent for a record more or less was spent for a record that contributes nothing too:
    add/remove hides n as well. The other way round it was not, as n was public.
    """
    return (
        touch.kind is TouchKind.ACCOUNTED
        and touch.mechanism is not None
        and touch.unit == claim.unit
        and touch.relation in (claim.relation, "add-remove")
    )


def _excess(paid: Sequence[Mechanism], claim: Claim, n: int) -> Estimate:
    """ε that was spent beyond the claim, at the δ of the claim; a floor where that is infinite."""
    if not paid:
        return Estimate.undefined(_NO_EPSILON, n=n, method=_METHOD, unit="ε")
    spent = _spent(paid, claim)
    if spent - claim.epsilon <= LARGEST:
        beyond = max(0.0, spent - claim.epsilon)
        return Estimate.exact(beyond, n=n, method=_METHOD, unit="ε")
    if math.isfinite(spent):
        floor = LARGEST  # a number that no report holds
    elif _needs_more_delta(paid, claim.delta) or _overflows(paid):
        floor = _ENDLESS
    else:
        # ε falls as δ grows, so the excess at a larger δ is a floor of that at the claimed one.
        floor = epsilon(paid, _RESOLVED, claim.relation) - claim.epsilon
    if not 0 < floor < math.inf:
        return Estimate.undefined(_SMALL_DELTA, n=n, method=_METHOD, unit="ε")
    return Estimate.of(floor, lambda _: (floor, math.inf), n=n, method=_METHOD, unit="ε")


def _spent(paid: Sequence[Mechanism], claim: Claim) -> float:
    """ε of all mechanisms at the claimed δ, by loss distributions or, where smaller, as a sum."""
    spent = math.inf if _overflows(paid) else epsilon(paid, claim.delta, claim.relation)
    if all(m.name == "pure" for m in paid) and sum(m.delta * m.steps for m in paid) <= claim.delta:
        # Basic composition; where δ is 0 it holds although the accountant cuts tails.
        spent = min(spent, math.fsum((m.epsilon or 0.0) * m.steps for m in paid))
    return spent


def _overflows(paid: Sequence[Mechanism]) -> bool:
    """Whether the odds that some mechanism allows are more than a float holds: e^709 and more."""
    return any(m.name == "pure" and (m.epsilon or 0.0) > 700 for m in paid)


def _needs_more_delta(paid: Sequence[Mechanism], delta: float) -> bool:
    """Whether no ε, however large, goes with this δ: it is smaller than what was spent of it."""
    if delta == 0 and any(m.name != "pure" for m in paid):
        return True  # Gaussian noise is unbounded on both sides, so are its loss and its ε at δ = 0
    # The exact δ of k mechanisms that each fail with chance δ; log1p keeps the small ones.
    fail = -math.expm1(math.fsum(m.steps * math.log1p(-m.delta) for m in paid))
    return delta < fail * (1 - 1e-9)
