"""A report, keys and bundles that the tests of evidence share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from genaudit import api
from genaudit.ledger import PrivacyLedger
from genaudit.plan import AuditPlan


def _pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public(key: Any) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.fixture(scope="session")
def audited(arrests_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two audits of a file, with a context that declares what applies."""
    folder = tmp_path_factory.mktemp("audited")
    report = api.audit(
        arrests_files / "samples.csv", train=arrests_files / "train.csv",
        holdout=arrests_files / "holdout.csv", schema="arrests",
        plan=AuditPlan(name="two", audits=("privacy.copies", "bias.representation")),
        context={"applicability": {"personal_data": True}, "assessed_by": "A. Examiner"},
        ledger=PrivacyLedger(folder / "ledger.sqlite"), strict=True,
    )  # fmt: skip
    return api.write_json(report, folder / "audit.json")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of keys: of the signer, of another, and of kinds that do not fit."""
    folder = tmp_path_factory.mktemp("keys")
    made = {
        "signer": ed25519.Ed25519PrivateKey.from_private_bytes(b"\1" * 32),
        "other": ed25519.Ed25519PrivateKey.from_private_bytes(b"\2" * 32),
        "rsa": rsa.generate_private_key(65537, 2048),
        "ec": ec.generate_private_key(ec.SECP256R1()),
    }
    for name, key in made.items():
        (folder / f"{name}.pem").write_bytes(_pem(key))
        (folder / f"{name}.pub").write_bytes(_public(key))
    locked = made["signer"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )  # fmt: skip
    (folder / "locked.pem").write_bytes(locked)
    (folder / "garbage.pem").write_bytes(bytes(range(256)))
    (folder / "empty.pem").write_bytes(b"")
    return folder


@pytest.fixture(scope="session")
def bundles(audited: Path, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one bundle signed and one unsigned, without PDFs."""
    folder = tmp_path_factory.mktemp("bundles")
    api.bundle(audited, folder / "signed", key=keys / "signer.pem", pdf=False)
    api.bundle(audited, folder / "unsigned", pdf=False)
    return folder


@pytest.fixture
def bundle(bundles: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a bundle, to be damaged."""

    def copy(kind: str) -> Path:
        return Path(shutil.copytree(bundles / kind, tmp_path / kind))

    return copy
