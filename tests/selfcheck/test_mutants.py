"""The examiner examined: broken trainers are found out, the faulty part is named, and nobody else.

Every mutant is our own trainer, or one in plain NumPy, with one fault. The whole of it is marked
slow; one mutant for each check, and some correct trainers, run by default.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import byhand
import pytest
import torch
from long import all_but
from mutants import CORRECT, MUTANTS, Mutant

from genaudit.training.dp.selfcheck import CHECKS, SelfcheckReport, examine

assert byhand.CORRECT is CORRECT  # its faults and trainers are in the lists as well

#: The first mutant of each check.
FIRST = list({m.check: m for m in reversed(MUTANTS)}.values())

#: The canary audit may alarm beside any check: it looks at the whole training.
WHOLE = {"whole training"}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _named(report: SelfcheckReport, mutant: Mutant) -> bool:
    """Whether the alarm is the right one, and the only part that is blamed."""
    rang = mutant.check in {o.check for o in report.failed}
    return rang and {mutant.part} <= set(report.faulty) <= {mutant.part} | WHOLE


def test_every_check_has_a_mutant() -> None:
    """No check is without a fault that it must find; there are enough of both kinds."""
    assert {m.check for m in MUTANTS} == {c.id for c in CHECKS}
    assert {(m.check, m.part) for m in MUTANTS} <= {(c.id, c.part) for c in CHECKS}
    assert len(MUTANTS) >= 24
    assert len(CORRECT) >= 8


def test_readme_says_how_many() -> None:
    """The numbers in the README are those of the lists that are tested."""
    text = " ".join((Path(__file__).parents[2] / "README.md").read_text("utf-8").split())

    assert f"all of {len(MUTANTS)} faults" in text
    assert f"nothing in {len(CORRECT)} correct ones" in text


@pytest.mark.parametrize("mutant", FIRST, ids=lambda m: m.name)
def test_fault_is_found_by_its_check(mutant: Mutant) -> None:
    """The check that is made for a fault finds it, and a correct trainer passes that check."""
    (found,) = examine(mutant.make, only=[mutant.check])

    assert found.status == "failed", str(found)
    assert found.part == mutant.part
    assert found.said.english


@pytest.mark.parametrize("name", all_but({"network"}, ["network", "persons", "vae"]))
def test_correct_trainer_passes(name: str) -> None:
    """Nothing is found where nothing is wrong, and no check is left unanswered."""
    report = examine(CORRECT[name])

    assert not report.failed, list(map(str, report.failed))
    assert report.exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("half", [0, 1])
def test_all_mutants_and_correct_trainers(half: int) -> None:
    """All faults are found in a whole examination, each with its part; no false alarm.

    Each half is thirty faults and seven correct trainers or more, in ten minutes.
    """
    start = time.process_time()
    missed = [m.name for m in MUTANTS[half::2] if not _named(examine(m.make), m)]
    correct = list(CORRECT.items())[half::2]
    blamed = {name: r.faulty for name, make in correct if (r := examine(make)).failed}
    spent = time.process_time() - start

    assert not missed
    assert not blamed
    assert spent < 600


@pytest.mark.slow
@pytest.mark.skipif("GENAUDIT_SOAK" not in os.environ, reason="a quarter of an hour: make soak")
@pytest.mark.parametrize("name", CORRECT)
def test_no_false_alarm_in_twenty_repetitions(name: str) -> None:
    """Twenty seeds of each correct trainer: 20 statistical checks at 1e-4 each stay silent."""
    reports = [examine(CORRECT[name], seed=seed) for seed in range(1, 21)]

    assert not [str(o) for r in reports for o in r.failed]
