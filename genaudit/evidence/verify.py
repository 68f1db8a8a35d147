"""Whether a bundle is what was handed over: every byte, every file, and by whom it was signed.

It reads the folder and nothing else, and loads no library but the one that checks signatures.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genaudit.errors import IntegrityError, OptionError, reason
from genaudit.evidence.sign import key_id, opened, parse_public, public_key, public_pem, signs
from genaudit.evidence.statement import ATTESTATION, REPORT, SIGNER, canonical, loads, statement
from genaudit.reading import path_of
from genaudit.validity import expired, expired_limits, today

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

#: Largest bundle that is read, in bytes; a hostile one must not fill the memory.
_MOST = 256 * 2**20

_DO = "have the bundle handed over again"


@dataclass(frozen=True)
class Verified:
    """A bundle that is whole.

    signer: SHA-256 of the key that signed it; empty where it is unsigned. known: whether that is
    the key that the verifier gave; else whoever damaged it could have signed it anew. expired:
    until when its report was valid, where that is over today; else empty. late: metrics that
    pass by a limit which is over today.
    """

    n_files: int
    signer: str
    known: bool
    expired: str = ""
    late: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = [self._whole()]
        if self.expired:
            said.append(f"Its report was valid until {self.expired}, so it is no pass any more.")
        if self.late:
            said.append(
                f"Limits have expired since ({', '.join(self.late)}), so what they judge is no "
                "pass any more."
            )
        return " ".join(said)

    def _whole(self) -> str:
        whole = f"{self.n_files} files, each as it was when the bundle was made"
        if self.known:
            return f"{whole}; signed with the key that you gave, {self.signer}."
        if self.signer:
            return (
                f"{whole}; signed with the key {self.signer}, which came with it. Unless you give "
                "the signer's key (--public-key), this finds damage, not forgery."
            )
        return f"{whole}. It is unsigned: this finds damage, not forgery."


def verify(folder: str | Path, public: str | Path | None = None) -> Verified:
    """Hold a bundle against its own statement, and its signature against a key.

    public: file with the signer's public key (PEM); without one no forgery is found.

    Raises:
        IntegrityError: a file differs, is missing or was added, the folder is none or cannot be
            read, nor the envelope, or the signature is not by the key.
        OptionError: there is nothing at that place, or the key is no Ed25519 key.
    """
    folder = path_of(folder, "the folder of a bundle")
    key = public_key(public) if public is not None else None
    places = _places(folder)
    files = {ATTESTATION: _content(places[ATTESTATION])}
    payload, signatures = _opened(files)
    stated = _stated(payload)
    _compare_names(stated, places.keys() - {ATTESTATION})
    files = {name: files.get(name) or _content(place) for name, place in places.items()}
    digests = {n: hashlib.sha256(c).hexdigest() for n, c in files.items() if n != ATTESTATION}
    _compare(stated, digests)
    until, late = _check_statement(payload, files, digests)
    signer = _signer(files, payload, signatures)
    if key is None:
        named = key_id(signer) if signer is not None else ""
        return Verified(len(files), named, known=False, expired=until, late=late)
    if signer is None:
        raise IntegrityError(
            f"Expected a signature in {ATTESTATION}, got none, so the key that was given cannot "
            "be held against it; ask for a signed bundle."
        )
    if key_id(signer) != key_id(key):
        raise IntegrityError(
            f"Expected a signature with the key that was given, {key_id(key)}, got one with "
            f"{key_id(signer)}; ask the signer which key is theirs."
        )
    return Verified(len(files), key_id(key), known=True, expired=until, late=late)


def _places(folder: Path) -> dict[str, Path]:
    """The files of a folder by name, which must be files and nothing else; none is read yet."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (OSError, ValueError) as error:
        got = f"Expected the folder of a bundle at {str(folder)!r}, got: {reason(error)}"
        if not os.path.exists(folder):  # noqa: PTH110  no name at all is no file either
            raise OptionError(f"{got}; check the path.") from error
        decrypt = "decrypt it first (age -d -i key.txt FILE | tar xf -)"
        do = decrypt if folder.suffix == ".age" else _DO
        raise IntegrityError(f"{got}; {do}.") from error
    size = 0
    for entry in entries:
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError as error:
            raise _damaged(f"to read {entry.name!r}, got: {reason(error)}") from error
        if not stat.S_ISREG(found.st_mode):
            raise _damaged(f"only files, got the folder, link or device {entry.name!r}")
        size += found.st_size
        if size > _MOST:
            raise _damaged(f"files of at most {_MOST:,} bytes together, got more by {entry.name!r}")
    places = {entry.name: Path(entry.path) for entry in entries}
    if ATTESTATION not in places:
        raise _damaged(f"the file {ATTESTATION!r}, got none")
    return places


def _content(place: Path) -> bytes:
    try:
        return place.read_bytes()
    except OSError as error:
        raise _damaged(f"to read {place.name!r}, got: {reason(error)}") from error


def _opened(files: dict[str, bytes]) -> tuple[bytes, list[tuple[str, bytes]]]:
    try:
        return opened(files[ATTESTATION])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(f"an envelope (DSSE) in {ATTESTATION!r}, got a damaged one") from error


def _stated(payload: bytes) -> dict[str, str]:
    """The digests that the statement names."""
    try:
        return {s["name"]: s["digest"]["sha256"] for s in loads(payload)["subject"]}
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(f"a statement (in-toto) in {ATTESTATION!r}, got a damaged one") from error


def _compare_names(stated: dict[str, str], found: Set[str]) -> None:
    """Name the first file that is missing or was added."""
    if missing := sorted(map(str, stated.keys() - found)):
        raise _damaged(f"the file {missing[0]!r}, got none")
    if added := sorted(found - stated.keys()):
        raise _damaged(f"the files of the statement alone, got {added[0]!r} too")


def _compare(stated: dict[str, str], found: dict[str, str]) -> None:
    """Name the first file that differs."""
    if changed := sorted(name for name, digest in found.items() if stated[name] != digest):
        raise _damaged(f"{changed[0]!r} as it was when the bundle was made, got other content")


def _check_statement(
    payload: bytes, files: dict[str, bytes], digests: dict[str, str]
) -> tuple[str, tuple[str, ...]]:
    """Write the statement again from the files; it can say nothing else.

    Returns until when the report was valid, where that is over, and what passes by limits that are.
    """
    try:
        report = loads(files[REPORT])
        again = [canonical(statement(digests, report))]
        if _until(report):
            again.append(canonical(statement(digests, report, expired=True)))
        over = _over(report), _late(report)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(f"a report in {REPORT!r}, got none that can be read") from error
    if payload not in again:
        raise _damaged(f"what the files say in {ATTESTATION!r}, got something else")
    return over


def _until(report: Any) -> dict[str, str]:
    """What a report declares of its validity, as its context does."""
    context = report.get("context")
    until = context.get("valid_until") if isinstance(context, dict) else None
    return {} if until is None else {"valid_until": str(until)}


def _over(report: Any) -> str:
    """Until when a report was valid, where that is over today; else nothing."""
    until = expired(_until(report), today())
    return "" if until is None else until or "an empty day"


def _late(report: Any) -> tuple[str, ...]:
    """Metrics of a report that pass by a limit which is over today."""
    findings = (f for section in report["sections"] for f in section.get("findings", ()))
    limited = ((f["metric"], f.get("verdict"), f["limit"].get("expires"))
               for f in findings if f.get("limit"))  # fmt: skip
    return tuple(expired_limits(limited, today()))


def _signer(
    files: dict[str, bytes], payload: bytes, signatures: list[tuple[str, bytes]]
) -> Ed25519PublicKey | None:
    """The key that came with the bundle and signed it; None where it is unsigned."""
    if not signatures and SIGNER not in files:
        return None
    if len(signatures) != 1 or SIGNER not in files:
        raise _damaged(f"one signature and its key in {SIGNER!r}, got one without the other")
    try:
        key = parse_public(files[SIGNER], f"Expected an Ed25519 public key in {SIGNER!r}, got")
    except OptionError as error:
        if isinstance(error.__cause__, ImportError):
            raise
        raise _damaged(f"an Ed25519 public key in {SIGNER!r}, got none") from error
    named, signature = signatures[0]
    if public_pem(key) != files[SIGNER] or named != key_id(key):
        raise _damaged(f"the key of the signature in {SIGNER!r}, got another")
    if not signs(key, payload, signature):
        raise _damaged(f"a signature of the statement in {ATTESTATION!r}, got one of other content")
    return key


def _damaged(expected: str) -> IntegrityError:
    return IntegrityError(f"Expected {expected}; {_DO}.")
