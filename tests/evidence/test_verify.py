"""Nothing in a bundle can change unseen: no byte, no file, no signature."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from genaudit import api
from genaudit.errors import IntegrityError
from genaudit.evidence import statement as statements
from genaudit.evidence.sign import envelope, private_key
from genaudit.evidence.verify import verify

Cli = Callable[..., tuple[int, str, str]]


def damaged(folder: Path, public: Path | None = None) -> str:
    """What verify says of a bundle that is not whole."""
    with pytest.raises(IntegrityError) as found:
        verify(folder, public)
    assert found.value.exit_code == 4
    return str(found.value)


def test_whole_bundles_verify(bundles: Path, keys: Path, run_cli: Cli) -> None:
    """Exit 0, and one sentence on what that says and what it does not."""
    signed, unsigned = bundles / "signed", bundles / "unsigned"
    code, out, err = run_cli("verify", signed, "--public-key", keys / "signer.pub")

    assert (code, err) == (0, "")
    assert "signed with the key that you gave" in out
    assert "forgery" not in out
    for folder in (signed, unsigned):
        code, out, _ = run_cli("verify", folder)
        assert code == 0
        assert "finds damage, not forgery" in out
    assert verify(signed, keys / "signer.pub").known
    assert not verify(signed).known
    assert verify(unsigned).signer == ""


@pytest.mark.parametrize("kind", ["signed", "unsigned"])
def test_any_changed_byte_is_found(bundle: Callable[[str], Path], kind: str) -> None:
    """1,000 random changes of one byte, over all files, are all found, with no key given."""
    folder, rng = bundle(kind), random.Random(7)
    files = {p: p.read_bytes() for p in sorted(folder.iterdir())}
    missed = []
    for i in range(500):
        # Half of them where it is hardest to see: in what holds the others.
        file = folder / "attestation.json" if i % 2 else rng.choice(list(files))
        content = bytearray(files[file])
        place = rng.randrange(len(content))
        content[place] ^= rng.randrange(1, 256)
        file.write_bytes(content)
        try:
            verify(folder)
        except IntegrityError:
            pass
        else:
            missed.append((file.name, place))
        file.write_bytes(files[file])

    assert missed == []
    assert verify(folder).n_files == len(files)


def test_every_byte_of_an_envelope_counts(bundle: Callable[[str], Path]) -> None:
    """Each byte of the end of an envelope, where its signature is."""
    folder = bundle("signed")
    place = folder / "attestation.json"
    whole = place.read_bytes()
    for i in range(len(whole) - 220, len(whole)):
        place.write_bytes(whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :])
        damaged(folder)


def test_a_missing_or_cut_file_is_found(bundle: Callable[[str], Path]) -> None:
    """Each file is needed whole."""
    folder = bundle("signed")
    for file in sorted(folder.iterdir()):
        content = file.read_bytes()
        for changed in (content[:-1], content + b"\n", b""):
            file.write_bytes(changed)
            damaged(folder)
        file.unlink()

        assert repr(file.name) in damaged(folder)
        file.write_bytes(content)


def test_added_files_folders_and_links_are_found(
    bundle: Callable[[str], Path], tmp_path: Path
) -> None:
    """Nothing may lie beside what is stated, hidden or not, and nothing may be a link."""
    folder = bundle("unsigned")
    for name in ("notes.txt", ".hidden", "audit.json~"):
        (folder / name).write_text("")
        assert repr(name) in damaged(folder)
        (folder / name).unlink()
    (folder / "sub").mkdir()
    assert "'sub'" in damaged(folder)
    (folder / "sub").rmdir()
    moved = (folder / "junit.xml").rename(tmp_path / "junit.xml")
    (folder / "junit.xml").symlink_to(moved)
    assert "'junit.xml'" in damaged(folder)


def test_files_that_nobody_named_are_not_read(
    bundle: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large file beside a bundle is refused by its name, and too many bytes by their number."""
    folder = bundle("signed")
    with (folder / "zeros.bin").open("wb") as file:
        file.truncate(200 * 2**20)
    read = []
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda place: read.append(place.name) or whole(place))
    with pytest.raises(IntegrityError, match=r"the statement alone, got 'zeros\.bin'"):
        verify(folder)
    (folder / "zeros.bin").rename(folder / "more.bin")
    with (folder / "zeros.bin").open("wb") as file:
        file.truncate(200 * 2**20)
    with pytest.raises(IntegrityError, match="bytes together"):
        verify(folder)

    assert read == [statements.ATTESTATION]


def test_a_stripped_or_foreign_signature_is_found(
    bundle: Callable[[str], Path], keys: Path, bundles: Path, audited: Path, tmp_path: Path
) -> None:
    """Without its signature, or signed anew by another, a bundle fails where the key is given."""
    folder = bundle("signed")
    place = folder / "attestation.json"
    envelope = json.loads(place.read_text())
    place.write_bytes(statements.canonical({**envelope, "signatures": []}) + b"\n")
    damaged(folder)
    api.bundle(audited, tmp_path / "anew", key=keys / "other.pem", pdf=False)

    assert "got none" in damaged(bundles / "unsigned", keys / "signer.pub")
    assert "got one with" in damaged(tmp_path / "anew", keys / "signer.pub")
    assert verify(tmp_path / "anew").signer != verify(bundles / "signed").signer


def test_a_signature_under_a_foreign_name_is_found(
    bundle: Callable[[str], Path], keys: Path
) -> None:
    """A key that is named as the signer's, but did not sign, is no signer."""
    folder = bundle("signed")
    shutil.copy(keys / "other.pub", folder / "signer.pem")
    damaged(folder, keys / "signer.pub")


def test_the_envelope_of_another_bundle_is_found(
    bundle: Callable[[str], Path], audited: Path, keys: Path, tmp_path: Path
) -> None:
    """An envelope by the same signer, but of another report, does not fit."""
    report = api.read_report(audited)
    other = report.model_copy(update={"remarks": (*report.remarks, report.ledger.sentence)})
    api.bundle(other, tmp_path / "other", key=keys / "signer.pem", pdf=False)
    folder = bundle("signed")
    shutil.copy(tmp_path / "other" / "attestation.json", folder)

    damaged(folder)
    damaged(folder, keys / "signer.pub")


def _twice(raw: bytes) -> bytes:
    envelope = json.loads(raw)
    return statements.canonical({**envelope, "signatures": envelope["signatures"] * 2}) + b"\n"


ENVELOPES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "no JSON": lambda raw: raw[:-9],
    "a list": lambda _: b"[]\n",
    "null": lambda _: b"null\n",
    "spaces": lambda raw: raw.replace(b'":', b'": '),
    "a name twice": lambda raw: raw.replace(b'{"payload"', b'{"payload":"","payload"', 1),
    "a further name": lambda raw: raw.replace(b'{"payload"', b'{"more":1,"payload"', 1),
    "another type": lambda raw: raw.replace(b"in-toto+json", b"in-toto+jsom"),
    "line ends in base64": lambda raw: raw.replace(b'"payload":"', b'"payload":"\\n'),
    "URL-safe base64": lambda raw: raw.replace(b"+", b"-").replace(b"/", b"_"),
    "no last line end": lambda raw: raw.rstrip(),
    "a byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "nested deeply": lambda _: b"[" * 100_000,
    "a long number": lambda _: b"1" * 10_000,
    "two signatures": _twice,
    "no text": lambda _: bytes(range(128, 256)),
}


@pytest.mark.parametrize("how", ENVELOPES)
def test_an_envelope_written_otherwise_is_found(bundle: Callable[[str], Path], how: str) -> None:
    """Whatever is no envelope as ours are written ends with 4 and no traceback."""
    folder = bundle("signed")
    place = folder / "attestation.json"
    place.write_bytes(ENVELOPES[how](place.read_bytes()))

    assert damaged(folder).count("\n") == 0


@pytest.mark.parametrize("signature", [b"", b"x", bytes(64), bytes(65)])
def test_what_is_no_signature_is_found(bundle: Callable[[str], Path], signature: bytes) -> None:
    """Of whatever length, in an envelope that is written as ours are."""
    folder = bundle("signed")
    place = folder / "attestation.json"
    held = json.loads(place.read_text())
    held["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    place.write_bytes(statements.canonical(held) + b"\n")

    assert "a signature of the statement" in damaged(folder)


def test_a_report_that_is_none_is_found(bundle: Callable[[str], Path], keys: Path) -> None:
    """A signed statement on a report that cannot be read is refused, however well signed."""
    folder = bundle("signed")
    key = private_key(keys / "signer.pem")
    for text in ('{"a": 1, "a": 2}', "[]", "{}", '{"sections": 1}', "NaN", "[" * 100_000):
        (folder / "audit.json").write_text(text)
        stated = json.loads(base64.b64decode(
            json.loads((folder / "attestation.json").read_text())["payload"]
        ))  # fmt: skip
        for subject in stated["subject"]:
            if subject["name"] == "audit.json":
                subject["digest"]["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        (folder / "attestation.json").write_bytes(envelope(statements.canonical(stated), key))
        assert "'audit.json'" in damaged(folder, keys / "signer.pub")


@pytest.mark.parametrize("limit", ['"x"', "[1]", "7"])
def test_a_report_whose_limits_are_none_is_found(bundle: Callable[[str], Path], limit: str) -> None:
    """A statement written anew over a report that cannot be read is refused all the same."""
    folder = bundle("unsigned")
    report = json.loads((folder / "audit.json").read_text("utf-8"))
    for section in report["sections"]:
        for finding in section["findings"]:
            finding["limit"] = json.loads(limit)
    (folder / "audit.json").write_text(json.dumps(report))
    files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "attestation.json"}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    stated = statements.statement(digests, report)
    (folder / "attestation.json").write_bytes(envelope(statements.canonical(stated), None))

    assert "'audit.json'" in damaged(folder)


def test_no_folder_and_no_key_are_usage_errors(bundles: Path, keys: Path, run_cli: Cli) -> None:
    """What is not there, or no Ed25519 public key, ends with 2 and one sentence."""
    calls = [("nowhere",), (bundles / "signed" / "audit.json" / "nowhere",)]
    calls += [
        (bundles / "signed", "--public-key", keys / name)
        for name in ("signer.pem", "rsa.pub", "ec.pub", "garbage.pem", "empty.pem", "none.pub")
    ]
    for call in calls:
        code, out, err = run_cli("verify", *call)

        assert (code, out) == (2, "")
        assert err.startswith("Error: Expected")
        assert err.count("\n") == 1


def test_a_file_in_place_of_the_folder_cannot_be_read(
    bundles: Path, tmp_path: Path, run_cli: Cli
) -> None:
    """Exit 4 as for all that cannot be read; of one for a recipient it says how to open it."""
    sealed = tmp_path / "evidence.tar.age"
    sealed.write_bytes(b"age-encryption.org/v1\n")
    for place, do in ((bundles / "signed" / "audit.json", "handed over again"),
                      (sealed, "decrypt it first")):  # fmt: skip
        code, out, err = run_cli("verify", place)

        assert (code, out, err.count("\n")) == (4, "", 1)
        assert err.startswith("Error: Expected the folder of a bundle")
        assert do in err


def test_verify_is_quick_and_light(bundles: Path, keys: Path) -> None:
    """Under two seconds with the start of Python, and neither torch nor pandas nor NumPy."""
    command = [sys.executable, "-X", "importtime", "-m", "genaudit", "verify",
               str(bundles / "signed"), "--public-key", str(keys / "signer.pub")]  # fmt: skip
    times = []
    for _ in range(3):  # the best one: others wait for other programs
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append(time.monotonic() - began)
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert min(times) < 2
    assert "genaudit.evidence.verify" in modules
    assert not {"torch", "pandas", "numpy", "jinja2", "sklearn"} & modules
