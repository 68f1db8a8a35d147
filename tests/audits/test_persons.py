"""Persons with several rows: judged by persons, neither silenced nor overrated."""

from itertools import pairwise

import numpy as np
import pytest
from subjects import SCHEMA, case_of, judged, population

from genaudit.audits.bias._groups import GroupRates, share_of
from genaudit.audits.bias.proxies import _halves
from genaudit.audits.bias.representation import CHANGE, SHARE
from genaudit.audits.learners import _parts
from genaudit.audits.quality.utility import LOSS, skill
from genaudit.audits.quality.validity import INVALID
from genaudit.result import Verdict

PERSON = {"name": "who", "kind": "categorical", "role": "person"}
PERSONS = SCHEMA.replace(columns=[*(c.model_dump() for c in SCHEMA.columns), PERSON])


def persons(n, seed, rate=0.4):
    """So many persons whose rows are all the same, of geometric number with mean 1 / rate."""
    rng = np.random.default_rng([seed, 0x9E])
    who = np.repeat(np.arange(n), rng.geometric(rate, n))
    return population(n, seed).iloc[who].assign(who=[f"{seed}-{i}" for i in who])


def case(samples, seed, n=800):
    """Samples without persons against training and holdout rows of persons."""
    train, holdout = persons(n, 3 * seed + 1), persons(n, 3 * seed + 2)
    return case_of(samples.drop(columns="who", errors="ignore"), train, holdout, schema=PERSONS,
                   seed=seed)  # fmt: skip


def verdicts(audit, subject):
    """Metric and group -> finding."""
    return {(f.metric, f.group.get("sex")): f for f in judged(audit, subject)}


def test_samples_alone_are_judged():
    """Values that the schema does not allow are counted in samples, which have no persons."""
    found = verdicts("quality.validity", case(population(800, 5).assign(region="atlantis"), 1, 50))

    assert found[INVALID, None].verdict is Verdict.OUTSIDE


def test_gross_deviations_are_outside():
    """Women halved and men favoured is more than persons with several rows can explain."""
    made = population(6000, 7)
    rng = np.random.default_rng(0)
    made = made[(made["sex"] == "Male") | (rng.random(6000) < 0.4)].reset_index(drop=True)
    lucky = (made["sex"] == "Male") & (rng.random(len(made)) < 0.6)
    found = verdicts("bias.representation", case(made.assign(
        hired=np.where(lucky, "yes", made["hired"])), 1, 2000))  # fmt: skip

    assert found[SHARE, "Female"].verdict is Verdict.OUTSIDE
    assert found[CHANGE, "Female"].verdict is Verdict.OUTSIDE
    assert found[SHARE, "Female"].estimate.method.endswith("not taken as independent")


def test_useless_labels_of_persons_are_outside():
    """Labels by a coin lose skill beyond what persons with several rows explain."""
    tables = [persons(800, seed) for seed in (1, 2)]
    train, holdout = (t.assign(hired=np.where(t["age"] > 42, "yes", "no")) for t in tables)
    made = population(2000, 7).assign(hired=np.where(np.arange(2000) % 2, "yes", "no"))
    loss = verdicts("quality.utility", case_of(made, train, holdout, schema=PERSONS))[LOSS, None]

    assert loss.verdict is Verdict.OUTSIDE


def test_honest_samples_are_rarely_accused():
    """Eight honest subjects: none outside, and hardly an interval of a share misses zero."""
    held = []
    for seed in range(8):
        found = verdicts("bias.representation", case(population(1500, 1000 + seed), seed, 400))
        share = found[SHARE, "Female"].estimate
        held.append(share.low <= 0 <= share.high)

        assert not [f for f in found.values() if f.verdict is Verdict.OUTSIDE]
    assert sum(held) >= 6


def test_rows_of_one_person_are_no_crowd():
    """Forty rows of two persons are a small cell; one row each of forty are none."""
    groups, labels = np.repeat([0, 1], [400, 40]), np.arange(440) % 2
    two = np.concatenate([np.arange(400), 400 + np.arange(40) % 2])

    assert GroupRates.of(groups, labels, 2, np.arange(440)).told.all()
    assert not GroupRates.of(groups, labels, 2, two).told[1]


def test_fidelity_says_why_it_is_not_judged():
    """No bound is known for the distance of clustered rows: doubt, with its own reason."""
    found = judged("quality.fidelity", case(population(300, 5), 1, 150))

    assert {f.doubt.id for f in found} == {"quality.fidelity.clustered"}


def test_groups_of_persons_are_described_with_a_doubt():
    """Floors of clustered rows are too high: distances hold zero from below, and are not judged."""
    found = verdicts("bias.conditional", case(population(600, 5), 1, 200))

    assert {f.doubt.id for f in found.values()} == {"bias.conditional.clustered"}
    assert all(f.estimate.low <= 0 for f in found.values())
    assert all(f.estimate.method.endswith("not taken as independent") for f in found.values())


def test_halves_of_a_table_share_no_person():
    """Learners are asked about persons they have not seen; samples without persons are rows."""
    subject = case(population(300, 5), 1, 200)
    one, other = _halves(subject.train, np.random.default_rng(0))
    made = _halves(subject.samples, np.random.default_rng(0))

    assert not set(one.frame["who"]) & set(other.frame["who"])
    assert len(one) + len(other) == len(subject.train)
    assert [len(half) for half in made] == [150, 150]


def test_learners_do_not_share_persons():
    """Parts of the training rows hold whole persons, but for one on each edge."""
    who = np.repeat(np.arange(100), 8)
    parts = _parts(np.zeros(800), 4, 200, np.random.default_rng(0), who)
    common = [len(np.intersect1d(who[a], who[b])) for a, b in pairwise(parts)]

    assert len(np.unique(parts)) == 800
    assert max(common) <= 1


@pytest.mark.parametrize("k", [1, 4])
def test_repeated_rows_add_no_certainty_about_an_area(k):
    """Each row written k times: the same area with an error that is no smaller."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    scores = np.clip(0.3 + 0.2 * y + 0.2 * rng.normal(size=200), 0, 1)
    p = np.column_stack([1 - scores, scores])
    once, again = (
        skill(p[None], y),
        skill(p.repeat(k, 0)[None], y.repeat(k), np.arange(200).repeat(k)),
    )
    sums = again.influence.reshape(200, k).sum(axis=1)

    assert np.isclose(once.value, again.value)
    assert np.isclose((sums**2).sum(), (once.influence**2).sum())
    assert again.n_min == once.n_min


def test_a_row_each_is_worth_a_row():
    """Persons with one row each change nothing."""
    hit = np.arange(50) % 3 == 0

    assert share_of(hit, np.arange(50)) == share_of(hit, None)
