"""A total over all releases of a data set: checked and reserved in one step, counted once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from race import exit_codes

from genaudit.accounting import epsilon
from genaudit.data.dataset import Dataset
from genaudit.data.schema import Schema
from genaudit.errors import BudgetError, IntegrityError, OptionError
from genaudit.ledger import UNDECLARED, Mechanism, PrivacyLedger, TouchKind
from genaudit.training import book as books
from genaudit.training.book import Book, together
from genaudit.training.recipe import Recipe

DELTA = 1e-5
SGD = Mechanism(name="poisson_gaussian", noise_multiplier=1.0, sampling_rate=0.01, steps=1000)
COUNT = Mechanism(name="pure", epsilon=0.5)


def _parts(mechanism: Mechanism, n: int = 10) -> list[Mechanism]:
    return [mechanism.model_copy(update={"steps": mechanism.steps // n})] * n


def _charge(book: Book, mechanisms: Sequence[Mechanism]) -> None:
    for mechanism in mechanisms:
        book.charge(TouchKind.ACCOUNTED, "part", mechanism)


def _recipe(epsilon: float) -> Recipe:
    return Recipe.of(epsilon=epsilon, delta=DELTA)


@pytest.fixture
def ledger(tmp_path: Path) -> PrivacyLedger:
    """An empty ledger."""
    return PrivacyLedger(tmp_path / "ledger.sqlite")


def _spent(ledger: PrivacyLedger) -> float:
    """ε of everything that was charged, whoever reserved it."""
    return epsilon([e.touch.mechanism for e in ledger.entries() if e.touch.mechanism], DELTA)


def test_what_one_training_reserves_the_next_counts(ledger: PrivacyLedger) -> None:
    """Two that check before either charges: one release of ε = 1.83 fits under 2.0, two do not."""
    Book(ledger, "d", "a").check_total(2.0, DELTA, [SGD])

    with pytest.raises(BudgetError, match=r"1 earlier.*2\.58.*allowed is 2\."):
        Book(ledger, "d", "b").check_total(2.0, DELTA, [SGD])
    Book(ledger, "other", "b").check_total(2.0, DELTA, [SGD])
    assert _spent(ledger) == 0


def test_charges_of_a_reservation_are_not_counted_twice(ledger: PrivacyLedger) -> None:
    """While a training charges its parts, and after it is done, it counts exactly once."""
    first, total = Book(ledger, "d", "a"), epsilon([SGD, SGD], DELTA)
    first.check_total(total, DELTA, [SGD])

    for part in _parts(SGD):
        Book(ledger, "d", "b").check_room(total, _recipe(total - 0.01))
        _charge(first, [part])
    first.close()

    Book(ledger, "d", "c").check_total(total, DELTA, [SGD])
    with pytest.raises(BudgetError, match="2 earlier"):
        Book(ledger, "d", "e").check_total(total, DELTA, [SGD])


def _killed(ledger: PrivacyLedger, *, resumable: bool) -> None:
    """A training in a process of its own, killed after one part of ten."""
    pid = os.fork()
    if pid == 0:
        killed = Book(PrivacyLedger(ledger.path), "d", "killed", resumable=resumable)
        killed.check_total(2.0, DELTA, [SGD])
        _charge(killed, _parts(SGD)[:1])
        os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)


def test_a_killed_training_has_spent_what_it_charged(ledger: PrivacyLedger) -> None:
    """At work all of it counts; once killed the one part of ten, as nobody can go on with it."""
    at_work = Book(ledger, "d", "a")
    at_work.check_total(2.0, DELTA, [SGD])
    _charge(at_work, _parts(SGD)[:1])
    with pytest.raises(BudgetError):
        Book(ledger, "d", "b").check_total(2.0, DELTA, [SGD])
    at_work.close()

    _killed(ledger, resumable=False)

    # 100 + 100 + 1,000 steps spend ε = 2.00.
    Book(ledger, "d", "c").check_total(2.01, DELTA, [SGD])
    assert [e.touch.purpose for e in ledger.entries() if e.touch.artefact == "killed"][-1] == (
        "nothing more: its process has ended"
    )


def test_a_killed_training_that_may_be_gone_on_with_has_spent_all(ledger: PrivacyLedger) -> None:
    """Its checkpoint may take the other steps, until somebody says that nobody will."""
    _killed(ledger, resumable=True)
    with pytest.raises(BudgetError):
        Book(ledger, "d", "b").check_total(2.0, DELTA, [SGD])

    ledger.end(ledger.entries()[0].touch.run)

    Book(ledger, "d", "c").check_total(1.92, DELTA, [SGD])


def test_a_training_at_work_cannot_be_ended(ledger: PrivacyLedger) -> None:
    """Its process goes first; what has nothing reserved has nothing to end."""
    book = Book(ledger, "d", "a")
    book.reserve([SGD])

    with pytest.raises(OptionError, match=f"at work, as process {os.getpid()}"):
        ledger.end(book.run)
    book.close()
    with pytest.raises(OptionError, match="open reservation"):
        ledger.end(book.run)
    assert len(ledger.entries()) == 2


def test_a_training_whose_reservation_was_ended_stops(ledger: PrivacyLedger) -> None:
    """Another may have its room under the total; whoever goes on reserves anew, or is refused."""
    first = Book(ledger, "d", "a", resumable=True)
    first.check_total(2.0, DELTA, [SGD])
    assert first.lease(SGD, 100) == 100
    ledger.end(first.run)
    other = Book(ledger, "d", "b")
    other.check_total(2.0, DELTA, [SGD.model_copy(update={"steps": 900})])

    with pytest.raises(BudgetError, match="ended by somebody"):
        first.lease(SGD, 100)
    with pytest.raises(BudgetError, match="1 earlier"):
        first.check_total(2.0, DELTA, [SGD])
    other.close()
    first.check_total(2.0, DELTA, [SGD])
    assert first.lease(SGD, 100) == 100


@pytest.mark.parametrize("name", ["People", "peo ple", "ｐeople", " people"])
def test_a_slip_in_a_name_starts_no_new_total(ledger: PrivacyLedger, name: str) -> None:
    """Case, spaces and forms of letters tell no data set from another."""
    _charge(Book(ledger, "people", "a"), _parts(SGD))

    with pytest.raises(BudgetError, match="case or spaces alone"):
        Book(ledger, name, "b").check_total(9.0, DELTA, [SGD])
    Book(ledger, "peoples", "b").check_total(9.0, DELTA, [SGD])


def test_of_a_process_elsewhere_nothing_is_known(
    ledger: PrivacyLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process on another machine reserved counts until it is ended by hand."""
    _killed(ledger, resumable=False)
    monkeypatch.setattr("platform.node", lambda: "another")

    with pytest.raises(BudgetError):
        Book(ledger, "d", "b").check_total(2.0, DELTA, [SGD])
    ledger.end(ledger.entries()[0].touch.run)
    Book(ledger, "d", "b").check_total(2.0, DELTA, [SGD])


def test_an_error_gives_back_what_was_not_charged(ledger: PrivacyLedger) -> None:
    """A training that ends early counts with its charges, and a refused one with nothing."""
    stopped, refused = Book(ledger, "d", "a"), Book(ledger, "d", "b")
    stopped.check_total(2.0, DELTA, [SGD])
    _charge(stopped, _parts(SGD)[:1])
    with pytest.raises(KeyboardInterrupt), stopped.closing_on_error():
        raise KeyboardInterrupt
    with pytest.raises(BudgetError), refused.closing_on_error():
        refused.check_total(1.0, DELTA, [SGD])

    assert "b" not in {e.touch.artefact for e in ledger.entries()}
    # 100 + 1,000 steps spend ε = 1.91.
    Book(ledger, "d", "c").check_total(1.92, DELTA, [SGD])


def test_reads_before_the_noise_is_known_reserve_the_whole_release(ledger: PrivacyLedger) -> None:
    """A count of ε = 0.5 and the rest of ε = 2 are reserved as 2, until the plan replaces them."""
    first = Book(ledger, "d", "a")
    first.check_room(4.0, _recipe(2.0), [COUNT])
    [reserved] = [e.touch for e in ledger.entries()]
    assert together(reserved.spends, DELTA, "zero-out") == pytest.approx(2.0, abs=1e-4)
    _charge(first, [COUNT])

    with pytest.raises(BudgetError, match=r"4\.01"):
        Book(ledger, "d", "b").check_room(4.0, _recipe(2.01), [COUNT])
    plain = Book(ledger, "d", "c")
    plain.check_room(3.9, _recipe(2.0))
    with_the_rest = epsilon([COUNT, SGD], DELTA) + 1.5
    with pytest.raises(BudgetError, match="1 earlier"):
        plain.check_total(with_the_rest - 0.01, DELTA, [SGD])

    first.check_total(4.0, DELTA, [COUNT, SGD])
    exactly = epsilon([COUNT, SGD, SGD], DELTA)
    plain.check_total(exactly, DELTA, [SGD])
    assert exactly < with_the_rest - 0.5


def test_what_is_no_number_lets_nothing_through(ledger: PrivacyLedger) -> None:
    """No ε is at most NaN: a check that cannot be made is one that fails."""
    with pytest.raises(BudgetError):
        Book(ledger, "d", "a").check_total(float("nan"), DELTA, [SGD])
    with pytest.raises(BudgetError):
        Book(ledger, "d", "a").check_room(float("nan"), _recipe(1.0))
    assert ledger.entries() == []


def test_units_that_differ_are_refused(ledger: PrivacyLedger) -> None:
    """What was spent for a record says nothing about a person, so there is no total of both."""
    _charge(Book(ledger, "d", "a", unit="record"), [SGD])
    person = Book(ledger, "d", "b", unit="person")

    for check in (
        lambda: person.check_total(99, DELTA, [SGD]),
        lambda: person.check_room(99, _recipe(1.0)),
        lambda: person.check_room(99, _recipe(1.0), [COUNT]),
    ):
        with pytest.raises(BudgetError, match="one record and this one for one person"):
            check()
    Book(ledger, "d", "c", unit="record", relation="add-remove").check_total(3, DELTA, [SGD])


@pytest.mark.parametrize(
    ("windows", "advised"),
    [(True, "covers both; leave"), (False, "covers both; train with --unit")],
)
def test_windows_are_not_sent_back_to_records(
    ledger: PrivacyLedger, windows: bool, advised: str
) -> None:
    """Where records are windows of an entity, no total asks for them as the unit."""
    _charge(Book(ledger, "d", "a", unit="record"), [SGD])

    with pytest.raises(BudgetError, match=advised):
        Book(ledger, "d", "b", unit="person", windows=windows).check_total(99, DELTA, [SGD])


def test_a_delta_that_is_used_up_is_named(ledger: PrivacyLedger) -> None:
    """A smaller ε would not help where no ε is finite: the refusal names a δ that would."""
    learned = Mechanism(name="pure", epsilon=0.5, delta=4e-6)
    book = Book(ledger, "d", "a")

    with pytest.raises(BudgetError, match=r"no finite ε.*δ = 1e-06.*larger delta: at δ = 5e-06"):
        book.check_total(9.0, 1e-6, [learned, SGD])
    with pytest.raises(BudgetError, match="No larger delta helps"):
        book.check_total(9.0, 1e-6, [learned.model_copy(update={"delta": 0.9}), SGD])
    assert ledger.entries() == []


def test_releases_are_counted_by_training_and_not_by_name(ledger: PrivacyLedger) -> None:
    """Three trainings into one folder, one after the other, are three releases."""
    for _ in range(3):
        Book(ledger, "d", "model").check_total(9.0, DELTA, [SGD])

    with pytest.raises(BudgetError, match="This release and 3 earlier ones of data set"):
        Book(ledger, "d", "model").check_total(2.0, DELTA, [SGD])


def test_what_no_epsilon_covers_has_no_total(ledger: PrivacyLedger) -> None:
    """An unpaid read of this release is refused before it happens, one of an earlier one always."""
    with pytest.raises(BudgetError, match=r"This release.*no ε"):
        Book(ledger, "d", "a").check_room(9, _recipe(1.0), unpaid=True)
    with pytest.raises(BudgetError, match=r"without epsilon.*no ε"):
        Book(ledger, "d", "a").check_total(9, 0.0, [])
    assert ledger.entries() == []

    Book(ledger, "d", "a").charge(TouchKind.UNACCOUNTED, "plain")
    with pytest.raises(BudgetError, match=r"earlier release.*no ε"):
        Book(ledger, "d", "b").check_total(9, DELTA, [SGD])


def test_releases_of_the_same_records_without_a_name_count(ledger: PrivacyLedger) -> None:
    """Whoever names a data set later finds what it spent before, whatever order its rows had."""
    data = Dataset.of(pd.DataFrame({"x": ["a", "b", "a", "b"]}),
                      Schema.from_dict({"columns": {"x": {"kind": "categorical",
                                                          "categories": ["a", "b"]}}}))  # fmt: skip
    unnamed = Book.of(ledger, data, UNDECLARED + "1", "a")
    unnamed.reserve([SGD])
    _charge(unnamed, _parts(SGD)[:1])  # it is still at work

    turned = Book.of(ledger, data.take(np.array([1, 0, 3, 2])), "d", "b")
    with pytest.raises(BudgetError, match="1 earlier one of"):
        turned.check_total(2.0, DELTA, [SGD])
    other = Book.of(ledger, data.take(np.array([0, 1, 2])), "d", "b")
    other.check_total(2.0, DELTA, [SGD])


def test_a_ledger_that_is_rolled_back_ends_the_training(
    ledger: PrivacyLedger, tmp_path: Path
) -> None:
    """A lease after an older copy was put in its place is refused, and nothing is handed out."""
    book = Book(ledger, "d", "a")
    book.reserve([SGD])
    old = ledger.path.read_bytes()
    assert book.lease(SGD, 100) == 100
    ledger.path.write_bytes(old)

    for use in (lambda: book.lease(SGD, 100), book.close, book.mark, book.record):
        with pytest.raises(IntegrityError, match="rolled back while it was in use"):
            use()


def test_without_a_ledger_a_release_is_checked_alone() -> None:
    """Nothing can be reserved, but a release that exceeds the total by itself is refused."""
    Book(None, "d", "a").check_total(2.0, DELTA, [SGD])
    with pytest.raises(BudgetError, match="This release of data set 'd'"):
        Book(None, "d", "a").check_total(1.0, DELTA, [SGD])


def test_two_that_have_checked_are_checked_again(
    ledger: PrivacyLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both find room before either reserves; the check inside the ledger lets one of them in."""
    barrier, real = threading.Barrier(2), books.together
    waited = threading.local()
    outcomes: list[bool] = []

    def together_after_both(*arguments: Any) -> float:
        found = real(*arguments)
        if not getattr(waited, "done", False):
            waited.done = True
            barrier.wait(30)
        return found

    def train(name: str) -> None:
        try:
            Book(ledger, "d", name).check_total(2.0, DELTA, [SGD])
        except BudgetError:
            outcomes.append(False)
        else:
            outcomes.append(True)

    monkeypatch.setattr(books, "together", together_after_both)
    threads = [threading.Thread(target=train, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(outcomes) == [False, True]
    assert len(ledger.entries()) == 1


def _train_until_refused(path: Path, name: str) -> None:
    ledger = PrivacyLedger(path)
    small = Mechanism(name="pure", epsilon=0.1)
    for i in range(15):
        book = Book(ledger, "d", f"{name}{i}")
        try:
            book.check_total(1.05, DELTA, [small, small])
        except BudgetError:
            return
        _charge(book, [small, small])
        book.close()


@pytest.mark.slow
def test_two_processes_never_exceed_the_total(tmp_path: Path) -> None:
    """Two processes that train as often as they may end at five releases of ε = 0.2 under 1.05."""
    path = tmp_path / "ledger.sqlite"
    codes = exit_codes(_train_until_refused, ((path, "a"), (path, "b")), 120)

    ledger = PrivacyLedger(path)

    assert codes == [0, 0]
    assert sum(e.touch.kind is TouchKind.ACCOUNTED for e in ledger.entries()) == 10
    assert 0.99 < _spent(ledger) <= 1.05
    assert ledger.verify() == ledger.head()
