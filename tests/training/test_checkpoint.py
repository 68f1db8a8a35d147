"""Checkpoints: a stopped training goes on, and never takes a step that it has not paid for."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from genaudit import accounting, api
from genaudit.errors import DataError, GenauditError, GenauditWarning, IntegrityError, OptionError
from genaudit.ledger import PrivacyLedger, Scope
from genaudit.models import folder as folders
from genaudit.models.store import Trained
from genaudit.training import checkpoint as checkpoints
from genaudit.training import fit, table
from genaudit.training.fit import Update
from tests import kills
from tests.kills import DELTA, EPSILON, LEASE, SCHEMA, STEPS, rows

NUMBERS = {"steps": STEPS, "batch_size": 30, "hidden": (8,), "components": 8, "fit_steps": 12}
PRIVATE = {"epsilon": EPSILON, "delta": DELTA}


@pytest.fixture(autouse=True)
def _every_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the state after each lease, though steps as small as these are over sooner."""
    monkeypatch.setattr(fit, "KEPT_SHARE", float("inf"))


class StoppedError(Exception):
    """A training was stopped."""


def _stopping(at: int | None) -> Callable[[Update], None]:
    def progress(update: Update) -> None:
        if update.step == at:
            raise StoppedError

    return progress


def _train(folder: Path, at: int | None = None, model: str = "vae", **options: object) -> Trained:
    return api.train(
        rows(), SCHEMA, model=model, ledger=folder / "ledger.sqlite", progress=_stopping(at),
        checkpoint=folder / "checkpoint", **NUMBERS, **options,
    )  # fmt: skip


def _stopped(folder: Path, at: int, model: str = "vae", **options: object) -> None:
    with pytest.raises(StoppedError):
        _train(folder, at, model, **options)


def _resumed(folder: Path, checkpoint: str = "checkpoint", at: int | None = None) -> Trained:
    return api.resume(
        rows(), folder / checkpoint, ledger=folder / "ledger.sqlite", progress=_stopping(at)
    )


def _check_same(mine: Trained, theirs: Trained) -> None:
    for name in ("log_shares", "log_weights", "weights"):
        assert np.array_equal(getattr(mine.sampler, name), getattr(theirs.sampler, name)), name


def _charged(folder: Path) -> int:
    mechanisms = [e.touch.mechanism for e in PrivacyLedger(folder / "ledger.sqlite").entries()]
    return sum(m.steps for m in mechanisms if m and m.name == "poisson_gaussian")


@pytest.mark.filterwarnings("ignore::genaudit.errors.GenauditWarning")
@pytest.mark.parametrize("model", ["gan", "cgan", "vae"])
def test_a_plain_training_goes_on_as_if_never_stopped(tmp_path: Path, model: str) -> None:
    """StoppedError in the middle of a lease and gone on with, it makes the very same weights."""
    whole = _train(tmp_path / "whole", model=model)
    _stopped(tmp_path, 21, model)

    resumed = _resumed(tmp_path)

    _check_same(resumed, whole)
    assert resumed.history == whole.history
    assert len(PrivacyLedger(tmp_path / "ledger.sqlite").entries()) == 4


@pytest.mark.parametrize("model", ["gan", "vae"])
def test_a_private_training_takes_the_steps_that_are_left(tmp_path: Path, model: str) -> None:
    """What was charged and is not in the checkpoint is spent, is named, and is not taken again."""
    _stopped(tmp_path, 21, model, **PRIVATE)
    with pytest.warns(GenauditWarning) as caught:
        resumed = _resumed(tmp_path)
    paid = [t.mechanism for t in resumed.touches if t.mechanism]

    assert str(caught[0].message) == (
        "Resumed: 20 steps are in the checkpoint, 2 more were charged and count as spent, 18 are "
        "left."
    )
    assert _charged(tmp_path) == STEPS
    assert 0.98 * EPSILON < accounting.epsilon(paid, DELTA) <= EPSILON
    assert resumed.history[-1]["step"] == STEPS - LEASE
    assert resumed.ledger == PrivacyLedger(tmp_path / "ledger.sqlite").mark()
    assert resumed.claim is not None


@pytest.mark.filterwarnings("ignore::genaudit.errors.GenauditWarning")
def test_copies_and_old_states_share_one_budget(tmp_path: Path) -> None:
    """Whoever goes on with a copy or an old state gets what all the others have left."""
    _stopped(tmp_path, 5, **PRIVATE)
    shutil.copytree(tmp_path / "checkpoint", tmp_path / "copy")
    with pytest.raises(StoppedError):
        _resumed(tmp_path, at=15)

    last = _resumed(tmp_path, "copy")
    first = _resumed(tmp_path)

    assert _charged(tmp_path) == STEPS
    # 4 steps in both; one took 12 more, of which 10 were kept; the other got the rest.
    assert last.history[-1]["step"] == 4 + STEPS - 6 - 12
    assert first.history[-1]["step"] < 15
    for model in (last, first):
        spent = [t.mechanism for t in model.touches if t.mechanism]
        assert accounting.epsilon(spent, DELTA) <= EPSILON


@pytest.mark.filterwarnings("ignore::genaudit.errors.GenauditWarning")
def test_a_finished_training_is_only_handed_over_again(tmp_path: Path) -> None:
    """Its checkpoint gives the same model once more, and charges nothing."""
    trained = _train(tmp_path, **PRIVATE)
    charged = _charged(tmp_path)

    again = _resumed(tmp_path)

    _check_same(again, trained)
    assert _charged(tmp_path) == charged == STEPS


@pytest.mark.filterwarnings("ignore::genaudit.errors.GenauditWarning")
def test_a_total_holds_over_a_stop(tmp_path: Path) -> None:
    """What a stopped training reserved stays so, is gone on with, and ends with it."""
    total = 1.2 * EPSILON
    _stopped(tmp_path, 5, **PRIVATE, budget_total=total)
    with pytest.raises(GenauditError, match="together"):
        api.train(
            rows(), SCHEMA, model="vae", ledger=tmp_path / "ledger.sqlite", budget_total=total,
            **NUMBERS, **PRIVATE,
        )  # fmt: skip

    api.resume(
        rows(), tmp_path / "checkpoint", ledger=tmp_path / "ledger.sqlite", budget_total=total
    )

    assert _charged(tmp_path) == STEPS
    entries = PrivacyLedger(tmp_path / "ledger.sqlite").entries()
    assert entries[-1].touch.purpose == "nothing more: what was charged counts"


def test_without_a_first_moment_nobody_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where not one moment can be written, what was reserved is given back."""

    def full(path: Path, content: bytes) -> None:
        raise OSError(27, "File too large")

    monkeypatch.setattr(folders, "_write", full)
    with pytest.raises(OptionError, match="File too large"):
        _train(tmp_path, **PRIVATE)

    last = PrivacyLedger(tmp_path / "ledger.sqlite").entries()[-1].touch
    assert last.purpose == "nothing more: what was charged counts"


@pytest.mark.filterwarnings("ignore::genaudit.errors.GenauditWarning")
def test_a_reservation_outlives_its_process_once_there_is_a_moment(tmp_path: Path) -> None:
    """It ends with the process until then; ended by hand it is made anew by whoever goes on."""
    _stopped(tmp_path, 5, **PRIVATE)
    ledger = PrivacyLedger(tmp_path / "ledger.sqlite")

    reserved = [e.touch for e in ledger.entries() if e.touch.kind == "reserved"]
    ledger.end(reserved[0].run)
    with pytest.raises(StoppedError):
        _resumed(tmp_path, at=15)
    latest = [e.touch for e in ledger.entries() if e.touch.kind == "reserved"][-1]

    assert [t.holder is None for t in reserved] == [False, True]
    assert (latest.planned, latest.holder) == (reserved[0].planned, None)


@pytest.mark.parametrize(("total", "named"), [
    (float("nan"), "small"), (float("inf"), "small"), (0.0, "small"), (9.0, None),
])  # fmt: skip
def test_a_total_that_cannot_be_kept_is_refused_on_the_way_too(
    tmp_path: Path, total: float, named: str | None
) -> None:
    """What `train` refuses as a total, `resume` refuses as well, and writes nothing."""
    ledger = PrivacyLedger(tmp_path / "ledger.sqlite")
    with pytest.raises(StoppedError):
        api.train(
            rows(), SCHEMA.replace(id=named), model="vae", ledger=ledger, progress=_stopping(3),
            checkpoint=tmp_path / "checkpoint", **NUMBERS,
        )  # fmt: skip
    before = ledger.head()

    with pytest.raises(OptionError, match="--budget-total"):
        api.resume(rows(), tmp_path / "checkpoint", ledger=ledger, budget_total=total)
    assert ledger.head() == before


def test_another_ledger_is_refused(tmp_path: Path) -> None:
    """A new ledger, an older state of it, or one with another past: exit code 4, nothing read."""
    ledger = tmp_path / "ledger.sqlite"
    PrivacyLedger(ledger).content_digest(b"")
    _stopped(tmp_path, 5, **PRIVATE)
    shutil.copy(ledger, tmp_path / "old.sqlite")
    shutil.copy(f"{ledger}.key", tmp_path / "old.sqlite.key")
    with pytest.warns(GenauditWarning), pytest.raises(StoppedError):
        _resumed(tmp_path, at=15)

    for other, says in (("new/l", "found none there"), ("old", "cut short or rolled back")):
        with pytest.raises(IntegrityError, match=says) as caught:
            api.resume(rows(), tmp_path / "checkpoint", ledger=tmp_path / f"{other}.sqlite")
        assert caught.value.exit_code == 4
    assert not (tmp_path / "new").exists()


def test_other_records_are_refused(tmp_path: Path) -> None:
    """A checkpoint goes on with the records that it was made of, and no others."""
    _stopped(tmp_path, 5, **PRIVATE)
    other = rows()
    other.loc[0, "size"] = 9 - int(other.loc[0, "size"])

    with pytest.raises(DataError, match="of other records"):
        api.resume(other, tmp_path / "checkpoint", ledger=tmp_path / "ledger.sqlite")


@pytest.mark.parametrize(
    ("damage", "error"),
    [("flip", IntegrityError), ("cut", DataError), ("empty", DataError), ("absent", DataError)],
)
def test_a_damaged_checkpoint_is_refused(
    tmp_path: Path, damage: str, error: type[GenauditError]
) -> None:
    """Altered, cut short, empty or absent: one sentence, whatever the file."""
    _stopped(tmp_path, 5, **PRIVATE)
    [moment] = folders.moments(tmp_path / "checkpoint")
    if damage == "absent":
        shutil.rmtree(moment)
    else:
        path = moment / folders.TENSORS
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes({"flip": bytes(content), "cut": content[:-9], "empty": b""}[damage])

    with pytest.raises(error, match=r"checkpoint|model file"):
        _resumed(tmp_path)


def test_a_checkpoint_wants_a_ledger_and_an_empty_place(tmp_path: Path) -> None:
    """Without a ledger nothing tells what is left, and another training's folder is not taken."""
    _stopped(tmp_path, 5, **PRIVATE)

    with pytest.raises(OptionError, match="--resume"):
        _train(tmp_path, **PRIVATE)
    with pytest.raises(OptionError, match="needs a ledger"):
        fit.fit(
            fit.Recipe.of(family="vae"), fit.Dataset.of(rows(), SCHEMA, "train"),
            checkpoint=tmp_path / "new",
        )  # fmt: skip


def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    """Of two that found it empty, the second one is refused, and the first one's state stays."""
    found: list[str] = []

    def second(update: Update) -> None:
        if update.step == LEASE + 1 and not found:
            found.append("asked")
            moments = folders.moments(tmp_path / "checkpoint")
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(checkpoints, "exists", lambda _: False)
                with pytest.raises(OptionError, match="another one writes there"):
                    _train(tmp_path, seed=1)
            assert folders.moments(tmp_path / "checkpoint") == moments

    api.train(
        rows(), SCHEMA, model="vae", ledger=tmp_path / "ledger.sqlite", progress=second,
        checkpoint=tmp_path / "checkpoint", **NUMBERS,
    )  # fmt: skip
    assert found


def test_a_checkpoint_holds_no_record(tmp_path: Path) -> None:
    """Neither a row nor a state of noise or of draws is in it; only its owner may read it."""
    _stopped(tmp_path, 5, **PRIVATE)
    kept = checkpoints.read(tmp_path / "checkpoint")
    sizes = {name: value.numel() for name, value in kept.parts.items()}

    # The one stream is that of made records, which the seed of the recipe decides.
    assert sorted(name for name in sizes if "rng" in name or "noise" in name) == ["rng"]
    assert not any(len(rows()) in value.shape for value in kept.parts.values())
    assert (tmp_path / "checkpoint").stat().st_mode & 0o077 == 0


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a moment cannot be written training stops with a sentence; the one before is there."""
    written, plain = [], folders._write

    def full(path: Path, content: bytes) -> None:
        written.append(path)
        if len(written) > 6:
            raise OSError(28, "No space left on device")
        plain(path, content)

    monkeypatch.setattr(folders, "_write", full)
    with pytest.raises(OptionError, match="No space left"):
        _train(tmp_path, **PRIVATE)
    monkeypatch.setattr(folders, "_write", plain)

    assert checkpoints.read(tmp_path / "checkpoint").info.done == 4
    assert _charged(tmp_path) == 6
    with pytest.warns(GenauditWarning, match="2 more were charged"):
        _resumed(tmp_path)


def test_no_record_is_read_that_the_ledger_cannot_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the ledger's disk is full the lease fails before its first batch is read."""
    reads, room, made = [], [3], PrivacyLedger.append_made
    batches = table._batches

    def full(self: PrivacyLedger, *arguments: object) -> object:
        if not room[0]:
            raise OptionError("disk is full")
        return made(self, *arguments)  # type: ignore[arg-type]

    def counted(*arguments: object) -> object:
        batch = batches(*arguments)  # type: ignore[arg-type]

        def read(chosen: np.ndarray) -> object:
            reads.append(len(chosen))
            room[0] -= room[0] > 0 and len(reads) % LEASE == 0
            return batch(chosen)

        return read

    monkeypatch.setattr(PrivacyLedger, "append_made", full)
    monkeypatch.setattr(table, "_batches", counted)
    with pytest.raises(OptionError, match="disk is full"):
        _train(tmp_path, **PRIVATE)

    assert len(reads) == _charged(tmp_path) == 3 * LEASE


def test_an_audit_knows_a_ledger_that_was_rolled_back(tmp_path: Path) -> None:
    """A model's own ledger must hold what the model was made with; another's need not."""
    trained = _train(tmp_path, **PRIVATE)
    trained.save(tmp_path / "model")
    ledger = tmp_path / "ledger.sqlite"
    ledger.unlink()

    with pytest.raises(IntegrityError, match="rolled back"):
        api.audit(tmp_path / "model", train=rows(), ledger=ledger)
    api.audit(tmp_path / "model", train=rows(), ledger=tmp_path / "auditor.sqlite", plan="quick")


@pytest.mark.filterwarnings("ignore::genaudit.errors.GenauditWarning")
@pytest.mark.slow
def test_a_few_kills_leave_a_true_ledger(tmp_path: Path) -> None:
    """Killed at random moments, gone on with, rolled back and copied: every read is counted."""
    duration = kills.usual_duration(tmp_path / "warm")

    killed = 0
    for i in range(6):
        (tmp_path / str(i)).mkdir()
        killed += kills.play(tmp_path / str(i), random.Random(i), duration, 3)
    assert killed >= 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::genaudit.errors.GenauditWarning")
def test_two_hundred_kills_leave_a_true_ledger(tmp_path: Path) -> None:
    """As above, until 200 processes were killed."""
    duration = kills.usual_duration(tmp_path / "warm")

    killed, i = 0, 0
    while killed < 200:
        (tmp_path / str(i)).mkdir()
        killed += kills.play(tmp_path / str(i), random.Random(os.urandom(8)), duration, 6)
        shutil.rmtree(tmp_path / str(i))
        i += 1
    assert i < 400, "most trainings ended before they were killed"


def test_the_ledger_of_a_training_names_it(tmp_path: Path) -> None:
    """All reads of one training carry its run, so that whoever goes on finds them."""
    _stopped(tmp_path, 5, **PRIVATE)
    entries = PrivacyLedger(tmp_path / "ledger.sqlite").entries()

    runs = {e.touch.run for e in entries if e.touch.scope is Scope.RELEASE}
    assert runs == {checkpoints.read(tmp_path / "checkpoint").info.run}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::genaudit.errors.GenauditWarning")
def test_a_dozen_kills_of_whole_processes(tmp_path: Path) -> None:
    """The same from the command line, each with a full start."""
    rng = random.Random(os.urandom(8))

    killed = 0
    while killed < 12:
        folder = tmp_path / str(rng.random())
        folder.mkdir()
        killed += kills.play_whole(folder, rng)
