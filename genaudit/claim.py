"""A claim held against its record: does the release spend what it says, and is every read paid for?

That a claim must be true is no matter of policy, so its two limits stand here.
"""

from __future__ import annotations

from genaudit.accounting import epsilon
from genaudit.ledger import TouchKind
from genaudit.result import Claim, Estimate, Finding, Limit, Section, Status, message
from genaudit.subject import Subject

_METHOD = "privacy loss distributions of all release touches"
_COUNT = "count of release touches"

_EXCESS = message("privacy.claim.excess", "ε that the release spent beyond what is claimed")
_UNPAID = message(
    "privacy.claim.unaccounted", "Reads that flow into the release and that no ε covers"
)
_UNVERIFIED = message(
    "privacy.claim.unverified",
    "The subject brings no record of what was read, so nothing here verifies its claim.",
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
    )
}


def section(subject: Subject) -> list[Section]:
    """The section on the subject's claim; none where nothing is claimed."""
    claim = subject.claim
    if claim is None:
        return []
    excess, unpaid = _held(subject, claim)
    findings = (
        Finding(metric="privacy.claim.excess", label=_EXCESS, estimate=excess),
        Finding(metric="privacy.claim.unaccounted", label=_UNPAID, estimate=unpaid),
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


def _held(subject: Subject, claim: Claim) -> tuple[Estimate, Estimate]:
    """ε beyond the claim, and the number of reads that nothing pays for."""
    n = max(len(subject.touches), 1)
    if not subject.touches:
        return (
            Estimate.undefined(_UNVERIFIED, n=n, method=_METHOD, unit="ε"),
            Estimate.undefined(_UNVERIFIED, n=n, method=_COUNT, unit="touches"),
        )
    paid = [t.mechanism for t in subject.touches if t.mechanism is not None]
    beyond = max(0.0, epsilon(paid, claim.delta, claim.relation) - claim.epsilon)
    unpaid = sum(t.kind is TouchKind.UNACCOUNTED for t in subject.touches)
    # What is claimed for a person was spent for one only if it was accounted so.
    unpaid += sum(t.mechanism is not None and t.unit != claim.unit for t in subject.touches)
    return (
        Estimate.exact(beyond, n=n, method=_METHOD, unit="ε"),
        Estimate.exact(float(unpaid), n=n, method=_COUNT, unit="touches"),
    )
