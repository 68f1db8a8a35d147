"""Right guesses of an attack: dealt once, the worst paid for, differences without samples seen."""

import numpy as np
import pytest

from genaudit.audits.privacy._game import UNLIKE
from genaudit.audits.privacy._reach import Reach
from genaudit.audits.privacy._residual import Guesses, Tally, overall, worst
from genaudit.result import message
from genaudit.stats.residual import residual_risk

LABEL = message("label", "label")
REACH = Reach(2000, 2000, 2000, 2000, 2000, 0)


def coins(rng, n, rate=0.3):
    """Guesses about n members and n controls."""
    return rng.random(n) < rate, rng.random(n) < rate


def test_a_tally_is_its_counts():
    """Shares of right guesses become a residual risk; a few are any number from one to nine."""
    members, controls = np.arange(100) < 60, np.arange(100) < 20
    tally = Tally.of((members, controls))

    assert tally.value() == pytest.approx(0.5)
    assert Tally(3, 100, 50, 100).value() == pytest.approx(residual_risk(5, 100, 50, 100))
    assert Tally(3, 100, 50, 100).interval(0.9) == Tally(8, 100, 50, 100).interval(0.9)


@pytest.mark.parametrize("sides", [(4, 200), (200, 9)])
def test_few_guesses_are_no_risk(sides):
    """Under ten on a side say nothing, by themselves and as one of several parts."""
    few = tuple(np.arange(n) % 2 == 0 for n in sides)
    whole = coins(np.random.default_rng(0), 200)
    names, part = ("a", "b"), tuple(np.zeros(n, dtype=int) for n in sides)
    alone = overall("privacy.x.risk", LABEL, Guesses(few, few, part, names, REACH))

    assert alone.estimate.value is None
    assert alone.estimate.reason.id == "privacy.residual.few"
    assert worst([few]).reason.id == "privacy.residual.few"
    assert worst([few, whole]).value == worst([whole]).value


def test_the_worst_of_many_is_paid_for():
    """The largest of six risks of nothing is above zero, and its low end rarely is."""
    rng = np.random.default_rng(0)
    found = [worst([coins(rng, 200) for _ in range(6)]) for _ in range(30)]

    assert np.mean([e.value for e in found]) > 0.05
    assert np.mean([e.low > 0 for e in found]) <= 0.1 + 1e-9
    assert all(e.high > 0 for e in found)


def test_the_worst_is_found():
    """One part of eight that leaks is seen among the others, and its name is told."""
    rng = np.random.default_rng(1)
    part = np.arange(1600) % 8
    members, controls = coins(rng, 1600)
    members = members | (part == 3)
    names = tuple("abcdefgh")
    guesses = Guesses((members, controls), coins(rng, 1600), (part, part), names, REACH)

    assert worst(guesses.parts(guesses.right)).low > 0.8
    assert overall("m", LABEL, guesses).estimate.value < 0.3


def test_other_populations_are_doubted():
    """Who has no samples guesses members better: nothing can be told. So where controls are."""
    rng = np.random.default_rng(2)
    part = np.zeros(500, dtype=int)
    even, better = coins(rng, 500), (rng.random(500) < 0.6, rng.random(500) < 0.3)

    def doubt(right, blind):
        return Guesses(right, blind, (part, part), ("a",), REACH).doubt()

    assert doubt(even, even) is None
    assert doubt(better, even) is None
    assert doubt(even, better) == UNLIKE
    assert doubt(better[::-1], even).id == "privacy.residual.favoured"


def test_controls_that_are_always_guessed_leave_nothing():
    """No residual risk without a wrong guess about controls, and a reason for it."""
    part = np.zeros(50, dtype=int)
    sure = (np.ones(50, bool), np.ones(50, bool))
    found = overall("m", LABEL, Guesses(sure, sure, (part, part), ("a",), REACH))

    assert found.estimate.value is None
    assert found.estimate.reason.id == "privacy.residual.certain"
    assert worst([sure]).value is None


def test_power_is_in_line_with_the_interval():
    """The smallest risk that is found is found, and a perfect attack reaches the ceiling."""
    rng = np.random.default_rng(3)
    part = np.zeros(1000, dtype=int)
    found = overall("m", LABEL, Guesses(coins(rng, 1000), coins(rng, 1000), (part, part), ("a",),
                                        REACH))  # fmt: skip

    assert 0 < found.detectable < 0.15
    assert 0.95 < found.ceiling < 1


def test_controls_that_are_nearly_always_guessed_show_nothing():
    """Where next to no guess about controls is wrong no leak can be proved: the ceiling is 0."""
    part = np.zeros(12, dtype=int)
    nearly = np.arange(12) > 0
    found = overall("m", LABEL, Guesses((nearly, nearly), (nearly, nearly), (part, part), ("a",),
                                        REACH))  # fmt: skip

    assert found.ceiling == 0
    assert found.detectable is None
    assert found.estimate.value is not None
