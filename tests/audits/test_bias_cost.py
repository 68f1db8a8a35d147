"""Who pays: gaps as Fairlearn counts them, honest intervals, one attack for two audits."""

import math

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame
from sklearn.metrics import accuracy_score
from subjects import make_case

from genaudit.audits.bias._gaps import Gap, Table, cells, gap_change, rate_change
from genaudit.audits.bias._groups import Grouping
from genaudit.audits.bias._pairs import of_maxima
from genaudit.audits.bias.cost import (
    ACCURACY,
    GAP,
    Moves,
    _moves,
    _signed,
    cost,
    effect_of,
    gap_between,
)
from genaudit.audits.learners import comparison
from genaudit.audits.privacy import ensemble
from genaudit.audits.privacy.groups import groups
from genaudit.modalities.table.learner import Target
from genaudit.plan import AuditPlan


def table(seed, k=4, n=(300, 100), right=(0.8, 0.7), spread=0.02):
    """Learners that are right so often about each group, each of them a little more or less."""
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1], n)

    def side():
        rates = np.array(right) + spread * rng.standard_normal((k, 2))
        easy = rng.random(len(group))  # the same rows are hard for all learners
        return (easy + 0.1 * rng.standard_normal((k, len(group)))) < rates[:, group]

    y = rng.integers(0, 2, len(group))
    return Table(Grouping("letter", ("a", "b")), group, y, side(), side())


def change_of(t, seed=0):
    """How much further group b falls behind group a."""
    change = gap_between(t, 1, t.made) - gap_between(t, 1, t.real)
    return gap_change(t, _signed(1, 0), change, np.random.default_rng(seed), 100)


def test_gaps_are_fairlearns():
    """The accuracy of one group less that of the other, of each learner."""
    case = make_case("honest", 1)
    found = comparison(case, Target.of(case.schema.target, case.train))
    grouping = Grouping.of(case.schema.sensitive[0], case.train)
    t = Table.right(grouping, found, case)
    sex = case.holdout.frame["sex"].iloc[found.rows]
    gaps = []
    for p in found.made:
        frame = MetricFrame(metrics=accuracy_score, y_true=found.y, y_pred=p.argmax(axis=1),
                            sensitive_features=sex)  # fmt: skip
        gaps.append(frame.by_group["Male"] - frame.by_group["Female"])

    assert np.isclose(gap_between(t, 0, t.made), np.mean(gaps))


@pytest.mark.parametrize(("i", "reference"), [(0, 1), (1, 0)])
def test_the_sign_is_that_of_the_reference(i, reference):
    """Above zero the group falls behind the reference, whatever the order of their codes."""
    right, n = np.array([[8.0, 0.0], [5.0, 0.0]]), np.full((2, 2), 5.0)

    assert np.isclose(_signed(i, reference)(right, n), 0.3 if i == 1 else -0.3)


def test_what_the_two_furthest_lost_is_no_effect_by_choice():
    """Of eight groups that lose nothing, the gap of the two that look furthest apart is zero.

    By the interval of two groups that somebody named it is not in many more of 100 draws.
    """
    group, told = np.repeat(np.arange(8), 120), {"all": 0, "one": 0}
    for seed in range(100):
        rng = np.random.default_rng(seed)
        easy = rng.random(len(group))  # the same rows are hard for all learners
        side = (easy + 0.3 * rng.standard_normal((8, len(group))) < 0.75).reshape(2, 4, -1)
        y = rng.integers(0, 2, len(group))
        t = Table(Grouping("letter", tuple("abcdefgh")), group, y, *side, own=True)
        rates = cells(t, Gap(), rng, 200)
        pairs = of_maxima(rates, 8, ahead=False)
        [place] = np.flatnonzero((pairs.one == pairs.furthest[0])
                                 & (pairs.other == pairs.furthest[1]))  # fmt: skip
        moves = _moves(rates, place)
        low, high = (ends[place] for ends in rates.changes(0.025))
        told["all"] += effect_of(moves) != "neither"
        told["one"] += low > 0 or high < 0
        assert moves.change[0] < low < high < moves.change[1]

    assert told["all"] <= 5
    assert told["one"] > told["all"]


@pytest.mark.parametrize("k", [2, 4])
def test_equal_sides_are_not_accused(k):
    """Of 200 pairs of equal sides at most 5%, and two errors, miss zero."""
    found = [change_of(table(seed, k)) for seed in range(200)]
    missed = [not e.low <= 0 <= e.high for e in found]

    assert np.mean(missed) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / len(found))


def test_a_loss_is_right_on_average():
    """A group that loses 0.2 more has intervals that hold 0.2 as often as promised."""
    missed = []
    for seed in range(200):
        t = table(seed)
        worse = t.made & ~((t.group == 1) & (np.random.default_rng(seed).random(400) < 2 / 7))
        e = change_of(Table(t.grouping, t.group, t.y, t.real, worse))
        missed.append(not e.low <= 0.2 <= e.high)

    assert np.mean(missed) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 200)


def test_what_favours_one_label_costs_the_other():
    """A near tie moves rows of one label to right, of the other to wrong: the mean stays."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    right = rng.random((2, 400)) < 0.5
    lead = np.where(right[0], 0.1, -0.1)
    same = Table(Grouping("letter", ("a",)), np.zeros(400, int), y, right, right, lead, lead)
    own = Table(same.grouping, same.group, y, right, right, lead, lead, own=True)
    widths = [rate_change(t).high - rate_change(t).low for t in (own, same)]

    assert widths[0] < widths[1] / 3


@pytest.mark.parametrize(
    ("real", "made", "effect"),
    [(0.3, 0.1, "robin_hood"), (-0.3, -0.1, "robin_hood"), (0.1, 0.3, "matthew"),
     (-0.1, -0.3, "matthew"), (0.1, -0.1, "turned"), (0.1, -0.04, "robin_hood"),
     (0.04, -0.1, "opened"), (0.04, 0.2, "opened"), (0.02, -0.02, "neither")],
)  # fmt: skip
def test_effects_have_the_names_of_the_field(real, made, effect):
    """As far as intervals of half a tenth tell who was ahead, who is, and what changed."""

    def ends(value):
        return value - 0.05, value + 0.05

    assert effect_of(Moves(ends(real), ends(made), ends(made - real))) == effect
    assert effect_of(Moves(ends(real), ends(made), (-1.0, 1.0))) == "neither"


@pytest.mark.parametrize("n", [(300, 100), (4000, 2000)])
def test_nobody_was_served_better_by_chance(n):
    """Two groups that are served alike by real rows, of which one loses: a gap opens.

    Who was served better is named in at most 5% (and two errors) of 60 draws.
    """
    named = []
    for seed in range(60):
        t = table(seed, n=n, right=(0.8, 0.8))
        lost = t.made & ~((t.group == 1) & (np.random.default_rng(seed).random(sum(n)) < 0.4))
        worse = Table(t.grouping, t.group, t.y, t.real, lost)
        moves = _moves(cells(worse, _signed(1, 0), np.random.default_rng(seed), 100))
        named.append(effect_of(moves) not in ("opened", "neither"))

    assert np.mean(named) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 60)


def test_one_attack_serves_two_audits(monkeypatch):
    """The exposure in the chart is that of the privacy audit, played once."""
    played, scores = [], ensemble.scores
    monkeypatch.setattr(ensemble, "scores", lambda *a: played.append(1) or scores(*a))
    case = make_case("copycat", 1)
    chart = next(f for f in cost(case).figures if f.id == "bias.cost.groups")
    exposed = {f.group["sex"]: f.estimate.value for f in groups(case).findings
               if f.metric == "privacy.groups.auc"}  # fmt: skip
    drawn = {row[0]: row[2] for row in chart.rows if row[1].startswith("exposure")}

    assert len(played) == 1
    assert drawn == {f"{s} (sex)": pytest.approx(v - 0.5) for s, v in exposed.items()}
    assert min(drawn.values()) > 0.3


def test_the_largest_group_is_nobodys_gap():
    """Each group has an accuracy; each but the largest a gap."""
    found = [(f.metric, f.group["sex"]) for f in cost(make_case("honest", 1)).findings]

    assert found == [(ACCURACY, "Female"), (ACCURACY, "Male"), (GAP, "Female")]


def test_a_quick_plan_plays_no_attack():
    """As the attack on groups, it waits for the standard plan."""
    assert not AuditPlan.read("quick").includes("bias.cost")
    assert AuditPlan.read("standard").includes("bias.cost")
