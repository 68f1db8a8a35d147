"""Policies in the ledger: were the limits chosen before anybody could see what they judge?

A policy is registered by an entry with its digests. It counts as registered before an audit where
that entry stands, in the chain of one ledger, ahead of the first audit that read a data set of the
same name or the same content as this one, or had the same subject. What was looked at without
a ledger, or with another one, nothing here can tell.
"""

from __future__ import annotations

from collections.abc import Sequence

from genaudit.errors import IntegrityError, OptionError
from genaudit.ledger import Entry, PrivacyLedger, Reader, Registered, Scope, Touch, TouchKind
from genaudit.policy import Policy, content
from genaudit.result import AuditReport, Registration
from genaudit.touches import said

#: Messages of purposes, as an audit writes them.
_DATA = ("ledger.audit.train", "ledger.audit.holdout", "ledger.audit.auxiliary")
_SUBJECT = "ledger.audit.subject"


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
    if found is None:
        return Registration(
            state="never", first_audit=looked, digest=policy.digest, content=content(policy)
        )
    late = first is not None and first.seq < found.seq
    return _registration(found, ledger, "after" if late else "before", looked)


def check_limits(report: AuditReport, where: str) -> None:
    """Refuse a report whose limits are not those that were held against the ledger.

    Raises:
        IntegrityError: a digest of its policy is another one.
    """
    known = report.registration
    if known is None:
        return
    if (known.content, known.digest) != (content(report.policy), report.policy.digest):
        raise IntegrityError(
            f"The limits in {where} differ from their own digest, {known.content[:12]}..., under "
            "which the ledger was asked for them; take the audit.json that `genaudit audit` wrote."
        )


def check_entry(known: Registration, ledger: PrivacyLedger) -> None:
    """Refuse a word on a policy that the ledger holds otherwise, where its mark is in the chain.

    Raises:
        IntegrityError: that entry is of no policy, or of another one.
    """
    found = next((e.touch for e in ledger.entries() if e.seq == known.entry), None)
    entered = found.policy if found is not None else None
    if entered is None or (entered.digest, entered.content) != (known.digest, known.content):
        raise IntegrityError(
            f"Expected entry {known.entry:,} of ledger {ledger.path} to be the policy "
            f"{known.digest[:12]}..., got another; take the report from where it was made."
        )


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
    known = said(touch.purpose) if touch.scope is Scope.AUDIT else None
    if known is None:
        return False
    if known.id == _SUBJECT:
        return any(t.purpose == touch.purpose and t.digest == touch.digest for t in touches)
    return known.id in _DATA and any(
        touch.dataset == t.dataset or touch.digest == t.digest for t in touches
    )


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
