"""Policies in the ledger: were the limits chosen before anybody could see what they judge?

A policy is registered by an entry with its digests. It counts as registered before an audit where
that entry stands, in the chain of one ledger, ahead of the first audit that read a data set of the
same name or the same content as this one, or had the same subject. What was looked at without
a ledger, or with another one, nothing here can tell.
"""

from __future__ import annotations

import datetime as dt
import math
import unicodedata
from collections.abc import Sequence
from itertools import pairwise, takewhile

from genaudit.errors import IntegrityError, OptionError
from genaudit.ledger import Entry, PrivacyLedger, Reader, Registered, Scope, Touch, TouchKind
from genaudit.policy import PROMISED, Policy, content
from genaudit.result import LADDER, AuditReport, Bound, Estimate, Finding, PolicyInfo, Registration
from genaudit.touches import said

#: Messages of purposes, as an audit writes them.
_DATA = ("ledger.audit.train", "ledger.audit.holdout", "ledger.audit.auxiliary")
_SUBJECT, _ROWS = "ledger.audit.subject", "ledger.audit.rows"

#: Kinds of subjects that always have a digest.
_OF_FILES = ("samples file", "samples files, pooled", "model folder")

#: Digest of the file of an earlier version of the bundled policy -> that of what it says.
_BUNDLED = {
    "62bbe847952cf4b942f018403a491ce835cc7b029f0f607e45ac324f5be409e9": (
        "f422c958e97bc9bb5911b4e08a001f4118303cf49b0950ba7e24e4a8821afe22"
    ),
}

#: By how much ends may differ that were rounded.
_BITS = 1e-9

#: Later than any time.
_NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)


def register(policy: Policy, ledger: PrivacyLedger) -> Registration:
    """Enter a policy that was read from a file; where it is there already, its first entry counts.

    Raises:
        OptionError: the policy comes from no file, or the ledger cannot be written.
        IntegrityError: an entry was changed, removed or put in by hand.
    """
    if not policy.digest:
        raise OptionError(
            "Expected a policy that was read from a file, got one made in memory; write it to a "
            "file and read it with genaudit.Policy.read."
        )
    touch = Touch(
        dataset="",
        kind=TouchKind.PUBLIC,
        scope=Scope.AUDIT,
        purpose=f"policy {policy.name}, version {policy.version}, is registered",
        policy=_digests(policy),
    )

    def make(read: Reader) -> Touch | None:
        return touch if _entry(policy, read(policy.digest)) is None else None

    ledger.append_made(make)
    found = _entry(policy, ledger.entries())
    assert found is not None, "it was there, or was written"
    return _registration(found, ledger, "before")


def standing(
    policy: Policy, ledger: PrivacyLedger, touches: Sequence[Touch]
) -> Registration | None:
    """Whether a policy was registered before the first audit of what these touches read.

    Args:
        policy: of an audit. The bundled one, which nobody chose, has no standing: None.
        ledger: of that audit.
        touches: what this audit wrote into it, of data and of its subject.

    Raises:
        IntegrityError: an entry was changed, removed or put in by hand.
    """
    if policy.default:
        return None
    entries = ledger.entries() if ledger.exists() else []
    first = next((e for e in entries if _same(e.touch, touches)), None)
    found = _entry(policy, entries)
    looked = first.touch.time if first else ""
    if found is None or not touches:  # what was looked at has no name, and may have been before
        return Registration(
            state="never", first_audit=looked, digest=policy.digest, content=content(policy)
        )
    # Where a clock was set back the order of times is another one, and nobody could check ours.
    late = first is not None and (
        first.seq < found.seq or _moment(first.touch.time) < _moment(found.touch.time)
    )
    return _registration(found, ledger, "after" if late else "before", looked)


def check_report(report: AuditReport, where: str) -> None:
    """Refuse a report whose limits are not those that were held against the ledger.

    Raises:
        IntegrityError: a digest of its policy is another one, its limits are not those of the
            bundled file whose digest it names or that it says they are, its times contradict its
            word that the policy stood before the first audit, the interval of a number is not that
            of its ladder, or its claim is not that of its findings.
    """
    _check_intervals(report, where)
    _check_claim(report, where)
    known = report.registration
    _check_bundled(report, where)
    if known is None:
        return
    if (known.content, known.digest) != (content(report.policy), report.policy.digest):
        raise IntegrityError(
            f"The limits in {where} differ from their own digest, {known.content[:12]}..., under "
            "which the ledger was asked for them; take the audit.json that `genaudit audit` wrote."
        )
    if known.state == "before" and not _in_order(known, report.provenance.started):
        raise IntegrityError(
            f"Expected the policy in {where} to be registered before the first audit, as it says, "
            f"got {known.time or 'no time'} and {known.first_audit or 'this audit'}; take the "
            "audit.json that `genaudit audit` wrote."
        )


def _check_claim(report: AuditReport, where: str) -> None:
    """Refuse a report whose claim is not that of its findings.

    An audit writes all of them, so that one which is not there was taken out, and a promise of
    which nothing was held against the ledger was put in.
    """
    if differs := _disagreement(report):
        raise IntegrityError(
            f"Expected the claim in {where} to be that of its findings, got {differs}; take the "
            "audit.json that `genaudit audit` wrote."
        )


def _disagreement(report: AuditReport) -> str:
    """In what the claim of a report and its findings differ; empty where they agree."""
    claim = report.subject.claim
    found = [f for _, f in report.findings() if f.metric.startswith("privacy.claim.")]
    if claim is None:
        return f"no claim, and {found[0].metric} of one" if found else ""
    for name in ("excess", "unaccounted", "epsilon", "delta"):
        metric = f"privacy.claim.{name}"
        mine = [f for f in found if f.metric == metric]
        if len(mine) != 1:
            return f"a claim, and {len(mine)} findings {metric}"
        if metric not in PROMISED:
            continue
        told, unit = mine[0].estimate.value, mine[0].label.words.get("unit")
        # Reports round numbers to ten digits, and claims not at all.
        if told is None or not math.isclose(told, getattr(claim, name), rel_tol=_BITS):
            return f"a claim of {getattr(claim, name)}, and {told} in {metric}"
        if unit is None or unit.id != f"privacy.claim.{claim.unit}":
            return f"a claim for one {claim.unit}, and another in {metric}"
    return ""


def _check_intervals(report: AuditReport, where: str) -> None:
    """Refuse a report with an interval that is not its ladder's, or whose ladder is not whole."""
    for _, finding in report.findings():
        for estimate in _estimates(finding):
            if not _agrees(estimate):
                raise IntegrityError(
                    f"The interval of {finding.metric} in {where} is not that of its own ladder at "
                    f"{estimate.confidence:.0%}; take the audit.json that `genaudit audit` wrote."
                )


def _check_bundled(report: AuditReport, where: str) -> None:
    """Refuse a report whose limits are not the bundled ones, and that says or seems so."""
    bundled, own = Policy.read(), report.policy
    said = {bundled.digest: content(bundled), **_BUNDLED}.get(own.digest)
    if said is not None:
        _check_said(report, said, bundled.name, where)
    if said is None and own.default:
        raise IntegrityError(
            f"The policy in {where} is said to be the bundled one, which nobody chose, and its "
            "digest is another; take the audit.json that `genaudit audit` wrote."
        )
    if wears_bundled_name(own):
        raise IntegrityError(
            f"The policy in {where} has the name of the bundled one, {bundled.name!r}, and says "
            "something else; audit again by a policy with a name of its own."
        )
    if own.default and report.registration is not None:
        raise IntegrityError(
            f"The policy in {where} is said to be the bundled one, which nobody chose, and to be "
            "registered; take the audit.json that `genaudit audit` wrote."
        )


def wears_bundled_name(policy: Policy | PolicyInfo) -> bool:
    """Whether a policy has the name of the bundled one, or one that looks like it, and says more.

    Who reads that name on a page takes the limits for those that nobody moved.
    """
    bundled = Policy.read()
    named = _as_seen(policy.name) == _as_seen(bundled.name)
    return named and content(policy) not in {content(bundled), *_BUNDLED.values()}


def _as_seen(name: str) -> str:
    """A name without what hardly shows: case, width, spaces, marks and signs that are not drawn."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(c for c in folded if unicodedata.category(c)[0] not in "ZCM")


def _estimates(finding: Finding) -> list[Estimate]:
    """The numbers of a finding that verdicts may go by, and that stand beside them."""
    known = (finding.estimate, finding.null, finding.baseline, finding.total)
    return [e for e in known if e is not None and e.value is not None]


def _agrees(estimate: Estimate) -> bool:
    """Whether the interval is that of the ladder's rung at its level, and rungs are in order.

    All levels stand there, and at a higher one an interval is no narrower.
    """
    ladder, ends = estimate.ladder, (estimate.low, estimate.high)
    if not ladder:
        return ends == (None, None)
    rungs = {b.confidence: (b.low, b.high) for b in ladder}
    whole = tuple(b.confidence for b in ladder) == LADDER
    nested = all(_holds(above, below) for below, above in pairwise(ladder))
    return whole and nested and rungs.get(estimate.confidence) == ends


def _holds(wide: Bound, narrow: Bound) -> bool:
    """Whether an interval holds another, but for the last bits of its ends."""
    outer, inner = (
        (-math.inf if b.low is None else b.low, math.inf if b.high is None else b.high)
        for b in (wide, narrow)
    )
    slack = [_BITS if math.isinf(end) else _BITS * (1 + abs(end)) for end in inner]
    return outer[0] <= inner[0] + slack[0] and outer[1] >= inner[1] - slack[1]


def check_same(policy: Policy, report: AuditReport, where: str) -> None:
    """Refuse a report that names a policy's file by its digest and has other limits.

    Raises:
        IntegrityError: it does.
    """
    if report.policy.digest == policy.digest:
        named = f"{policy.name}, version {policy.version}"
        _check_said(report, content(policy), named, where)


def _check_said(report: AuditReport, said: str, named: str, where: str) -> None:
    """Refuse limits that are not what a policy says, by the digest of that."""
    if content(report.policy) != said:
        raise IntegrityError(
            f"The limits in {where} are not those of the policy {named}, whose file they name by "
            f"its digest {report.policy.digest[:12]}...; take the audit.json that `genaudit audit` "
            "wrote."
        )


def check_entry(
    known: Registration, ledger: PrivacyLedger, report: AuditReport | None = None
) -> None:
    """Refuse a word on a policy that the ledger holds otherwise, where its mark is in the chain.

    report: that says so, where one does; its audits must then stand where it says.

    Raises:
        IntegrityError: that entry is of no policy, or of another one, or it stands after an audit
            that the report says it stood before.
    """
    entries = ledger.entries()
    found = next((e.touch for e in entries if e.seq == known.entry), None)
    entered = found.policy if found is not None else None
    if report is not None and known.state == "before":
        _check_order(known, ledger, report, entries)
    if entered is None or (entered.digest, entered.content) != (known.digest, known.content):
        raise IntegrityError(
            f"Expected entry {known.entry:,} of ledger {ledger.path} to be the policy "
            f"{known.digest[:12]}..., got another; take the report from where it was made."
        )


def _check_order(
    known: Registration, ledger: PrivacyLedger, report: AuditReport, entries: Sequence[Entry]
) -> None:
    """Refuse `before` where the ledger holds an earlier look at what the report is about."""
    audits = _own(ledger, report, entries)
    if not audits:
        raise IntegrityError(
            f"Expected ledger {ledger.path} to hold the audit of {report.subject.name!r} that says "
            "its policy was registered before, got none of it; take the report and the ledger from "
            "where it was made."
        )
    time = next((e.touch.time for e in entries if e.seq == known.entry), "")
    if time != known.time or all(_late(own, known, entries) for own in audits):
        raise IntegrityError(
            f"Expected entry {known.entry:,} of ledger {ledger.path} to be of {known.time} and "
            "before the first audit of this subject or these data, as the report says, got another "
            "order; take the report from where it was made."
        )


def _late(own: Sequence[Touch], known: Registration, entries: Sequence[Entry]) -> bool:
    """Whether the ledger holds a look at what an audit read that was before its policy."""
    first = next((e for e in entries if _same(e.touch, own)), None)
    told = _moment(known.first_audit) if known.first_audit else _NEVER
    return first is not None and (first.seq < known.entry or _moment(first.touch.time) < told)


def _own(ledger: PrivacyLedger, report: AuditReport, entries: Sequence[Entry]) -> list[list[Touch]]:
    """What the audit behind a report wrote: the reads of its subject, and those of data before it.

    The subject alone where something else stands between. Where the subject has no digest it is
    what was written last before the report began: all audits of that second, as none says whose it
    is. Nothing where the ledger holds no such audit.
    """
    began = _moment(report.provenance.started or "")
    done = [e.touch for e in entries if _moment(e.touch.time) <= began]
    if report.subject.digest is None:
        return [] if report.subject.kind in _OF_FILES else _blocks(done)
    digest, name = ledger.content_digest(report.subject.digest.encode()), report.subject.name
    sought = (f"subject:{name}", digest, _SUBJECT)
    looks = [i for i, t in enumerate(done) if (t.dataset, t.digest, _id(t)) == sought]
    if not looks:
        return []
    own, *rest = done[looks[-1] :]
    rows = takewhile(lambda t: _id(t) == _ROWS and t.dataset == own.dataset, rest)
    return [[*_run(done, looks[-1]), own, *rows]]


def _run(done: Sequence[Touch], end: int) -> list[Touch]:
    """Reads of data that stand together up to a place, each of another kind: one audit's.

    By the ledger alone: a report may leave out what it read.
    """
    found: dict[str, Touch] = {}
    for touch in reversed(done[:end]):
        if _id(touch) not in _DATA or _id(touch) in found:
            break
        found[_id(touch)] = touch
    return list(found.values())[::-1]


def _blocks(done: Sequence[Touch]) -> list[list[Touch]]:
    """Reads of data that stand together, and of a subject behind them, of the last second.

    Or of a subject alone.
    """
    found: list[list[Touch]] = []
    last = None
    for touch in done:
        if _looks(touch):
            if last is None or not _looks(last) or _begins(found[-1], touch):
                found.append([])
            found[-1].append(touch)
        last = touch
    return [own for own in found if own[0].time == found[-1][0].time]


def _begins(own: Sequence[Touch], touch: Touch) -> bool:
    """Whether a look is of the next audit: this one read such data, or its subject, already.

    Rows behind rows may be another part of its subject, or that of the next one: as nothing in the
    ledger says which, they are looked at by themselves, so that no honest report is refused.
    """
    subject = any(_id(t) not in _DATA for t in own)
    return subject or (_id(touch) in _DATA and _id(touch) in map(_id, own))


def _id(touch: Touch) -> str:
    """The id of the purpose of an audit's touch; nothing of another's."""
    known = said(touch.purpose) if touch.scope is Scope.AUDIT else None
    return "" if known is None else known.id


def _looks(touch: Touch) -> bool:
    """Whether a touch is an audit's, of data or of a subject."""
    return _id(touch) in (*_DATA, _SUBJECT, _ROWS)


def _in_order(known: Registration, started: str | None) -> bool:
    """Whether the entry, the first audit and this one follow each other in time."""
    times = [known.time, known.first_audit or started or known.time, started or known.first_audit]
    found = [_moment(time) for time in times if time]
    return bool(known.time) and found == sorted(found) and _NEVER not in found


def _moment(time: str) -> dt.datetime:
    """A time of a ledger or a report in UTC; the end of time where it is none."""
    try:
        return dt.datetime.fromisoformat(time).astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return _NEVER


def _digests(policy: Policy) -> Registered:
    return Registered(
        name=policy.name, version=policy.version, digest=policy.digest, content=content(policy)
    )


def _entry(policy: Policy, entries: Sequence[Entry]) -> Entry | None:
    """The first entry of this very policy: a changed one keeps the digest of its file at most."""
    if not policy.digest:
        return None
    known = _digests(policy)
    return next((e for e in entries if e.touch.policy == known), None)


def _same(touch: Touch, touches: Sequence[Touch]) -> bool:
    """Whether a touch is an audit's, of the data or the subject of one of these."""
    if not _looks(touch):
        return False
    if _id(touch) in (_SUBJECT, _ROWS):
        return any(_id(t) in (_SUBJECT, _ROWS) and t.digest == touch.digest for t in touches)
    return any(touch.dataset == t.dataset or touch.digest == t.digest for t in touches)


def _registration(
    entry: Entry, ledger: PrivacyLedger, state: str, first_audit: str = ""
) -> Registration:
    assert entry.touch.policy is not None, "as it was looked for"
    return Registration.model_validate(
        {
            "state": state,
            "time": entry.touch.time,
            "first_audit": first_audit,
            "digest": entry.touch.policy.digest,
            "content": entry.touch.policy.content,
            "ledger": ledger.id(),
            "entry": entry.seq,
            "head": entry.head,
        }
    )
