"""Encryption to a recipient: for them alone, and a sentence for what is no recipient."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyrage
import pytest

from genaudit.errors import OptionError
from genaudit.evidence import seal
from genaudit.evidence.verify import verify
from genaudit.models import folder as model_folder

Cli = Callable[..., tuple[int, str, str]]


def test_a_bundle_is_for_its_recipient_alone(
    audited: Path, keys: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Encrypted it is one file; decrypted and unpacked it verifies; another key opens nothing."""
    identity = pyrage.x25519.Identity.generate()
    options = ("--key", keys / "signer.pem", "--recipient", identity.to_public(), "--no-pdf")
    code, _, err = run_cli("bundle", audited, *options, "--out", tmp_path / "evidence")
    sealed = (tmp_path / "evidence.tar.age").read_bytes()
    _unpack(pyrage.decrypt(sealed, [identity]), tmp_path)

    assert code == 0
    assert f"age -d -i key.txt {tmp_path}/evidence.tar.age | tar xf -" in err
    assert b"audit.json" not in sealed
    assert verify(tmp_path / "evidence", keys / "signer.pub").known
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, [pyrage.x25519.Identity.generate()])
    code, _, err = run_cli("verify", tmp_path / "evidence.tar.age")
    assert code == 4
    assert "decrypt it first" in err


@pytest.mark.parametrize(
    "given", ["", "age1xyz", "ssh-ed25519 AAAA", "x" * 500, "AGE-SECRET-KEY-1Q"]
)
def test_a_recipient_that_is_none_is_one_sentence(
    audited: Path, tmp_path: Path, run_cli: Cli, given: str
) -> None:
    """Exit 2, nothing written, and no secret key repeated."""
    code, _, err = run_cli("bundle", audited, "--recipient", given, "--out", tmp_path / "sealed")

    assert (code, err.count("\n")) == (2, 1)
    assert "age-keygen" in err
    assert "SECRET" not in err
    assert list(tmp_path.iterdir()) == []


def test_a_model_folder_is_encrypted_as_it_is(tmp_path: Path, run_cli: Cli) -> None:
    """It comes out with the same bytes; a damaged one is refused, and one for nobody."""
    model = model_folder.write(tmp_path / "model", {"kind": "x"}, {"w": np.arange(3.0)})
    whole = {p.name: p.read_bytes() for p in model.iterdir()}
    identity = pyrage.x25519.Identity.generate()
    to = ("--recipient", identity.to_public(), "--out")
    code, _, _ = run_cli("bundle", model, *to, tmp_path / "handed.tar.age")
    _unpack(pyrage.decrypt((tmp_path / "handed.tar.age").read_bytes(), [identity]), tmp_path)

    assert code == 0
    assert {p.name: p.read_bytes() for p in (tmp_path / "handed").iterdir()} == whole
    assert run_cli("bundle", model, "--out", tmp_path / "plain")[0] == 2
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    assert run_cli("bundle", model, *to, tmp_path / "damaged.age")[0] == 4
    assert not (tmp_path / "damaged.age").exists()


def test_a_missing_package_is_named(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra, signing and encrypting say what to install."""
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(OptionError, match=r"install genaudit\[evidence\]"):
        seal.Recipient("age1x")


def _unpack(content: bytes, place: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        tar.extractall(place, filter="data")
