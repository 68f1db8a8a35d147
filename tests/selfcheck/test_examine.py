"""A user's trainer: what it shows is examined, what it lacks is skipped, and the exit code says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import byhand
import handmade
import numpy as np
import pytest

import genaudit as ga
from genaudit.errors import OptionError
from genaudit.ledger import PrivacyLedger
from genaudit.models import FAMILIES
from genaudit.result import Message
from genaudit.training.dp.selfcheck import CHECKS, Status, examine
from genaudit.training.dp.selfcheck.bench import Bench
from genaudit.training.dp.selfcheck.handles import _Rows
from genaudit.training.dp.selfcheck.ours import OURS
from genaudit.training.dp.selfcheck.outcome import Stopped, failed
from genaudit.training.dp.selfcheck.reached import reached

Cli = Callable[..., tuple[int, str, str]]


def _by_status(report: object) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for outcome in report:  # type: ignore[attr-defined]
        found.setdefault(outcome.status.value, set()).add(outcome.check)
    return found


def test_handmade_trainer_passes() -> None:
    """A page of NumPy that is right passes every check it can be put to."""
    by = _by_status(examine(handmade.Logistic))

    assert set(by) == {"passed", "skipped"}
    assert by["skipped"] == {
        "release.handle",
        "release.gradients",
        "release.noise",
        "release.bundle",
    }


def test_handmade_trainer_without_a_bound_fails() -> None:
    """Without clipping the alarm names the clipping."""
    report = examine(handmade.Unclipped)

    assert report.faulty[0] == "clipping"
    assert report.exit_code == 1


def test_training_that_does_not_draw_by_draw_cannot_be_told() -> None:
    """Steps whose batch is not known are not passed: the reason is said."""
    (found,) = examine(handmade.DrawsApart, only=["step.training"])

    assert found.status is Status.CANNOT_TELL
    assert "0 times" in found.said.english


def test_training_without_a_promise_may_end() -> None:
    """A budget that is gone before all steps are looked at is no fault, where none are said."""

    class Silent(handmade.Logistic):
        promise = ga.Promise()

    report = examine(Silent, only=["accounting.charged"])
    assert not report.exit_code
    assert f"{handmade.STEPS} steps" in str(next(iter(report)))


def test_a_folder_is_made_for_those_who_want_one() -> None:
    """A trainer that writes into a folder which is not there is asked again."""

    class Saves(handmade.Logistic):
        def save(self, folder: Path) -> None:
            np.save(folder / "weights.npy", self.weights)

    assert not examine(Saves, only=["release.bundle"]).exit_code


def test_training_that_ended_cannot_be_told() -> None:
    """One trainer that took all its steps has none left to look at."""
    trainer = handmade.Logistic()
    for _ in range(handmade.STEPS - 3):
        trainer.step()
    (found,) = examine(trainer, only=["step.training"])

    assert found.status is Status.CANNOT_TELL
    assert "after 3 steps" in found.said.english
    assert "draw" not in vars(trainer)


@pytest.mark.parametrize("make", [handmade.NoStep, handmade.NoNoise])
def test_what_every_batch_has_is_not_blamed_on_empty_ones(make: type) -> None:
    """Batches that all raise, or all lack noise, say nothing of empty ones."""
    (found,) = examine(make, only=["noise.empty_batch"])

    assert found.status is not Status.FAILED


def test_what_is_missing_is_skipped_with_its_reason() -> None:
    """Each skipped check says which method or promise it lacks; the others run."""
    report = examine(handmade.StepsAlone)
    by = {o.check: o for o in report}

    assert by["sampler.poisson"].status is Status.PASSED
    assert by["accounting.charged"].status is Status.PASSED
    assert "per_sample_grads" in by["clipping.influence"].said.english
    assert "promise.epsilon" in by["accounting.claim"].said.english
    assert report.exit_code == 0
    assert [o.check for o in report] == [c.id for c in CHECKS]


def test_nothing_shown_cannot_tell() -> None:
    """Where every check is skipped nobody has examined anything: exit code 3."""
    report = examine(handmade.Nothing)

    assert len(report.skipped) == len(CHECKS)
    assert report.exit_code == 3


def test_one_trainer_instead_of_a_factory() -> None:
    """What takes two runs is skipped where one trainer is given, and says that it wants more."""
    report = examine(handmade.ONE, only=["streams.noise", "streams.draws", "sampler.rate"])
    by = {o.check: o for o in report}

    assert by["streams.noise"].status is Status.SKIPPED
    assert "factory" in by["streams.draws"].said.english
    assert by["sampler.rate"].status is Status.PASSED


class _DrawsMasks(handmade.Logistic):
    def draw(self) -> np.ndarray:
        return np.isin(np.arange(handmade.N), super().draw())


class _PromisesInWords(handmade.Logistic):
    promise = {"max_grad_norm": 1.0}  # type: ignore[assignment]  # noqa: RUF012


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (_DrawsMasks, "Expected positions"),
        (_PromisesInWords, r"genaudit.Promise\(...\), got a dict"),
    ],
)
def test_another_language_is_refused(make: type, part: str) -> None:
    """What looks like a trainer and is none is one sentence, not an alarm."""
    with pytest.raises(OptionError, match=part):
        examine(make)


def test_a_trainer_that_charges_draws_is_not_spent_by_them() -> None:
    """Where one is spent another one draws on; a single one cannot be told."""
    only = ["sampler.rate", "sampler.equal", "sampler.poisson"]

    assert [o.status for o in examine(byhand.ChargesDraws, only=only)] == [Status.PASSED] * 3
    (found,) = examine(byhand.ChargesDraws(), only=only[:1])
    assert "nothing is left" in found.said.english


def test_what_one_trainer_charged_earlier_cannot_be_told() -> None:
    """It may be for steps to come, or for those that others took; a factory shows which."""
    (found,) = examine(byhand.ChargesAhead(), only=["accounting.charged"])

    assert found.status is Status.CANNOT_TELL
    assert "factory" in found.said.english


def test_units_that_are_changed_in_memory_are_put_back() -> None:
    """Trainers of one factory may share their rows."""
    rows = byhand.Releases().units()
    before = rows.copy()

    class Shares(byhand.Releases):
        def __init__(self, seed: int = 0) -> None:
            super().__init__(seed)
            self._rows = rows

    report = examine(Shares, only=["release.gradients", "release.bundle"])

    assert [o.status for o in report] == [Status.PASSED] * 2
    assert np.array_equal(rows, before)


def test_a_check_that_raises_hides_no_other() -> None:
    """An error of the trainer ends its check without an answer; the next one runs."""
    report = examine(handmade.Broken, only=["clipping.influence", "sampler.rate"])
    raised, after = report

    assert raised.status is Status.CANNOT_TELL
    assert "KeyError" in raised.said.english
    assert after.status is Status.PASSED
    assert report.exit_code == 3


def test_handles_are_found_in_closures_and_containers() -> None:
    """An array of real rows is found behind a closure, in a list in an attribute."""
    rows = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    kept = SimpleNamespace(deep=[{"x": rows[5:12].copy()}], own=np.ones((9, 4)))

    def released() -> object:
        return kept

    found = [_Rows(rows).holds(a) for a, _ in reached(released)]
    assert sorted(found) == [False, True]


def test_command_line(run_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """`module:trainer` is examined: 0 or 1, one line for each check, the part at fault named."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    code, out, _ = run_cli("selfcheck", "handmade:Logistic")
    bad, said, err = run_cli("--quiet", "selfcheck", "handmade:Unclipped", "--json")

    assert code == 0
    assert "passed       sampler.poisson" in out
    assert out.startswith("handmade:Logistic\n")
    assert bad == 1
    assert not err
    (report,) = json.loads(said)
    assert {o["part"] for o in report["outcomes"] if o["status"] == "failed"} >= {"clipping"}


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["no.such:thing"], "no module"),
        (["handmade"], "MODULE:TRAINER"),
        (["--bundle", "nowhere"], "give both"),
        (["--bundle", "nowhere", "--train", "arrests"], "got none"),
    ],
)
def test_bad_input(
    words: list[str], part: str, run_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be examined is one sentence and exit code 2."""
    monkeypatch.setenv("GENAUDIT_LEDGER", str(tmp_path / "ledger.sqlite"))
    code, out, err = run_cli("selfcheck", *words)

    assert code == 2
    assert not out
    assert part.lower() in err.lower()
    assert len(err.strip().splitlines()) == 1


def test_own_trainers_by_default() -> None:
    """Without a trainer genaudit's own are examined, persons and hardened noise among them."""
    cells = {
        f"{f} of {k} records" for f in FAMILIES for k in ("image", "sequence", "audio", "text")
    }

    assert {"gan", "cgan", "vae", "cgan of persons"} | cells <= set(OURS)
    assert OURS["cgan"]().stepper.streams.hardened
    assert OURS["cgan of persons"]().stepper.units.cap == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(OURS))
def test_every_trainer_of_ours_passes(name: str) -> None:
    """Every family on every kind of record is what it claims to be, its warm start as well."""
    report = examine(OURS[name], name=name, seed=0)

    assert not report.faulty
    assert report.exit_code == 0


def test_a_released_folder_is_searched(tmp_path: Path, run_cli: Cli) -> None:
    """A folder with a training row in it is found out, one without passes; the look is charged."""
    rng = np.random.default_rng(0)
    lines = [f"{a!r},{b},x{c}" for a, b, c in zip(
        rng.normal(size=50), rng.integers(0, 9, 50), rng.integers(0, 9, 50), strict=True
    )]  # fmt: skip
    train = tmp_path / "train.csv"
    train.write_text("\n".join(["amount,count,level", *lines]))
    clean, leaky = tmp_path / "clean", tmp_path / "leaky"
    for folder, text in ((clean, "levels: x1, x2"), (leaky, f"sample: {lines[7]}")):
        folder.mkdir()
        (folder / "model.txt").write_text(text)
    ledger = tmp_path / "ledger.sqlite"

    good = run_cli("selfcheck", "--bundle", clean, "--train", train, "--ledger", ledger)
    bad = run_cli("selfcheck", "--bundle", leaky, "--train", train, "--ledger", ledger)

    assert good[0] == 0, good
    assert bad[0] == 1
    assert "bundle" in bad[2]
    touches = [e.touch for e in PrivacyLedger(ledger).entries()]
    assert [(t.kind.value, t.scope.value) for t in touches] == [("unaccounted", "audit")] * 2


def test_public_face() -> None:
    """The protocol and the function are part of the package's face."""
    assert isinstance(handmade.ONE.promise, ga.Promise)
    (report,) = ga.selfcheck(handmade.StepsAlone)
    assert report.trainer == "StepsAlone"


def test_an_alarm_must_come_twice() -> None:
    """What chance shows once, and not on fresh chance, is no alarm; what shows again is one."""

    def looked(*p_values: float) -> list[Status]:
        left = list(p_values)

        def check(bench: Bench) -> Message:
            assert bench.effort == (1 if len(left) == len(p_values) else 4)
            raise failed("x", "seen", p_value=left.pop(0))

        try:
            Bench(handmade.Nothing).confirmed(check)
        except Stopped as stopped:
            return [stopped.status, *([Status.SKIPPED] * len(left))]
        return [Status.PASSED]

    assert looked(5e-5, 0.3) == [Status.PASSED]
    assert looked(5e-5, 5e-5) == [Status.PASSED]
    assert looked(5e-5, 1e-9) == [Status.FAILED]
    assert looked(1e-20) == [Status.FAILED]
