"""Envelopes as the specifications say, and a sentence for each key that does not fit."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from google.protobuf.json_format import ParseDict, ParseError
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from genaudit import api
from genaudit.evidence.sign import key_id

Cli = Callable[..., tuple[int, str, str]]


def test_envelope_and_statement_are_those_of_the_specifications(bundles: Path, keys: Path) -> None:
    """Another library verifies the signature; the statement has the fields of in-toto v1."""
    raw = (bundles / "signed" / "attestation.json").read_bytes()
    envelope = Envelope.from_dict(json.loads(raw))
    named = json.loads(raw)["signatures"][0]["keyid"]
    key = SSlibKey(named, "ed25519", "ed25519", {"public": _raw(keys)})
    stated = json.loads(envelope.payload)

    assert envelope.verify([key], 1)
    assert envelope.payload_type == "application/vnd.in-toto+json"
    assert stated["_type"] == "https://in-toto.io/Statement/v1"
    assert stated["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert all(re.fullmatch("[0-9a-f]{64}", s["digest"]["sha256"]) for s in stated["subject"])
    assert stated["predicate"]["result"] in ("PASSED", "WARNED", "FAILED")
    assert stated["predicate"]["configuration"][0]["name"] == "policy.toml"


def test_statement_fits_the_published_messages(bundles: Path) -> None:
    """Statement and predicate parse by in-toto's own definitions, which refuse what they lack."""
    raw = (bundles / "signed" / "attestation.json").read_text()
    stated = json.loads(base64.b64decode(json.loads(raw)["payload"]))

    Statement.copy_from_pb(ParseDict(stated, statement_pb2.Statement())).validate()
    ParseDict(stated["predicate"], test_result_pb2.TestResult())
    with pytest.raises(ParseError):
        ParseDict({**stated, "more": 1}, statement_pb2.Statement())


def _raw(keys: Path) -> str:
    key = serialization.load_pem_public_key((keys / "signer.pub").read_bytes())
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()


def test_statement_passes_only_what_is_within(bundles: Path) -> None:
    """Findings by verdict; a limit that nothing was held against is a warning, and no pass."""
    place = bundles / "signed"
    report = api.read_report(place / "audit.json")
    envelope = json.loads((place / "attestation.json").read_text())
    told = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
    limited = [f for _, f in report.findings() if f.limit]

    assert len(told["passedTests"]) == sum(f.verdict == "within" for f in limited)
    assert len(told["failedTests"]) == sum(f.verdict == "outside" for f in limited)
    assert "privacy.distance.auc: not measured" in told["warnedTests"]
    assert told["result"] == ("FAILED" if told["failedTests"] else "WARNED")


@pytest.mark.parametrize(
    ("name", "said"),
    [("rsa.pem", "another kind (RSA)"), ("ec.pem", "another kind (EC)"),
     ("locked.pem", "an encrypted one"), ("garbage.pem", "no key that can be read"),
     ("empty.pem", "no key that can be read"), ("signer.pub", "a public key, which cannot sign"),
     ("none.pem", "No such file")],
)  # fmt: skip
def test_a_key_that_cannot_sign_is_one_sentence(
    audited: Path, keys: Path, tmp_path: Path, run_cli: Cli, name: str, said: str
) -> None:
    """RSA, an encrypted or public key, garbage: exit 2, one sentence, and nothing written."""
    out = tmp_path / "evidence"
    code, _, err = run_cli("bundle", audited, "--key", keys / name, "--no-pdf", "--out", out)

    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert not out.exists()


def test_key_ids_are_those_of_openssl(keys: Path) -> None:
    """A key is named by the SHA-256 of its DER form, as `openssl` can tell."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(b"\1" * 32).public_key()
    pem = "".join((keys / "signer.pub").read_text().split("\n")[1:-2])

    assert key_id(key) == hashlib.sha256(base64.b64decode(pem)).hexdigest()
