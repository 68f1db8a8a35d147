"""Scores of records in many models: errors over models, thresholds of each record, and epsilon."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from genaudit.stats.roc import auc
from genaudit.stats.shadows import (
    MIN_MODELS,
    ManyModels,
    ModelArea,
    pooled_area,
    record_area,
    record_rate,
    understated,
)


def _made(
    n: int, k: int, seed: int, *, found: float = 0.0, shared: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores that members raise, and that are odd for all records of a model together."""
    rng = np.random.default_rng(seed)
    members = rng.random((n, k)) < 0.5
    scores = rng.normal(size=(n, k)) + shared * rng.normal(size=(n, 1)) + found * members
    return scores, members, np.arange(n) % 4


def _naive(scores: np.ndarray, members: np.ndarray, parts: np.ndarray, *, pooled: bool) -> float:
    """Ordered pairs of models of one part, counted one by one."""
    right = total = 0.0
    n, k = scores.shape
    for i in range(n):
        for j in range(n):
            if parts[i] != parts[j]:
                continue
            for a in range(k):
                for b in range(k) if pooled else [a]:
                    if members[i, a] and not members[j, b]:
                        total += 1
                        right += float(scores[i, a] > scores[j, b])
    return right / total


@pytest.mark.parametrize("pooled", [True, False])
def test_areas_count_pairs(pooled: bool) -> None:
    """The value is that of the naive count."""
    scores, members, parts = _made(40, 2, 1, found=1.0)
    found = (pooled_area if pooled else record_area)(scores, members, parts)

    assert found.value == pytest.approx(_naive(scores, members, parts, pooled=pooled))


def test_one_record_is_an_ordinary_area() -> None:
    """With one record and one part value and error are DeLong's, but for a hair of the error."""
    scores, members, _ = _made(200, 1, 2, found=1.0)
    found = record_area(scores, members, np.zeros(200))
    plain = auc(scores[members], scores[~members])

    assert found.value == pytest.approx(plain.value)
    assert found.se == pytest.approx(plain.se, rel=0.01)


@pytest.mark.parametrize("shared", [0.0, 2.0])
def test_intervals_hold_for_odd_models(shared: float) -> None:
    """Noise is above or under chance no more often than promised, however alike a model's are."""
    outside = [0, 0]
    for seed in range(80):
        low, high = record_area(*_made(48, 4, seed, shared=shared)).interval(0.95)
        outside[0] += low > 0.5
        outside[1] += high < 0.5

    assert max(outside) <= 80 * 0.025 + 3 * math.sqrt(80 * 0.025)


def test_an_error_over_models_is_larger_than_one_over_scores() -> None:
    """Where models are odd as wholes, records add little."""
    scores, members, parts = _made(48, 16, 3, shared=3.0)
    clustered = pooled_area(scores, members, parts)
    taken_apart = auc(scores[members], scores[~members])

    assert clustered.se > taken_apart.se


def test_few_models_say_nothing() -> None:
    """Under twenty models, or without pairs, no interval is narrower than everything."""
    assert ModelArea(0.9, 0.01, MIN_MODELS - 1, 9).interval(0.9) == (0.0, 1.0)
    none = record_area(np.zeros((8, 2)), np.ones((8, 2), dtype=bool), np.zeros(8))
    assert math.isnan(none.value)
    assert none.interval(0.9) == (0.0, 1.0)


def test_full_separation_is_no_certainty() -> None:
    """Ten disjoint pairs ordered alike: the low end is what makes them so with chance 2.5%."""
    low, high = ModelArea(1.0, 0.0, 20, 10).interval(0.95)

    assert low == pytest.approx(0.025 ** (1 / 10))
    assert high == 1.0


def test_a_rate_of_its_own_for_each_record() -> None:
    """A record whose scores are all high does not lower the threshold of another."""
    scores, members, _ = _made(500, 2, 4, found=3.0)
    parts = np.zeros(500)
    moved = scores + np.array([0.0, 100.0])
    found, same = (record_rate(s, members, parts, 0.01) for s in (scores, moved))

    assert found is not None
    assert same is not None
    assert found.value == same.value
    low, high = found.interval(0.95)
    assert low <= found.value <= high
    assert 0.5 < found.value < 0.95


def test_rates_that_cannot_be_shown_are_refused() -> None:
    """With 24 models nobody has a threshold for 1%."""
    assert record_rate(*_made(24, 3, 5), 0.01) is None


def test_epsilon_of_trainings_that_are_private() -> None:
    """Randomised response: a bound above the ε of one who goes or comes is as rare as promised."""
    epsilon, above = 1.0, 0
    right = 1 / (1 + math.exp(-2 * epsilon))  # a replaced record is two of them
    for seed in range(25):
        rng = np.random.default_rng(seed)
        members = rng.random((40, 12)) < 0.5
        told = np.where(rng.random(members.shape) < right, members, ~members).astype(float)
        halves = [(told[i::2], members[i::2]) for i in (0, 1)]
        above += ManyModels(halves, 0.0).bound(0.1) > epsilon

    assert above <= 25 * 0.1 + 2 * (25 * 0.1) ** 0.5


def test_epsilon_of_a_leak_and_its_ceiling() -> None:
    """Coins that are given away reach the ceiling; noise stays at nothing; δ lowers both."""
    _, members, _ = _made(40, 12, 6)
    halves = [(members[i::2].astype(float), members[i::2]) for i in (0, 1)]
    noise = [(np.random.default_rng(i).normal(size=m.shape), m) for i, (_, m) in enumerate(halves)]

    assert ManyModels(halves, 0.0).bound(0.05) == ManyModels(noise, 0.0).ceiling(0.05) > 1.5
    assert ManyModels(noise, 0.0).bound(0.05) < 0.1
    assert ManyModels(halves, 1e-3).bound(0.05) < ManyModels(halves, 0.0).bound(0.05)


def test_errors_are_widened_to_what_chance_does():
    """Areas that vary twice as much as their errors say double them; steady ones keep theirs."""
    rng = np.random.default_rng(0)
    wild = [ModelArea(float(v), 0.02, 40, 10) for v in rng.normal(0.5, 0.04, 2000)]
    calm = [replace(area, se=0.08) for area in wild]
    told_fully = [ModelArea(1.0, 0.0, 40, 10)] * 3

    assert abs(understated(wild) - 2) < 0.1
    assert understated(calm) == understated(wild[:1]) == understated(told_fully) == 1
    assert wild[0].widened(2.0).se == 0.04


def test_an_attack_that_learns_from_other_models_keeps_its_word():
    """Scores by learning on three of four parts: intervals miss chance far too often unwidened."""
    rng, n, missed = np.random.default_rng(1), 32, np.zeros(2)
    for _ in range(120):
        features, parts = rng.normal(size=(n, 40)), np.arange(n) % 4
        areas = [_learned(features, rng.random((n, 2)) < 0.5, parts) for _ in range(17)]
        for i, factor in enumerate((1.0, understated(areas[1:]))):
            low, high = areas[0].widened(factor).interval(0.95)
            missed[i] += not low <= 0.5 <= high

    assert missed[0] > 120 * 0.08
    assert missed[1] <= 120 * 0.05 + 2 * (120 * 0.05 * 0.95) ** 0.5


def _learned(features: np.ndarray, members: np.ndarray, parts: np.ndarray) -> ModelArea:
    """The area of a linear attack that is judged on each part in turn."""
    scores = np.empty(members.shape)
    for part in np.unique(parts):
        fit, held = parts != part, parts == part
        known = members[fit] - members[fit].mean(axis=0)
        gram = features[fit] @ features[fit].T + 4 * np.eye(int(fit.sum()))
        scores[held] = features[held] @ features[fit].T @ np.linalg.solve(gram, known)
    return record_area(scores, members, parts)
