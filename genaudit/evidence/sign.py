"""DSSE envelopes and Ed25519 keys: what signs a bundle, and what a signature is held against.

Source: DSSE 1.0.2 (secure-systems-lab/dsse), protocol.md and envelope.md; RFC 8032.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genaudit.errors import OptionError
from genaudit.evidence.statement import canonical, loads
from genaudit.reading import path_of, read_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

PAYLOAD_TYPE = "application/vnd.in-toto+json"

_PRIVATE = "an Ed25519 private key (PEM, PKCS8, not encrypted)"
_PUBLIC = "an Ed25519 public key (PEM)"
_MAKE = "make one with: openssl genpkey -algorithm ed25519 -out key.pem"
_PUBLISH = "write it with: openssl pkey -in key.pem -pubout -out signer.pem"


def private_key(path: str | Path) -> Ed25519PrivateKey:
    """The key that signs, which its holder keeps.

    Raises:
        OptionError: the file is absent, or holds no such key.
    """
    ed25519, serialization = _library()
    raw = read_bytes(path_of(path, _PRIVATE), _PRIVATE, OptionError)
    wanted = f"Expected {_PRIVATE} in {str(path)!r}, got"
    if b"ENCRYPTED" in raw:
        raise OptionError(
            f"{wanted} an encrypted one; decrypt it with: openssl pkey -in {path} -out key.pem"
        )
    if b"PUBLIC KEY" in raw:
        raise OptionError(f"{wanted} a public key, which cannot sign; {_MAKE}")
    try:
        key = serialization.load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, _unsupported()) as error:
        raise OptionError(f"{wanted} no key that can be read; {_MAKE}") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise OptionError(f"{wanted} one of another kind ({_kind(key)}); {_MAKE}")
    return key


def public_key(path: str | Path) -> Ed25519PublicKey:
    """The signer's key, as whoever verifies was given it.

    Raises:
        OptionError: the file is absent, or holds no such key.
    """
    raw = read_bytes(path_of(path, _PUBLIC), _PUBLIC, OptionError)
    return parse_public(raw, f"Expected {_PUBLIC} in {str(path)!r}, got")


def parse_public(raw: bytes, wanted: str) -> Ed25519PublicKey:
    """The key in a PEM text.

    Raises:
        OptionError: it is none.
    """
    ed25519, serialization = _library()
    if b"PRIVATE KEY" in raw:
        raise OptionError(f"{wanted} a private key, which its holder keeps; {_PUBLISH}")
    try:
        key = serialization.load_pem_public_key(raw)
    except (ValueError, TypeError, _unsupported()) as error:
        raise OptionError(f"{wanted} no key that can be read; {_PUBLISH}") from error
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise OptionError(f"{wanted} one of another kind ({_kind(key)}); {_PUBLISH}")
    return key


def public_pem(key: Ed25519PublicKey) -> bytes:
    """A public key as PEM, the one text of it."""
    _, serialization = _library()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def key_id(key: Ed25519PublicKey) -> str:
    """The SHA-256 of a public key (DER), by which it is named."""
    _, serialization = _library()
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def envelope(payload: bytes, key: Ed25519PrivateKey | None = None) -> bytes:
    """The envelope with a payload; without a key it has no signature."""
    signatures = []
    if key is not None:
        signature = key.sign(_encoded(payload))
        signatures = [{"keyid": key_id(key.public_key()), "sig": _base64(signature)}]
    return _text(payload, signatures)


def opened(raw: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Payload and signatures (key, signature) of an envelope that is written as ours are.

    Raises:
        ValueError: it is malformed, or written in any other way.
    """
    found = loads(raw)
    payload = _decoded(found["payload"])
    signatures = [(str(s["keyid"]), _decoded(s["sig"])) for s in found["signatures"]]
    again = _text(payload, [{"keyid": k, "sig": _base64(s)} for k, s in signatures])
    if found["payloadType"] != PAYLOAD_TYPE or again != raw:
        raise ValueError("it is not written as envelopes are")
    return payload, signatures


def signs(key: Ed25519PublicKey, payload: bytes, signature: bytes) -> bool:
    """Whether a signature of the payload is by the holder of the key."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, _encoded(payload))
    except InvalidSignature:
        return False
    return True


def _text(payload: bytes, signatures: list[dict[str, str]]) -> bytes:
    held: dict[str, Any] = {
        "payload": _base64(payload), "payloadType": PAYLOAD_TYPE, "signatures": signatures,
    }  # fmt: skip
    return canonical(held) + b"\n"


def _encoded(payload: bytes) -> bytes:
    """What is signed: DSSE's pre-authentication encoding."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError("expected base64") from error


def _kind(key: object) -> str:
    return type(key).__name__.strip("_").removesuffix("Key").removesuffix("Private").removesuffix(
        "Public"
    )  # fmt: skip


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise OptionError(
            "Signatures need the package cryptography; install genaudit[evidence]."
        ) from error
    return ed25519, serialization


def _unsupported() -> type[Exception]:
    from cryptography.exceptions import UnsupportedAlgorithm

    return UnsupportedAlgorithm
