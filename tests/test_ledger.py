"""The ledger is append-only, loses nothing, and shows when someone edits it."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest
from pydantic import ValidationError
from race import exit_codes

from genaudit.errors import BudgetError, IntegrityError, OptionError
from genaudit.ledger import (
    GENESIS,
    Entry,
    Mark,
    Mechanism,
    PrivacyLedger,
    Scope,
    Touch,
    TouchKind,
    counted,
    default_path,
)

TENTH = Mechanism(name="pure", epsilon=0.1)


def _touch(purpose: str = "training", **fields: object) -> Touch:
    usual = {"dataset": "d", "kind": "accounted", "scope": "release", "mechanism": TENTH}
    return Touch.model_validate({**usual, "purpose": purpose, **fields})


@pytest.fixture
def ledger(tmp_path: Path) -> PrivacyLedger:
    """Three touches in a folder that did not exist before."""
    ledger = PrivacyLedger(tmp_path / "new" / "ledger.sqlite")
    for i in range(3):
        ledger.append(_touch(f"step {i}", artefact=f"a{i % 2}"))
    return ledger


def _edit(ledger: PrivacyLedger, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(ledger.path)) as db:
        db.execute(statement, values)
        db.commit()


def test_what_is_written_reads_back(ledger: PrivacyLedger) -> None:
    """Touches come back whole and in order, with their time."""
    touch = _touch(
        "<script>\u202e'\"; DROP TABLE touch", unit="person",
        mechanism=Mechanism(name="pure", epsilon=0.1, delta=1e-9),
    )  # fmt: skip
    entry = ledger.append(touch)

    last = ledger.entries()[-1]

    assert last == entry
    assert last.touch.model_copy(update={"time": ""}) == touch
    assert last.touch.time
    assert last.touch.kind is TouchKind.ACCOUNTED
    assert last.touch.scope is Scope.RELEASE
    assert [e.seq for e in ledger.entries()] == [1, 2, 3, 4]


def test_entries_can_be_chosen(ledger: PrivacyLedger) -> None:
    """By data set and by artefact."""
    ledger.append(_touch(dataset="other"))

    assert len(ledger.entries(dataset="d")) == 3
    assert [e.touch.purpose for e in ledger.entries(artefact="a1")] == ["step 1"]
    assert not ledger.entries(dataset="d", artefact="none")


def test_verify_gives_the_head(ledger: PrivacyLedger) -> None:
    """An untouched chain verifies, and its head changes with each touch."""
    before = ledger.head()

    assert ledger.verify() == before
    ledger.append(_touch())
    assert ledger.verify() == ledger.head() != before


def test_no_ledger_is_an_empty_one(tmp_path: Path) -> None:
    """Reading what was never written gives nothing, and makes no file."""
    ledger = PrivacyLedger(tmp_path / "none.sqlite")

    assert (ledger.entries(), ledger.head(), ledger.verify()) == ([], GENESIS, GENESIS)
    assert not ledger.path.exists()


@pytest.mark.parametrize("statement", [
    "UPDATE touch SET body = replace(body, 'step 1', 'step 9') WHERE seq = 2",
    "UPDATE touch SET head = replace(head, substr(head, 1, 4), '0000') WHERE seq = 3",
    "DELETE FROM touch WHERE seq = 1",
    "DELETE FROM touch WHERE seq = 2",
    "UPDATE touch SET seq = 9 WHERE seq = 3",
    "INSERT INTO touch SELECT 4, body, head FROM touch WHERE seq = 3",
    "UPDATE touch SET body = 7 WHERE seq = 2",
    "UPDATE touch SET body = x'ff00' WHERE seq = 2",
    "UPDATE touch SET head = 'Ω' WHERE seq = 2",
])  # fmt: skip
def test_an_edit_by_hand_is_found(ledger: PrivacyLedger, statement: str) -> None:
    """Any changed, removed, moved or added row is named, with exit code 4."""
    _edit(ledger, statement)

    with pytest.raises(IntegrityError, match=r"at entry \d.*restore") as caught:
        ledger.verify()
    assert caught.value.exit_code == 4


def test_an_edited_ledger_takes_and_tells_nothing(ledger: PrivacyLedger) -> None:
    """No touch is added to a chain that is broken, and none of it is counted."""
    _edit(ledger, "UPDATE touch SET body = replace(body, 'd', 'e') WHERE seq = 1")

    for use in (ledger.entries, ledger.head, ledger.mark,
                lambda: ledger.append(_touch())):  # fmt: skip
        with pytest.raises(IntegrityError, match="at entry 1"):
            use()
    with sqlite3.connect(ledger.path) as db:
        assert db.execute("SELECT count(*) FROM touch").fetchone() == (3,)


def test_a_chain_cannot_be_mended_without_the_key(ledger: PrivacyLedger) -> None:
    """Links computed anew by somebody who has the file alone are found; a lost key is named."""
    with sqlite3.connect(ledger.path) as db:
        head = "0" * 64
        for seq, body in db.execute("SELECT seq, body FROM touch ORDER BY seq").fetchall():
            edited = body.replace("accounted", "public")
            head = hashlib.sha256(f"{head}\n{edited}".encode()).hexdigest()
            db.execute("UPDATE touch SET body = ?, head = ? WHERE seq = ?", (edited, head, seq))
    with pytest.raises(IntegrityError, match="at entry 1"):
        ledger.verify()
    key = ledger.path.with_name(ledger.path.name + ".key")
    key.unlink()
    with pytest.raises(IntegrityError, match="Expected the key"):
        ledger.verify()
    assert not key.exists()


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_a_mark_proves_that_nothing_was_cut_off(ledger: PrivacyLedger, length: int) -> None:
    """Rows cut off at the end are found against every mark beyond them, and against no other."""
    marks = [Mark(id=ledger.id(), length=0, head=GENESIS)]
    marks += [Mark(id=ledger.id(), length=e.seq, head=e.head) for e in ledger.entries()]
    assert ledger.mark() == marks[-1]
    _edit(ledger, "DELETE FROM touch WHERE seq > ?", length)
    ledger = PrivacyLedger(ledger.path)

    assert ledger.verify() == marks[length].head
    for mark in marks:
        if mark.length <= length:
            assert ledger.verify(mark) == marks[length].head
        else:
            with pytest.raises(IntegrityError, match="cut short or rolled back"):
                ledger.verify(mark)


def test_a_mark_finds_another_past(ledger: PrivacyLedger, tmp_path: Path) -> None:
    """Whoever writes all that follows anew makes a sound chain, but not the one that was marked."""
    mark, entries = ledger.mark(), ledger.entries()
    _edit(ledger, "DELETE FROM touch WHERE seq > 1")
    ledger = PrivacyLedger(ledger.path)
    for entry in entries[1:]:
        ledger.append(entry.touch.model_copy(update={"purpose": "forged"}))
    other, none = (PrivacyLedger(tmp_path / "away" / name) for name in ("other", "none"))
    with pytest.raises(IntegrityError, match="found none there"):
        none.verify(mark)
    none.check_lineage(mark, [])
    assert not (tmp_path / "away").exists()
    other.content_digest(b"")

    assert ledger.verify() == ledger.head()
    with pytest.raises(IntegrityError, match="another past"):
        ledger.verify(mark)
    with pytest.raises(IntegrityError, match="with the id"):
        other.verify(mark)
    other.check_lineage(mark, [])
    with pytest.raises(IntegrityError, match="another past"):
        ledger.check_lineage(mark, [])


@pytest.mark.parametrize("by", ["cut", "deleted", "replaced"])
def test_a_ledger_in_use_cannot_be_rolled_back(ledger: PrivacyLedger, by: str) -> None:
    """What was seen must stand at the next use of one object, though the rest is a sound chain."""
    touch = ledger.entries()[0].touch
    match by:
        case "cut":
            _edit(ledger, "DELETE FROM touch WHERE seq = 3")
        case "deleted":
            ledger.path.unlink()
        case "replaced":
            ledger.path.unlink()
            fresh = PrivacyLedger(ledger.path)
            for _ in range(4):
                fresh.append(touch)

    for use in (ledger.mark, ledger.entries, ledger.verify, lambda: ledger.append(touch)):
        with pytest.raises(IntegrityError, match="while it was in use"):
            use()


def test_a_ledger_holds_a_table_and_nothing_else(ledger: PrivacyLedger) -> None:
    """A trigger that takes away what is written is found before anything is read or written."""
    _edit(ledger, "CREATE TRIGGER q AFTER INSERT ON touch BEGIN DELETE FROM touch "
                  "WHERE seq = new.seq; END")  # fmt: skip
    touch = Touch(dataset="d", kind="public", scope="release", purpose="schema")
    for use in (ledger.mark, ledger.entries, ledger.verify, lambda: ledger.append(touch)):
        with pytest.raises(IntegrityError, match=r"nothing else in ledger.*'q'"):
            use()


@pytest.mark.parametrize("body", ["{}", "no json", b"\xff\x00", 7])
def test_an_unreadable_row_is_no_traceback(ledger: PrivacyLedger, body: object) -> None:
    """Listing a ledger with a broken row says that it was edited."""
    _edit(ledger, "UPDATE touch SET body = ? WHERE seq = 2", body)

    with pytest.raises(IntegrityError, match="entry 2"):
        ledger.entries()


def _append_many(path: Path, name: str) -> None:
    ledger = PrivacyLedger(path)
    for i in range(50):
        ledger.append(_touch(f"{name} {i}"))


def test_two_processes_lose_nothing(tmp_path: Path) -> None:
    """Two processes that append 50 touches each at once leave 100 in one sound chain."""
    path = tmp_path / "ledger.sqlite"
    codes = exit_codes(_append_many, ((path, "a"), (path, "b")), 60)

    ledger = PrivacyLedger(path)

    assert codes == [0, 0]
    assert ledger.verify() == ledger.head()
    for name in "ab":
        mine = [e.touch.purpose for e in ledger.entries() if e.touch.purpose.startswith(name)]
        assert mine == [f"{name} {i}" for i in range(50)]


def _append_up_to(path: Path, most: int, attempts: int) -> None:
    def check(entries: Sequence[Entry]) -> None:
        if len(entries) >= most:
            raise BudgetError("full")

    ledger = PrivacyLedger(path)
    for _ in range(attempts):
        with suppress(BudgetError):
            ledger.append(_touch(), check)


def test_two_processes_keep_a_limit(tmp_path: Path) -> None:
    """A check is part of the append: two processes that check at once never exceed its limit."""
    path = tmp_path / "ledger.sqlite"
    one = (path, 60, 50)
    codes = exit_codes(_append_up_to, (one, one), 60)

    assert codes == [0, 0]
    assert len(PrivacyLedger(path).entries()) == 60
    assert PrivacyLedger(path).verify()


def test_what_fails_its_check_is_not_written(ledger: PrivacyLedger) -> None:
    """A check sees all entries before the new one; where it raises, the ledger stays as it was."""
    before, seen = ledger.head(), []

    def check(entries: Sequence[Entry]) -> None:
        seen.extend(e.touch.purpose for e in entries)
        raise BudgetError("no")

    with pytest.raises(BudgetError, match="no"):
        ledger.append(_touch("late"), check)
    assert seen == ["step 0", "step 1", "step 2"]
    assert ledger.verify() == before
    ledger.append(_touch("next"))
    assert len(ledger.entries()) == 4


@pytest.mark.parametrize(("fields", "why"), [
    ({"mechanism": None}, "mechanism"),
    ({"kind": "unaccounted"}, "mechanism"),
    ({"kind": "public"}, "mechanism"),
    ({"kind": "reserved"}, "mechanism"),
    ({"kind": "reserved", "mechanism": None, "planned": (TENTH,)}, "run"),
    ({"planned": (TENTH,), "run": "r"}, "reservation"),
])  # fmt: skip
def test_a_touch_that_contradicts_itself_is_refused(fields: dict[str, object], why: str) -> None:
    """Accounted goes with a mechanism and nothing else does; only a reservation has a plan."""
    with pytest.raises(ValueError, match=why):
        _touch(**fields)


def test_what_a_ledger_holds_stays_readable(ledger: PrivacyLedger) -> None:
    """An accounted touch without a mechanism, written by hand, reads back and counts as unpaid."""
    ledger.append(_touch().model_copy(update={"mechanism": None}))

    last = ledger.entries()[-1].touch

    assert last.kind is TouchKind.ACCOUNTED
    assert (last.unpaid, last.spends) == (True, ())
    assert counted([last]) == []


@pytest.mark.parametrize("content", [b"no ledger at all", b"SQLite format 3\0" + b"x" * 4000])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is no ledger is one sentence, on reading and on writing."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    ledger = PrivacyLedger(path)

    for use in (ledger.entries, ledger.head, ledger.verify, lambda: ledger.append(_touch())):
        with pytest.raises(OptionError, match=r"ledger\.sqlite"):
            use()
    assert path.read_bytes() == content


def test_a_database_of_someone_else_is_refused(tmp_path: Path) -> None:
    """An SQLite file with other tables is not read as a ledger."""
    ledger = PrivacyLedger(tmp_path / "other.sqlite")
    with closing(sqlite3.connect(ledger.path)) as db:
        db.execute("CREATE TABLE touch (foo TEXT)")

    for use in (ledger.entries, lambda: ledger.append(_touch())):
        with pytest.raises(OptionError):
            use()


def test_an_empty_file_is_an_empty_ledger(tmp_path: Path) -> None:
    """A process that died between opening and writing leaves a ledger that works."""
    ledger = PrivacyLedger(tmp_path / "ledger.sqlite")
    ledger.path.touch()

    assert (ledger.entries(), ledger.head(), ledger.verify()) == ([], GENESIS, GENESIS)


def test_a_folder_or_a_missing_parent_is_refused(tmp_path: Path) -> None:
    """A place where no file can be is one sentence that names --ledger."""
    (tmp_path / "file").write_text("x")
    for place in (tmp_path, tmp_path / "file" / "ledger.sqlite"):
        with pytest.raises(OptionError, match="--ledger"):
            PrivacyLedger(place).append(_touch())


def test_digests_are_keyed(tmp_path: Path) -> None:
    """The same content has one digest beside one ledger and another beside another."""
    one, two = PrivacyLedger(tmp_path / "a"), PrivacyLedger(tmp_path / "b")

    assert one.content_digest(b"x") == PrivacyLedger(tmp_path / "a").content_digest(b"x")
    assert one.content_digest(b"x") != one.content_digest(b"y")
    assert one.content_digest(b"x") != two.content_digest(b"x")


def test_the_key_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The key file has mode 600 and 32 bytes."""
    PrivacyLedger(tmp_path / "l.sqlite").content_digest(b"x")

    key = tmp_path / "l.sqlite.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 32


def test_a_spoiled_key_is_refused(tmp_path: Path) -> None:
    """A key cut short would give digests that can be guessed."""
    ledger = PrivacyLedger(tmp_path / "l.sqlite")
    (tmp_path / "l.sqlite.key").write_bytes(b"")

    with pytest.raises(OptionError, match="key"):
        ledger.content_digest(b"x")


def test_default_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """$GENAUDIT_LEDGER wins; then the user's state folder."""
    monkeypatch.setenv("GENAUDIT_LEDGER", str(tmp_path / "here"))
    assert default_path() == tmp_path / "here"
    monkeypatch.delenv("GENAUDIT_LEDGER")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == tmp_path / "genaudit" / "ledger.sqlite"


@pytest.mark.parametrize("field", ["noise_multiplier", "epsilon"])
def test_a_mechanism_has_finite_numbers(field: str) -> None:
    """Endless noise would spend nothing, and an endless ε no accountant adds up."""
    with pytest.raises(ValidationError, match="finite"):
        Mechanism.model_validate({"name": "m", field: float("inf")})


def test_mechanisms_read_as_sentences() -> None:
    """A person sees noise, rate and steps, or ε and δ."""
    sgd = Mechanism(name="poisson_gaussian", noise_multiplier=1.25, sampling_rate=0.01, steps=2000)

    assert str(sgd) == "Gaussian, noise multiplier 1.25, Poisson rate 0.01, 2,000 steps"
    assert str(Mechanism(name="gaussian", noise_multiplier=4, steps=3)) == (
        "Gaussian, noise multiplier 4, 3x"
    )
    assert str(Mechanism(name="pure", epsilon=0.5)) == "pure, ε = 0.5, δ = 0"


@pytest.mark.parametrize("content", [b"a,b\n1,2\n" * 99, None])
def test_what_is_no_ledger_gets_no_key(content: bytes | None, tmp_path: Path) -> None:
    """A file or folder that is refused as a ledger is left as it was, with nothing beside it."""
    path = tmp_path / "train.csv"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    with pytest.raises(OptionError, match=r"ame another with --ledger\.$"):
        PrivacyLedger(path).content_digest(b"rows")

    assert list(tmp_path.iterdir()) == [path]


def test_a_place_without_a_folder_is_named_once(tmp_path: Path) -> None:
    """The reason is said in words, and the path stands there once."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "l.sqlite"

    with pytest.raises(OptionError) as refused:
        PrivacyLedger(path).content_digest(b"rows")

    assert "Errno" not in str(refused.value)
    assert str(refused.value).count(str(tmp_path / "file")) == 1


def test_threads_share_one_object(ledger: PrivacyLedger) -> None:
    """Readers and writers of one object at once lose no entry, and take none for a rollback."""
    touch = ledger.entries()[0].touch
    before, errors = len(ledger.entries()), []

    def use(write: bool) -> None:
        try:
            for _ in range(30):
                if write:
                    ledger.append(touch)
                else:
                    ledger.entries()
        except Exception as error:  # in a thread it would be lost
            errors.append(error)

    threads = [threading.Thread(target=use, args=(i % 2 == 0,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not errors
    assert len(PrivacyLedger(ledger.path).entries()) == before + 60
    ledger.verify()


def test_a_lease_on_an_old_ledger_is_cheap(tmp_path: Path) -> None:
    """What was seen is not read again where nobody wrote since; what another wrote is."""
    mine, other = (PrivacyLedger(tmp_path / "ledger.sqlite") for _ in range(2))
    touch = Touch(dataset="d", kind="public", scope="release", purpose="schema")
    mine.append(touch)
    mine.append(touch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mine, "_follow", lambda _: pytest.fail("rows were read again"))
        mine.append(touch)
    other.append(touch)
    seen: list[int] = []
    mine.append(touch, lambda entries: seen.append(len(entries)))
    assert seen == [4]
