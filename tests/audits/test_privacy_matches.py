"""Matches with training rows: rare copies found, honest subjects not, ε where chance decided."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from subjects import SCHEMA, case_of, judged, make_case, population

from genaudit.api import audit as run_audit
from genaudit.audits.privacy._pool import Pool
from genaudit.audits.privacy.matches import SHARE, matches
from genaudit.case import AuditCase, Knowledge, Split
from genaudit.data.dataset import Dataset
from genaudit.errors import OptionError
from genaudit.plan import AuditPlan
from genaudit.policy import Policy
from genaudit.result import Claim, Verdict
from genaudit.run import run
from genaudit.subject import Subject


@cache
def rows():
    """Rows of the population that hardly match by chance, as their income is known; read once."""
    return Dataset.of(population(6500, 77).dropna().head(6000), SCHEMA)


def rare(seed, chance, n=800):
    """A generator whose samples hold each training row with a chance, and fresh rows."""
    rng = np.random.default_rng(seed)
    train, holdout, fresh = rng.permutation(6000)[: 3 * n].reshape(3, n)
    copied = train[rng.random(n) < chance]
    made = rows().take(np.concatenate([copied, fresh[: n - len(copied)]]))
    data = {Knowledge.TRAIN: rows().take(train), Knowledge.HOLDOUT: rows().take(holdout)}
    return AuditCase(Subject("planted", "samples", samples=made), data, seed=seed)


def refuted(case):
    """Whether the exact one-sided test at 5% says that training rows stand there."""
    ladder = matches(case).findings[0].estimate.ladder
    return next(b.low for b in ladder if b.confidence == 0.9) > 0


@pytest.mark.parametrize(("chance", "low", "high"), [(0, 0, 2), (0.01, 16, 20), (0.02, 20, 20)])
def test_rare_copies_are_found(chance, low, high):
    """800 rows of which each is copied with 1%: found in most of 20 runs; fresh ones in hardly."""
    assert low <= sum(refuted(rare(seed, chance)) for seed in range(20)) <= high


@pytest.mark.parametrize(("chance", "low", "high"), [(0, 0, 0), (0.03, 9, 10)])
def test_the_default_policy_names_rare_copies(chance, low, high):
    """Where 3% of 800 rows stand verbatim among the samples the verdict says so; else never."""
    plan = AuditPlan("rare", ("privacy.matches",))
    reports = [run(rare(seed, chance), plan, Policy.read()) for seed in range(10)]
    shares = [next(f for _, f in r.findings() if f.metric == SHARE) for r in reports]

    assert low <= sum(f.verdict is Verdict.OUTSIDE for f in shares) <= high
    assert chance or all(f.verdict is Verdict.WITHIN for f in shares)


def test_epsilon_needs_a_word_about_the_split():
    """No bound unless chance is said to have decided; then the audit prints one and its terms."""
    case = rare(1, 0.05)
    plain = matches(case).findings
    coin, split = (matches(replace(case, split=s, _cache={})).findings[1] for s in
                   (Split.COIN, Split.RANDOM))  # fmt: skip

    assert [f.metric for f in plain] == ["privacy.matches.share"]
    assert coin.estimate.value > 1.5 > split.estimate.value > 0.7
    assert coin.ceiling > coin.estimate.value
    assert coin.estimate.high is None
    assert split.note.params == {"delta": 1e-6}


@pytest.mark.parametrize("split", list(Split))
def test_an_honest_subject_has_no_bound(split):
    """Fresh rows prove no ε, and no share."""
    for seed in range(4):
        share, epsilon = matches(replace(make_case("honest", seed), split=split)).findings

        assert share.estimate.low == 0
        assert epsilon.estimate.low == 0


def test_a_claim_below_the_bound_is_warned_of():
    """Who claims ε = 0.1 and copies is warned of; who claims 8 is not; nor without a comparison."""
    case = rare(2, 0.2)

    def told(epsilon, unit="record"):
        subject = replace(case.subject, claim=Claim(epsilon=epsilon, delta=1e-6, unit=unit))
        return matches(replace(case, subject=subject, split=Split.COIN, _cache={})).findings[1]

    assert "ε of 0.1" in told(0.1).warning.english
    assert told(8).warning is None


def test_sides_of_fair_coins_are_about_equal():
    """800 against 200 rows were not dealt by fair coins: nothing is judged by them."""
    case = case_of(population(500, 1), population(800, 2), population(200, 3))
    coin, split = (matches(replace(case, split=s, _cache={})).findings[1] for s in
                   (Split.COIN, Split.RANDOM))  # fmt: skip

    assert coin.doubt.id == "privacy.matches.no_coins"
    assert split.doubt is None


def test_a_few_samples_could_not_have_shown_anything():
    """One row of 800 handed out is an eighth of a percent of them, and no word on the generator."""
    train, holdout = population(800, 1), population(800, 2)
    [share] = judged("privacy.matches", case_of(train[:1], train, holdout))

    assert share.ceiling <= share.limit.value
    assert share.verdict is Verdict.CANNOT_TELL


def test_a_pool_on_paper():
    """Ten of 1,000 members and none of as many others: between six and ten are no chance."""
    pool = Pool(10, 1000, 0, 1000)

    assert pool.value() == 0.01
    assert pool.interval(0.95) == (0.005, 0.01)
    assert pool.interval(0.9999)[0] == 0
    assert not pool.unequal()


def test_rows_that_repeat_are_left_out():
    """Where no row occurs once nothing can be told, and it is said."""
    rows = pd.concat([population(20, 1)] * 2)
    finding = matches(case_of(population(50, 2), rows, rows)).findings[0]

    assert finding.estimate.reason.id == "privacy.matches.no_singletons"


def test_the_report_says_on_whose_word():
    """A declared split is a remark of the report, and ε is not among what was not measured."""
    raws = [population(120, seed) for seed in (1, 2, 3)]
    plan = AuditPlan(audits=("privacy.matches",))
    report = run_audit(raws[0], train=raws[1], holdout=raws[2], schema=SCHEMA, plan=plan,
                       split="random")  # fmt: skip

    assert "remark.split.random" in {m.id for m in report.remarks}
    assert "not_measured.epsilon" not in {m.id for m in report.not_measured}
    with pytest.raises(OptionError, match="random or coin, got 'dice'"):
        run_audit(raws[0], schema=SCHEMA, split="dice")
