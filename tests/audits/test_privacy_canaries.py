"""The audit of canaries: a generator that repeats them is found, an honest one never is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from subjects import judged, make_case, with_canaries

from genaudit.audits.privacy.canaries import AUC, EPSILON, EXCESS, FDP, GAUSSIAN, _epsilon
from genaudit.case import AuditCase, Knowledge
from genaudit.result import Finding, Verdict, message

ALPHA, RUNS = 0.025, 40


def _found(case: AuditCase) -> dict[str, Finding]:
    return {f.metric: f for f in judged("privacy.canaries", case)}


def test_repeated_canaries_refute_the_claim() -> None:
    """Half of the included canaries among the samples: more than ε = 1 is proved."""
    found = _found(with_canaries(make_case("honest", 3), share=0.5))

    assert found[EXCESS].verdict is Verdict.OUTSIDE
    low = found[EPSILON].estimate.low
    assert low is not None
    assert low > 1
    assert found[EPSILON].ceiling is not None
    assert found[EPSILON].ceiling > low
    assert (found[AUC].estimate.value or 0) > 0.65


@pytest.mark.parametrize("gone", [(), (Knowledge.HOLDOUT,), (Knowledge.HOLDOUT, Knowledge.TRAIN)])
def test_any_reference_will_do(gone: tuple[Knowledge, ...]) -> None:
    """Without a holdout training rows calibrate, and without them nothing does."""
    case = with_canaries(make_case("honest", 3), share=0.5)
    data = {k: d for k, d in case.data.items() if k not in gone}
    found = _found(replace(case, data=data, _cache={}))

    assert found[EXCESS].verdict is Verdict.OUTSIDE


@pytest.mark.slow
def test_honest_generators_prove_nothing() -> None:
    """The bound is above 0, which is true of them, no more often than its level."""
    above = 0
    for seed in range(RUNS):
        case = make_case("honest", seed, n_train=20, n_holdout=60, n_samples=100)
        found = _found(with_canaries(case, 100))
        above += (found[EPSILON].estimate.low or 0) > 0
        assert EXCESS not in found

    assert above / RUNS <= ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / RUNS)


def test_models_stand_beside_the_bound_and_judge_nothing() -> None:
    """The more is supposed the larger the bound; each says what it supposes, none has a verdict."""
    found = _found(with_canaries(make_case("honest", 3), share=0.5))

    shown = [found[m].estimate.value or 0 for m in (EPSILON, FDP, GAUSSIAN)]
    assert 1 < shown[0] < shown[1] < shown[2]
    for metric in (FDP, GAUSSIAN):
        assert found[metric].verdict is Verdict.INFO
        assert "model-based" in found[metric].label.english
        assert "model-based: supposes" in found[metric].estimate.method
        assert (found[metric].estimate.low or 0) <= (found[metric].estimate.value or 0)


def test_without_a_claim_epsilon_is_told_alone() -> None:
    """Nothing is claimed, so nothing is beyond it; δ is said."""
    case = with_canaries(make_case("honest", 3), share=1.0)
    found = _found(replace(case, subject=replace(case.subject, claim=None), _cache={}))

    assert set(found) == {EPSILON, FDP, GAUSSIAN, AUC}
    assert found[EPSILON].verdict is Verdict.INFO
    assert "1e-06" in found[EPSILON].label.english


def test_too_few_on_a_side_is_no_number() -> None:
    """Nine members tell nothing, and their number is not shown."""
    case = with_canaries(make_case("honest", 3), 60)
    coins = np.arange(60) < 9
    found = _found(replace(case, coins=coins, _cache={}))

    assert found[EPSILON].estimate.value is None


def test_an_honest_generator_proves_nothing() -> None:
    """Fresh rows know no coin: the bound is 0, and no claim is refuted."""
    found = _found(with_canaries(make_case("honest", 5)))

    assert found[EPSILON].estimate.value == 0
    assert EXCESS not in found


def test_canaries_in_the_holdout_tell_no_coin() -> None:
    """Canaries that were left out are unseen rows; as a reference they would tell their coins."""
    case = with_canaries(make_case("honest", 5))
    planted, coins = case.canaries
    left_out = planted.take(np.flatnonzero(~coins)).frame
    holdout = case.data[Knowledge.HOLDOUT]
    wider = replace(holdout, frame=pd.concat([holdout.frame, left_out], ignore_index=True))
    found = _found(replace(case, data={**case.data, Knowledge.HOLDOUT: wider}, _cache={}))

    assert found[EPSILON].estimate.low == 0
    assert found[AUC].estimate.low is not None
    assert found[AUC].estimate.low < 0.5


@pytest.mark.parametrize("seeds", [12, pytest.param(60, marks=pytest.mark.slow)])
def test_ties_are_broken_by_what_knows_no_coin(seeds: int) -> None:
    """Where all scores are the same, guesses are as good as coins, whatever their number is."""
    above = []
    for m in (100, 114, 149):
        for seed in range(seeds):
            coins = np.random.default_rng([m, seed]).random(m) < 0.5
            low = _epsilon(np.zeros(m), coins, None, message("note", "Note."))[0].estimate.low
            above.append((low or 0) > 0)

    assert np.mean(above) <= ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / len(above))
