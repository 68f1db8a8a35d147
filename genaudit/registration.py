"""Policies in the ledger: were the limits chosen before anybody could see what they judge?

A policy is registered by an entry with its digests. It counts as registered before an audit where
that entry stands, in the chain of one ledger, ahead of the first audit that read a data set of the
same name or the same content as this one, or had the same subject. What was looked at without
a ledger, or with another one, nothing here can tell.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import takewhile

from genaudit.errors import IntegrityError, OptionError
from genaudit.ledger import Entry, PrivacyLedger, Reader, Registered, Scope, Touch, TouchKind
from genaudit.policy import Policy, content
from genaudit.result import AuditReport, Estimate, Registration
from genaudit.touches import said

#: Messages of purposes, as an audit writes them.
_DATA = ("ledger.audit.train", "ledger.audit.holdout", "ledger.audit.auxiliary")
_SUBJECT = "ledger.audit.subject"

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
            bundled file whose digest it names, its times contradict its word that the policy stood
            before the first audit, or a number has two intervals at one level.
    """
    for _, finding in report.findings():
        for estimate in (finding.estimate, finding.null, finding.baseline, finding.total):
            if estimate is not None and not _agrees(estimate):
                raise IntegrityError(
                    f"The interval of {finding.metric} in {where} is not that of its own ladder at "
                    f"{estimate.confidence:.0%}; take the audit.json that `genaudit audit` wrote."
                )
    known = report.registration
    if known is None:
        check_same(Policy.read(), report, where)
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


def _agrees(estimate: Estimate) -> bool:
    """Whether the interval is that of the ladder's rung at its level, where there is a ladder."""
    rung = next((b for b in estimate.ladder if b.confidence == estimate.confidence), None)
    if rung is None:
        return not estimate.ladder
    return (rung.low, rung.high) == (estimate.low, estimate.high)


def check_same(policy: Policy, report: AuditReport, where: str) -> None:
    """Refuse a report that names a policy's file by its digest and has other limits.

    Raises:
        IntegrityError: it does.
    """
    same = report.policy.digest == policy.digest
    if same and content(report.policy) != content(policy):
        raise IntegrityError(
            f"The limits in {where} are not those of the policy {policy.name}, version "
            f"{policy.version}, whose file they name by its digest {policy.digest[:12]}...; take "
            "the audit.json that `genaudit audit` wrote."
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
    own = _own(ledger, report, entries)
    if not own:
        raise IntegrityError(
            f"Expected ledger {ledger.path} to hold the audit of {report.subject.name!r} that says "
            "its policy was registered before, got none of it; take the report and the ledger from "
            "where it was made."
        )
    first = next((e for e in entries if _same(e.touch, own)), None)
    time = next((e.touch.time for e in entries if e.seq == known.entry), "")
    told = _moment(known.first_audit) if known.first_audit else _NEVER
    late = first is not None and (first.seq < known.entry or _moment(first.touch.time) < told)
    if late or time != known.time:
        raise IntegrityError(
            f"Expected entry {known.entry:,} of ledger {ledger.path} to be of {known.time} and "
            "before the first audit of this subject or these data, as the report says, got another "
            "order; take the report from where it was made."
        )


def _own(ledger: PrivacyLedger, report: AuditReport, entries: Sequence[Entry]) -> list[Touch]:
    """What the audit behind a report wrote: the reads of its subject, and those of data before it.

    The subject alone where something else stands between; the data alone where the subject has no
    digest. Nothing where the ledger holds no such audit.
    """
    began = _moment(report.provenance.started or "")
    done = [e for e in entries if _moment(e.touch.time) <= began]
    purposes = [t.purpose for t in report.ledger.audit] if report.ledger else []
    if report.subject.digest is None:
        return _block(done, purposes)
    digest = ledger.content_digest(report.subject.digest.encode())
    looks = [i for i, e in enumerate(done) if e.touch.digest == digest and _looks(e.touch)]
    if not looks:
        return []
    before = [e.touch for e in done[max(0, looks[-1] - len(purposes)) : looks[-1]]]
    data = before if [t.purpose for t in before] == purposes else []
    own, *rest = (e.touch for e in done[looks[-1] :])
    same = takewhile(lambda t: (t.dataset, t.purpose) == (own.dataset, own.purpose), rest)
    return [*data, own, *same]


def _block(done: Sequence[Entry], purposes: Sequence[str]) -> list[Touch]:
    """The last touches that stand together with these purposes; nothing for none."""
    k = len(purposes)
    for end in range(len(done), k - 1, -1) if k else ():
        found = [e.touch for e in done[end - k : end]]
        if [t.purpose for t in found] == list(purposes):
            return found
    return []


def _looks(touch: Touch) -> bool:
    """Whether a touch is an audit's, of data or of a subject."""
    known = said(touch.purpose) if touch.scope is Scope.AUDIT else None
    return known is not None and known.id in (*_DATA, _SUBJECT)


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
    known = said(touch.purpose)
    assert known is not None, "it looks at something that is known"
    if known.id == _SUBJECT:
        return any(t.purpose == touch.purpose and t.digest == touch.digest for t in touches)
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
