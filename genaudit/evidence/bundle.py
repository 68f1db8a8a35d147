"""One report as a folder of evidence: pages, exports for other tools, and a statement on them all.

The same report and key make the same bytes, PDFs on one machine included, but for a validity that
is over on the day: statement, JUnit, SARIF and model card say that.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from genaudit.atomic import new_folder, write_bytes
from genaudit.errors import GenauditWarning, OptionError
from genaudit.evidence import seal
from genaudit.evidence.pdf import find_browser, to_pdf
from genaudit.evidence.sign import envelope, key_id, private_key, public_pem
from genaudit.evidence.statement import (
    ATTESTATION,
    POLICY,
    REPORT,
    SIGNER,
    canonical,
    loads,
    statement,
)
from genaudit.models import folder as model_folder
from genaudit.render import form
from genaudit.render.card import to_card
from genaudit.render.cyclonedx import to_cyclonedx
from genaudit.render.html import to_html
from genaudit.render.json import dumps
from genaudit.render.junit import to_junit
from genaudit.render.oscal import to_catalogue, to_oscal
from genaudit.render.policy import to_policy
from genaudit.render.sarif import to_sarif
from genaudit.render.text import LANGUAGES
from genaudit.result import AuditReport
from genaudit.validity import expired


@dataclass(frozen=True)
class Bundled:
    """What was written: a folder of files or, encrypted, one file; signer is empty if unsigned."""

    path: Path
    names: tuple[str, ...]
    signer: str = ""


def write(
    report: AuditReport,
    out: str | Path,
    *,
    key: str | Path | None = None,
    recipient: str | None = None,
    policy: bytes | None = None,
    pdf: bool = True,
    on: dt.date | None = None,
) -> Bundled:
    """Write the evidence of a report whose verdicts are set, whole or not at all.

    key: file with the Ed25519 private key that signs it. recipient: age public key that it is
    encrypted to, as one file. policy: the file of its limits; without it they
    are written anew. pdf: also print the pages, where the system has Chromium. on: a day, by which
    its validity may be over.

    Raises:
        OptionError: key or recipient are none, the policy is another file than that of the report,
            or `out` cannot be written.
    """
    signer = private_key(key) if key is not None else None
    to = seal.Recipient(recipient) if recipient is not None else None
    files = contents(report, policy, pdf=pdf, on=on)
    if signer is not None:
        files[SIGNER] = public_pem(signer.public_key())
    over = on is not None and expired(report.context, on) is not None
    stated = statement(digests(files), loads(files[REPORT]), expired=over)
    files[ATTESTATION] = envelope(canonical(stated), signer)
    named = key_id(signer.public_key()) if signer is not None else ""
    return Bundled(_write(files, Path(out), to), tuple(sorted(files)), named)


def write_model(model_dir: str | Path, out: str | Path, recipient: str) -> Bundled:
    """Encrypt a model folder to a recipient, as one file.

    Raises:
        DataError: it is no model folder.
        IntegrityError: one of its files differs from its own digest.
        OptionError: the recipient is none, or `out` cannot be written.
    """
    to = seal.Recipient(recipient)
    model_folder.read(model_dir)
    names = (model_folder.INFO, model_folder.TENSORS)
    files = {name: (Path(model_dir) / name).read_bytes() for name in names}
    return Bundled(_write(files, Path(out), to), names)


def contents(
    report: AuditReport,
    given: bytes | None = None,
    *,
    pdf: bool = True,
    on: dt.date | None = None,
) -> dict[str, bytes]:
    """Every file of a bundle but for the key and the statement.

    Raises:
        OptionError: the policy that is given is another file than that of the report.
    """
    policy = _policy(report, given)
    texts = {REPORT: dumps(report), POLICY: policy}
    pages = {f"report.{lang}.html": to_html(report, lang, on) for lang in LANGUAGES}
    evidence = digests({name: text.encode() for name, text in texts.items()})
    texts |= {
        **pages,
        "controls.oscal.json": to_catalogue(report),
        "results.oscal.json": to_oscal(report, evidence, on),
        "bom.cdx.json": to_cyclonedx(report, on),
        "results.sarif": to_sarif(report, policy, POLICY, on),
        "junit.xml": to_junit(report, on),
        "modelcard.md": to_card(report, on),
    }
    files = {name: text.encode() for name, text in texts.items()}
    return {**files, **(_printed(pages, form.started(report)) if pdf else {})}


def _policy(report: AuditReport, given: bytes | None) -> str:
    """The file of the limits as it was registered, or what it says."""
    if given is None:
        known = report.registration
        return to_policy(report.policy, known.content if known is not None else "")
    if (found := hashlib.sha256(given).hexdigest()) != report.policy.digest:
        raise OptionError(
            f"Expected the policy of the report, whose file has the digest "
            f"{report.policy.digest[:12]}..., got one with {found[:12]}...; give the file that the "
            "audit was given, or none."
        )
    return given.decode()


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each file."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def _printed(pages: Mapping[str, str], at: str) -> dict[str, bytes]:
    """The pages as PDF; none, with a warning, where that cannot be done."""
    browser = find_browser()
    if browser is None:
        warnings.warn(
            "No Chromium was found, so the bundle holds no PDF; install it, or print the pages.",
            GenauditWarning,
            stacklevel=2,
        )
        return {}
    try:
        made = {name: to_pdf(browser, page, at) for name, page in pages.items()}
    except OptionError as error:
        warnings.warn(str(error), GenauditWarning, stacklevel=2)
        return {}
    return {name.replace(".html", ".pdf"): content for name, content in made.items()}


def _write(files: Mapping[str, bytes], out: Path, to: seal.Recipient | None) -> Path:
    if to is not None:
        out = seal.named(out)
        return write_bytes(out, to.encrypt(seal.packed(files, seal.stem(out))))
    with new_folder(out) as beside:
        for name in sorted(files):
            (beside / name).write_bytes(files[name])
    return out
