"""Bounds on ε from a random split: never above the truth too often, and on paper."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from genaudit.stats.split import Guesses, of_coins, of_split


def test_counts_on_paper():
    """Three of four members and one of four others are hit: three of four guesses are right."""
    members, others = np.array([1, 1, 1, 0], bool), np.array([0, 0, 0, 1], bool)
    coins = of_coins(members, others)
    pairs = [of_split(members, others, np.random.default_rng(seed)) for seed in range(50)]

    assert (coins.n_candidates, coins.guessed, coins.right) == (8, 4, 3)
    # The other that is hit meets a member that is hit (no guess), or the one that is not.
    assert {(p.n_candidates, p.guessed, p.right) for p in pairs} == {(4, 2, 2), (4, 4, 3)}


def test_the_longer_side_is_left_over():
    """Of 100 members and 10 others ten pairs are made, at random, whoever is hit."""
    members, others = np.arange(100) < 50, np.zeros(10, dtype=bool)
    found = [of_split(members, others, np.random.default_rng(s)) for s in range(300)]

    assert {g.n_candidates for g in found} == {10}
    assert np.mean([g.right for g in found]) == pytest.approx(5, abs=0.3)


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("delta", [0.0, 1e-6])
def test_a_bound_is_where_its_chance_is_alpha(paired, delta):
    """The naive twin: the p-value rises in ε, and the bound is where it crosses α."""
    guesses = Guesses(800, 40, 36, paired)
    grid = np.linspace(0, 4, 4001)
    naive = max(e for e in grid if guesses.p_value(e, delta) < 0.05)

    assert naive > 0.5
    assert guesses.epsilon(delta, 0.05) == pytest.approx(naive, abs=2e-3)
    tail = binom.sf(35, 40, 1 / (1 + math.exp(-naive * (1 + paired))))
    assert guesses.p_value(naive, 0.0) == pytest.approx(tail)


def test_extremes():
    """No guess bounds nothing, a δ that explains all neither, and no bound is endless."""
    assert Guesses(10, 0, 0, paired=True).epsilon(0.0, 0.05) == 0
    assert Guesses(800, 800, 800, paired=False).epsilon(1e-3, 0.05) == 0
    assert Guesses(10**9, 10**9, 10**9, paired=False).epsilon(0.0, 0.05) < 50


@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_splits_without_memory_are_bounded_above_nothing(rate):
    """Where who is hit has nothing to do with who is a member, ε > 0 in at most 5% of the runs."""
    rng, runs, wrong = np.random.default_rng(7), 1000, np.zeros(2)
    for _ in range(runs):
        hit = rng.permutation(rng.random(1000) < rate)
        member = rng.permutation(np.arange(1000) < 600)
        coin = rng.random(1000) < 0.5
        wrong += [
            of_split(hit[member], hit[~member], rng).epsilon(0.0, 0.05) > 0,
            of_coins(hit[coin], hit[~coin]).epsilon(0.0, 0.05) > 0,
        ]

    assert (wrong / runs <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)).all()


@pytest.mark.parametrize("epsilon", [0.5, 2.0])
def test_randomised_response_is_not_bounded_above_its_epsilon(epsilon):
    """A mechanism that answers truly with the odds of ε: the bound exceeds it at most at α."""
    rng, runs, above = np.random.default_rng(8), 600, 0
    q = 1 / (1 + math.exp(-epsilon))
    for _ in range(runs):
        member = rng.random(400) < 0.5
        said = np.where(rng.random(400) < q, member, ~member)
        above += of_coins(said[member], said[~member]).epsilon(0.0, 0.05) > epsilon

    assert above / runs <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)


def test_a_pair_is_two_changes():
    """Each record's presence told with odds e^ε: paired guesses refute 2 ε, and ε is printed."""
    rng, runs, found, epsilon = np.random.default_rng(9), 200, [], 1.0
    q = 1 / (1 + math.exp(-epsilon))
    for _ in range(runs):
        members, others = rng.random(500) < q, rng.random(500) < 1 - q
        found.append(of_split(members, others, rng).epsilon(0.0, 0.05))

    assert np.mean(np.array(found) > epsilon) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)
    assert np.median(found) > 0.8
